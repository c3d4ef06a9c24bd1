//! Services that give up the network of their own.

use std::collections::HashMap;

use super::Subject;
use crate::{
    compose::{
        interpolate::{HOLE, shown},
        model::{Project, Service},
        nature,
    },
    estate::{PortSpan, Transport},
    finding::Finding,
    inputs::Span,
    rule::{Default, Rule, Severity},
};

pub(super) static HOST: Rule = Rule {
    id: "PC209",
    name: "host-network",
    severity: Severity::Critical,
    title: "a service uses the network of the host",
    why: "Every port that the program opens is a port of the host, declared or not, and it reaches everything that \
          listens on the host's loopback. `ports:` means nothing there, and Compose passes over it.",
    remedy: "Remove `network_mode: host` and publish the ports that are needed.",
    default: Default::On,
};

pub(super) static SHARED: Rule = Rule {
    id: "PC210",
    name: "shared-network-conflict",
    severity: Severity::High,
    title: "services that share one network namespace cannot have these ports",
    why: "A service with `network_mode: service:…` has no ports of its own: all that share the network share the port \
          numbers too, and what is published must be published by the one that owns it.",
    remedy: "Publish the ports at the service that owns the network, and give each program a port of its own.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        let Some(mode) = &service.network_mode else { continue };
        if mode.value == "host" {
            findings.push(host(service, mode.span));
        } else if mode.value.contains(HOLE) {
            let message = format!("`{}` depends on a variable that no file sets", shown(&mode.value));
            findings.push(Finding::unknown(&HOST, mode.span, message));
        } else if let Some(owner) = mode.value.strip_prefix("service:").or(mode.value.strip_prefix("container:"))
            && let Some(port) = service.ports.first()
        {
            let message = format!(
                "`{}` publishes ports, but its network is that of `{owner}`, so Docker refuses it",
                service.name.value
            );
            let finding = Finding::new(&SHARED, port.entry, message);
            findings
                .push(finding.related(mode.span, "it has none of its own").help(format!("move `ports:` to `{owner}`")));
        }
    }
    shared_numbers(subject.project, findings);
}

fn host(service: &Service, place: Span) -> Finding {
    let name = &service.name.value;
    let mut finding = Finding::new(&HOST, place, format!("every port that `{name}` opens is a port of the host"));
    if let Some(port) = service.ports.first() {
        finding = finding.related(port.entry, "this means nothing with it");
    }
    finding.help("remove it and publish the ports that are needed, as in `\"127.0.0.1:8080:8080\"`")
}

/// Programs in one namespace that listen on the same number.
fn shared_numbers(project: &Project, findings: &mut Vec<Finding>) {
    let mut held: HashMap<(&str, u16, Transport), &Service> = HashMap::new();
    let owners = project.services.iter().filter(|service| owner(project, service).is_none());
    let guests = project.services.iter().filter_map(|service| Some((service, owner(project, service)?)));
    let all: Vec<(&Service, &Service)> = owners.map(|service| (service, service)).chain(guests).collect();
    for (service, owner) in all {
        for (port, transport, place) in own_ports(service) {
            let earlier = *held.entry((&owner.name.value, port, transport)).or_insert(service);
            if earlier.name.value != service.name.value {
                let (name, other) = (&service.name.value, &earlier.name.value);
                let message =
                    format!("`{name}` listens on {port}/{transport}, which `{other}` has in the same network");
                findings.push(
                    Finding::new(&SHARED, place, message)
                        .related(earlier.name.span, "it has the port")
                        .help("let one of the two listen on another port"),
                );
            }
        }
    }
}

/// The service whose network this one uses.
fn owner<'p>(project: &'p Project, service: &Service) -> Option<&'p Service> {
    let mode = &service.network_mode.as_ref()?.value;
    if let Some(name) = mode.strip_prefix("service:") {
        return project.service(name);
    }
    let container = mode.strip_prefix("container:")?;
    let is_named = |service: &&Service| service.container_name.as_ref().is_some_and(|name| name.value == container);
    project.services.iter().find(is_named)
}

/// What the program in the container itself is known to listen on: what the image is known for, and `expose:`. Ports
/// that are published at an owner may be those of a guest.
fn own_ports(service: &Service) -> Vec<(u16, Transport, Span)> {
    let place = service.network_mode.as_ref().map_or(service.name.span, |mode| mode.span);
    // Told otherwise by an argument or a variable, it may listen elsewhere.
    let is_as_it_comes = service.command.is_empty() && service.environment.is_empty();
    let software = nature::software(service).filter(|_| is_as_it_comes);
    let known = software.into_iter().flat_map(|software| software.ports.iter().take(1));
    let known = known.map(|port| (*port, Transport::Tcp, place));
    let exposed = service.expose.iter().filter(|_| service.network_mode.is_some()).filter_map(|exposed| {
        let PortSpan { first, last } = exposed.ports.as_ref().ok()?.known()?;
        (first == last).then_some((first, exposed.transport.known()?, exposed.place))
    });
    let mut ports: Vec<_> = known.chain(exposed).collect();
    ports.sort_unstable_by_key(|(port, transport, _)| (*port, *transport));
    ports.dedup_by_key(|(port, transport, _)| (*port, *transport));
    ports
}
