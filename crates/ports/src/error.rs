//! Why there is no port to be had, and what to do about it.

use std::{collections::BTreeMap, fmt, io};

use portcullis_config::declared::{PortSpan, Space};
use portcullis_kernel::{listen::ListenError, namespace::NamespaceError};
use portcullis_store::StoreError;

use crate::Owner;

/// Why something cannot be done with ports.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network namespace cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The kernel refuses something else.
    #[error("cannot find out whether a port is free: {0}")]
    Kernel(#[from] io::Error),
    /// No such service.
    #[error("no service `{name}` in {file}{}; for one that is not in it, say from which range: `--range NAME`", suggestion(.near.as_deref()))]
    UnknownService {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        near: Option<String>,
        /// The configuration file.
        file: String,
    },
    /// No such range.
    #[error("no range `{name}` in {file}{}", suggestion(.near.as_deref()))]
    UnknownRange {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        near: Option<String>,
        /// The configuration file.
        file: String,
    },
    /// A service names one range, and another one was asked for.
    #[error(
        "service `{service}` takes its ports from range `{own}` ({place}), not from `{asked}`; leave `--range` out"
    )]
    OtherRange {
        /// The service.
        service: String,
        /// The range that it names.
        own: String,
        /// The range that was asked for.
        asked: String,
        /// Where the file says it.
        place: String,
    },
    /// More replicas than there may be.
    #[error("service `{service}` may have {most} {}, not {asked} ({place})", replicas(*.most))]
    TooManyReplicas {
        /// The service.
        service: String,
        /// How many were asked for.
        asked: u32,
        /// How many there may be.
        most: u32,
        /// Where the file says it.
        place: String,
    },
    /// There is no number for a replica, as none is declared for it and no range is named.
    #[error(
        "service `{service}` has no port for replica {replica}: {}; write `range: NAME` for it in {file}",
        declared_ports(.declared.as_ref())
    )]
    NoNumber {
        /// The service.
        service: String,
        /// The replica.
        replica: u32,
        /// The numbers that it declares, and where.
        declared: Option<(PortSpan, String)>,
        /// The configuration file.
        file: String,
    },
    /// The number that a service declares is somebody else's.
    #[error("{port}, which service `{service}` declares for replica {replica} ({place}), is leased to {by} of {}", .by.project)]
    DeclaredIsLeased {
        /// The number.
        port: u16,
        /// The service.
        service: String,
        /// Its replica.
        replica: u32,
        /// Where the file says it.
        place: String,
        /// Whose it is.
        by: Box<Owner>,
    },
    /// The number that a service declares is in use.
    #[error(
        "{port}, which service `{service}` declares for replica {replica} ({place}), is taken{}; if that is the service \
         itself it needs no lease, otherwise stop it or declare another port", who(.by)
    )]
    DeclaredIsTaken {
        /// The number.
        port: u16,
        /// The service.
        service: String,
        /// Its replica.
        replica: u32,
        /// Where the file says it.
        place: String,
        /// Who has it.
        by: Vec<String>,
    },
    /// The number is reserved.
    #[error("{port} is reserved: {reason}; `portcullis ports release {port}` lifts it")]
    Reserved {
        /// The number.
        port: u16,
        /// Why.
        reason: String,
    },
    /// A number below 1024 that this user may not bind.
    #[error(
        "{port} may not be bound by this user, so whether it is free cannot be known; run as root, grant \
         CAP_NET_BIND_SERVICE, or lower net.ipv4.ip_unprivileged_port_start"
    )]
    Forbidden {
        /// The number.
        port: u16,
    },
    /// A range has nothing left.
    #[error(transparent)]
    RangeFull(Box<RangeFull>),
    /// A living process has it.
    #[error("{port} is held by {command} (pid {pid}) for {owner}; it is released when that process ends")]
    Held {
        /// The number.
        port: u16,
        /// Whose it is.
        owner: Owner,
        /// The process.
        pid: i32,
        /// What was started in it.
        command: String,
    },
    /// Every replica that there may be runs already.
    #[error("all {count} {} of service `{service}` run already: {}", replicas(*.count), .holders.join(", "))]
    AllRun {
        /// The service.
        service: String,
        /// How many there are.
        count: u32,
        /// What each is.
        holders: Vec<String>,
    },
    /// Leases stand in the way of a reservation.
    #[error("{port} is leased to {owner} of {}; release it first: `portcullis ports release {port}`", .owner.project)]
    Leased {
        /// The number.
        port: u16,
        /// Whose it is.
        owner: Owner,
    },
    /// There is nothing to be released.
    #[error("nothing to release: {0}")]
    NothingToRelease(String),
    /// A socket cannot be opened on another host.
    #[error("the ports of service `{service}` are on {space}; run this there")]
    Elsewhere {
        /// The service.
        service: String,
        /// Its port space.
        space: Space,
    },
}

/// What has become of all numbers of a range.
#[derive(Debug, Default, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RangeFull {
    /// The range.
    pub range: String,
    /// Its numbers.
    pub ports: Option<PortSpan>,
    /// Where the file says it.
    pub place: String,
    /// For whom a number was wanted.
    pub wanted_for: String,
    /// How many each service has by lease.
    pub leased: BTreeMap<String, usize>,
    /// How many services and ports of the file declare.
    pub declared: usize,
    /// How many more are in the pinned band.
    pub pinned: usize,
    /// How many are kept back: by the range, by custom, by a reservation.
    pub reserved: usize,
    /// How many others have without a lease.
    pub occupied: usize,
    /// Who some of them are.
    pub occupants: Vec<String>,
}

impl fmt::Display for RangeFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "range `{}`", self.range)?;
        if let Some(ports) = self.ports {
            write!(f, " ({ports})")?;
        }
        write!(f, " has no port left for {}: ", self.wanted_for)?;
        let leased = self.leased.iter().map(|(service, count)| format!("{service} has {count}"));
        let counted = [
            (self.declared, "declared in the file"),
            (self.pinned, "in the pinned band"),
            (self.reserved, "reserved"),
            (self.occupied, "in use without a lease"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| {
            let verb = if *count == 1 { "is" } else { "are" };
            format!("{count} {verb} {what}")
        });
        f.write_str(&leased.chain(counted).collect::<Vec<_>>().join(", "))?;
        if !self.occupants.is_empty() {
            write!(f, " ({})", self.occupants.join("; "))?;
        }
        write!(f, "; widen the range ({}), or see with `portcullis ports list` what can be released", self.place)
    }
}

fn suggestion(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn replicas(count: u32) -> &'static str {
    if count == 1 { "replica" } else { "replicas" }
}

fn who(holders: &[String]) -> String {
    if holders.is_empty() { String::new() } else { format!(": {}", holders.join("; ")) }
}

fn declared_ports(declared: Option<&(PortSpan, String)>) -> String {
    match declared {
        Some((ports, place)) => format!("it declares {ports} ({place}) and names no range"),
        None => "it declares none for it and names no range".to_owned(),
    }
}
