//! Leases and reservations, and the rows that they are kept in.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portcullis_config::declared::{PortSpan, Space, Transport, Word};
use portcullis_kernel::instance::{Instance, Life};
use portcullis_store::{
    leases::{HolderRow, LeaseRow, TermRow},
    reservations::ReservationRow,
};

use crate::World;

/// A number in a port space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The port space.
    pub space: Space,
    /// TCP and UDP have numbers of their own.
    pub transport: Transport,
    /// The number.
    pub port: u16,
}

/// Whose a number is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The configuration file, as an absolute path: services of two files may have the same name.
    pub project: String,
    /// The service.
    pub service: String,
    /// Its environment; empty if there is none.
    pub environment: String,
    /// Which of its replicas, from 0.
    pub replica: u32,
}

/// A number that somebody has, or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which.
    pub place: Place,
    /// Whose.
    pub owner: Owner,
    /// The range that it is from; `None` for one that a service declares without a range.
    pub range: Option<String>,
    /// Since when.
    pub since: SystemTime,
    /// How it ends.
    pub term: Term,
    /// When it ended: it is only remembered then, for the next time that its owner asks.
    pub ended: Option<SystemTime>,
    /// The process that holds its socket, or did.
    pub holder: Option<Holder>,
}

/// How a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// When it is released.
    UntilReleased,
    /// At a time, unless it is renewed.
    Until(SystemTime),
    /// With the process that holds it.
    WithHolder,
}

/// A process that holds the socket of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub instance: Instance,
    /// What was started in it.
    pub command: String,
}

/// Numbers that a person keeps from being handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The port space.
    pub space: Space,
    /// The numbers.
    pub ports: PortSpan,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// When it ends; `None`: when it is released.
    pub expires: Option<SystemTime>,
}

impl Lease {
    /// Whether it is in force. A lease whose holder lives does not expire.
    pub fn is_active(&self, world: &impl World) -> bool {
        let is_in_time = match self.term {
            Term::UntilReleased => true,
            Term::Until(time) => world.now() < time,
            Term::WithHolder => false,
        };
        self.ended.is_none() && (is_in_time || self.living_holder(world).is_some())
    }

    /// The process that holds it, unless it is known to have ended.
    pub fn living_holder(&self, world: &impl World) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| self.ended.is_none() && world.life(&holder.instance) != Life::Ended)
    }

    pub(crate) fn row(&self) -> LeaseRow {
        LeaseRow {
            space: self.place.space.to_string(),
            transport: self.place.transport.word().to_owned(),
            port: self.place.port,
            project: self.owner.project.clone(),
            service: self.owner.service.clone(),
            environment: self.owner.environment.clone(),
            replica: self.owner.replica,
            range: self.range.clone().unwrap_or_default(),
            since: to_millis(self.since),
            term: match self.term {
                Term::UntilReleased => TermRow::Released,
                Term::Until(time) => TermRow::Time(to_millis(time)),
                Term::WithHolder => TermRow::Holder,
            },
            ended: self.ended.map(to_millis),
            holder: self.holder.as_ref().map(|holder| HolderRow {
                pid: holder.instance.pid,
                started: holder.instance.started,
                boot: holder.instance.boot.clone(),
                namespace: holder.instance.namespace,
                command: holder.command.clone(),
            }),
        }
    }

    /// `None` for a row that this version does not understand.
    pub(crate) fn from_row(row: LeaseRow) -> Option<Self> {
        let place =
            Place { space: row.space.parse().ok()?, transport: Transport::named(&row.transport)?, port: row.port };
        Some(Self {
            place,
            owner: Owner {
                project: row.project,
                service: row.service,
                environment: row.environment,
                replica: row.replica,
            },
            range: Some(row.range).filter(|range| !range.is_empty()),
            since: from_millis(row.since),
            term: match row.term {
                TermRow::Released => Term::UntilReleased,
                TermRow::Time(time) => Term::Until(from_millis(time)),
                TermRow::Holder => Term::WithHolder,
            },
            ended: row.ended.map(from_millis),
            holder: row.holder.map(|holder| Holder {
                instance: Instance {
                    pid: holder.pid,
                    started: holder.started,
                    boot: holder.boot,
                    namespace: holder.namespace,
                },
                command: holder.command,
            }),
        })
    }
}

impl Owner {
    /// Whether it is a replica of the same service in the same environment.
    pub fn is_sibling_of(&self, other: &Self) -> bool {
        (&self.project, &self.service, &self.environment) == (&other.project, &other.service, &other.environment)
    }

    /// Its service and environment, as people say it.
    pub fn group(&self) -> String {
        let Self { service, environment, .. } = self;
        if environment.is_empty() { service.clone() } else { format!("{service} ({environment})") }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} of {}", self.replica, self.group())
    }
}

impl Reservation {
    /// Whether it is in force.
    pub fn is_active(&self, world: &impl World) -> bool {
        self.expires.is_none_or(|time| world.now() < time)
    }

    pub(crate) fn row(&self) -> ReservationRow {
        ReservationRow {
            space: self.space.to_string(),
            first: self.ports.first,
            last: self.ports.last,
            reason: self.reason.clone(),
            since: to_millis(self.since),
            expires: self.expires.map(to_millis),
        }
    }

    /// `None` for a row that this version does not understand.
    pub(crate) fn from_row(row: ReservationRow) -> Option<Self> {
        Some(Self {
            space: row.space.parse().ok()?,
            ports: PortSpan { first: row.first, last: row.last },
            reason: row.reason,
            since: from_millis(row.since),
            expires: row.expires.map(from_millis),
        })
    }
}

fn to_millis(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
