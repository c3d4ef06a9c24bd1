//! What formats tell about their files. Everything has a place, so that a chain can be shown hop by hop.
//!
//! Keys are texts that are unique in the estate, by convention `format:path/of/project:name`, so that facts of several
//! files join by equality and merging needs no renumbering.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use portcullis_config::scope::Scope;

use crate::inputs::{FileId, Span};

/// All that is known.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Sockets that will listen.
    pub listeners: Vec<Listener>,
    /// Programs that serve ports in a space of their own, or on a host.
    pub workloads: Vec<Workload>,
    /// Who passes traffic on to whom.
    pub forwards: Vec<Forward>,
    /// What firewalls let in.
    pub openings: Vec<Opening>,
    /// What network policies let in to a workload.
    pub restrictions: Vec<Restriction>,
    /// Whom network policies let connect to whom.
    pub allowances: Vec<Allowance>,
    /// Which configuration files a workload is given.
    pub mounts: Vec<Mount>,
    /// What must, or must not, be possible.
    pub assertions: Vec<Assertion>,
    /// What Portcullis' own file says of its ports beyond what every listener has.
    pub declarations: Vec<Declaration>,
    /// Named spans of port numbers.
    pub ranges: Vec<NumberRange>,
    /// What images say they listen on.
    pub images: Vec<Image>,
    /// Who runs an image that is built here.
    pub builds: Vec<Build>,
    /// What is copied into images.
    pub copied: Vec<Copied>,
}

impl Facts {
    /// Adds all that another part knows.
    pub fn absorb(&mut self, other: Self) {
        self.listeners.extend(other.listeners);
        self.workloads.extend(other.workloads);
        self.forwards.extend(other.forwards);
        self.openings.extend(other.openings);
        self.restrictions.extend(other.restrictions);
        self.allowances.extend(other.allowances);
        self.mounts.extend(other.mounts);
        self.assertions.extend(other.assertions);
        self.declarations.extend(other.declarations);
        self.ranges.extend(other.ranges);
        self.images.extend(other.images);
        self.builds.extend(other.builds);
        self.copied.extend(other.copied);
    }
}

/// Where numbers are shared: two listeners of one space can collide, those of different spaces cannot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// The host that all files of the estate are for, unless they say otherwise.
    Host,
    /// Each node of a cluster: node ports, host ports.
    Node,
    /// The network of a container, a pod or a network namespace, by the key of its workload.
    Workload(String),
    /// The process that reads a configuration file. Joining places it: into the workload that has the file mounted,
    /// else on the host.
    Config(FileId),
    /// An address of its own for each name: a cluster service, a cloud load balancer, an ingress host.
    Own(String),
}

/// TCP or UDP, or what else can be a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP; QUIC too.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// `first..=last`; the first is not greater than the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortSpan {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl PortSpan {
    /// All ports.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// One port.
    pub fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// From the first to the last; `None` if they stand the wrong way round.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether a port lies within.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// What both hold.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// Number of ports.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl fmt::Display for PortSpan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(formatter, "{}", self.first)
        } else {
            write!(formatter, "{}-{}", self.first, self.last)
        }
    }
}

/// What a listener binds to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// One address, which may be a wildcard.
    Ip(IpAddr),
    /// `0.0.0.0` and `[::]`, each by a socket of its own (how Docker publishes).
    BothWildcards,
    /// `::` with IPv4 as well (how most programs bind "all").
    Dual,
    /// A name, or a value that is not known.
    Unknown(String),
}

impl Address {
    /// All IPv4 addresses.
    pub const ANY_V4: Self = Self::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    /// All IPv6 addresses.
    pub const ANY_V6: Self = Self::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

    /// From where it can be reached; `None` if it is not known.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Ip(address) => Some(Scope::of(*address)),
            Self::BothWildcards | Self::Dual => Some(Scope::Public),
            Self::Unknown(_) => None,
        }
    }

    /// Whether it takes what any interface brings.
    pub fn is_wildcard(&self) -> bool {
        match self {
            Self::Ip(address) => address.to_canonical().is_unspecified(),
            Self::BothWildcards | Self::Dual => true,
            Self::Unknown(_) => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
            Self::Ip(address) => write!(formatter, "{address}"),
            Self::BothWildcards => formatter.write_str("0.0.0.0 and [::]"),
            Self::Dual => formatter.write_str("[::]"),
            Self::Unknown(text) => formatter.write_str(text),
        }
    }
}

/// Who holds a listener: two listeners of one owner are its own affair, those of two owners collide.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// What is started and stopped together: a Compose project, a manifest's namespace, one configuration file.
    pub project: String,
    /// The part of it, for people: a service, a frontend, a unit.
    pub part: String,
}

/// Whether a second socket may bind the same address and port by consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// No.
    Exclusive,
    /// It sets `SO_REUSEPORT`, whether its author knows or not.
    ReusePort,
}

/// From how far away something can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// From its own host, pod or namespace.
    Host,
    /// From the networks that the internet does not route to, or from a cluster.
    Private,
    /// From anywhere.
    Internet,
}

