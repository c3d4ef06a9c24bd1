//! Who can reach what through a group of rules: PC601 to PC606.
//!
//! Rules of a group are asked together, as the cloud does it: networks of several rules for one port are one set, and
//! what is denied before it is allowed does not count.

use super::{
    opening::{Direction, Effect, Group, Kind, Peer, Permit, Protocol},
    rules,
};
use crate::{
    cidr::{Breadth, Networks},
    estate::{PortSpan, Transport},
    finding::Finding,
    inputs::Span,
    reading,
    rule::{Rule, Severity},
    sensitive::{Class, Exposure, Sensitive, TABLE, Transports},
};

/// As many ports as nobody serves one by one.
const MANY_PORTS: u32 = 1000;

/// No cloud takes more rules than this in one group.
const MAX_PERMITS: usize = 2000;

/// All findings of a group.
pub(super) fn check(group: &Group) -> Vec<Finding> {
    if let Some(beyond) = group.permits.get(MAX_PERMITS) {
        let message = format!("{} has {} rules, of which none is read", group.title, group.permits.len());
        return vec![Finding::new(&reading::BOUNDS, beyond.place, message)];
    }
    let mut findings = sensitive_ports(group);
    for permit in allowed(group, Direction::In) {
        findings.extend(many_ports(group, permit));
        findings.extend(undecided(group, permit));
    }
    findings.extend(way_out(group));
    findings
}

fn allowed(group: &Group, direction: Direction) -> impl Iterator<Item = &Permit> {
    let is_meant = move |permit: &&Permit| permit.direction == direction && permit.effect == Effect::Allow;
    group.permits.iter().filter(is_meant).filter(|permit| !is_for_answers(group, permit))
}

/// A stateless firewall has to let answers back in, to the high ports from which the questions came.
fn is_for_answers(group: &Group, permit: &Permit) -> bool {
    let is_high = |(ports, _): (PortSpan, Span)| ports.first >= 1024 && ports.last >= 60_999;
    let mut ports = permit.known_ports();
    group.kind == Kind::Stateless && ports.next().is_some_and(is_high) && ports.all(is_high)
}

/// Who reaches some port of a span: the union over all rules, without what is denied first.
fn reaching(group: &Group, ports: PortSpan, transport: Transport) -> Vec<(&Permit, Networks)> {
    let is_about = |permit: &&Permit| permit.is_about(ports, transport) == Some(true);
    let sources = allowed(group, Direction::In)
        .filter(is_about)
        .map(|permit| (permit, without_denied(group, permit, ports, transport)));
    sources.filter(|(_, networks)| !networks.is_empty()).collect()
}

/// Who reaches a span of ports by one rule, over whichever transport it is about.
pub(super) fn reaching_through(group: &Group, permit: &Permit, ports: PortSpan) -> Networks {
    let transports = [Transport::Tcp, Transport::Udp].into_iter();
    let carried = transports.filter(|transport| permit.protocol.carries(*transport) == Some(true));
    carried.map(|transport| without_denied(group, permit, ports, transport)).collect()
}

/// The networks of a rule without those that a denial stops which is asked before it.
fn without_denied(group: &Group, permit: &Permit, ports: PortSpan, transport: Transport) -> Networks {
    let denied = group.permits.iter().filter(|other| {
        other.direction == Direction::In
            && other.effect == Effect::Deny
            && other.order < permit.order
            && denies_all(other, ports, transport)
    });
    let denied: Networks = denied.map(Permit::networks).collect();
    permit.networks().without(&denied)
}

/// Whether a denial is about every port of a span.
fn denies_all(denial: &Permit, ports: PortSpan, transport: Transport) -> bool {
    denial.protocol.carries(transport) == Some(true)
        && denial.known_ports().any(|(known, _)| known.first <= ports.first && ports.last <= known.last)
}

/// What is said about one rule for one tier: its sensitive ports.
struct Said<'a> {
    permit: &'a Permit,
    exposure: Exposure,
    severity: Severity,
    entries: Vec<(&'static Sensitive, Transport)>,
    /// The other rules that make up the tier only together with this one.
    together_with: Vec<&'a Permit>,
    networks: Networks,
}

fn sensitive_ports(group: &Group) -> Vec<Finding> {
    let mut said: Vec<Said<'_>> = Vec::new();
    for entry in TABLE {
        for transport in transports(entry.transports) {
            let reaching = reaching(group, entry.ports, *transport);
            let all: Networks = reaching.iter().map(|(_, networks)| networks.clone()).collect();
            let Some(exposure) = Exposure::of(all.breadth()) else { continue };
            let alone: Vec<&(&Permit, Networks)> =
                reaching.iter().filter(|(_, networks)| Exposure::of(networks.breadth()).is_some()).collect();
            let reach_it_alone = alone.iter().any(|(_, networks)| Exposure::of(networks.breadth()) == Some(exposure));
            for (permit, networks) in &alone {
                if let Some(exposure) = Exposure::of(networks.breadth()) {
                    add(&mut said, permit, exposure, networks, (entry, *transport), &[]);
                }
            }
            if !reach_it_alone && let Some((first, _)) = reaching.first() {
                let others: Vec<&Permit> = reaching.iter().skip(1).map(|(permit, _)| *permit).collect();
                add(&mut said, first, exposure, &all, (entry, *transport), &others);
            }
        }
    }
    said.iter().map(|said| reached(group, said)).collect()
}

