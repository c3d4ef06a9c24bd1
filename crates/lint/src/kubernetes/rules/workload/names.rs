//! Ports of one pod that get in each other's way, by name or by number: PC408, PC409.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::{Container, ContainerPort, Service, is_placeholder, is_port_name},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static CLASH: Rule = rule(
    "PC408",
    "port-clash-in-pod",
    Severity::High,
    "two containers of a pod share a port or a port name, or a name is none that the API accepts",
    "The containers of a pod share one address: of two that listen on the same port the second cannot start. A name \
     that stands for two ports leads to the first of them, and one that breaks the rules is refused.",
    "Give every container of the pod its own ports, and every port its own name of at most 15 lower-case letters, \
     digits and hyphens.",
);

pub(in super::super) static UNNAMED: Rule = rule(
    "PC409",
    "unnamed-port",
    Severity::Low,
    "one of several ports has no name",
    "The API refuses a Service of several ports without names. For containers, a name lets Services and policies mean \
     the port whatever its number becomes.",
    "Give each port a name that says what it speaks: `name: http`.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for workload in &cluster.manifests.workloads {
        well_formed(workload, findings);
        if workload.meta.is_whole() {
            clashes(workload, findings);
        }
        for container in workload.spec.pod.containers.iter().filter(|container| container.ports.len() > 1) {
            for port in container.ports.iter().filter(|port| port.name.is_none()) {
                let message = format!(
                    "port {} of container `{}` in {} has no name",
                    *port.number,
                    *container.name,
                    workload.meta.title()
                );
                findings.push(
                    Finding::new(&UNNAMED, port.number.span, message)
                        .label("one of several")
                        .help("add `name: http`, or what it speaks"),
                );
            }
        }
    }
    for service in cluster.services() {
        let Service { ports, .. } = &service.spec;
        if ports.len() < 2 {
            continue;
        }
        for port in ports.iter().filter(|port| port.name.is_none()) {
            let message = format!("port {} of {} has no name", *port.port, service.meta.title());
            findings.push(
                Finding::new(&UNNAMED, port.port.span, message)
                    .severity(Severity::High)
                    .label("the API refuses a Service of several ports without names")
                    .help("add `name: http`, or what it speaks"),
            );
        }
    }
}

fn well_formed(workload: &Pods, findings: &mut Vec<Finding>) {
    let ports = workload.spec.pod.containers.iter().flat_map(|container| &container.ports);
    for name in ports.filter_map(|port| port.name.as_ref()) {
        if is_port_name(name) || is_placeholder(name) {
            continue;
        }
        let why = if name.len() > 15 {
            format!("it has {} characters, at most 15 are allowed", name.len())
        } else {
            "it must be lower-case letters, digits and hyphens, with a letter among them".to_owned()
        };
        let message = format!("`{}` cannot be the name of a port: {why}", **name);
        findings.push(
            Finding::new(&CLASH, name.span, message)
                .label("the API refuses the object")
                .help("use a short name such as `http` or `metrics`"),
        );
    }
}

/// Containers that run one after the other do not meet.
fn clashes(workload: &Pods, findings: &mut Vec<Finding>) {
    let mut seen: Vec<(&Container, &ContainerPort)> = Vec::new();
    for container in workload.spec.pod.running() {
        for port in &container.ports {
            let clash = seen.iter().find_map(|(other, first)| {
                let same_container = std::ptr::eq::<Container>(*other, container);
                same_number(first, port, same_container)
                    .or_else(|| same_name(first, port))
                    .map(|clash| (*other, *first, clash))
            });
            if let Some((other, first, clash)) = clash {
                findings.push(told(workload, (other, first), (container, port), &clash));
            }
            seen.push((container, port));
        }
    }
}

/// How two ports of a pod clash.
enum Clash {
    /// Two containers listen on one port.
    Number,
    /// One container says a port twice.
    Repetition,
    /// Two ports have one name.
    Name(String),
}

fn same_number(first: &ContainerPort, port: &ContainerPort, same_container: bool) -> Option<Clash> {
    let same = first.number.number().is_some()
        && first.number.number() == port.number.number()
        && first.protocol == port.protocol;
    // One port may be published on several addresses or host ports of the node.
    let published_apart = first.host_ip != port.host_ip || first.host_port != port.host_port;
    match (same, same_container) {
        (true, false) => Some(Clash::Number),
        (true, true) if !published_apart => Some(Clash::Repetition),
        _ => None,
    }
}

fn same_name(first: &ContainerPort, port: &ContainerPort) -> Option<Clash> {
    // `dns` for 53/TCP and 53/UDP is found by protocol, so it is no clash.
    let name = port.name.as_ref().filter(|_| first.protocol == port.protocol)?;
    (first.name.as_ref() == Some(name)).then(|| Clash::Name(name.value.clone()))
}

fn told(
    workload: &Pods,
    (other, first): (&Container, &ContainerPort),
    (container, port): (&Container, &ContainerPort),
    clash: &Clash,
) -> Finding {
    let title = workload.meta.title();
    match clash {
        Clash::Number => {
            let message = format!(
                "containers `{}` and `{}` of {title} both listen on port {}",
                *other.name, *container.name, *port.number
            );
            Finding::new(&CLASH, port.number.span, message)
                .label("containers of a pod share one address")
                .related(first.number.span, format!("`{}` listens on it here", *other.name))
                .help("give one of them another port")
        }
        Clash::Repetition => {
            let message = format!("container `{}` of {title} declares port {} twice", *container.name, *port.number);
            Finding::new(&CLASH, port.number.span, message)
                .severity(Severity::Low)
                .label("declared again")
                .related(first.number.span, "declared here first")
                .help("remove one of the two")
        }
        Clash::Name(name) => {
            let span = port.name.as_ref().map_or(port.number.span, |name| name.span);
            let first = first.name.as_ref().map_or(first.number.span, |name| name.span);
            let message = format!("`{name}` names two ports of {title}");
            // Within one container the API refuses it.
            let same_container = std::ptr::eq::<Container>(other, container);
            Finding::new(&CLASH, span, message)
                .severity(if same_container { Severity::High } else { Severity::Medium })
                .label("whoever refers to it gets the first one")
                .related(first, "the first one")
                .help("give each port its own name")
        }
    }
}
