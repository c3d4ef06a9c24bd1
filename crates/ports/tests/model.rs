//! The allocator against a model of it: whatever services, strangers, people and time do, it hands out exactly the
//! number that the documentation promises (`docs/reference/ports.md`), or says rightly that there is none.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    rc::Rc,
    time::{Duration, SystemTime},
};

use portcullis_config::declared::{PortSpan, Space};
use portcullis_kernel::{
    instance::{Instance, Life},
    occupancy::Occupancy,
};
use portcullis_ports::{Allocation, Memory, Owner, Place, PortsError, Project, Registry, Selection, World};
use portcullis_store::Store;
use proptest::prelude::*;

const FIRST: u16 = 20_000;
const LAST: u16 = 20_015;
/// Declared by the service `shop`.
const DECLARED: [u16; 2] = [20_000, 20_001];
/// Kept back by the range.
const KEPT: u16 = 20_007;
const SERVICES: [&str; 4] = ["shop", "cart", "search", "worker"];

const FILE: &str = "
ranges:
  app: { ports: 20000-20015, reserve: 20007 }
services:
  shop: { ports: 20000-20001, range: app, endpoints: [127.0.0.1:20000] }
";

/// What is on a port without a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    /// Something that listens.
    Listener,
    /// The local end of an outbound connection.
    Connection,
    /// What is left of connections to a server that has gone.
    Remains,
}

/// A machine whose time and sockets the test decides. Copies are the same machine.
#[derive(Debug, Clone)]
struct Machine(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    now: SystemTime,
    strangers: BTreeMap<u16, Stranger>,
}

impl World for Machine {
    fn now(&self) -> SystemTime {
        self.0.borrow().now
    }

    fn occupancy(&self, place: &Place) -> Result<Occupancy, PortsError> {
        Ok(match self.0.borrow().strangers.get(&place.port) {
            None => Occupancy::Vacant,
            Some(Stranger::Remains) => Occupancy::Passing,
            Some(Stranger::Listener | Stranger::Connection) => Occupancy::Taken,
        })
    }

    fn may_be_its_service(&self, place: &Place) -> bool {
        self.0.borrow().strangers.get(&place.port) != Some(&Stranger::Connection)
    }

    fn who_has(&self, place: &Place) -> Vec<String> {
        self.0.borrow().strangers.get(&place.port).map(|stranger| format!("{stranger:?}")).into_iter().collect()
    }

    fn given_away(&self, _: &Place) -> Result<Option<PortSpan>, PortsError> {
        Ok(None)
    }

    fn life(&self, _: &Instance) -> Life {
        Life::Ended
    }
}

/// Whose a number is or was, in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    owner: Owner,
    /// How it ends by itself.
    expires: Option<SystemTime>,
    ended: Option<SystemTime>,
}

/// What the documentation says, in the simplest way that can be thought of.
#[derive(Debug, Clone)]
struct Model {
    known: BTreeMap<u16, Known>,
    reserved: BTreeSet<u16>,
}

impl Model {
    fn settle(&mut self, now: SystemTime) {
        for known in self.known.values_mut() {
            if known.ended.is_none() && known.expires.is_some_and(|expires| expires <= now) {
                known.ended = known.expires;
            }
        }
    }

    fn of(&self, owner: &Owner) -> Option<(u16, &Known)> {
        self.known.iter().find(|(_, known)| known.owner == *owner).map(|(port, known)| (*port, known))
    }

    fn replicas(&self, owner: &Owner) -> BTreeMap<u32, u16> {
        let active = self.known.iter().filter(|(_, known)| known.ended.is_none() && known.owner.is_sibling_of(owner));
        active.map(|(port, known)| (known.owner.replica, *port)).collect()
    }

