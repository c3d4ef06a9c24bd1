//! Ports of the host and more than one container of a service.

use super::Subject;
use crate::{
    compose::{
        model::{Published, Replicas, ScaledBy, Service},
        port::HostPort,
    },
    finding::Finding,
    rule::{Default, Rule, Severity},
};

pub(super) static FIXED: Rule = Rule {
    id: "PC205",
    name: "fixed-port-with-replicas",
    severity: Severity::Critical,
    title: "a service with several containers publishes one host port",
    why: "Only one container can hold a port of the host, so all others fail to start.",
    remedy: "Publish the port of a proxy in front, and list the port of the service under `expose:`.",
    default: Default::On,
};

pub(super) static RANGE: Rule = Rule {
    id: "PC206",
    name: "port-range-with-replicas",
    severity: Severity::High,
    title: "a service with several containers publishes a range of host ports",
    why: "Which container gets which port changes from start to start, and several versions of Compose 2 give the \
          whole range to the first container, so that all others fail to start (docker/compose#8530, #8878).",
    remedy: "Publish the port of a proxy in front, and list the port of the service under `expose:`.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        let Some((replicas, count)) = several(service, subject.project.is_for_swarm) else { continue };
        for (port, mapping) in service.mappings() {
            let finding = match mapping.published {
                HostPort::Fixed(span) => {
                    let name = &service.name.value;
                    let message = format!("{count} containers of `{name}` want host port {span}, and one can have it");
                    Finding::new(&FIXED, port.port_place(), message)
                }
                HostPort::OneOf(span) if u64::from(span.count()) < count => {
                    let message =
                        format!("{count} containers of `{}` share {} host ports", service.name.value, span.count());
                    Finding::new(&RANGE, port.port_place(), message)
                }
                HostPort::OneOf(span) => {
                    let name = &service.name.value;
                    let message =
                        format!("which of the host ports {span} leads to which container of `{name}` is open");
                    Finding::new(&RANGE, port.port_place(), message).severity(Severity::Medium)
                }
                HostPort::Random | HostPort::Unknown => continue,
            };
            findings.push(finding.related(replicas.place, "said here").help(proxied(port, service)));
        }
    }
}

/// More than one container, and no swarm that would spread one port over all of them.
fn several(service: &Service, is_for_swarm: bool) -> Option<(Replicas, u64)> {
    let replicas = service.replicas.filter(|replicas| replicas.by == ScaledBy::Scale || !is_for_swarm)?;
    let count = replicas.count.known().filter(|count| *count > 1)?;
    Some((replicas, count))
}

fn proxied(port: &Published, service: &Service) -> String {
    let target = port.mapping.as_ref().ok().and_then(|mapping| mapping.target.known());
    let target = target.map_or_else(|| "its port".to_owned(), |target| target.to_string());
    format!(
        "put a proxy in front that reaches `{}` at {target}, and write `expose: [\"{target}\"]`",
        service.name.value
    )
}
