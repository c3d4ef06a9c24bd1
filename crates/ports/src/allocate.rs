//! Handing numbers out.

use std::collections::BTreeMap;

use portcullis_config::bands::{Band, Reserved};
use portcullis_kernel::occupancy::Occupancy;

use crate::{Demand, Lease, Owner, PortsError, RangeFull, Term, World, book::Book, project::Source, search};

/// Occupants that an error names at most.
const NAMED: usize = 3;

/// What a service was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// One for each replica, from 0.
    pub ports: Vec<Allocated>,
    /// What was taken back because there are fewer replicas now.
    pub reclaimed: Vec<Lease>,
    /// What could not be taken back, because a process still holds it.
    pub still_held: Vec<Lease>,
}

/// The number of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocated {
    /// The lease.
    pub lease: Lease,
    /// How it came about.
    pub outcome: Outcome,
}

/// How a lease came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was in force already.
    Kept,
    /// The number that the same replica had before.
    Returned,
    /// A number that it did not have before.
    New,
    /// A number other than the one it had, because something else has taken that.
    Moved {
        /// The number that it had.
        from: u16,
    },
}

/// Gives each of so many replicas its number, and takes back those of further ones.
pub(crate) fn allocate<W: World>(
    book: &mut Book<'_, W>,
    demand: &Demand,
    replicas: Option<u32>,
    term: Term,
) -> Result<Allocation, PortsError> {
    let present = book.siblings(&demand.owner).map(|lease| lease.owner.replica + 1).max();
    let count = replicas.or(present).unwrap_or(1);
    demand.check_replicas(count)?;
    let surplus: Vec<Lease> =
        book.siblings(&demand.owner).filter(|lease| lease.owner.replica >= count).cloned().collect();
    let (still_held, reclaimed) = surplus.into_iter().partition(|lease| lease.living_holder(book.world).is_some());
    let mut allocation = Allocation { ports: Vec::new(), reclaimed, still_held };
    for lease in &allocation.reclaimed {
        book.end(lease.place.port)?;
    }
    for replica in 0..count {
        let (port, outcome) =
            choose(book, demand, &demand.replica(replica), &mut |book, port, standing| is_free(book, port, standing))?;
        let before =
            book.of(&demand.replica(replica)).filter(|lease| lease.ended.is_none() && lease.place.port == port);
        let lease = Lease {
            place: book.place(port),
            owner: demand.replica(replica),
            range: demand.range_of(port),
            since: before.map_or_else(|| book.world.now(), |lease| lease.since),
            // Who holds the socket keeps it; what was asked for holds from then on.
            holder: before.and_then(|lease| lease.living_holder(book.world)).cloned(),
            term,
            ended: None,
        };
        book.put(lease.clone())?;
        allocation.ports.push(Allocated { lease, outcome });
    }
    Ok(allocation)
}

/// What a number is to the one who is about to be given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has it.
    Present,
    /// It had it before.
    Past,
    /// Nothing.
    Foreign,
}

/// Whether a number can be given to somebody; what comes with it is kept on the side.
pub(crate) type Trial<'a, W> = dyn FnMut(&Book<'_, W>, u16, Standing) -> Result<bool, PortsError> + 'a;

/// Finds the number of a replica. `is_free` has the last word on each.
pub(crate) fn choose<W: World>(
    book: &Book<'_, W>,
    demand: &Demand,
    owner: &Owner,
    is_free: &mut Trial<'_, W>,
) -> Result<(u16, Outcome), PortsError> {
    if let Some((port, place)) = demand.declared_port(owner.replica) {
        return declared(book, owner, port, place, is_free);
    }
    let Some(source) = &demand.range else {
        return Err(PortsError::NoNumber {
            service: owner.service.clone(),
            replica: owner.replica,
            declared: demand.declared.clone(),
            file: demand.file.clone(),
        });
    };
    let before = book.of(owner);
    if let Some(lease) = before {
        let port = lease.place.port;
        let may_stay = source.bands.contains(port)
            && source.bands.band(port, demand.speaks) == Band::Automatic
            && book.reservation(port).is_none();
        let (standing, outcome) = if lease.ended.is_none() {
            (Standing::Present, Outcome::Kept)
        } else {
            (Standing::Past, Outcome::Returned)
        };
        if may_stay && is_free(book, port, standing)? {
            return Ok((port, outcome));
        }
    }
    let port = search(book, demand, source, owner, is_free)?;
    let left = before.filter(|lease| lease.ended.is_none()).map(|lease| lease.place.port);
    Ok((port, left.map_or(Outcome::New, |from| Outcome::Moved { from })))
}

