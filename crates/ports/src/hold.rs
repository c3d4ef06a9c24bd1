//! Taking a number together with its socket, so that nobody can come between.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
};

use portcullis_config::declared::Space;
use portcullis_kernel::{
    instance::Instance,
    listen::ListenError,
    occupancy::{self, Form, Occupancy},
};

use crate::{
    Demand, Holder, Lease, PortsError, Term, World,
    allocate::{Standing, choose},
    book::Book,
    world::{protocol, within},
};

/// More replicas than anybody runs by hand.
const MOST_REPLICAS: u32 = 1_000;

/// What is to be held.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Which replica; `None` for the first that nobody runs.
    pub replica: Option<u32>,
    /// The address; `None` for that of the endpoint with this port, or the loopback.
    pub address: Option<IpAddr>,
    /// Whether the socket listens.
    pub form: Form,
    /// The program that will have it.
    pub command: String,
}

/// A number with its socket.
#[derive(Debug)]
pub struct Held {
    /// The lease, which ends with this process.
    pub lease: Lease,
    /// The address.
    pub address: SocketAddr,
    /// The socket.
    pub socket: OwnedFd,
}

/// Takes the number of a replica for this process.
pub(crate) fn hold<W: World>(book: &mut Book<'_, W>, demand: &Demand, wanted: &Hold) -> Result<Held, PortsError> {
    if matches!(demand.space, Space::Remote(_)) {
        return Err(PortsError::Elsewhere { service: demand.owner.service.clone(), space: demand.space.clone() });
    }
    let instance = Instance::own()?;
    if let Some(replica) = wanted.replica {
        demand.check_replicas(replica + 1)?;
        return one(book, demand, wanted, replica, &instance);
    }
    let count = demand.most.as_ref().map_or(MOST_REPLICAS, |(most, _)| *most);
    let mut passed_over = Vec::new();
    for replica in 0..count {
        match one(book, demand, wanted, replica, &instance) {
            Err(PortsError::Held { port, pid, command, .. }) => {
                passed_over.push(format!("{command} (pid {pid}) on {port}"));
            }
            // Started by other means: its number is declared, and in use. There may be another replica to run.
            Err(error @ PortsError::DeclaredIsTaken { .. })
                if replica + 1 < count && demand.declared_port(replica + 1).is_some() =>
            {
                passed_over.push(error.to_string());
            }
            result => return result,
        }
    }
    Err(PortsError::AllRun { service: demand.owner.service.clone(), count, holders: passed_over })
}

fn one<W: World>(
    book: &mut Book<'_, W>,
    demand: &Demand,
    wanted: &Hold,
    replica: u32,
    instance: &Instance,
) -> Result<Held, PortsError> {
    let owner = demand.replica(replica);
    let before = book.of(&owner).filter(|lease| lease.ended.is_none()).cloned();
    if let Some(lease) = &before
        && let Some(holder) = lease.living_holder(book.world)
    {
        let Holder { instance, command } = holder.clone();
        return Err(PortsError::Held { port: lease.place.port, owner, pid: instance.pid, command });
    }
    let mut socket = None;
    let (port, _) = choose(book, demand, &owner, &mut |book, port, standing| {
        socket = take(book, demand, wanted, port, standing)?;
        Ok(socket.is_some())
    })?;
    let (Some(socket), address) = (socket, demand.address(port, wanted)) else {
        return Err(PortsError::Kernel(std::io::ErrorKind::AddrInUse.into()));
    };
    let before = before.filter(|lease| lease.place.port == port);
    let lease = Lease {
        place: book.place(port),
        owner,
        range: demand.range_of(port),
        since: before.as_ref().map_or_else(|| book.world.now(), |lease| lease.since),
        // What was allocated before stays so when the process has ended.
        term: before.map_or(Term::WithHolder, |lease| lease.term),
        ended: None,
        holder: Some(Holder { instance: instance.clone(), command: wanted.command.clone() }),
    };
    book.put(lease.clone())?;
    Ok(Held { lease, address, socket })
}

/// The socket of a number, in the form in which it will be used; `None` if somebody has it.
fn take<W: World>(
    book: &Book<'_, W>,
    demand: &Demand,
    wanted: &Hold,
    port: u16,
    standing: Standing,
) -> Result<Option<OwnedFd>, PortsError> {
    // A number that is new to the service is nobody's at all, so that another form of use can be chosen later.
    let is_new = standing == Standing::Foreign && demand.declared_port(0).is_none_or(|(first, _)| first != port);
    if is_new && book.world.occupancy(&book.place(port))? != Occupancy::Vacant {
        return Ok(None);
    }
    let address = demand.address(port, wanted);
    let protocol = protocol(demand.transport);
    match within(&demand.space, || occupancy::hold(protocol, address, wanted.form))? {
        Some(Ok(socket)) => Ok(Some(socket)),
        Some(Err(ListenError::Taken { .. })) | None => Ok(None),
        Some(Err(error)) => Err(error.into()),
    }
}

impl Demand {
    /// Where a number will be bound.
    fn address(&self, port: u16, wanted: &Hold) -> SocketAddr {
        let declared = self.endpoints.iter().find(|(_, declared)| *declared == port).map(|(address, _)| *address);
        SocketAddr::new(wanted.address.or(declared).unwrap_or(Ipv4Addr::LOCALHOST.into()), port)
    }
}
