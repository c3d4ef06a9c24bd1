//! Ports whose protocol was made for a trusted network: what listens there, and how bad it is for whom to reach it.
//!
//! One table for every format; a rule asks [`lookup`] or [`within`] and takes the severity from the class of what it
//! found and the tier of those who can come, see [`Class::severity`]. The number says what is usual there, no more:
//! where a file says what really listens, that counts.

use crate::{
    cidr::Breadth,
    estate::{PortSpan, Role, Transport},
    rule::Severity,
};

mod table;

pub use table::TABLE;

/// What usually listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensitive {
    /// The port, or the span of ports of one thing.
    pub ports: PortSpan,
    /// How it is spoken to.
    pub transports: Transports,
    /// What listens there: `PostgreSQL`.
    pub name: &'static str,
    /// Of what kind it is.
    pub class: Class,
}

/// Over what a protocol runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transports {
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
    /// Both.
    Both,
}

/// Of what kind a sensitive port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Stores of data that answer queries.
    Database,
    /// Stores that mostly ask for no password at all.
    Cache,
    /// Message brokers.
    Queue,
    /// Shells, desktops, power switches.
    RemoteAdministration,
    /// What steers or joins the machines of a cluster, container engines too.
    Cluster,
    /// Debuggers: whoever connects runs code.
    Debugger,
    /// Files and printers.
    FileSharing,
    /// Accounts and addresses of an organisation.
    Directory,
    /// Consoles and dashboards.
    WebAdministration,
    /// Metrics and what answers questions about a machine.
    Monitoring,
    /// Where programs serve HTTP that a proxy is meant to stand in front of.
    InternalWeb,
    /// Mail, which may well be meant for everybody.
    Mail,
    /// Names, likewise.
    Names,
}

/// Who can reach a port, as far as that is worth a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exposure {
    /// A private network as large as a site or more.
    WidePrivate,
    /// Some public networks.
    PublicNetwork,
    /// Everybody.
    Internet,
}

/// What is known to listen on a port; the first entry of the table that fits.
pub fn lookup(port: u16, transport: Transport) -> Option<&'static Sensitive> {
    TABLE.iter().find(|entry| entry.ports.contains(port) && entry.transports.includes(transport))
}

/// Numbers on which the most different things listen, so that they tell nothing by themselves.
const AMBIGUOUS: [u16; 34] = [
    162, 514, 1099, 2019, 3000, 3020, 4243, 4333, 5500, 5555, 6000, 6001, 6002, 6333, 6334, 7000, 7001, 7077, 8000,
    8009, 8020, 8080, 8091, 8140, 8161, 8200, 8443, 8888, 9000, 9090, 9093, 9094, 10000, 50000,
];

/// As [`lookup`], only for numbers that hardly anything else uses: for what is known by its number alone.
pub fn telling(port: u16, transport: Transport) -> Option<&'static Sensitive> {
    lookup(port, transport).filter(|entry| entry.class != Class::InternalWeb && !AMBIGUOUS.contains(&port))
}

/// All entries of the table that a span of ports touches, in the order of their ports; `None` means all transports.
pub fn within(ports: PortSpan, transport: Option<Transport>) -> impl Iterator<Item = &'static Sensitive> {
    TABLE.iter().filter(move |entry| {
        entry.ports.intersection(ports).is_some()
            && transport.is_none_or(|transport| entry.transports.includes(transport))
    })
}

impl Transports {
    /// Whether one of them is meant.
    pub fn includes(self, transport: Transport) -> bool {
        match transport {
            Transport::Tcp => self != Self::Udp,
            Transport::Udp => self != Self::Tcp,
            Transport::Sctp => false,
        }
    }
}

impl Exposure {
    /// The tier of those who can come; `None` if they are few or near.
    pub fn of(breadth: Breadth) -> Option<Self> {
        match breadth {
            Breadth::Internet => Some(Self::Internet),
            Breadth::Public => Some(Self::PublicNetwork),
            Breadth::WidePrivate => Some(Self::WidePrivate),
            Breadth::PublicHosts | Breadth::NarrowPrivate | Breadth::Loopback | Breadth::Nobody => None,
        }
    }
}

