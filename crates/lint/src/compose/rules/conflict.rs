//! Two services of a project that want the same port of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_config::bind_conflict::{Binding, Family, meet};

use super::Subject;
use crate::{
    compose::{
        model::{Published, Service},
        port::{HostAddress, HostPort, Mapping},
    },
    estate::{PortSpan, Transport},
    finding::Finding,
    rule::{Default, Rule, Severity},
};

pub(super) static TWICE: Rule = Rule {
    id: "PC203",
    name: "host-port-published-twice",
    severity: Severity::Critical,
    title: "two entries of a project publish the same port of the host",
    why: "A port of the host leads to one container. The second one does not start, and which of them that is can \
          change from start to start.",
    remedy: "Give each its own host port, or its own address of the host.",
    default: Default::On,
};

/// A host port that will be bound.
struct Bound<'p> {
    service: &'p Service,
    port: &'p Published,
    addresses: Vec<IpAddr>,
    span: PortSpan,
    transport: Transport,
}

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for (again, first) in &service.repeated_ports {
            let message = format!("`{}` publishes this twice; Compose keeps one of them", service.name.value);
            findings.push(
                Finding::new(&TWICE, *again, message)
                    .severity(Severity::Low)
                    .related(*first, "the first time")
                    .help("remove one of the two lines"),
            );
        }
    }
    let mut bound: Vec<Bound<'_>> = subject.project.services.iter().flat_map(bound).collect();
    bound.sort_by_key(|bound| (bound.span.first, bound.port.entry));
    let taken = Taken::of(&bound);
    let mut open: Vec<&Bound<'_>> = Vec::new();
    for later in &bound {
        open.retain(|earlier| earlier.span.last >= later.span.first);
        if let Some(earlier) = open.iter().find(|earlier| clash(earlier, later)) {
            findings.push(told(earlier, later, &taken));
        }
        open.push(later);
    }
}

fn bound(service: &Service) -> impl Iterator<Item = Bound<'_>> {
    service.mappings().filter_map(move |(port, mapping)| {
        let HostPort::Fixed(span) = mapping.published else { return None };
        let transport = mapping.transport.known()?;
        Some(Bound { service, port, addresses: addresses(mapping)?, span, transport })
    })
}

/// Docker binds IPv4 and IPv6 by sockets of their own.
fn addresses(mapping: &Mapping) -> Option<Vec<IpAddr>> {
    match mapping.address {
        HostAddress::Unsaid => Some(vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]),
        HostAddress::Ip(address) => Some(vec![address]),
        HostAddress::Name(_) | HostAddress::Unknown => None,
    }
}

fn clash(a: &Bound<'_>, b: &Bound<'_>) -> bool {
    let binding = |address: &IpAddr| Binding { address: (*address, 1).into(), family: Family::V6Only };
    let meets = || a.addresses.iter().any(|x| b.addresses.iter().any(|y| meet(binding(x), binding(y))));
    a.transport == b.transport && a.span.intersection(b.span).is_some() && may_run_together(a, b) && meets()
}

/// Services of different profiles are alternatives, such as `cpu` and `gpu`; so is what extends a template that has a
/// profile of its own to keep it from being started.
fn may_run_together(a: &Bound<'_>, b: &Bound<'_>) -> bool {
    let (ours, theirs) = (&a.service.profiles, &b.service.profiles);
    if ours.is_empty() || theirs.is_empty() {
        return true;
    }
    let is_inherited = a.port.entry == b.port.entry;
    ours.iter().any(|profile| theirs.contains(profile)) && !(is_inherited && ours != theirs)
}

fn told(earlier: &Bound<'_>, later: &Bound<'_>, taken: &Taken) -> Finding {
    let shared = later.span.intersection(earlier.span).unwrap_or(later.span);
    let message = if later.service.name == earlier.service.name {
        format!("`{}` publishes host port {shared}/{} twice", later.service.name.value, later.transport)
    } else {
        let (later_name, earlier_name) = (&later.service.name.value, &earlier.service.name.value);
        format!("`{later_name}` publishes host port {shared}/{}, which `{earlier_name}` has", later.transport)
    };
    let finding = Finding::new(&TWICE, later.port.port_place(), message)
        .related(earlier.port.port_place(), format!("published by `{}` here", earlier.service.name.value));
    match taken.free_near(shared.last).filter(|_| shared.count() == 1) {
        Some(free) => finding.help(format!("publish it on another host port, such as {free}")),
        None => finding.help("publish it on other host ports"),
    }
}

/// The host ports of a project, of both protocols.
struct Taken(Vec<bool>);

impl Taken {
    fn of(bound: &[Bound<'_>]) -> Self {
        let mut begin_and_end = vec![0_i64; usize::from(u16::MAX) + 2];
        for bound in bound {
            begin_and_end[usize::from(bound.span.first)] += 1;
            begin_and_end[usize::from(bound.span.last) + 1] -= 1;
        }
        let mut open = 0;
        let is_taken = |change: &i64| {
            open += change;
            open > 0
        };
        Self(begin_and_end.iter().map(is_taken).collect())
    }

    /// The next port that nobody in the project has, and that is not privileged.
    fn free_near(&self, port: u16) -> Option<u16> {
        let from = if port < 1024 { port + 8000 } else { port.saturating_add(1) };
        (from..=u16::MAX).find(|port| !self.0[usize::from(*port)])
    }
}
