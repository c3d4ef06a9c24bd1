//! Listeners that nothing declares.

use std::{collections::BTreeSet, net::SocketAddr};

use portcullis_config::scope::Scope;
use portcullis_kernel::inventory::{OpenSocket, Protocol, State};

use super::{Declaration, Live, holders, is_same, places, severity_by_reach, takes, words};
use crate::{check::Check, estate::Estate, outcome::Outcome};

/// How far beyond the estate the search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Declared ranges, declared numbers on other addresses, and further listeners of processes that serve the estate.
    Estate,
    /// Every listener of this host.
    Host,
}

const TRIED: &str = "compared every listener of this host with the file";

pub(super) fn check(estate: &Estate<'_>, live: &Live, beyond: Beyond, outcomes: &mut Vec<Outcome>) {
    let search = Search::new(estate, live);
    let mut looked_at = 0;
    let mut left_alone = 0;
    let before = outcomes.len();
    let mut told: BTreeSet<(Protocol, SocketAddr)> = BTreeSet::new();
    for socket in live.inventory.sockets.iter().filter(|socket| socket.state == State::Listening) {
        looked_at += 1;
        let Some(reason) = search.why_it_matters(socket, beyond) else { continue };
        if estate.ignored(socket).is_some() {
            left_alone += 1;
            continue;
        }
        if told.insert((socket.protocol, socket.address)) {
            outcomes.push(search.finding(socket, &reason));
        }
    }
    if outcomes.len() == before {
        let mut got = format!("{looked_at} listeners, and none of them is of this estate and undeclared");
        if beyond == Beyond::Host {
            got = format!("{looked_at} listeners, and all of them are declared");
        }
        if left_alone > 0 {
            got.push_str(&format!("; {left_alone} ignored by `probe.ignore`"));
        }
        outcomes.push(Outcome::pass(Check::UndeclaredListener, "listeners of this host", TRIED, got));
    }
}

struct Search<'a, 'e, 'l> {
    estate: &'e Estate<'a>,
    live: &'l Live,
    places: Vec<Declaration<'a, 'e>>,
    /// Processes that serve a declared address, each with what they serve.
    serving: Vec<(i32, String)>,
}

impl<'a, 'e, 'l> Search<'a, 'e, 'l> {
    fn new(estate: &'e Estate<'a>, live: &'l Live) -> Self {
        let places = places(estate);
        let mut serving = Vec::new();
        let listeners = live.inventory.sockets.iter();
        for socket in listeners.filter(|socket| socket.state == State::Listening && socket.protocol == Protocol::Tcp) {
            if let Some(place) = places.iter().find(|place| serves(socket, place)) {
                serving.extend(socket.processes.iter().map(|process| (process.pid, place.title.clone())));
            }
        }
        Self { estate, live, places, serving }
    }

    /// Why a listener that nothing declares is a matter of this estate; `None` if it is declared, or is none.
    fn why_it_matters(&self, socket: &OpenSocket, beyond: Beyond) -> Option<String> {
        let is_declared = self.places.iter().any(|place| serves(socket, place));
        if is_declared && (socket.protocol == Protocol::Tcp || self.is_served_by_same(socket)) {
            return None;
        }
        let number = socket.address.port();
        // A UDP socket without a peer on an ephemeral number is mostly a client, of DNS for one.
        let is_client = socket.protocol == Protocol::Udp
            && self.live.settings.as_ref().is_some_and(|settings| settings.ephemeral.contains(&number));
        if is_client {
            return None;
        }
        if let Some(place) = self.places.iter().find(|place| place.address.port() == number) {
            // A service on both loopback addresses is what `localhost` means.
            let is_twin =
                Scope::of(place.address.ip()) == Scope::Loopback && Scope::of(socket.address.ip()) == Scope::Loopback;
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

    fn finding(&self, socket: &OpenSocket, reason: &str) -> Outcome {
        let number = socket.address.port();
        let scope = Scope::of(socket.address.ip()).word();
        let transport = socket.protocol.word();
        let subject = format!("{transport} {}", socket.address);
        let got = format!(
            "{} listens on {} {} ({scope}), which nothing declares: {reason}",
            holders(&[socket]),
            transport,
            words::place(socket)
        );
        let fix = format!(
            "declare it, stop it, or leave it alone with `probe: {{ ignore: [{{ port: {number}, protocol: {transport}, because: \
             ... }}] }}`"
        );
        Outcome::fail(Check::UndeclaredListener, subject, TRIED, got)
            .fix(fix)
            .severity(severity_by_reach(socket.address))
    }
}

/// Whether a listener is the one that a declared address expects, be it on a wildcard: that is `wrong-scope`.
fn serves(socket: &OpenSocket, place: &Declaration<'_, '_>) -> bool {
    let is_number = socket.address.port() == place.address.port();
    is_number && (is_same(socket, place.address) || takes(socket, place.address))
}