/// The number that the file declares: this one or none.
fn declared<W: World>(
    book: &Book<'_, W>,
    owner: &Owner,
    port: u16,
    place: &str,
    is_free: &mut Trial<'_, W>,
) -> Result<(u16, Outcome), PortsError> {
    let (service, replica, place) = (owner.service.clone(), owner.replica, place.to_owned());
    let (standing, outcome) = match book.at(port) {
        Some(lease) if lease.owner != *owner && lease.ended.is_none() => {
            let by = Box::new(lease.owner.clone());
            return Err(PortsError::DeclaredIsLeased { port, service, replica, place, by });
        }
        Some(lease) if lease.owner == *owner && lease.ended.is_none() => (Standing::Present, Outcome::Kept),
        Some(lease) if lease.owner == *owner => (Standing::Past, Outcome::Returned),
        _ => (Standing::Foreign, Outcome::New),
    };
    if let Some(reservation) = book.reservation(port) {
        return Err(PortsError::Reserved { port, reason: reservation.reason.clone() });
    }
    if is_free(book, port, standing)? {
        return Ok((port, outcome));
    }
    let by = book.world.who_has(&book.place(port));
    Err(PortsError::DeclaredIsTaken { port, service, replica, place, by })
}

/// A number of the automatic band. Those that others had before come last, the one that was given up first before the
/// others.
fn search<W: World>(
    book: &Book<'_, W>,
    demand: &Demand,
    source: &Source,
    owner: &Owner,
    is_free: &mut Trial<'_, W>,
) -> Result<u16, PortsError> {
    let numbers = source.bands.outside_pinned();
    let mut of_others = Vec::new();
    for port in search::order(&numbers, owner) {
        if source.bands.band(port, demand.speaks) != Band::Automatic || book.reservation(port).is_some() {
            continue;
        }
        match book.at(port) {
            Some(lease) => of_others.extend(lease.ended.map(|ended| (ended, port))),
            None if is_free(book, port, Standing::Foreign)? => return Ok(port),
            None => {}
        }
    }
    of_others.sort_unstable();
    for (_, port) in of_others {
        if is_free(book, port, Standing::Foreign)? {
            return Ok(port);
        }
    }
    Err(PortsError::RangeFull(Box::new(account(book, demand, source, owner))))
}

/// Whether a number can be used in any form.
fn is_free<W: World>(book: &Book<'_, W>, port: u16, standing: Standing) -> Result<bool, PortsError> {
    let place = book.place(port);
    match (book.world.occupancy(&place)?, standing) {
        // What is passing are connections of its last run, most likely.
        (Occupancy::Vacant, _)
        | (Occupancy::Passing, Standing::Present | Standing::Past)
        | (Occupancy::Forbidden, Standing::Present) => Ok(true),
        // The service itself may run already.
        (Occupancy::Taken, Standing::Present) => Ok(book.world.may_be_its_service(&place)),
        (Occupancy::Taken, Standing::Past) | (Occupancy::Taken | Occupancy::Passing, Standing::Foreign) => Ok(false),
        (Occupancy::Forbidden, _) => Err(PortsError::Forbidden { port }),
    }
}

/// What has become of each number, for the one who finds none left.
fn account<W: World>(book: &Book<'_, W>, demand: &Demand, source: &Source, owner: &Owner) -> RangeFull {
    let mut full = RangeFull {
        range: source.name.clone(),
        ports: Some(source.bands.ports()),
        place: source.place.clone(),
        wanted_for: owner.to_string(),
        ..RangeFull::default()
    };
    let mut leased: BTreeMap<String, usize> = BTreeMap::new();
    for port in source.bands.ports().numbers() {
        let band = source.bands.band(port, demand.speaks);
        let lease = book.at(port).filter(|lease| lease.ended.is_none());
        match (lease, band) {
            (Some(lease), _) => *leased.entry(lease.owner.group()).or_default() += 1,
            (None, Band::Declared(_)) => full.declared += 1,
            (None, Band::Pinned) => full.pinned += 1,
            (
                None,
                Band::Reserved(Reserved::ByRange { .. } | Reserved::WellKnown { .. } | Reserved::BlockedByBrowsers),
            ) => {
                full.reserved += 1;
            }
            (None, Band::Automatic) if book.reservation(port).is_some() => full.reserved += 1,
            (None, Band::Automatic) => {
                full.occupied += 1;
                if full.occupants.len() < NAMED {
                    full.occupants.extend(book.world.who_has(&book.place(port)).into_iter().next());
                }
            }
        }
    }
    full.leased = leased;
    full
}

impl Demand {
    /// The range that a number is from.
    pub(crate) fn range_of(&self, port: u16) -> Option<String> {
        self.range.as_ref().filter(|source| source.bands.contains(port)).map(|source| source.name.clone())
    }
}
