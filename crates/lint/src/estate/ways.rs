//! Joining the facts: every way from the outside to a workload, hop by hop.
//!
//! A way begins at a listener, follows what passes traffic on, and may end at any workload on it. Names are looked up
//! where the one who says them would look; a configuration file that is mounted into a container speaks from within
//! that container. What cannot be followed is kept as a loose end, so that a proof can say that it does not know.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    facts::{Address, Facts, Forward, Guard, Listener, Reach, Role, Space, Target, Transport, Workload, WorkloadPort},
    placing::Placing,
};
use crate::{
    cidr::{Breadth, Networks},
    inputs::{Inputs, Span},
    sensitive,
};

/// Hops of one way. Real estates have three or four; a longer one is a circle that was missed.
const MAX_HOPS: usize = 12;
/// Ways of one estate. A mesh in which everything reaches everything has more than anybody would read.
const MAX_WAYS: usize = 20_000;

/// One step of a way, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What is here: "port 443 of nginx server `shop`".
    pub text: String,
    /// The value that says so.
    pub place: Span,
}

/// From a listener to a workload.
#[derive(Debug, Clone)]
pub struct Way<'f> {
    /// Where it begins.
    pub listener: &'f Listener,
    /// From how far away it can be gone: what the listener and all guards on it let through. `None` if the address of
    /// the listener is not known.
    pub reach: Option<Reach>,
    /// Proofs of identity that are asked for on it.
    pub identities: Vec<String>,
    /// Whether a guard on it cannot be judged.
    pub has_unknown_guard: bool,
    /// From the listener to the workload.
    pub hops: Vec<Hop>,
    /// Number of times that traffic is passed on from one program to another.
    pub forwards: usize,
    /// Where it ends.
    pub workload: &'f Workload,
    /// At which of its ports, if that is known.
    pub port: Option<u16>,
}

impl Way<'_> {
    /// What is reached: the role of the port, of the workload, or else of the number.
    pub fn role(&self) -> Option<Role> {
        let of_port = self.port.and_then(|port| {
            let said = self.workload.ports.iter().find(|said| said.ports.contains(port));
            said.and_then(|said| said.role)
        });
        let of_number = || {
            let transport = self.listener.transport;
            self.port.and_then(|port| sensitive::telling(port, transport)).and_then(|known| known.class.role())
        };
        of_port.or(self.workload.role).or_else(of_number)
    }

    /// Whether a caller needs no proof of identity on the whole way.
    pub fn is_anonymous(&self) -> bool {
        self.identities.is_empty()
    }
}

/// Something that passes traffic on to what no file describes.
#[derive(Debug, Clone)]
pub struct LooseEnd<'f> {
    /// Where it begins.
    pub listener: &'f Listener,
    /// As of [`Way`].
    pub reach: Option<Reach>,
    /// Whom nobody knows: `db.example.com:5432`.
    pub target: String,
    /// The port that is meant, if it is known.
    pub port: Option<u16>,
    /// The value that says so.
    pub place: Span,
}

/// All ways and loose ends.
#[derive(Debug, Default)]
pub struct Ways<'f> {
    /// In the order of their listeners.
    pub ways: Vec<Way<'f>>,
    /// What could not be followed.
    pub loose_ends: Vec<LooseEnd<'f>>,
    /// Whether there are more than can be held; then nothing can be proven.
    pub is_cut: bool,
}

/// Whom a target means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'f> {
    Workload(&'f Workload, Option<u16>),
    Listener(&'f Listener),
}

/// The facts, ready to be asked.
pub(super) struct Index<'f> {
    facts: &'f Facts,
    listeners: HashMap<&'f str, &'f Listener>,
    workloads: HashMap<&'f str, &'f Workload>,
    forwards: HashMap<&'f str, Vec<&'f Forward>>,
    /// By name, each with the network in which the name means the workload.
    names: HashMap<String, Vec<(&'f str, &'f Workload)>>,
    /// Where the listeners of configuration files are.
    placing: Placing<'f>,
    by_space: HashMap<Space, Vec<&'f Listener>>,
    /// Those with one number each, by it.
    by_port: HashMap<(Space, u16), Vec<&'f Listener>>,
    /// Those with several.
    ranges: HashMap<Space, Vec<&'f Listener>>,
}

