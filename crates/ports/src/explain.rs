//! Everything that is known about one number.

use std::fmt;

use portcullis_config::{
    bands::{Band, Bands, Declarant},
    declared::{ListenAddress, PortSpan, ServiceProtocol, Space, Transport},
};
use portcullis_kernel::occupancy::Occupancy;

use crate::{Lease, Place, PortsError, Project, Registry, Reservation, World};

/// Where the nodes of a Kubernetes cluster open ports, unless it was told otherwise.
const NODE_PORTS: PortSpan = PortSpan { first: 30_000, last: 32_767 };

/// What can be said about a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The port space.
    pub space: Space,
    /// The number.
    pub port: u16,
    /// Who declares it.
    pub declared: Vec<Mention>,
    /// The range that it is in, and what it is for there.
    pub range: Option<InRange>,
    /// Leases in force.
    pub leases: Vec<Lease>,
    /// Who had it before, and would get it again.
    pub remembered: Vec<Lease>,
    /// Reservations in force.
    pub reservations: Vec<Reservation>,
    /// Whether anybody has it now; `None` where that cannot be seen.
    pub occupancy: Option<Occupancy>,
    /// Who has it now, in words, as the kernel shows it.
    pub holders: Vec<String>,
    /// Who else could take it.
    pub rivals: Vec<Rival>,
}

/// A place in the file that names a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Whether it is a service or a port.
    pub by: Declarant,
    /// Its name.
    pub name: String,
    /// `portcullis.yaml:9:12`
    pub place: String,
}

/// A number within a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InRange {
    /// Name of the range.
    pub name: String,
    /// Its numbers.
    pub ports: PortSpan,
    /// Where the file says it.
    pub place: String,
    /// What the number is for.
    pub band: BandWord,
    /// Why it is kept back, if it is.
    pub reason: Option<String>,
}

/// What a number of a range is for, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandWord {
    /// Handed out.
    Automatic,
    /// For services that declare their numbers.
    Pinned,
    /// Declared by one.
    Declared,
    /// Handed out to nobody.
    Reserved,
}

/// Who could take a number besides the one for whom it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// Any outbound connection of this host.
    OutboundConnections(PortSpan),
    /// A service of a Kubernetes cluster, if this host is a node of one.
    NodePorts,
    /// The next service that asks for a number.
    Allocation,
    /// Any program: nobody has bound it.
    Anybody,
}

impl BandWord {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Pinned => "pinned",
            Self::Declared => "declared",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutboundConnections(ports) => write!(
                f,
                "an outbound connection: this host gives them local ports from {ports} (net.ipv4.ip_local_port_range)"
            ),
            Self::NodePorts => write!(f, "a node port of Kubernetes ({NODE_PORTS}), if this host is a node"),
            Self::Allocation => f.write_str("the next service that asks for a port of this range"),
            Self::Anybody => f.write_str("any program: nobody has bound it"),
        }
    }
}

impl<W: World> Registry<W> {
    /// Everything that is known about a number; `project` is the file, if there is one.
    pub fn explain(&mut self, project: Option<&Project>, space: &Space, port: u16) -> Result<Explanation, PortsError> {
        let standing = self.standing()?;
        let is_meant = |lease: &Lease| lease.place.space == *space && lease.place.port == port;
        let leases: Vec<Lease> = standing.leases.into_iter().filter(is_meant).collect();
        let reservations = standing.reservations.into_iter();
        let place = Place { space: space.clone(), transport: Transport::Tcp, port };
        let occupancy = match space {
            Space::Remote(_) => None,
            Space::Host | Space::Namespace(_) => Some(self.world().occupancy(&place)?),
        };
        let range = project.and_then(|project| project.in_range(port));
        let mut explanation = Explanation {
            space: space.clone(),
            port,
            declared: project.map(|project| project.mentions(port)).unwrap_or_default(),
            remembered: standing.remembered.into_iter().filter(is_meant).collect(),
            reservations: reservations.filter(|found| found.space == *space && found.ports.contains(port)).collect(),
            occupancy,
            holders: self.holders(&place),
            rivals: Vec::new(),
            leases,
            range,
        };
        explanation.rivals = self.rivals(&explanation, &place)?;
        Ok(explanation)
    }

    /// Over both protocols: a number is one thing to people.
    fn holders(&self, place: &Place) -> Vec<String> {
        let over = |transport| self.world().who_has(&Place { transport, ..place.clone() });
        over(Transport::Tcp).into_iter().chain(over(Transport::Udp)).collect()
    }

    fn rivals(&self, explanation: &Explanation, place: &Place) -> Result<Vec<Rival>, PortsError> {
        let mut rivals = Vec::new();
        if let Some(local_ports) = self.world().given_away(place)? {
            rivals.push(Rival::OutboundConnections(local_ports));
        }
        if NODE_PORTS.contains(place.port) {
            rivals.push(Rival::NodePorts);
        }
        let is_automatic = explanation.range.as_ref().is_some_and(|range| range.band == BandWord::Automatic);
        if is_automatic && explanation.leases.is_empty() && explanation.reservations.is_empty() {
            rivals.push(Rival::Allocation);
        }
        if explanation.occupancy == Some(Occupancy::Vacant) {
            rivals.push(Rival::Anybody);
        }
        Ok(rivals)
    }
}

impl Project {
    fn mentions(&self, port: u16) -> Vec<Mention> {
        let services = self.declared.services.iter().filter_map(|service| {
            let ports = service.ports.filter(|ports| ports.contains(port))?;
            Some((Declarant::Service, service.name.value.clone(), ports.span))
        });
        let ports = self.declared.ports.iter().filter_map(|declared| match declared.listen.value {
            ListenAddress::Tcp(address) if address.port() == port => {
                Some((Declarant::Port, declared.name.value.clone(), declared.listen.span))
            }
            _ => None,
        });
        services.chain(ports).map(|(by, name, span)| Mention { by, name, place: self.place(span) }).collect()
    }

    /// For a service that speaks HTTP, which is given the fewest numbers.
    fn in_range(&self, port: u16) -> Option<InRange> {
        let range = self.range_of(port)?;
        let (band, reason) = match Bands::of(&self.declared, range).band(port, ServiceProtocol::Http) {
            Band::Automatic => (BandWord::Automatic, None),
            Band::Pinned => (BandWord::Pinned, None),
            Band::Declared(_) => (BandWord::Declared, None),
            Band::Reserved(reserved) => (BandWord::Reserved, Some(reserved.to_string())),
        };
        let place = self.place(range.ports.span);
        Some(InRange { name: range.name.value.clone(), ports: *range.ports, place, band, reason })
    }
}