    /// The number of one replica; `None` if there is none to be had.
    fn choose(&self, owner: &Owner, strangers: &BTreeMap<u16, Stranger>) -> Option<u16> {
        let own = self.of(owner);
        let is_own_free = |port: u16| match (own.filter(|(own, _)| *own == port), strangers.get(&port)) {
            (_, None) | (Some(_), Some(Stranger::Remains)) => true,
            (Some((_, known)), Some(Stranger::Listener)) => known.ended.is_none(),
            (_, Some(_)) => false,
        };
        let declares = owner.service == "shop" && owner.environment.is_empty();
        if let Some(port) = DECLARED.get(owner.replica as usize).copied().filter(|_| declares) {
            return Some(port).filter(|port| !self.reserved.contains(port) && is_own_free(*port));
        }
        let is_automatic = |port: &u16| !DECLARED.contains(port) && *port != KEPT && !self.reserved.contains(port);
        if let Some((port, _)) = own.filter(|(port, _)| is_automatic(port) && is_own_free(*port)) {
            return Some(port);
        }
        let begin = begin(owner);
        let mut free: Vec<u16> = (begin..=LAST).chain(FIRST..begin).filter(is_automatic).collect();
        free.retain(|port| !strangers.contains_key(port));
        free.retain(|port| self.known.get(port).is_none_or(|known| known.ended.is_some()));
        // Never used first, in the order of the search; then the one that was given up first.
        free.sort_by_key(|port| self.known.get(port).map(|known| (known.ended, *port)));
        free.first().copied()
    }
}

