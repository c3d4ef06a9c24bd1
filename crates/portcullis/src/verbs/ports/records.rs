//! Leases and reservations for programs, and the same words for people.

use std::time::SystemTime;

use portcullis_config::declared::Word;
use portcullis_ports::{Allocation, Host, Lease, Outcome, Reservation, Term};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A lease.
#[derive(Debug, Serialize)]
pub(super) struct LeaseRecord<'a> {
    port: u16,
    transport: &'static str,
    space: String,
    service: &'a str,
    /// `null` if there is none.
    environment: Option<&'a str>,
    replica: u32,
    /// `null` if the service declares the number without one.
    range: Option<&'a str>,
    /// The configuration file that the service belongs to.
    project: &'a str,
    since: String,
    /// `null`: until it is released, or ends with its holder.
    expires: Option<String>,
    /// The process that holds its socket.
    holder: Option<HolderRecord>,
    /// How it came about, in answer to `allocate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    /// The number before, if it had to be another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_from: Option<u16>,
}

/// A process that holds a socket.
#[derive(Debug, Serialize)]
pub(super) struct HolderRecord {
    pid: i32,
    command: String,
}

/// A reservation.
#[derive(Debug, Serialize)]
pub(super) struct ReservationRecord<'a> {
    first: u16,
    last: u16,
    space: String,
    reason: &'a str,
    since: String,
    expires: Option<String>,
}

/// The answer to `allocate`.
#[derive(Debug, Serialize)]
pub(super) struct AllocationRecord<'a> {
    leases: Vec<LeaseRecord<'a>>,
    /// Taken back from replicas that there are no more.
    reclaimed: Vec<LeaseRecord<'a>>,
    /// Of replicas that there should be no more, and that still run.
    still_held: Vec<LeaseRecord<'a>>,
}

impl<'a> AllocationRecord<'a> {
    pub(super) fn of(allocation: &'a Allocation) -> Self {
        let allocated = allocation.ports.iter().map(|allocated| {
            let moved_from = match allocated.outcome {
                Outcome::Moved { from } => Some(from),
                Outcome::Kept | Outcome::Returned | Outcome::New => None,
            };
            LeaseRecord { outcome: Some(outcome(allocated.outcome)), moved_from, ..LeaseRecord::of(&allocated.lease) }
        });
        Self {
            leases: allocated.collect(),
            reclaimed: LeaseRecord::all(&allocation.reclaimed),
            still_held: LeaseRecord::all(&allocation.still_held),
        }
    }
}

impl<'a> LeaseRecord<'a> {
    pub(super) fn all(leases: &'a [Lease]) -> Vec<Self> {
        leases.iter().map(Self::of).collect()
    }

    pub(super) fn of(lease: &'a Lease) -> Self {
        Self {
            port: lease.place.port,
            transport: lease.place.transport.word(),
            space: lease.place.space.to_string(),
            service: &lease.owner.service,
            environment: Some(lease.owner.environment.as_str()).filter(|environment| !environment.is_empty()),
            replica: lease.owner.replica,
            range: lease.range.as_deref(),
            project: &lease.owner.project,
            since: moment(lease.since),
            expires: match lease.term {
                Term::Until(time) => Some(moment(time)),
                Term::UntilReleased | Term::WithHolder => None,
            },
            holder: lease
                .living_holder(&Host)
                .map(|holder| HolderRecord { pid: holder.instance.pid, command: holder.command.clone() }),
            outcome: None,
            moved_from: None,
        }
    }
}

impl<'a> ReservationRecord<'a> {
    pub(super) fn of(reservation: &'a Reservation) -> Self {
        Self {
            first: reservation.ports.first,
            last: reservation.ports.last,
            space: reservation.space.to_string(),
            reason: &reservation.reason,
            since: moment(reservation.since),
            expires: reservation.expires.map(moment),
        }
    }
}

/// How a lease came about, in a word.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Returned => "returned",
        Outcome::New => "new",
        Outcome::Moved { .. } => "moved",
    }
}

/// How a lease ends, in a few words.
pub(crate) fn end(lease: &Lease) -> String {
    match (lease.living_holder(&Host), lease.term) {
        (Some(holder), _) => format!("with {} (pid {})", holder.command, holder.instance.pid),
        (None, Term::Until(time)) => moment(time),
        (None, Term::UntilReleased | Term::WithHolder) => "when released".to_owned(),
    }
}

/// RFC 3339, in UTC, to the second.
pub(crate) fn moment(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time).replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}
