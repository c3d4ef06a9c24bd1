//! The registry: what the verbs ask of it.

use std::{path::Path, time::Duration};

use portcullis_config::declared::{PortSpan, Space, Transport};
use portcullis_store::Store;

use crate::{
    Allocation, Demand, Held, Hold, Host, Lease, PortsError, Reservation, Term, World, allocate, book::Book, hold,
};

/// Who has which port, on one host.
#[derive(Debug)]
pub struct Registry<W = Host> {
    store: Store,
    world: W,
}

/// Everything that is in force.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Standing {
    /// By space, transport and number.
    pub leases: Vec<Lease>,
    /// By space and number.
    pub reservations: Vec<Reservation>,
    /// Numbers that are only remembered.
    pub remembered: Vec<Lease>,
}

/// Which leases and reservations are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those of these numbers, whosever they are.
    Ports(Vec<PortSpan>),
    /// Those of a service, in this project.
    Service {
        /// The project.
        project: String,
        /// The service.
        service: String,
        /// Its environment; `None` for all.
        environment: Option<String>,
        /// Its replica; `None` for all.
        replica: Option<u32>,
    },
}

impl Registry {
    /// Opens the registry in a store, which is made if it is not there.
    pub fn open(path: &Path) -> Result<Self, PortsError> {
        Ok(Self::new(Store::open(path)?, Host))
    }

    /// Opens the registry in a store to look at it; an empty one if there is none. Nothing is made.
    pub fn look(path: &Path) -> Result<Self, PortsError> {
        if path.exists() { Self::open(path) } else { Ok(Self::new(Store::in_memory()?, Host)) }
    }
}

impl<W: World> Registry<W> {
    /// The registry in a store, on this machine or a model of one.
    pub fn new(store: Store, world: W) -> Self {
        Self { store, world }
    }

    /// Gives each replica of a service its number: the one that it has or had, if that can be. Without a number of
    /// replicas, as many as have one now, and one at least. `duration`: until then, unless it is asked for again.
    pub fn allocate(
        &mut self,
        demand: &Demand,
        replicas: Option<u32>,
        duration: Option<Duration>,
    ) -> Result<Allocation, PortsError> {
        let term = duration.map_or(Term::UntilReleased, |duration| Term::Until(self.world.now() + duration));
        self.write(&demand.space, demand.transport, |book| allocate::allocate(book, demand, replicas, term))
    }

    /// Takes the number of one replica together with its socket, for this process.
    pub fn hold(&mut self, demand: &Demand, wanted: &Hold) -> Result<Held, PortsError> {
        self.write(&demand.space, demand.transport, |book| hold::hold(book, demand, wanted))
    }

    /// Ends a lease that this process took by [`Registry::hold`], and did not come to use.
    pub fn let_go(&mut self, lease: &Lease) -> Result<(), PortsError> {
        self.write(&lease.place.space, lease.place.transport, |book| match lease.term {
            Term::WithHolder => book.end(lease.place.port),
            Term::UntilReleased | Term::Until(_) => book.put(Lease { holder: None, ..lease.clone() }),
        })
    }

    /// Everything that is in force, and what is remembered.
    pub fn standing(&mut self) -> Result<Standing, PortsError> {
        let world = &self.world;
        self.store.read(|transaction| {
            let leases = transaction.leases().all()?.into_iter().filter_map(Lease::from_row);
            let (leases, remembered) = leases.partition(|lease| lease.is_active(world));
            let reservations = transaction.reservations().all()?.into_iter().filter_map(Reservation::from_row);
            let reservations = reservations.filter(|reservation| reservation.is_active(world)).collect();
            Ok(Standing { leases, reservations, remembered })
        })
    }

    /// Keeps numbers from being handed out.
    pub fn reserve(
        &mut self,
        space: &Space,
        ports: PortSpan,
        reason: &str,
        duration: Option<Duration>,
    ) -> Result<Reservation, PortsError> {
        let now = self.world.now();
        let reservation = Reservation {
            space: space.clone(),
            ports,
            reason: reason.to_owned(),
            since: now,
            expires: duration.map(|duration| now + duration),
        };
        let world = &self.world;
        self.store.write(|transaction| {
            for transport in [Transport::Tcp, Transport::Udp] {
                let book = Book::open(transaction, world, space, transport)?;
                if let Some(lease) = book.active().find(|lease| ports.contains(lease.place.port)) {
                    return Err(PortsError::Leased { port: lease.place.port, owner: lease.owner.clone() });
                }
            }
            transaction.reservations().put(&reservation.row())?;
            Ok(())
        })?;
        Ok(reservation)
    }