/// Where a search begins. The hash has a test of its own, with the vectors of its specification.
fn begin(owner: &Owner) -> u16 {
    let bytes = owner.service.bytes().chain([0]).chain(owner.environment.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    FIRST + (hash.wrapping_add(owner.replica.into()) % u64::from(LAST - FIRST + 1)) as u16
}

#[derive(Debug, Clone)]
enum Step {
    Allocate { service: usize, staging: bool, replicas: Option<u32>, seconds: Option<u64> },
    Release { service: usize, replica: Option<u32>, forget: bool },
    ReleasePort(u16),
    Reserve(u16),
    Arrive(u16, Stranger),
    Leave(u16),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let port = FIRST..=LAST;
    let stranger = prop_oneof![Just(Stranger::Listener), Just(Stranger::Connection), Just(Stranger::Remains)];
    prop_oneof![
        6 => (0..4_usize, any::<bool>(), prop::option::of(1..6_u32), prop::option::weighted(0.3, 1..30_u64)).prop_map(
            |(service, staging, replicas, seconds)| Step::Allocate { service, staging, replicas, seconds }
        ),
        1 => (0..4_usize, prop::option::of(0..4_u32), any::<bool>())
            .prop_map(|(service, replica, forget)| Step::Release { service, replica, forget }),
        1 => port.clone().prop_map(Step::ReleasePort),
        1 => port.clone().prop_map(Step::Reserve),
        2 => (port.clone(), stranger).prop_map(|(port, stranger)| Step::Arrive(port, stranger)),
        2 => port.prop_map(Step::Leave),
        2 => (1..20_u64).prop_map(Step::Wait),
    ]
}

/// Registry and model side by side.
struct Pair {
    registry: Registry<Machine>,
    machine: Machine,
    project: Project,
    model: Model,
    _directory: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = State { now: SystemTime::UNIX_EPOCH + Duration::from_secs(1), strangers: BTreeMap::new() };
        let machine = Machine(Rc::new(RefCell::new(state)));
        let registry = Registry::new(Store::open(&directory.path().join("store.db")).unwrap(), machine.clone());
        let path = Path::new("portcullis.yaml");
        let loaded = portcullis_config::load_str(path, FILE);
        let project = Project::new(path, loaded.declared.unwrap(), loaded.sources);
        let model = Model { known: BTreeMap::new(), reserved: BTreeSet::new() };
        Self { registry, machine, project, model, _directory: directory }
    }

    fn run(&mut self, step: &Step) {
        // Two things never happen at the same moment, so that it is known what was given up first.
        self.machine.0.borrow_mut().now += Duration::from_secs(1);
        let now = self.machine.now();
        self.model.settle(now);
        match *step {
            Step::Allocate { service, staging, replicas, seconds } => {
                self.allocate(SERVICES[service], if staging { "staging" } else { "" }, replicas, seconds);
            }
            Step::Release { service, replica, forget } => {
                let project = self.project.name.clone();
                let service = SERVICES[service].to_owned();
                let selection = Selection::Service { project, service, environment: None, replica };
                self.release(&selection, if forget { Memory::Forget } else { Memory::Keep });
            }
            Step::ReleasePort(port) => self.release(&Selection::Ports(vec![PortSpan::single(port)]), Memory::Keep),
            Step::Reserve(port) => {
                let is_leased = self.model.known.get(&port).is_some_and(|known| known.ended.is_none());
                let result = self.registry.reserve(&Space::Host, PortSpan::single(port), "printers", None);
                assert_eq!(result.is_err(), is_leased, "{result:?}");
                if !is_leased {
                    self.model.reserved.insert(port);
                }
            }
            Step::Arrive(port, stranger) => {
                self.machine.0.borrow_mut().strangers.insert(port, stranger);
            }
            Step::Leave(port) => {
                self.machine.0.borrow_mut().strangers.remove(&port);
            }
            Step::Wait(seconds) => {
                self.machine.0.borrow_mut().now += Duration::from_secs(seconds);
                self.model.settle(self.machine.now());
            }
        }
        self.compare();
    }

    fn allocate(&mut self, service: &str, environment: &str, replicas: Option<u32>, seconds: Option<u64>) {
        let now = self.machine.now();
        let demand = self.project.demand(service, environment, Some("app")).unwrap();
        let duration = seconds.map(Duration::from_secs);
        let result = self.registry.allocate(&demand, replicas, duration);
        // All of it happens, or nothing.
        let mut model = self.model.clone();
        let present = model.replicas(&demand.owner);
        let count = replicas.or(present.keys().max().map(|last| last + 1)).unwrap_or(1);
        for (_, port) in present.range(count..) {
            let known = model.known.get_mut(port).unwrap();
            (known.ended, known.expires) = (Some(now), None);
        }
        let mut expected = Vec::new();
        for replica in 0..count {
            let owner = demand.replica(replica);
            let Some(port) = model.choose(&owner, &self.machine.0.borrow().strangers) else {
                let error = result.unwrap_err();
                let is_right = matches!(
                    error,
                    PortsError::RangeFull(_) | PortsError::DeclaredIsTaken { .. } | PortsError::Reserved { .. }
                );
                assert!(is_right, "{error}");
                return;
            };
            model.known.retain(|_, known| known.owner != owner);
            model.known.insert(port, Known { owner, expires: duration.map(|duration| now + duration), ended: None });
            expected.push(port);
        }
        let Allocation { ports, .. } = result.unwrap();
        assert_eq!(ports.iter().map(|allocated| allocated.lease.place.port).collect::<Vec<_>>(), expected);
        self.model = model;
    }

    fn release(&mut self, selection: &Selection, memory: Memory) {
        let now = self.machine.now();
        let is_meant = |port: u16, owner: &Owner| match selection {
            Selection::Ports(ports) => ports.iter().any(|span| span.contains(port)),
            Selection::Service { service, replica, .. } => {
                owner.service == *service && replica.is_none_or(|replica| replica == owner.replica)
            }
        };
        let result = self.registry.release(selection, memory);
        let mut released = 0;
        self.model.known.retain(|port, known| {
            let is_released = is_meant(*port, &known.owner) && (known.ended.is_none() || memory == Memory::Forget);
            released += usize::from(is_released);
            if is_released && memory == Memory::Keep {
                (known.ended, known.expires) = (Some(now), None);
            }
            !is_released || memory == Memory::Keep
        });
        if let Selection::Ports(ports) = selection {
            let before = self.model.reserved.len();
            self.model.reserved.retain(|port| !ports.iter().any(|span| span.contains(*port)));
            released += before - self.model.reserved.len();
        }
        assert_eq!(result.is_err(), released == 0, "{result:?}");
    }

    fn compare(&mut self) {
        let standing = self.registry.standing().unwrap();
        let told: BTreeMap<u16, Owner> =
            standing.leases.into_iter().map(|lease| (lease.place.port, lease.owner)).collect();
        let active = self.model.known.iter().filter(|(_, known)| known.ended.is_none());
        let expected: BTreeMap<u16, Owner> = active.map(|(port, known)| (*port, known.owner.clone())).collect();
        assert_eq!(told, expected);
        let reserved: BTreeSet<u16> = standing.reservations.iter().map(|reservation| reservation.ports.first).collect();
        assert_eq!(reserved, self.model.reserved);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_allocator_does_what_its_documentation_says(steps in prop::collection::vec(step(), 1..40)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.run(step);
        }
    }
}