impl<'f> Index<'f> {
    pub(super) fn new(facts: &'f Facts, inputs: &Inputs) -> Self {
        let mut index = Self {
            facts,
            listeners: facts.listeners.iter().map(|listener| (listener.key.as_str(), listener)).collect(),
            workloads: facts.workloads.iter().map(|workload| (workload.key.as_str(), workload)).collect(),
            forwards: HashMap::new(),
            names: HashMap::new(),
            placing: Placing::new(facts, inputs),
            by_space: HashMap::new(),
            by_port: HashMap::new(),
            ranges: HashMap::new(),
        };
        for forward in &facts.forwards {
            index.forwards.entry(&forward.from).or_default().push(forward);
        }
        for workload in &facts.workloads {
            for (network, name) in &workload.names {
                index.names.entry(name.to_ascii_lowercase()).or_default().push((network, workload));
            }
        }
        for listener in &facts.listeners {
            let space = index.space_of(listener);
            if listener.ports.count() == 1 {
                index.by_port.entry((space.clone(), listener.ports.first)).or_default().push(listener);
            } else {
                index.ranges.entry(space.clone()).or_default().push(listener);
            }
            index.by_space.entry(space).or_default().push(listener);
        }
        index
    }

    /// The space of a listener, with configuration files placed.
    pub(super) fn space_of(&self, listener: &Listener) -> Space {
        self.placing.space(listener)
    }

    /// The listener of this key.
    pub(super) fn listener(&self, key: &str) -> Option<&'f Listener> {
        self.listeners.get(key).copied()
    }

    /// The listeners that share numbers with each other.
    pub(super) fn spaces(&self) -> impl Iterator<Item = (&Space, &[&'f Listener])> {
        self.by_space.iter().map(|(space, listeners)| (space, listeners.as_slice()))
    }

    /// Whom a target means, as seen from a listener; empty if no file says.
    pub(super) fn resolve(&self, target: &'f Target, from: Option<&'f Listener>) -> Vec<Found<'f>> {
        match target {
            Target::Workload { key, port } => {
                self.workloads.get(key.as_str()).map(|workload| Found::Workload(workload, *port)).into_iter().collect()
            }
            Target::Listener(key) => self.listeners.get(key.as_str()).map(|l| Found::Listener(l)).into_iter().collect(),
            Target::Named { host, port, .. } if host.eq_ignore_ascii_case("localhost") => {
                port.map(|port| self.on_loopback(port, from)).unwrap_or_default()
            }
            Target::Named { networks, host, port } => {
                let found = self.named(networks, host, from);
                found.into_iter().map(|workload| Found::Workload(workload, *port)).collect()
            }
            Target::Address { address, port } if address.is_loopback() || address.is_unspecified() => {
                self.on_loopback(*port, from)
            }
            Target::Address { address, port } => self.on_address(*address, *port, from),
        }
    }

    fn named(&self, networks: &[String], host: &str, from: Option<&'f Listener>) -> Vec<&'f Workload> {
        let known = self.names.get(&host.trim_end_matches('.').to_ascii_lowercase());
        let known = known.map(Vec::as_slice).unwrap_or_default();
        let own = || from.map(|listener| self.placing.networks(listener)).unwrap_or_default();
        let networks = if networks.is_empty() { own() } else { networks };
        let is_within = |network: &str| networks.is_empty() || networks.iter().any(|own| own == network);
        let mut found: Vec<&Workload> =
            known.iter().filter(|(network, _)| is_within(network)).map(|(_, workload)| *workload).collect();
        found.sort_by_key(|workload| &workload.key);
        found.dedup_by_key(|workload| &workload.key);
        // Without a network to look in, a name that several projects use means nobody in particular.
        if networks.is_empty() && found.len() > 1 {
            return Vec::new();
        }
        found
    }

    fn on_loopback(&self, port: u16, from: Option<&'f Listener>) -> Vec<Found<'f>> {
        let space = from.map_or(Space::Host, |listener| self.space_of(listener));
        if let Space::Workload(key) = &space
            && let Some(workload) = self.workloads.get(key.as_str())
            && workload.ports.iter().any(|said| said.ports.contains(port))
        {
            return vec![Found::Workload(workload, Some(port))];
        }
        self.listening(&space, port, |address| {
            address.is_wildcard() || matches!(address, Address::Ip(ip) if ip.is_loopback())
        })
    }

    fn on_address(&self, address: IpAddr, port: u16, from: Option<&'f Listener>) -> Vec<Found<'f>> {
        let space = from.map_or(Space::Host, |listener| self.space_of(listener));
        self.listening(&space, port, |bound| matches!(bound, Address::Ip(ip) if *ip == address))
    }

    fn listening(&self, space: &Space, port: u16, is_meant: impl Fn(&Address) -> bool) -> Vec<Found<'f>> {
        let single = self.by_port.get(&(space.clone(), port)).into_iter().flatten();
        let ranges = self.ranges.get(space).into_iter().flatten();
        single
            .chain(ranges)
            .filter(|l| l.transport == Transport::Tcp && l.ports.contains(port) && is_meant(&l.address))
            .map(|listener| Found::Listener(listener))
            .collect()
    }

    /// Who passes traffic on that comes to this listener.
    pub(super) fn forwards_from(&self, key: &str) -> &[&'f Forward] {
        self.forwards.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// All ways.
    pub(super) fn ways(&self) -> Ways<'f> {
        let mut walk = Walk { index: self, ways: Ways::default() };
        for listener in &self.facts.listeners {
            // What listens inside of a workload is only reached through the workload.
            if matches!(self.space_of(listener), Space::Workload(_)) {
                continue;
            }
            let reach = narrowed(listener.reach, &listener.guard);
            let mut trail = Trail {
                start: listener,
                reach,
                identities: Vec::new(),
                has_unknown_guard: listener.guard == Guard::Unknown,
                hops: vec![Hop { text: listener_text(listener), place: listener.place }],
                forwards: 0,
                seen: HashSet::from([listener.key.as_str()]),
            };
            trail.identities.extend(identity(&listener.guard));
            walk.from(listener.key.as_str(), Some(listener), &trail, None);
        }
        walk.ways
    }
}

/// What a way has been through so far.
#[derive(Clone)]
struct Trail<'f> {
    start: &'f Listener,
    reach: Option<Reach>,
    identities: Vec<String>,
    has_unknown_guard: bool,
    hops: Vec<Hop>,
    forwards: usize,
    seen: HashSet<&'f str>,
}

