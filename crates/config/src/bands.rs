//! What each number of a range is for: pinned, reserved, or to be handed out.
//!
//! The one place that decides it: the checks count by it, the allocator hands out by it, `explain` tells it.

use std::{collections::BTreeMap, fmt};

use crate::{
    declared::{Declared, ListenAddress, PortSpan, Range, Service, ServiceProtocol},
    defaults,
    span::Span,
    well_known::{is_blocked_by_browsers, well_known},
};

/// The numbers of one range.
#[derive(Debug, Clone)]
pub struct Bands {
    ports: PortSpan,
    pinned: Option<PortSpan>,
    reserve: Vec<(PortSpan, Span)>,
    declared: BTreeMap<u16, Declaration>,
}

/// A number that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Who names it.
    pub by: Declarant,
    /// Its name.
    pub name: String,
    /// Where the file says it.
    pub span: Span,
}

/// Who names a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declarant {
    /// A service listens on it.
    Service,
    /// Portcullis itself listens on it.
    Port,
}

/// What a number of a range is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Band {
    /// Handed out to whoever asks.
    Automatic,
    /// Kept for services that declare their numbers.
    Pinned,
    /// Kept for the one who declares it.
    Declared(Declaration),
    /// Handed out to nobody.
    Reserved(Reserved),
}

/// Why a number is handed out to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The range says so.
    ByRange {
        /// Where.
        span: Span,
    },
    /// People and scanners expect something else there.
    WellKnown {
        /// What.
        name: &'static str,
    },
    /// Browsers do not fetch from it, and the service speaks HTTP.
    BlockedByBrowsers,
}

impl Bands {
    /// What a declaration makes of the numbers of one of its ranges.
    pub fn of(declared: &Declared, range: &Range) -> Self {
        let mut numbers = BTreeMap::new();
        let mut name = |port: u16, declaration: Declaration| {
            if range.ports.contains(port) {
                numbers.entry(port).or_insert(declaration);
            }
        };
        for service in &declared.services {
            let Some(ports) = service.ports else { continue };
            let Some(within) = ports.common(*range.ports) else { continue };
            for port in within.numbers() {
                let declaration =
                    Declaration { by: Declarant::Service, name: service.name.value.clone(), span: ports.span };
                name(port, declaration);
            }
        }
        for port in &declared.ports {
            if let ListenAddress::Tcp(address) = port.listen.value {
                let declaration =
                    Declaration { by: Declarant::Port, name: port.name.value.clone(), span: port.listen.span };
                name(address.port(), declaration);
            }
        }
        Self {
            ports: *range.ports,
            pinned: range.pinned.map(|pinned| pinned.value),
            reserve: range.reserve.iter().map(|reserve| (reserve.value, reserve.span)).collect(),
            declared: numbers,
        }
    }

    /// Whether the number is in the range at all.
    pub fn contains(&self, port: u16) -> bool {
        self.ports.contains(port)
    }

    /// What a number is for, to a service that speaks `protocol`.
    pub fn band(&self, port: u16, protocol: ServiceProtocol) -> Band {
        if let Some(declaration) = self.declared.get(&port) {
            return Band::Declared(declaration.clone());
        }
        if let Some(reserved) = self.reserved(port, protocol) {
            return Band::Reserved(reserved);
        }
        if self.pinned.is_some_and(|pinned| pinned.contains(port)) { Band::Pinned } else { Band::Automatic }
    }

    /// Why a number is handed out to nobody who speaks `protocol`; whoever declares it may have it all the same.
    pub fn reserved(&self, port: u16, protocol: ServiceProtocol) -> Option<Reserved> {
        if let Some((_, span)) = self.reserve.iter().find(|(numbers, _)| numbers.contains(port)) {
            return Some(Reserved::ByRange { span: *span });
        }
        if let Some(known) = well_known(port) {
            return Some(Reserved::WellKnown { name: known.name });
        }
        (protocol == ServiceProtocol::Http && is_blocked_by_browsers(port)).then_some(Reserved::BlockedByBrowsers)
    }