impl Class {
    /// How bad it is that those can reach it; `None` where that is the usual case.
    pub fn severity(self, exposure: Exposure) -> Option<Severity> {
        use Severity::{Critical, High, Low, Medium};
        let (internet, public, private) = match self {
            Self::Debugger
            | Self::Database
            | Self::Cache
            | Self::Queue
            | Self::RemoteAdministration
            | Self::Cluster
            | Self::FileSharing
            | Self::Directory => (Critical, Some(High), Some(Medium)),
            Self::WebAdministration => (Critical, Some(High), Some(Low)),
            Self::Monitoring => (High, Some(Medium), None),
            Self::InternalWeb | Self::Mail | Self::Names => (Medium, None, None),
        };
        match exposure {
            Exposure::Internet => Some(internet),
            Exposure::PublicNetwork => public,
            Exposure::WidePrivate => private,
        }
    }

    /// What a workload that listens there is for, in the words of the estate.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Database | Self::Directory => Some(Role::Database),
            Self::Cache => Some(Role::Cache),
            Self::Queue => Some(Role::Queue),
            Self::RemoteAdministration | Self::Debugger => Some(Role::RemoteAccess),
            Self::Cluster | Self::WebAdministration => Some(Role::Admin),
            Self::Monitoring => Some(Role::Metrics),
            Self::FileSharing | Self::InternalWeb | Self::Mail | Self::Names => None,
        }
    }

    /// For people, with the article: "a database".
    pub fn words(self) -> &'static str {
        match self {
            Self::Database => "a database",
            Self::Cache => "a cache",
            Self::Queue => "a message queue",
            Self::RemoteAdministration => "remote administration",
            Self::Cluster => "cluster control",
            Self::Debugger => "a debugger",
            Self::FileSharing => "file sharing",
            Self::Directory => "a directory",
            Self::WebAdministration => "an administration interface",
            Self::Monitoring => "monitoring",
            Self::InternalWeb => "an internal web server",
            Self::Mail => "mail",
            Self::Names => "name service",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_known_by_number_and_transport() {
        for (port, transport, expected) in [
            (22, Transport::Tcp, Some("SSH")),
            (22, Transport::Udp, None),
            (53, Transport::Udp, Some("DNS")),
            (161, Transport::Udp, Some("SNMP")),
            (161, Transport::Tcp, None),
            (5432, Transport::Tcp, Some("PostgreSQL")),
            (5901, Transport::Tcp, Some("VNC")),
            (11211, Transport::Udp, Some("memcached")),
            (5432, Transport::Sctp, None),
            (80, Transport::Tcp, None),
            (443, Transport::Tcp, None),
            (0, Transport::Tcp, None),
        ] {
            assert_eq!(lookup(port, transport).map(|entry| entry.name), expected, "{port}/{transport}");
        }
    }

    #[test]
    fn spans_are_searched() {
        let names = |first, last, transport| -> Vec<&str> {
            within(PortSpan { first, last }, transport).map(|entry| entry.name).collect()
        };
        assert_eq!(names(20, 25, Some(Transport::Tcp)), ["FTP", "SSH", "telnet", "SMTP"]);
        assert_eq!(names(3300, 3400, None), ["MySQL", "RDP"]);
        assert_eq!(names(5902, 5903, None), ["VNC"]);
        assert_eq!(names(443, 443, None), [""; 0]);
        assert_eq!(within(PortSpan::ALL, None).count(), TABLE.len());
    }

    #[test]
    fn severity_does_not_grow_as_fewer_can_come() {
        for entry in TABLE {
            let by_exposure = [Exposure::WidePrivate, Exposure::PublicNetwork, Exposure::Internet]
                .map(|exposure| entry.class.severity(exposure));
            assert!(by_exposure.is_sorted(), "{}", entry.name);
            assert!(by_exposure[2].is_some(), "{}", entry.name);
        }
    }

    #[test]
    fn the_table_is_in_order_and_says_nothing_twice() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].ports.first <= pair[1].ports.first, "{} before {}", pair[0].name, pair[1].name);
        }
        for (index, entry) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                let same_transport = [Transport::Tcp, Transport::Udp]
                    .iter()
                    .any(|transport| entry.transports.includes(*transport) && other.transports.includes(*transport));
                let overlap = entry.ports.intersection(other.ports);
                assert!(!same_transport || overlap.is_none(), "{} and {}", entry.name, other.name);
            }
        }
    }
}