struct Walk<'i, 'f> {
    index: &'i Index<'f>,
    ways: Ways<'f>,
}

impl<'f> Walk<'_, 'f> {
    /// Follows everything that passes traffic on from here. `port` is the one on which it came in, if it matters.
    fn from(&mut self, key: &'f str, listener: Option<&'f Listener>, trail: &Trail<'f>, port: Option<u16>) {
        if trail.hops.len() > MAX_HOPS {
            return;
        }
        for forward in self.index.forwards_from(key) {
            let mut trail = trail.clone();
            trail.reach = narrowed(trail.reach, &forward.guard);
            trail.identities.extend(identity(&forward.guard));
            trail.has_unknown_guard |= forward.guard == Guard::Unknown;
            trail.hops.push(Hop { text: forward_text(forward), place: forward.place });
            trail.forwards += 1;
            let found = self.index.resolve(&forward.target, listener);
            if found.is_empty() {
                self.ways.loose_ends.push(LooseEnd {
                    listener: trail.start,
                    reach: trail.reach,
                    target: target_text(&forward.target),
                    port: target_port(&forward.target).or(port),
                    place: forward.place,
                });
            }
            for found in found {
                self.arrive(found, trail.clone(), port);
            }
        }
    }

    fn arrive(&mut self, found: Found<'f>, mut trail: Trail<'f>, came_in: Option<u16>) {
        match found {
            Found::Listener(listener) => {
                if !trail.seen.insert(&listener.key) {
                    return;
                }
                trail.identities.extend(identity(&listener.guard));
                trail.has_unknown_guard |= listener.guard == Guard::Unknown;
                trail.hops.push(Hop { text: listener_text(listener), place: listener.place });
                self.from(&listener.key, Some(listener), &trail, None);
            }
            Found::Workload(workload, port) => {
                if !trail.seen.insert(&workload.key) {
                    return;
                }
                let port = port.or(came_in).or_else(|| only_port(workload));
                trail.hops.push(Hop { text: workload_text(workload, port), place: port_place(workload, port) });
                if self.ways.ways.len() >= MAX_WAYS {
                    self.ways.is_cut = true;
                    return;
                }
                self.ways.ways.push(Way {
                    listener: trail.start,
                    reach: trail.reach,
                    identities: trail.identities.clone(),
                    has_unknown_guard: trail.has_unknown_guard,
                    hops: trail.hops.clone(),
                    forwards: trail.forwards,
                    workload,
                    port,
                });
                self.from(&workload.key, None, &trail, port);
                self.inside(workload, port, &trail);
            }
        }
    }

    /// A proxy inside of the workload passes on what comes to its port.
    fn inside(&mut self, workload: &'f Workload, port: Option<u16>, trail: &Trail<'f>) {
        let space = Space::Workload(workload.key.clone());
        let listeners = self.index.by_space.get(&space).cloned().unwrap_or_default();
        for listener in listeners {
            if port.is_none_or(|port| listener.ports.contains(port)) {
                self.arrive(Found::Listener(listener), trail.clone(), None);
            }
        }
    }
}

