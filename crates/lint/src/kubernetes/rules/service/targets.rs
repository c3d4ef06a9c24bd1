//! Where Services lead: PC426, PC427, PC428.

use super::{rule, some_of};
use crate::{
    finding::{Edit, Finding, Safety},
    kubernetes::{
        cluster::{Cluster, Resolved, TargetPort},
        model::{Declared, Exposure, Service},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static NO_PODS: Rule = rule(
    "PC426",
    "service-without-pods",
    Severity::High,
    "a Service selects no pod",
    "Connections to it are refused or time out, and nothing else says why: a selector that matches nothing is no \
     error to the cluster.",
    "Write in `selector` the labels of the pod template (`spec.template.metadata.labels`), not those of the \
     Deployment.",
);

pub(in super::super) static NOWHERE: Rule = rule(
    "PC427",
    "target-port-nowhere",
    Severity::High,
    "a Service leads to a port name that its pods do not declare",
    "The cluster looks the name up in each pod; where it is not declared for that protocol, the pod gets no \
     connections from the Service, in silence.",
    "Write in `targetPort` the name of a container port, with the same protocol, or the number.",
);

pub(in super::super) static UNDECLARED: Rule = rule(
    "PC428",
    "target-port-undeclared",
    Severity::Info,
    "a Service leads to a port number that its pods do not declare",
    "This works if something listens there, for a declaration opens nothing. It is also what a mistyped number looks \
     like.",
    "Declare the port in the container: `ports: [{ containerPort: 8080 }]`.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for service in cluster.services().filter(|service| service.spec.exposure() != Exposure::ExternalName) {
        findings.extend(without_pods(cluster, service));
        for resolved in cluster.resolved(service) {
            findings.extend(nowhere(service, &resolved).or_else(|| undeclared(service, &resolved)));
        }
    }
}

fn without_pods(cluster: &Cluster, service: &Declared<Service>) -> Option<Finding> {
    let selector = service.spec.selector.as_ref().filter(|_| !cluster.has_endpoints(&service.meta))?;
    let missing = cluster.missing_pods(selector, &service.meta)?;
    let message = format!("{} selects no pod: none has `{selector}`", service.meta.title());
    // Pods that are like nothing in the files may be somebody else's.
    let severity = if missing.near.is_some() { Severity::High } else { Severity::Medium };
    Some(missing.told(Finding::new(&NO_PODS, selector.span, message).severity(severity).label("no pod in these files")))
}

/// A name that none of the workloads declares. Where some do, the others may be meant to be left out.
fn nowhere(service: &Declared<Service>, resolved: &Resolved<'_>) -> Option<Finding> {
    let is_nowhere =
        !resolved.targets.is_empty() && resolved.targets.iter().all(|(_, target)| *target == TargetPort::Nowhere);
    if !is_nowhere {
        return None;
    }
    let (pods, _) = resolved.targets.first()?;
    let target = resolved.port.target();
    let name = target.name()?;
    let other_protocol = pods.spec.pod.port_named(name);
    let (why, place) = match other_protocol {
        Some(port) => ("declares it for another protocol", port.name.as_ref().map_or(port.number.span, |n| n.span)),
        None => ("declares no port of this name", pods.meta.anchor()),
    };
    let message = format!("{} leads to port `{name}`, but {} {why}", service.meta.title(), pods.meta.title());
    let finding = Finding::new(&NOWHERE, target.span, message)
        .label("no pod gets connections from here")
        .related(place, format!("{} {why}", pods.meta.title()));
    let declared: Vec<&str> =
        pods.spec.pod.ports().filter_map(|port| port.name.as_ref()).map(|name| name.as_str()).collect();
    let numbers: Vec<u16> = pods.spec.pod.ports().filter_map(|port| port.number.number()).collect();
    Some(match (declared.as_slice(), numbers.as_slice()) {
        ([only], _) if other_protocol.is_none() => {
            let edit = Edit { span: target.span, replacement: (*only).to_owned() };
            finding.fix(Safety::NeedsReview, format!("write `{only}`, its only named port"), vec![edit])
        }
        ([], []) => finding.help(format!("declare the port in the container: `name: {name}`")),
        ([], [number]) => finding.help(format!("write `{number}`, or name that container port `{name}`")),
        ([], numbers) => finding.help(format!("name one of its ports `{name}`: {}", some_of(numbers))),
        (names, _) => finding.help(format!("write one of the names that are declared: {}", some_of(names))),
    })
}

fn undeclared(service: &Declared<Service>, resolved: &Resolved<'_>) -> Option<Finding> {
    // Headless services only give addresses out; whoever connects chooses the port.
    if service.spec.is_headless || resolved.targets.is_empty() {
        return None;
    }
    let mut number = 0;
    for (_, target) in &resolved.targets {
        let TargetPort::Undeclared(undeclared) = target else { return None };
        number = *undeclared;
    }
    let (pods, _) = resolved.targets.first()?;
    let message =
        format!("{} leads to port {number}, which {} does not declare", service.meta.title(), pods.meta.title());
    let declared: Vec<u16> = pods.spec.pod.ports().filter_map(|port| port.number.number()).collect();
    let help = match declared.as_slice() {
        [] => format!("declare it in the container: `ports: [{{ containerPort: {number} }}]`"),
        declared => format!("declare it in the container, or lead to what is declared: {}", some_of(declared)),
    };
    Some(
        Finding::new(&UNDECLARED, resolved.port.target().span, message)
            .label("works if something listens there")
            .help(help),
    )
}
