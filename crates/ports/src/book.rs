//! What is known about one port space, within one transaction.

use std::collections::BTreeMap;

use portcullis_config::declared::{Space, Transport, Word};
use portcullis_store::Transaction;

use crate::{Lease, Owner, Place, PortsError, Reservation, Term, World};

/// The leases and reservations of one space and transport; changes are written at once.
pub(crate) struct Book<'t, W> {
    transaction: &'t Transaction<'t>,
    pub(crate) world: &'t W,
    space: Space,
    transport: Transport,
    leases: BTreeMap<u16, Lease>,
    reservations: Vec<Reservation>,
}

impl<'t, W: World> Book<'t, W> {
    /// Reads it, and writes down what has ended by itself since.
    pub(crate) fn open(
        transaction: &'t Transaction<'t>,
        world: &'t W,
        space: &Space,
        transport: Transport,
    ) -> Result<Self, PortsError> {
        let rows = transaction.leases().in_space(&space.to_string(), transport.word())?;
        let leases = rows.into_iter().filter_map(Lease::from_row).map(|lease| (lease.place.port, lease));
        let mut book = Self {
            transaction,
            world,
            space: space.clone(),
            transport,
            leases: leases.collect(),
            reservations: Vec::new(),
        };
        for row in transaction.reservations().all()? {
            let Some(reservation) = Reservation::from_row(row) else { continue };
            if !reservation.is_active(world) {
                let ports = reservation.ports;
                transaction.reservations().remove(&reservation.space.to_string(), ports.first, ports.last)?;
            } else if reservation.space == *space {
                book.reservations.push(reservation);
            }
        }
        book.settle()?;
        Ok(book)
    }

    fn settle(&mut self) -> Result<(), PortsError> {
        let over: Vec<u16> = self
            .leases
            .values()
            .filter(|lease| lease.ended.is_none() && !lease.is_active(self.world))
            .map(|lease| lease.place.port)
            .collect();
        over.into_iter().try_for_each(|port| self.end(port))
    }

    /// The number in this space.
    pub(crate) fn place(&self, port: u16) -> Place {
        Place { space: self.space.clone(), transport: self.transport, port }
    }

    /// The lease of an owner, in force or only remembered.
    pub(crate) fn of(&self, owner: &Owner) -> Option<&Lease> {
        self.leases.values().find(|lease| lease.owner == *owner)
    }

    /// The lease of a number, in force or only remembered.
    pub(crate) fn at(&self, port: u16) -> Option<&Lease> {
        self.leases.get(&port)
    }

    /// Every lease that is in force.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values().filter(|lease| lease.ended.is_none())
    }

    /// Leases in force of the service and environment of `owner`.
    pub(crate) fn siblings(&self, owner: &Owner) -> impl Iterator<Item = &Lease> {
        self.active().filter(|lease| lease.owner.is_sibling_of(owner))
    }

    /// Why a number is reserved, by a person.
    pub(crate) fn reservation(&self, port: u16) -> Option<&Reservation> {
        self.reservations.iter().find(|reservation| reservation.ports.contains(port))
    }

    /// Writes a lease. What was remembered of its number, and of its owner's earlier number, is forgotten.
    pub(crate) fn put(&mut self, lease: Lease) -> Result<(), PortsError> {
        self.transaction.leases().put(&lease.row())?;
        self.leases.retain(|_, other| other.owner != lease.owner);
        self.leases.insert(lease.place.port, lease);
        Ok(())
    }

    /// Ends a lease; its number is remembered.
    pub(crate) fn end(&mut self, port: u16) -> Result<(), PortsError> {
        let Some(lease) = self.leases.get(&port).cloned() else { return Ok(()) };
        let ended = match lease.term {
            Term::Until(time) => time.min(self.world.now()),
            Term::UntilReleased | Term::WithHolder => self.world.now(),
        };
        self.put(Lease { ended: Some(ended), holder: None, term: Term::UntilReleased, ..lease })
    }

    /// Forgets a number altogether.
    pub(crate) fn forget(&mut self, port: u16) -> Result<(), PortsError> {
        let place = self.place(port);
        self.transaction.leases().remove(&place.space.to_string(), place.transport.word(), port)?;
        self.leases.remove(&port);
        Ok(())
    }
}
