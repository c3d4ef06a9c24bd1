//! The kernel's tables held against the declaration. Nothing is sent.

mod held;
mod listening;
mod owners;
mod queues;
mod settings;
mod undeclared;
mod words;

use std::{collections::BTreeMap, net::SocketAddr};

use portcullis_config::span::Span;
use portcullis_kernel::{
    inventory::{Families, Inventory, OpenSocket, Overflows, Protocol, State},
    settings::PortSettings,
};

use crate::{
    check::{Check, Severity},
    estate::{Estate, OwnPort, Seat, ServiceEndpoint},
    outcome::{Outcome, Place},
};

pub use undeclared::Beyond;
pub use words::holders;

/// What the kernel says, at one moment.
#[derive(Debug)]
pub struct Live {
    /// Every socket of this namespace.
    pub here: Inventory,
    /// Those of other namespaces, by name, as far as they can be seen.
    pub namespaces: BTreeMap<String, Inventory>,
    /// The settings of this namespace; `None` if they can not be read.
    pub settings: Option<PortSettings>,
}

impl Live {
    /// The sockets of a port space, if it can be seen.
    pub(crate) fn of(&self, seat: Seat<'_>) -> Option<&Inventory> {
        match seat {
            Seat::Here => Some(&self.here),
            Seat::Namespace(name) => self.namespaces.get(name),
            Seat::Elsewhere => None,
        }
    }

    /// Every port space that can be seen, this one first.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = (Seat<'_>, &Inventory)> {
        let others = self.namespaces.iter().map(|(name, inventory)| (Seat::Namespace(name), inventory));
        std::iter::once((Seat::Here, &self.here)).chain(others)
    }
}

/// Holds all of it against the declaration. `proxy` is the process of the proxy, where it is known.
pub fn check(estate: &Estate<'_>, live: &Live, beyond: Beyond, proxy: Option<i32>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let looks_at_itself = proxy.is_some();
    let proxy = proxy.or_else(|| owners::proxy(estate, live));
    for place in places(estate) {
        let Some(inventory) = live.of(place.seat) else {
            outcomes.push(listening::unseen(&place));
            continue;
        };
        let sockets = Sockets::at(&place, inventory);
        listening::check(&place, &sockets, inventory, &mut outcomes);
        owners::check(&place, &sockets, proxy, &mut outcomes);
        queues::check_queue(&place, &sockets, &mut outcomes);
    }
    // A knock leaves a record; whoever is the proxy knows its sockets, and its health checks those of services.
    if !looks_at_itself {
        listening::check_unix(estate, &mut outcomes);
    }
    listening::report_unresolved(estate, &mut outcomes);
    undeclared::check(estate, live, beyond, &mut outcomes);
    settings::check(estate, live, &mut outcomes);
    outcomes
}

/// Whether queues overflowed between two moments.
pub fn check_overflows(before: Overflows, after: Overflows) -> Outcome {
    queues::check_overflows(before, after)
}

/// An address of this host on which somebody is to listen.
pub(crate) struct Declaration<'a, 'e> {
    pub(crate) address: SocketAddr,
    pub(crate) seat: Seat<'a>,
    pub(crate) title: String,
    pub(crate) place: Option<Place>,
    pub(crate) who: Who<'a, 'e>,
}

/// Who is to listen.
pub(crate) enum Who<'a, 'e> {
    /// The proxy.
    Proxy,
    /// A service.
    Service(&'e ServiceEndpoint<'a>),
}

impl Declaration<'_, '_> {
    fn outcome(&self, outcome: Outcome) -> Outcome {
        let outcome = outcome.at(self.place.clone());
        match self.seat {
            Seat::Namespace(name) => outcome.from(name),
            Seat::Here | Seat::Elsewhere => outcome,
        }
    }

    pub(crate) fn pass(&self, check: Check, tried: &str, got: impl Into<String>) -> Outcome {
        self.outcome(Outcome::pass(check, self.title.clone(), tried, got))
    }

    pub(crate) fn fail(&self, check: Check, tried: &str, got: impl Into<String>) -> Outcome {
        self.outcome(Outcome::fail(check, self.title.clone(), tried, got))
    }

    pub(crate) fn unknown(&self, check: Check, tried: &str, got: impl Into<String>) -> Outcome {
        self.outcome(Outcome::unknown(check, self.title.clone(), tried, got))
    }
}

/// Every address of this host on which the declaration expects somebody.
pub(crate) fn places<'a, 'e>(estate: &'e Estate<'a>) -> Vec<Declaration<'a, 'e>> {
    let place = |span: Span| estate.place(span);
    let port = |own: &OwnPort<'a>| Declaration {
        address: own.address,
        seat: Seat::Here,
        title: own.title(),
        place: place(own.port.listen.span),
        who: Who::Proxy,
    };
    let endpoint = |endpoint: &'e ServiceEndpoint<'a>| Declaration {
        address: endpoint.address,
        seat: endpoint.seat,
        title: endpoint.title(),
        place: place(endpoint.span),
        who: Who::Service(endpoint),
    };
    let endpoints = estate.endpoints.iter().filter(|endpoint| endpoint.seat != Seat::Elsewhere);
    estate.ports.iter().map(port).chain(endpoints.map(endpoint)).collect()
}

/// The listeners that have to do with one declared address.
pub(crate) struct Sockets<'l> {
    /// On exactly this address.
    pub(crate) exact: Vec<&'l OpenSocket>,
    /// On a wildcard that takes what is sent to this address.
    pub(crate) wider: Vec<&'l OpenSocket>,
    /// On an address that a declared wildcard stands for.
    pub(crate) narrower: Vec<&'l OpenSocket>,
}

impl<'l> Sockets<'l> {
    fn at(declaration: &Declaration<'_, '_>, inventory: &'l Inventory) -> Self {
        let address = declaration.address;
        let listeners = inventory.sockets.iter().filter(|socket| {
            socket.protocol == Protocol::Tcp
                && socket.state == State::Listening
                && socket.address.port() == address.port()
        });
        let mut sockets = Self { exact: Vec::new(), wider: Vec::new(), narrower: Vec::new() };
        for socket in listeners {
            if is_same(socket, address) {
                sockets.exact.push(socket);
            } else if takes(socket, address) {
                sockets.wider.push(socket);
            } else if address.ip().is_unspecified() && socket.address.ip().to_canonical().is_ipv4() == address.is_ipv4()
            {
                sockets.narrower.push(socket);
            }
        }
        sockets
    }

    /// Those that serve the address: the more specific ones go before the wider ones.
    pub(crate) fn serving(&self) -> &[&'l OpenSocket] {
        if self.exact.is_empty() { &self.wider } else { &self.exact }
    }
}

/// Whether the socket is bound to this address and takes nothing else.
fn is_same(socket: &OpenSocket, address: SocketAddr) -> bool {
    let takes_both = matches!(socket.families, Families::Both);
    socket.address.ip().to_canonical() == address.ip().to_canonical() && !takes_both
}

/// Whether a wildcard socket takes what is sent to this address.
fn takes(socket: &OpenSocket, address: SocketAddr) -> bool {
    let takes_v4 = matches!(socket.families, Families::V4 | Families::Both | Families::V6AndPerhapsV4);
    let takes_family = if address.ip().to_canonical().is_ipv4() { takes_v4 } else { socket.address.is_ipv6() };
    socket.address.ip().is_unspecified() && takes_family
}

/// The same finding is worse where others can reach it.
fn severity_by_reach(address: SocketAddr) -> Severity {
    if address.ip().to_canonical().is_loopback() { Severity::Warning } else { Severity::Error }
}