    /// The numbers of the automatic band, ascending, those that are kept back among them: where a search begins must
    /// not move when one more number is reserved.
    pub fn outside_pinned(&self) -> Vec<u16> {
        let is_pinned = |port: &u16| self.pinned.is_some_and(|pinned| pinned.contains(*port));
        self.ports.numbers().filter(|port| !is_pinned(port)).collect()
    }

    /// How many numbers can be handed out to services that speak `protocol`.
    pub fn capacity(&self, protocol: ServiceProtocol) -> usize {
        self.ports.numbers().filter(|port| self.band(*port, protocol) == Band::Automatic).count()
    }

    /// All numbers.
    pub fn ports(&self) -> PortSpan {
        self.ports
    }

    /// The pinned band, if the file says one.
    pub fn pinned(&self) -> Option<PortSpan> {
        self.pinned
    }
}

impl Service {
    /// What it speaks, said or assumed.
    pub fn speaks(&self) -> ServiceProtocol {
        self.protocol.map_or(defaults::SERVICE_PROTOCOL, |protocol| protocol.value)
    }

    /// How many replicas there are at most, as far as the file says: `replicas.max`, or one for each declared number.
    pub fn most_replicas(&self) -> u32 {
        let declared = self.ports.map_or(1, |ports| ports.count());
        self.replicas.map_or(declared, |replicas| replicas.max.value)
    }

    /// How many of its replicas are to be given a number of its range, because it declares none for them.
    pub fn automatic_replicas(&self) -> u32 {
        self.most_replicas().saturating_sub(self.ports.map_or(0, |ports| ports.count()))
    }
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByRange { .. } => f.write_str("reserved by its range"),
            Self::WellKnown { name } => write!(f, "the well-known number of {name}"),
            Self::BlockedByBrowsers => f.write_str("blocked by browsers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::load_str;

    fn bands(text: &str) -> Bands {
        let declared = load_str(Path::new("bands.yaml"), text).declared.unwrap();
        Bands::of(&declared, &declared.ranges[0])
    }

    #[test]
    fn each_number_has_one_purpose() {
        let bands = bands(
            "ranges:\n  app: { ports: 3000-3999, pinned: 3000-3099, reserve: [3200, 3300-3310] }\n\
             ports:\n  web: { listen: 127.0.0.1:3500, role: internal, protocol: http }\n\
             services:\n  shop: { ports: 3000-3001, endpoints: [127.0.0.1:3000] }\n",
        );
        let purpose = |port| match bands.band(port, ServiceProtocol::Http) {
            Band::Automatic => "automatic".to_owned(),
            Band::Pinned => "pinned".to_owned(),
            Band::Declared(declaration) => format!("{:?} {}", declaration.by, declaration.name),
            Band::Reserved(reserved) => reserved.to_string(),
        };
        for (port, expected) in [
            (3000, "Service shop"),
            (3001, "Service shop"),
            (3002, "pinned"),
            (3100, "automatic"),
            (3200, "reserved by its range"),
            (3306, "reserved by its range"),
            (3389, "the well-known number of Remote Desktop"),
            (3500, "Port web"),
            (3659, "blocked by browsers"),
        ] {
            assert_eq!(purpose(port), expected, "{port}");
        }
        assert_eq!(bands.band(3659, ServiceProtocol::Redis), Band::Automatic);
        // 900 outside of the pinned band, less 12 reserved, Remote Desktop, the port, iSCSI, and one for browsers.
        assert_eq!(bands.capacity(ServiceProtocol::Redis), 885);
        assert_eq!(bands.capacity(ServiceProtocol::Http), 884);
        assert_eq!(bands.outside_pinned().len(), 900);
        assert!(bands.contains(3999) && !bands.contains(4000));
    }
}