impl Reach {
    /// What a bound address alone lets reach it.
    pub fn of(scope: Scope) -> Self {
        match scope {
            Scope::Loopback => Self::Host,
            Scope::Private => Self::Private,
            Scope::Public => Self::Internet,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Private => "private",
            Self::Internet => "internet",
        }
    }
}

/// What stands between a caller and what lies behind, as far as the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    Open,
    /// Only these sources pass.
    Sources(Vec<IpNet>),
    /// A proof of identity is asked for: "basic auth", "client certificate".
    Identity(String),
    /// It cannot be known from the files.
    Unknown,
}

/// A socket that will listen.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Unique in the estate.
    pub key: String,
    /// For people: "port 8080 of Compose service `web`".
    pub title: String,
    /// Where its number counts.
    pub space: Space,
    /// What it binds to.
    pub address: Address,
    /// One port, or a span of them.
    pub ports: PortSpan,
    /// TCP or UDP.
    pub transport: Transport,
    /// Who holds it.
    pub owner: Owner,
    /// Whether another may share it.
    pub sharing: Sharing,
    /// From how far away it can be reached; `None` if the address is not known.
    pub reach: Option<Reach>,
    /// What stands in front.
    pub guard: Guard,
    /// The value that says so.
    pub place: Span,
}

/// What a workload is for, as far as its image and ports tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A database: `role:database`.
    Database,
    /// A cache.
    Cache,
    /// A message queue.
    Queue,
    /// An interface that steers something: dashboards, control sockets, consoles.
    Admin,
    /// Metrics.
    Metrics,
    /// Shells and desktops.
    RemoteAccess,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Database, Self::Cache, Self::Queue, Self::Admin, Self::Metrics, Self::RemoteAccess];

    /// Whether strangers have no business there.
    pub fn is_private(self) -> bool {
        !matches!(self, Self::Metrics)
    }

    /// The word for it, as in `role:database`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Queue => "queue",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
            Self::RemoteAccess => "remote-access",
        }
    }
}

/// Of what kind a workload is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A service of a Compose project.
    ComposeService,
    /// A pod, or what makes pods.
    Pod,
    /// A Service, Ingress or the like that only passes on.
    ClusterService,
    /// A program on a host: a systemd unit, a server that only a proxy's configuration names.
    Program,
    /// A service of Portcullis.
    Service,
    /// A managed thing in a cloud.
    Managed,
}

/// A program, or a set of equal ones, that serves ports.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Unique in the estate.
    pub key: String,
    /// Of what kind.
    pub kind: Kind,
    /// For people: "Compose service `db`".
    pub title: String,
    /// The name as its file says it.
    pub name: String,
    /// Names by which others reach it, each with the network (by key) in which the name means it.
    pub names: Vec<(String, String)>,
    /// The ports that it is said to listen on.
    pub ports: Vec<WorkloadPort>,
    /// Whether the list of ports is all there is; if not, a port that is not listed may be served as well.
    pub ports_are_complete: bool,
    /// What it is for, if that is known.
    pub role: Option<Role>,
    /// Its name in its file.
    pub place: Span,
}

/// A port that a workload is said to listen on.
#[derive(Debug, Clone)]
pub struct WorkloadPort {
    /// One port, or a span of them.
    pub ports: PortSpan,
    /// TCP or UDP.
    pub transport: Transport,
    /// A name by which others may mean it.
    pub name: Option<String>,
    /// What this port is for, if it differs from what the workload is for.
    pub role: Option<Role>,
    /// Where it is said.
    pub place: Span,
}

/// Somebody passes traffic on.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Who passes it on: the key of the listener on which it comes in, or of a workload that is itself a proxy.
    pub from: String,
    /// Which traffic, for people: "host shop.example.com"; empty for all.
    pub when: String,
    /// To whom.
    pub target: Target,
    /// What is asked of the caller here, beyond what the listener asks.
    pub guard: Guard,
    /// The value that says so.
    pub place: Span,
}

/// To whom traffic is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A workload by its key, at a port of its own.
    Workload {
        /// The key.
        key: String,
        /// The port; `None` if it is not known.
        port: Option<u16>,
    },
    /// Another listener by its key.
    Listener(String),
    /// A name and a port, to be looked up in these networks; in all of the estate if there are none.
    Named {
        /// Keys of networks.
        networks: Vec<String>,
        /// The name.
        host: String,
        /// The port; `None` if it is not known.
        port: Option<u16>,
    },
    /// An address and a port, as seen from the space of the listener.
    Address {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
}

/// A firewall lets traffic in.
#[derive(Debug, Clone)]
pub struct Opening {
    /// For people: "security group `web`".
    pub title: String,
    /// From where; empty if the source is not an address (another group, say).
    pub sources: Vec<IpNet>,
    /// To which ports.
    pub ports: PortSpan,
    /// TCP or UDP; `None` for all.
    pub transport: Option<Transport>,
    /// What it is in front of.
    pub behind: Behind,
    /// The value that says so.
    pub place: Span,
}

