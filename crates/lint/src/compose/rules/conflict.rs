//! Two services of a project that want the same port of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_config::bind_conflict::{Binding, Family, meet};

use super::Subject;
use crate::{
    compose::{
        model::{Project, Published, Service},
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
    let mut open: Vec<&Bound<'_>> = Vec::new();
    for later in &bound {
        open.retain(|earlier| earlier.span.last >= later.span.first);
        if let Some(earlier) = open.iter().find(|earlier| clash(earlier, later)) {
            findings.push(told(subject.project, earlier, later, &bound));
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
    a.transport == b.transport
        && a.span.intersection(b.span).is_some()
        && may_run_together(a.service, b.service)
        && meets()
}

/// Services of different profiles are alternatives, such as `cpu` and `gpu`.
fn may_run_together(a: &Service, b: &Service) -> bool {
    a.profiles.is_empty() || b.profiles.is_empty() || a.profiles.iter().any(|profile| b.profiles.contains(profile))
}

fn told(project: &Project, earlier: &Bound<'_>, later: &Bound<'_>, all: &[Bound<'_>]) -> Finding {
    let shared = later.span.intersection(earlier.span).unwrap_or(later.span);
    let message = if later.service.name == earlier.service.name {
        format!("`{}` publishes host port {shared}/{} twice", later.service.name.value, later.transport)
    } else {
        let (later_name, earlier_name) = (&later.service.name.value, &earlier.service.name.value);
        format!("`{later_name}` publishes host port {shared}/{}, which `{earlier_name}` has", later.transport)
    };
    let finding = Finding::new(&TWICE, later.port.port_place(), message)
        .related(earlier.port.port_place(), format!("published by `{}` here", earlier.service.name.value));
    let is_taken = |port: u16| all.iter().any(|bound| bound.span.contains(port));
    let free =
        (shared.last.saturating_add(1)..).take(project.services.len() + all.len() + 1).find(|port| !is_taken(*port));
    match free.filter(|_| shared.count() == 1) {
        Some(free) => finding.help(format!("publish it on another host port, such as {free}")),
        None => finding.help("publish it on other host ports"),
    }
}