fn add<'a>(
    said: &mut Vec<Said<'a>>,
    permit: &'a Permit,
    exposure: Exposure,
    networks: &Networks,
    entry: (&'static Sensitive, Transport),
    together_with: &[&'a Permit],
) {
    let Some(severity) = entry.0.class.severity(exposure) else { return };
    let same = |said: &&mut Said<'_>| {
        std::ptr::eq(said.permit, permit)
            && said.exposure == exposure
            && said.together_with.is_empty() == together_with.is_empty()
    };
    match said.iter_mut().find(same) {
        Some(said) => {
            said.severity = said.severity.max(severity);
            if !said.entries.iter().any(|(known, _)| std::ptr::eq(*known, entry.0)) {
                said.entries.push(entry);
            }
        }
        None => said.push(Said {
            permit,
            exposure,
            severity,
            entries: vec![entry],
            together_with: together_with.to_vec(),
            networks: networks.clone(),
        }),
    }
}

fn transports(transports: Transports) -> &'static [Transport] {
    match transports {
        Transports::Tcp => &[Transport::Tcp],
        Transports::Udp => &[Transport::Udp],
        Transports::Both => &[Transport::Tcp, Transport::Udp],
    }
}

fn reached(group: &Group, said: &Said<'_>) -> Finding {
    let rule = match said.exposure {
        Exposure::Internet => &rules::INTERNET,
        Exposure::PublicNetwork => &rules::PUBLIC,
        Exposure::WidePrivate => &rules::PRIVATE,
    };
    let (place, others) = places(said);
    let message = format!("{} lets {} reach {}", group.title, whom(said), what(said));
    let mut finding =
        Finding::new(rule, place, message).severity(said.severity).label(label(said)).help(remedy(group, said));
    for other in others {
        finding = finding.related(other, "together with this");
    }
    finding.related(group.place, format!("in this {}", kind_of(group)))
}

/// The word before the name in a title.
fn kind_of(group: &Group) -> &str {
    group.title.split(" `").next().unwrap_or(&group.title)
}

/// The values that let so many in, the first of them first.
fn places(said: &Said<'_>) -> (Span, Vec<Span>) {
    let mut places = Vec::new();
    let broad = |networks: &Networks| Exposure::of(networks.breadth()) == Some(said.exposure);
    for permit in std::iter::once(said.permit).chain(said.together_with.iter().copied()) {
        let alone: Vec<Span> = permit.peers_where(broad);
        // No value alone is broad enough: all of them are.
        places.extend(if alone.is_empty() { permit.peers_where(|_| true) } else { alone });
    }
    if places.is_empty() {
        return (said.permit.place, Vec::new());
    }
    let first = places.remove(0);
    places.retain(|place| *place != first);
    (first, places)
}

fn whom(said: &Said<'_>) -> String {
    match said.exposure {
        Exposure::Internet if said.together_with.is_empty() => "the whole internet".to_owned(),
        Exposure::Internet => "the whole internet (by several rules together)".to_owned(),
        Exposure::PublicNetwork => {
            let public = said.networks.public();
            match public.size_v4() {
                0 => format!("the public networks {public}"),
                size => format!("{size} public addresses ({public})"),
            }
        }
        Exposure::WidePrivate => format!("all of {}", said.networks),
    }
}