/// What a guard lets through of what came so far.
fn narrowed(reach: Option<Reach>, guard: &Guard) -> Option<Reach> {
    let Guard::Sources(sources) = guard else { return reach };
    let mut networks = Networks::default();
    for source in sources {
        networks.add(&Networks::network(source.addr(), source.prefix_len()));
    }
    let most = match networks.breadth() {
        Breadth::Internet | Breadth::Public => Reach::Internet,
        _ if sources.iter().all(|source| source.addr().is_loopback()) => Reach::Host,
        _ => Reach::Private,
    };
    reach.map(|reach| reach.min(most))
}

fn identity(guard: &Guard) -> Option<String> {
    match guard {
        Guard::Identity(how) => Some(how.clone()),
        _ => None,
    }
}

fn only_port(workload: &Workload) -> Option<u16> {
    match workload.ports.as_slice() {
        [WorkloadPort { ports, .. }] if ports.first == ports.last => Some(ports.first),
        _ => None,
    }
}

fn port_place(workload: &Workload, port: Option<u16>) -> Span {
    let said = port.and_then(|port| workload.ports.iter().find(|said| said.ports.contains(port)));
    said.map_or(workload.place, |said| said.place)
}

fn listener_text(listener: &Listener) -> String {
    let reach = listener.reach.map_or("unknown reach", Reach::word);
    format!("{} listens on {}:{}/{} ({reach})", listener.title, listener.address, listener.ports, listener.transport)
}

fn forward_text(forward: &Forward) -> String {
    let when = if forward.when.is_empty() { String::new() } else { format!("{}: ", forward.when) };
    let guard = match &forward.guard {
        Guard::Identity(how) => format!(" after {how}"),
        Guard::Sources(_) => " from some sources".to_owned(),
        Guard::Open | Guard::Unknown => String::new(),
    };
    format!("{when}passed on to {}{guard}", target_text(&forward.target))
}

fn workload_text(workload: &Workload, port: Option<u16>) -> String {
    match port {
        Some(port) => format!("{} at port {port}", workload.title),
        None => workload.title.clone(),
    }
}

/// For people: `db:5432`.
pub fn target_text(target: &Target) -> String {
    let with_port = |name: &str, port: Option<u16>| match port {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    match target {
        // A key ends with the name.
        Target::Workload { key, port } => with_port(key.rsplit(':').next().unwrap_or(key), *port),
        Target::Listener(key) => key.rsplit(':').next().unwrap_or(key).to_owned(),
        Target::Named { host, port, .. } => with_port(host, *port),
        Target::Address { address: IpAddr::V6(address), port } => format!("[{address}]:{port}"),
        Target::Address { address, port } => format!("{address}:{port}"),
    }
}

fn target_port(target: &Target) -> Option<u16> {
    match target {
        Target::Workload { port, .. } | Target::Named { port, .. } => *port,
        Target::Address { port, .. } => Some(*port),
        Target::Listener(_) => None,
    }
}