/// What a firewall is in front of, as far as the files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Machines, or what nobody knows: anything may listen there.
    Machines,
    /// Load balancers and databases alone, whose ports its own format compared.
    Managed,
}

/// A network policy selects a workload and lets only some traffic in.
#[derive(Debug, Clone)]
pub struct Restriction {
    /// The key of the workload.
    pub workload: String,
    /// For people: "NetworkPolicy `db`".
    pub title: String,
    /// The ports that are let in from outside of the cluster; nothing else is.
    pub open_to_internet: Vec<PortSpan>,
    /// The value that says so.
    pub place: Span,
}

/// The peer of an [`Allowance`] that limits nothing.
pub const EVERYBODY: &str = "everybody";

/// What one end of a connection lets pass inside of a cluster. A connection passes if both ends let it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The end that lets pass, for people: "Deployment `db` in namespace `shop`".
    pub workload: String,
    /// Whether it is connected to, or connects.
    pub side: Side,
    /// The other end, for people: a workload, networks, [`EVERYBODY`].
    pub peer: String,
    /// Whether the other end may be a stranger of the internet.
    pub reach: Reach,
    /// The ports of the end that is connected to, for people: "5432/tcp".
    pub ports: String,
    /// The rule that says so; the workload, if no policy selects it.
    pub place: Span,
}

/// One of the two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The end that is connected to.
    Incoming,
    /// The end that connects.
    Outgoing,
}

/// A workload is given a configuration file, so what the file says happens inside of the workload.
#[derive(Debug, Clone)]
pub struct Mount {
    /// The key of the workload.
    pub workload: String,
    /// Keys of the networks in which the workload looks up names.
    pub networks: Vec<String>,
    /// Path of the file or folder as the inputs know it.
    pub source: std::path::PathBuf,
    /// The value that says so.
    pub place: Span,
}

/// An image that a file describes: one stage of a Dockerfile.
#[derive(Debug, Clone)]
pub struct Image {
    /// Path of the file as the inputs know it.
    pub file: std::path::PathBuf,
    /// The names by which the stage can be asked for, in lower case; the empty one if it is built unless another is.
    pub stages: Vec<String>,
    /// The ports that it says it listens on; the last of several equal ones counts.
    pub ports: Vec<WorkloadPort>,
    /// Whether it exposes no more than these: nothing is unknown, and what it starts from exposes nothing.
    pub ports_are_complete: bool,
    /// What it starts from.
    pub place: Span,
}

/// Somebody runs an image that is built from a file, and maps ports of it.
#[derive(Debug, Clone)]
pub struct Build {
    /// For people: "Compose service `web`".
    pub title: String,
    /// Path of the Dockerfile as the inputs know it, see [`crate::inputs::Inputs::beside`].
    pub file: std::path::PathBuf,
    /// The stage that is asked for.
    pub stage: Option<String>,
    /// The ports of the container that are mapped, each where it is said.
    pub ports: Vec<WorkloadPort>,
    /// The key of the workload that runs it.
    pub workload: String,
    /// Keys of the networks in which the workload looks up names.
    pub networks: Vec<String>,
    /// The folder from which files are copied into the image.
    pub context: std::path::PathBuf,
}

/// A file or folder is copied into an image, so that what a configuration in it says happens inside of a container.
#[derive(Debug, Clone)]
pub struct Copied {
    /// Path of the Dockerfile that says so, as of [`Build::file`].
    pub dockerfile: std::path::PathBuf,
    /// What is copied, relative to the folder from which the image is built.
    pub source: std::path::PathBuf,
}

/// What a file says must, or must not, be possible: `public -/-> role:database`.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// As it is written.
    pub text: String,
    /// The value that says so.
    pub place: Span,
}

/// What Portcullis' own file says of one of its ports.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The key of the listener.
    pub listener: String,
    /// `public`, `internal`, `admin` or `metrics`.
    pub role: &'static str,
    /// What it speaks: `https`.
    pub protocol: &'static str,
    /// Where every request is redirected to, if it is.
    pub redirect: Option<String>,
    /// Why an address is accepted that its role forbids.
    pub accepted: Option<String>,
    /// The Unix socket that it listens on, in the place of a listener.
    pub socket: Option<UnixSocket>,
}

/// A port that is no number, but a file.
#[derive(Debug, Clone)]
pub struct UnixSocket {
    /// For people: "port `admin`".
    pub title: String,
    /// Its path.
    pub path: String,
    /// The value that says so.
    pub place: Span,
}

/// A named span of port numbers.
#[derive(Debug, Clone)]
pub struct NumberRange {
    /// Its name.
    pub name: String,
    /// The numbers.
    pub ports: PortSpan,
    /// The band that services declare for themselves.
    pub pinned: Option<PortSpan>,
    /// Numbers that are declared, each with by whom.
    pub owners: Vec<(u16, String)>,
    /// Numbers that are never handed out, each with why.
    pub reserved: Vec<(u16, String)>,
    /// Where it is said.
    pub place: Span,
}