fn label(said: &Said<'_>) -> &'static str {
    match said.exposure {
        Exposure::Internet => "everybody",
        Exposure::PublicNetwork => "many strangers",
        Exposure::WidePrivate => "every machine of a large network",
    }
}

fn what(said: &Said<'_>) -> String {
    const SHOWN: usize = 4;
    let shown = said.entries.iter().take(SHOWN).map(|(entry, transport)| {
        let over = if *transport == Transport::Tcp { String::new() } else { format!("/{transport}") };
        format!("{}{over} ({})", touched(said.permit, entry, *transport), entry.name)
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match said.entries.len().saturating_sub(SHOWN) {
        0 => format!("port {shown}"),
        more => format!("port {shown} and {more} more that are not for everybody"),
    }
}

/// The ports of an entry that a rule is about.
fn touched(permit: &Permit, entry: &Sensitive, transport: Transport) -> PortSpan {
    let carries = permit.protocol.carries(transport) == Some(true);
    let shared = permit.known_ports().filter(|_| carries).find_map(|(ports, _)| ports.intersection(entry.ports));
    shared.unwrap_or(entry.ports)
}

fn remedy(group: &Group, said: &Said<'_>) -> String {
    let words = group.words;
    let class = said.entries.first().map_or(Class::Database, |(entry, _)| entry.class);
    match class {
        Class::RemoteAdministration => format!(
            "allow only the addresses of those who administer it, as in `{}`, or close the port and go through a bastion \
             or the cloud's session manager",
            words.address
        ),
        Class::InternalWeb | Class::Mail | Class::Names => format!(
            "put a load balancer on port 443 in front and allow only it, as in `{}`, or only the addresses that need it, \
             as in `{}`",
            words.group, words.address
        ),
        _ => format!(
            "allow only those that use it, as in `{}`, or their addresses, as in `{}`",
            words.group, words.address
        ),
    }
}

/// PC605: more ports than anybody serves.
fn many_ports(group: &Group, permit: &Permit) -> Option<Finding> {
    let networks = permit.networks();
    let exposure = Exposure::of(networks.breadth())?;
    let (ports, place) = permit.known_ports().max_by_key(|(ports, _)| ports.count())?;
    if matches!(permit.protocol, Protocol::Portless) || ports.count() < MANY_PORTS {
        return None;
    }
    let is_all = ports.count() >= 65_000;
    let severity = match (exposure, is_all) {
        (Exposure::Internet, true) => Severity::Critical,
        (Exposure::Internet, false) | (Exposure::PublicNetwork, true) => Severity::High,
        (Exposure::PublicNetwork, false) => Severity::Medium,
        (Exposure::WidePrivate, _) => Severity::Low,
    };
    let what = match (&permit.protocol, is_all) {
        (Protocol::Any(_), true) => "every protocol and every port".to_owned(),
        (Protocol::Transport(transport), true) => format!("every {transport} port"),
        _ => format!("ports {ports}, {} of them,", ports.count()),
    };
    let whom = match exposure {
        Exposure::Internet => "the whole internet".to_owned(),
        Exposure::PublicNetwork | Exposure::WidePrivate => networks.to_string(),
    };
    let message = format!("{} opens {what} to {whom}", group.title);
    let finding = Finding::new(&rules::MANY_PORTS, place, message).severity(severity);
    Some(finding.help(format!("name each port that is served, as in `{}`", group.words.port)))
}

/// What would be found, did the files say who or which port.
fn undecided(group: &Group, permit: &Permit) -> Option<Finding> {
    let sensitive = || TABLE.iter().find(|entry| touches(permit, entry) != Some(false));
    if let Some((what, place)) = permit.unknown_peer() {
        let entry = sensitive()?;
        // That everybody can come is said already.
        if Exposure::of(permit.networks().breadth()) == Some(Exposure::Internet) {
            return None;
        }
        let port = match touches(permit, entry) {
            Some(true) => format!("port {} ({})", entry.ports, entry.name),
            _ => "which port".to_owned(),
        };
        let message = format!("{}: who can reach {port} depends on `{what}`, which the files do not say", group.title);
        return Some(unknown(&rules::INTERNET, place, message));
    }
    let (what, place) = permit.unknown_port()?;
    let exposure = Exposure::of(permit.networks().breadth())?;
    let (rule, whom) = match exposure {
        Exposure::Internet => (&rules::INTERNET, "the whole internet".to_owned()),
        Exposure::PublicNetwork => (&rules::PUBLIC, permit.networks().to_string()),
        Exposure::WidePrivate => (&rules::PRIVATE, permit.networks().to_string()),
    };
    let message =
        format!("{}: which port {whom} can reach depends on `{what}`, which the files do not say", group.title);
    Some(unknown(rule, place, message))
}

fn unknown(rule: &'static Rule, place: Span, message: String) -> Finding {
    Finding::unknown(rule, place, message).help(
        "give the variable a default or a value in terraform.tfvars, or check the output of `terraform show -json`",
    )
}

fn touches(permit: &Permit, entry: &Sensitive) -> Option<bool> {
    let mut about = Some(false);
    for transport in transports(entry.transports) {
        match permit.is_about(entry.ports, *transport) {
            Some(true) => return Some(true),
            None => about = None,
            Some(false) => {}
        }
    }
    about
}

/// PC606: everything may go out, once for each group.
fn way_out(group: &Group) -> Option<Finding> {
    if group.kind == Kind::Stateless {
        return None;
    }
    allowed(group, Direction::Out).find_map(|permit| {
        let (ports, _) = permit.known_ports().max_by_key(|(ports, _)| ports.count())?;
        let is_open = permit.networks().breadth() == Breadth::Internet && ports.count() >= 65_000;
        let everywhere = permit.peers_where(|networks| networks.breadth() == Breadth::Internet);
        let place = everywhere.first().copied().unwrap_or(permit.place);
        let message = format!("{} lets traffic out to every address on every port", group.title);
        (is_open && !matches!(permit.protocol, Protocol::Portless)).then(|| {
            Finding::new(&rules::WAY_OUT, place, message)
                .help("allow only what is needed, such as port 443 and the database's group")
        })
    })
}

impl Permit {
    /// The places of the networks that satisfy a condition.
    fn peers_where(&self, condition: impl Fn(&Networks) -> bool) -> Vec<Span> {
        let places = self.peers.iter().filter_map(|peer| match peer {
            Peer::Networks { networks, place } => condition(networks).then_some(*place),
            _ => None,
        });
        places.collect()
    }
}
