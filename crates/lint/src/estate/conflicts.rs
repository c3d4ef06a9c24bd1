//! Two owners that cannot both have a port, by the kernel's rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use portcullis_config::bind_conflict::{Binding, Family, meet};

use super::{
    facts::{Address, Listener, Sharing, Space, Transport},
    ways::Index,
};
use crate::{
    finding::Finding,
    inputs::Inputs,
    rule::{Default, Rule, Severity},
};

/// Two programs that want one port of one host.
pub(super) static ONE_PORT: Rule = Rule {
    id: "PC101",
    name: "port-claimed-twice",
    severity: Severity::Critical,
    title: "two programs want the same port of the same host",
    why: "Whichever starts second fails with \"address already in use\", or, where both set SO_REUSEPORT, each gets a \
          random half of the connections. Wildcard and specific addresses collide as well, by the kernel's rule.",
    remedy: "Give one of them another port, or bind each to an address of its own.",
    default: Default::On,
};

/// Two Compose projects that want one port of one host.
pub(super) static PROJECTS: Rule = Rule {
    id: "PC204",
    name: "projects-share-a-port",
    severity: Severity::High,
    title: "two Compose projects publish the same port, so they cannot run on one host",
    why: "The second project fails to start with \"port is already allocated\", on the machine of whoever runs both: a \
          developer, a CI runner, a small server.",
    remedy: "Give one of them another host port, bind each to an address of its own, or make the port a variable with \
             a default of its own.",
    default: Default::On,
};

/// More projects than anybody runs on one host: a collection of examples, where a shared port is no more than a note.
const COLLECTION: usize = 5;

pub(super) fn check(index: &Index<'_>, inputs: &Inputs) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (space, listeners) in index.spaces() {
        if matches!(space, Space::Host | Space::Workload(_)) {
            let projects: BTreeSet<&str> = listeners.iter().map(|l| l.owner.project.as_str()).collect();
            for ((transport, port), claims) in claims(listeners) {
                findings.push(told(transport, port, claims, projects.len() > COLLECTION, inputs));
            }
        }
    }
    findings
}

/// Who claims a port that somebody of another project claims as well.
fn claims<'f>(listeners: &[&'f Listener]) -> BTreeMap<(Transport, u16), Vec<&'f Listener>> {
    let mut sorted: Vec<&Listener> = listeners.to_vec();
    sorted.sort_by_key(|listener| listener.ports);
    let mut claims: BTreeMap<(Transport, u16), Vec<&Listener>> = BTreeMap::new();
    let mut open: Vec<&Listener> = Vec::new();
    for listener in sorted {
        open.retain(|earlier| earlier.ports.last >= listener.ports.first);
        for earlier in &open {
            if collide(earlier, listener) {
                let claims = claims.entry((listener.transport, listener.ports.first)).or_default();
                for one in [*earlier, listener] {
                    if !claims.iter().any(|known| known.key == one.key) {
                        claims.push(one);
                    }
                }
            }
        }
        open.push(listener);
    }
    claims
}

/// Port 0 stands for a number that is picked when it is bound, which is never one that is taken.
fn collide(one: &Listener, other: &Listener) -> bool {
    one.owner.project != other.owner.project
        && one.ports.first != 0
        && one.transport == other.transport
        && !(one.sharing == Sharing::ReusePort && other.sharing == Sharing::ReusePort)
        && bindings(&one.address).iter().any(|a| bindings(&other.address).iter().any(|b| meet(*a, *b)))
}

/// The sockets of an address, at a port of no matter which number.
fn bindings(address: &Address) -> Vec<Binding> {
    let binding = |ip: IpAddr, family| Binding { address: SocketAddr::new(ip, 1), family };
    let (any_v4, any_v6) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    match address {
        Address::Ip(ip) => vec![binding(*ip, Family::V6Only)],
        Address::BothWildcards => vec![binding(any_v4, Family::V6Only), binding(any_v6, Family::V6Only)],
        Address::Dual => vec![binding(any_v6, Family::Dual)],
        Address::Unknown(_) => Vec::new(),
    }
}

/// One finding for each port, at the last in reading order: with two it is the second, which is what would fail.
fn told(transport: Transport, port: u16, mut claims: Vec<&Listener>, is_collection: bool, inputs: &Inputs) -> Finding {
    claims.sort_by_key(|listener| (inputs.path(listener.place.file).to_owned(), listener.place.start));
    let rule = if claims.iter().all(|l| l.key.starts_with("compose:")) { &PROJECTS } else { &ONE_PORT };
    let [others @ .., last] = claims.as_slice() else {
        return Finding::new(rule, crate::inputs::Span::default(), format!("port {port}/{transport} is claimed twice"));
    };
    let count = if others.len() == 1 { "already".to_owned() } else { format!("also by {} others", others.len()) };
    let first = others.first().map_or("", |listener| listener.title.as_str());
    let message = if others.len() == 1 {
        format!("port {port}/{transport} is {count} claimed by {first}")
    } else {
        format!("port {port}/{transport} is claimed {count}, first by {first}")
    };
    let mut finding = Finding::new(rule, last.place, message)
        .label(last.title.clone())
        .help("give one of them another port, or an address of its own");
    if is_collection {
        finding = finding.severity(Severity::Info);
    }
    for other in others.iter().take(5) {
        finding = finding.related(other.place, other.title.clone());
    }
    finding
}
