//! Environments that should not reach each other: from every network namespace that was asked for, the listeners of every
//! other.

use std::net::{IpAddr, SocketAddr};

use portcullis_kernel::{
    addresses::local_addresses,
    inventory::{Inventory, OpenSocket, Protocol as Transport, State},
    namespace::Namespace,
};

use super::{Attempt, Attempted, Curiosity, Vantages, attempt};
use crate::{
    check::Check,
    inventory::holders,
    outcome::Outcome,
    wire::{Answer, Expected, Protocol},
};

/// Listeners of one environment that are tried from another at most.
const LISTENERS: usize = 64;

pub(super) fn check(vantages: &Vantages<'_>) -> Vec<Outcome> {
    let environments: Vec<&Namespace> = vantages.namespaces.iter().filter(|namespace| !namespace.is_own()).collect();
    let mut outcomes = Vec::new();
    for there in &environments {
        let Some(inventory) = vantages.inventories.get(&there.to_string()) else { continue };
        let doors = doors(there, inventory);
        for here in environments.iter().filter(|here| **here != *there) {
            outcomes.push(pair(here, there, &doors, vantages));
        }
    }
    outcomes
}

/// A listener at an address through which it could be reached from outside.
struct Door {
    address: SocketAddr,
    holder: String,
}

fn doors(namespace: &Namespace, inventory: &Inventory) -> Vec<Door> {
    let addresses = namespace.run(local_addresses).unwrap_or_default();
    let is_outward = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let outward: Vec<IpAddr> = addresses.into_iter().filter(is_outward).collect();
    let listeners =
        inventory.sockets.iter().filter(|socket| socket.protocol == Transport::Tcp && socket.state == State::Listening);
    let through = |socket: &OpenSocket| {
        let bound = socket.address;
        let takes = move |address: &&IpAddr| {
            **address == bound.ip() || (bound.ip().is_unspecified() && (bound.is_ipv6() || address.is_ipv4()))
        };
        let holder = holders(&[socket]);
        outward
            .iter()
            .filter(takes)
            .map(|address| Door { address: SocketAddr::new(*address, bound.port()), holder: holder.clone() })
            .collect::<Vec<_>>()
    };
    let mut doors: Vec<Door> = listeners.flat_map(through).collect();
    doors.dedup_by_key(|door| door.address);
    doors.truncate(LISTENERS);
    doors
}

fn pair(here: &Namespace, there: &Namespace, doors: &[Door], vantages: &Vantages<'_>) -> Outcome {
    let subject = format!("listeners of {there}");
    let tried = format!("connected to each of {} from {here}", doors.len());
    let expected = Expected { protocol: Protocol::Tcp, host: None, path: "/".to_owned(), ahead: None };
    let attempts: Vec<Attempt> = doors
        .iter()
        .filter_map(|door| vantages.permit.target(door.address))
        .map(|target| Attempt { target, expected: expected.clone(), curiosity: Curiosity::None })
        .collect();
    let results = attempt(here, attempts, vantages.budget);
    let open: Vec<String> = doors
        .iter()
        .zip(&results)
        .filter(|(_, attempted)| matches!(attempted.answer, Answer::Open(_) | Answer::Unanswered(_) | Answer::Denied))
        .map(|(door, attempted)| format!("{} of {} {}", door.address, door.holder, attempted.answer.words()))
        .collect();
    let not_tried = results.iter().find_map(why_not_tried);
    let outcome = match (open.as_slice(), not_tried) {
        ([], Some(why)) => Outcome::unknown(Check::Isolation, subject, tried, why),
        ([], None) => Outcome::pass(Check::Isolation, subject, tried, "none of them can be reached"),
        (open, _) => Outcome::fail(Check::Isolation, subject, tried, open.join("; "))
            .fix("no environment reaches another but through the proxy: take the route away, or let a firewall drop"),
    };
    outcome.from(here.to_string())
}

fn why_not_tried(attempted: &Attempted) -> Option<String> {
    match &attempted.answer {
        Answer::NotTried(why) => Some(why.clone()),
        _ => None,
    }
}
