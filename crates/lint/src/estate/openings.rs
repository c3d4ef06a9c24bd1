//! Firewalls against what listens: openings for ports that nobody knows, and for ports on which nothing listens.

use super::{
    facts::{Behind, Facts, Opening, Reach, Space, Transport},
    ways::Index,
};
use crate::{
    cidr::{Breadth, Networks},
    finding::Finding,
    rule::{Default, Rule, Severity},
    sensitive,
};

/// Everybody may come to a port of which no file says what it is for.
pub(super) static UNKNOWN_PORT: Rule = Rule {
    id: "PC604",
    name: "unknown-port-open-to-internet",
    severity: Severity::High,
    title: "a firewall lets the whole internet reach a port that no file accounts for",
    why: "A port that is open to everybody should be one that somebody declared: a listener, a published port, a \
          well-known service such as HTTPS. What is open without that is forgotten, or was never meant to be.",
    remedy: "Close it, restrict its sources, or declare in the same set of files what listens there.",
    default: Default::On,
};

/// A door with nothing behind it.
pub(crate) static UNSERVED: Rule = Rule {
    id: "PC611",
    name: "opened-port-not-served",
    severity: Severity::Medium,
    title: "a firewall opens a port on which nothing listens, or something listens on a port that no firewall opens",
    why: "The first is an opening for whatever is started there next; the second does not work. Usually one of the two \
          numbers is a mistake.",
    remedy: "Make the port of the rule and the port of the listener the same, or remove the rule.",
    default: Default::On,
};

/// Wider spans are passages, not ports of services.
const MANY_PORTS: u32 = 1000;

pub(super) fn check(facts: &Facts, index: &Index<'_>) -> Vec<Finding> {
    let has_listeners = facts.listeners.iter().any(|listener| is_on_host(index, listener));
    let mut findings = Vec::new();
    for opening in facts.openings.iter().filter(|opening| opening.ports.count() < MANY_PORTS) {
        let is_served = is_served(opening, facts);
        if is_served || opening.ports.last == 0 {
            continue;
        }
        if is_for_everybody(opening) && !is_accounted_for(opening) {
            let severity = if has_listeners { Severity::High } else { Severity::Medium };
            findings.push(unknown(opening).severity(severity));
        }
        if has_listeners && opening.behind == Behind::Machines && !is_for_administration(opening) {
            findings.push(unserved(opening));
        }
    }
    findings
}

/// Something that a person could have meant with an opening: it listens on a host and is not bound to loopback.
fn is_on_host(index: &Index<'_>, listener: &super::Listener) -> bool {
    let is_outside = listener.reach.is_none_or(|reach| reach > Reach::Host);
    is_outside && matches!(index.space_of(listener), Space::Host | Space::Node)
}

fn is_served(opening: &Opening, facts: &Facts) -> bool {
    let same = |transport: Transport| opening.transport.is_none_or(|of_opening| of_opening == transport);
    let by_listener = facts.listeners.iter().any(|listener| {
        same(listener.transport)
            && listener.reach.is_none_or(|reach| reach > Reach::Host)
            && listener.ports.intersection(opening.ports).is_some()
    });
    let said = facts.workloads.iter().flat_map(|workload| &workload.ports);
    let mut by_workload = said.chain(facts.images.iter().flat_map(|image| &image.ports));
    by_listener || by_workload.any(|port| same(port.transport) && port.ports.intersection(opening.ports).is_some())
}

fn is_for_everybody(opening: &Opening) -> bool {
    let networks = opening.sources.iter().map(|network| Networks::network(network.addr(), network.prefix_len()));
    networks.collect::<Networks>().breadth() == Breadth::Internet
}

/// Web, VPNs and the like are open to everybody by their nature; what is sensitive is told of by its own rule.
fn is_accounted_for(opening: &Opening) -> bool {
    const PUBLIC: [(u16, Transport); 14] = [
        (80, Transport::Tcp),
        (123, Transport::Udp),
        (443, Transport::Tcp),
        (443, Transport::Udp),
        (465, Transport::Tcp),
        (500, Transport::Udp),
        (587, Transport::Tcp),
        (853, Transport::Tcp),
        (1194, Transport::Udp),
        (1194, Transport::Tcp),
        (3478, Transport::Udp),
        (3478, Transport::Tcp),
        (4500, Transport::Udp),
        (51820, Transport::Udp),
    ];
    let is_public = |port: u16, transport: Transport| {
        PUBLIC.contains(&(port, transport)) || sensitive::lookup(port, transport).is_some()
    };
    (opening.ports.first..=opening.ports.last).all(|port| match opening.transport {
        Some(transport) => is_public(port, transport),
        None => is_public(port, Transport::Tcp) || is_public(port, Transport::Udp),
    })
}

/// Shells and desktops come with the machine, and no file says so.
fn is_for_administration(opening: &Opening) -> bool {
    const COMES_WITH_MACHINES: [u16; 4] = [22, 3389, 5985, 5986];
    COMES_WITH_MACHINES.iter().any(|port| opening.ports.contains(*port))
}

fn over(opening: &Opening) -> String {
    opening.transport.map(|transport| format!("/{transport}")).unwrap_or_default()
}

fn unknown(opening: &Opening) -> Finding {
    let (ports, over) = (opening.ports, over(opening));
    let message = format!(
        "{} lets the whole internet reach port {ports}{over}, of which no file says what listens there",
        opening.title
    );
    Finding::new(&UNKNOWN_PORT, opening.place, message)
        .help(format!("close it, let in only those who need it, or declare the service that listens on {ports}"))
}

fn unserved(opening: &Opening) -> Finding {
    let (ports, over) = (opening.ports, over(opening));
    let message = format!("{} opens port {ports}{over}, on which nothing in these files listens", opening.title);
    Finding::new(&UNSERVED, opening.place, message).help("remove the rule, or correct the port to one that is served")
}
