//! What the registry asks of the machine: the time, who has a port, who is alive.

use std::time::SystemTime;

use portcullis_config::declared::{PortSpan, Space, Transport};
use portcullis_kernel::{
    holders::{Holder, Use, who_holds},
    instance::{Instance, Life},
    inventory::{self, OpenSocket, Protocol},
    namespace::Namespace,
    occupancy::{self, Occupancy},
    settings::PortSettings,
};

use crate::{Place, PortsError};

/// The machine, or a model of it.
pub trait World {
    /// The time of day.
    fn now(&self) -> SystemTime;
    /// Whether anybody has a number.
    fn occupancy(&self, place: &Place) -> Result<Occupancy, PortsError>;
    /// Whether the one who has a number can be the service that it was leased to, and not a connection that was given
    /// it by chance.
    fn may_be_its_service(&self, place: &Place) -> bool;
    /// Who has a number, in words.
    fn who_has(&self, place: &Place) -> Vec<String>;
    /// The span from which outbound connections are given local ports, if that number may be given to one.
    fn given_away(&self, place: &Place) -> Result<Option<PortSpan>, PortsError>;
    /// Whether a process runs.
    fn life(&self, instance: &Instance) -> Life;
}

/// This host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

impl World for Host {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn occupancy(&self, place: &Place) -> Result<Occupancy, PortsError> {
        let protocol = protocol(place.transport);
        match within(&place.space, || occupancy::occupancy(protocol, place.port))? {
            Some(occupancy) => Ok(occupancy?),
            None => Ok(Occupancy::Vacant),
        }
    }

    fn may_be_its_service(&self, place: &Place) -> bool {
        let holders = tcp_holders(place);
        if self.given_away(place).is_ok_and(|span| span.is_none()) {
            return true;
        }
        let is_strange = |holder: &Holder| matches!(holder.usage, Use::Connected(_)) && holder.process.is_some();
        holders.is_empty() || !holders.iter().all(is_strange)
    }

    fn who_has(&self, place: &Place) -> Vec<String> {
        match place.transport {
            Transport::Tcp => tcp_holders(place).iter().map(Holder::to_string).collect(),
            Transport::Udp => udp_holders(place),
        }
    }

    fn given_away(&self, place: &Place) -> Result<Option<PortSpan>, PortsError> {
        let Some(namespace) = namespace(&place.space)? else { return Ok(None) };
        let settings = PortSettings::of(&namespace)?;
        let span = PortSpan { first: *settings.ephemeral.start(), last: *settings.ephemeral.end() };
        Ok(settings.is_ephemeral(place.port).then_some(span))
    }

    fn life(&self, instance: &Instance) -> Life {
        instance.life()
    }
}

fn udp_holders(place: &Place) -> Vec<String> {
    let Ok(Some(open)) = namespace(&place.space).map(|namespace| namespace.map(|here| inventory::sockets(&here)))
    else {
        return Vec::new();
    };
    let is_meant = |socket: &&OpenSocket| socket.protocol == Protocol::Udp && socket.address.port() == place.port;
    let said = |socket: &OpenSocket| match socket.processes.first() {
        Some(process) => {
            format!("{} (pid {}, user {}) has {} over UDP", process.command, process.pid, process.user, socket.address)
        }
        None => format!("a process of user {} has {} over UDP (root can see which)", socket.user, socket.address),
    };
    open.sockets.iter().filter(is_meant).map(said).collect()
}

/// Sockets that have a TCP number.
fn tcp_holders(place: &Place) -> Vec<Holder> {
    match place.transport {
        Transport::Tcp => within(&place.space, || who_holds(place.port)).ok().flatten().unwrap_or_default(),
        Transport::Udp => Vec::new(),
    }
}

/// Does something in the network namespace of a port space; `None` for another host, of which nothing can be seen.
pub(crate) fn within<T: Send>(space: &Space, job: impl FnOnce() -> T + Send) -> Result<Option<T>, PortsError> {
    Ok(match namespace(space)? {
        Some(namespace) => Some(namespace.run(job)?),
        None => None,
    })
}

/// The network namespace of a port space; `None` for another host.
fn namespace(space: &Space) -> Result<Option<Namespace>, PortsError> {
    Ok(match space {
        Space::Host => Some(Namespace::own()),
        Space::Namespace(name) => Some(Namespace::named(name)?),
        Space::Remote(_) => None,
    })
}

pub(crate) fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    }
}
