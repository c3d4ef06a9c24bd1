//! Listeners that nothing declares.

use std::{collections::BTreeSet, net::SocketAddr};

use portcullis_config::scope::Scope;
use portcullis_kernel::inventory::{Inventory, OpenSocket, Protocol, State};

use super::{Declaration, Live, holders, is_same, places, severity_by_reach, takes, words};
use crate::{
    check::Check,
    estate::{Estate, Seat},
    outcome::Outcome,
    run::is_client,
};

/// How far beyond the estate the search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Beyond {
    /// Declared ranges, declared numbers on other addresses, and further listeners of processes that serve the estate.
    #[default]
    Estate,
    /// Every listener of this host.
    Host,
}

const TRIED: &str = "compared every listener of this host with the file";

pub(super) fn check(estate: &Estate<'_>, live: &Live, beyond: Beyond, outcomes: &mut Vec<Outcome>) {
    for (seat, inventory) in live.spaces() {
        let search = Search::new(estate, live, seat, inventory);
        let found = search.search(beyond);
        outcomes.extend(found.into_iter().map(|outcome| match seat {
            Seat::Namespace(name) => outcome.from(name),
            Seat::Here | Seat::Elsewhere => outcome,
        }));
    }
}

/// The search in one port space.
struct Search<'a, 'e, 'l> {
    estate: &'e Estate<'a>,
    live: &'l Live,
    inventory: &'l Inventory,
    /// What is declared in this space.
    places: Vec<Declaration<'a, 'e>>,
    /// Processes that serve a declared address, each with what they serve.
    serving: Vec<(i32, String)>,
}

impl<'a, 'e, 'l> Search<'a, 'e, 'l> {
    fn new(estate: &'e Estate<'a>, live: &'l Live, seat: Seat<'_>, inventory: &'l Inventory) -> Self {
        let places: Vec<_> = places(estate).into_iter().filter(|place| place.seat == seat).collect();
        let mut serving = Vec::new();
        for socket in inventory.sockets.iter().filter(|socket| is_tcp_listener(socket)) {
            if let Some(place) = places.iter().find(|place| serves(socket, place)) {
                serving.extend(socket.processes.iter().map(|process| (process.pid, place.title.clone())));
            }
        }
        Self { estate, live, inventory, places, serving }
    }

    fn search(&self, beyond: Beyond) -> Vec<Outcome> {
        let (mut looked_at, mut left_alone, mut outcomes) = (0, 0, Vec::new());
        let mut told: BTreeSet<(Protocol, SocketAddr)> = BTreeSet::new();
        for socket in self.inventory.sockets.iter().filter(|socket| socket.state == State::Listening) {
            looked_at += 1;
            let Some(reason) = self.why_it_matters(socket, beyond) else { continue };
            if self.estate.ignored(socket).is_some() {
                left_alone += 1;
            } else if told.insert((socket.protocol, socket.address)) {
                outcomes.push(finding(socket, &reason));
            }
        }
        if outcomes.is_empty() {
            let judged = match beyond {
                Beyond::Estate => "none of them is of this estate and undeclared",
                Beyond::Host => "all of them are declared",
            };
            let ignored =
                if left_alone > 0 { format!("; {left_alone} ignored by `probe.ignore`") } else { String::new() };
            let got = format!("{looked_at} listeners, and {judged}{ignored}");
            outcomes.push(Outcome::pass(Check::UndeclaredListener, "all listeners", TRIED, got));
        }
        outcomes
    }

    /// Why a listener that nothing declares is a matter of this estate; `None` if it is declared, or is none.
    fn why_it_matters(&self, socket: &OpenSocket, beyond: Beyond) -> Option<String> {
        let is_declared = self.places.iter().any(|place| serves(socket, place));
        if is_declared && (socket.protocol == Protocol::Tcp || self.is_served_by_same(socket)) {
            return None;
        }
        let number = socket.address.port();
        let settings = self.live.settings.as_ref();
        if settings.is_some_and(|settings| is_client(socket.protocol, number, &settings.ephemeral)) {
            return None;
        }
        if let Some(place) = self.places.iter().find(|place| place.address.port() == number) {
            // A service on both loopback addresses is what `localhost` means.
            let is_loopback = |address: SocketAddr| Scope::of(address.ip()) == Scope::Loopback;
            let is_twin = is_loopback(place.address) && is_loopback(socket.address);
            if is_twin && self.is_served_by_same(socket) {
                return None;
            }
            return Some(format!("its number is that of {}", place.title));
        }
        if let Some(range) = self.estate.declared.ranges.iter().find(|range| range.ports.contains(number)) {
            return Some(format!("its number lies in range `{}` ({})", range.name.value, range.ports.value));
        }
        if let Some((_, title)) = self.server_of(socket) {
            return Some(format!("its process serves {title}"));
        }
        (beyond == Beyond::Host).then(|| "nothing declares it".to_owned())
    }

    fn server_of(&self, socket: &OpenSocket) -> Option<&(i32, String)> {
        self.serving.iter().find(|(pid, _)| socket.processes.iter().any(|process| process.pid == *pid))
    }

    fn is_served_by_same(&self, socket: &OpenSocket) -> bool {
        self.server_of(socket).is_some()
    }
}

fn finding(socket: &OpenSocket, reason: &str) -> Outcome {
    let number = socket.address.port();
    let scope = Scope::of(socket.address.ip()).word();
    let transport = socket.protocol.word();
    let subject = format!("{transport} {}", socket.address);
    let who = holders(&[socket]);
    let got = format!("{who} listens on {transport} {} ({scope}), undeclared: {reason}", words::place(socket));
    let ignore = format!("probe: {{ ignore: [{{ port: {number}, protocol: {transport}, because: ... }}] }}");
    let fix = format!("declare it, stop it, or leave it alone with `{ignore}`");
    Outcome::fail(Check::UndeclaredListener, subject, TRIED, got).fix(fix).severity(severity_by_reach(socket.address))
}

fn is_tcp_listener(socket: &OpenSocket) -> bool {
    socket.state == State::Listening && socket.protocol == Protocol::Tcp
}

/// Whether a listener is the one that a declared address expects, be it on a wildcard: that is `wrong-scope`.
fn serves(socket: &OpenSocket, place: &Declaration<'_, '_>) -> bool {
    let is_number = socket.address.port() == place.address.port();
    is_number && (is_same(socket, place.address) || takes(socket, place.address))
}