    /// Ends leases and reservations; returns what was ended. What a living process holds is an error, and nothing is
    /// ended then. Numbers are remembered unless they are to be forgotten.
    pub fn release(&mut self, selection: &Selection, memory: Memory) -> Result<Standing, PortsError> {
        let before = self.standing()?;
        let is_meant = |lease: &&Lease| selection.means(lease);
        let mut released = Standing {
            leases: before.leases.iter().filter(is_meant).cloned().collect(),
            reservations: before.reservations.into_iter().filter(|found| selection.means_reservation(found)).collect(),
            remembered: Vec::new(),
        };
        if memory == Memory::Forget {
            released.remembered = before.remembered.iter().filter(is_meant).cloned().collect();
        }
        if released == Standing::default() {
            return Err(PortsError::NothingToRelease(selection.to_string()));
        }
        for lease in &released.leases {
            if let Some(holder) = lease.living_holder(&self.world) {
                let (pid, command) = (holder.instance.pid, holder.command.clone());
                return Err(PortsError::Held { port: lease.place.port, owner: lease.owner.clone(), pid, command });
            }
        }
        let world = &self.world;
        self.store.write(|transaction| {
            for lease in released.leases.iter().chain(&released.remembered) {
                let place = &lease.place;
                let mut book = Book::open(transaction, world, &place.space, place.transport)?;
                // Somebody else may have been given it meanwhile.
                if book.at(place.port).is_some_and(|now| now.owner == lease.owner) {
                    match memory {
                        Memory::Keep => book.end(place.port)?,
                        Memory::Forget => book.forget(place.port)?,
                    }
                }
            }
            for Reservation { space, ports, .. } in &released.reservations {
                transaction.reservations().remove(&space.to_string(), ports.first, ports.last)?;
            }
            Ok::<(), PortsError>(())
        })?;
        Ok(released)
    }

    /// The machine.
    pub fn world(&self) -> &W {
        &self.world
    }

    fn write<T>(
        &mut self,
        space: &Space,
        transport: Transport,
        work: impl FnOnce(&mut Book<'_, W>) -> Result<T, PortsError>,
    ) -> Result<T, PortsError> {
        let world = &self.world;
        self.store.write(|transaction| work(&mut Book::open(transaction, world, space, transport)?))
    }
}

/// What becomes of the memory of a number that is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The service gets it again when it asks.
    Keep,
    /// It is as if it had never been the service's.
    Forget,
}

impl Selection {
    fn means(&self, lease: &Lease) -> bool {
        match self {
            Self::Ports(ports) => ports.iter().any(|span| span.contains(lease.place.port)),
            Self::Service { project, service, environment, replica } => {
                lease.owner.project == *project
                    && lease.owner.service == *service
                    && environment.as_ref().is_none_or(|environment| lease.owner.environment == *environment)
                    && replica.is_none_or(|replica| lease.owner.replica == replica)
            }
        }
    }

    /// All of its numbers must be meant: half a reservation is not lifted.
    fn means_reservation(&self, reservation: &Reservation) -> bool {
        match self {
            Self::Ports(ports) => ports.iter().any(|span| span.includes(reservation.ports)),
            Self::Service { .. } => false,
        }
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ports(ports) => {
                let ports: Vec<String> = ports.iter().map(PortSpan::to_string).collect();
                write!(f, "no lease or reservation of {}", ports.join(", "))
            }
            Self::Service { project, service, environment, replica } => {
                write!(f, "no lease of service `{service}`")?;
                if let Some(environment) = environment.as_ref().filter(|environment| !environment.is_empty()) {
                    write!(f, " in environment `{environment}`")?;
                }
                if let Some(replica) = replica {
                    write!(f, " for replica {replica}")?;
                }
                write!(f, " of {project}")
            }
        }
    }
}
