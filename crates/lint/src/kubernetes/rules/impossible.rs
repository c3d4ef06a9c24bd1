//! Ports that no cluster accepts, and those that are decided elsewhere: PC114, PC904.

use crate::{
    finding::{Edit, Finding, Safety},
    inputs::Spanned,
    kubernetes::{
        cluster::Cluster,
        model::{Direction, Meta, Policy, PortMistake, PortValue},
    },
    numbers::IMPOSSIBLE,
    reading::UNRESOLVED,
    rule::Severity,
};

pub(super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let manifests = &cluster.manifests;
    let mut judge = |what: &str, meta: &Meta, value: &Spanned<PortValue>| {
        findings.extend(mistake(what, meta, value).or_else(|| unresolved(what, meta, value)));
    };
    for workload in &manifests.workloads {
        for container in &workload.spec.pod.containers {
            for port in &container.ports {
                judge("a container port", &workload.meta, &port.number);
                port.host_port.iter().for_each(|value| judge("a host port", &workload.meta, value));
            }
            container.probes.iter().for_each(|probe| judge("the port of a probe", &workload.meta, &probe.port));
        }
    }
    for service in &manifests.services {
        for port in &service.spec.ports {
            judge("a Service port", &service.meta, &port.port);
            port.target.iter().for_each(|value| judge("a target port", &service.meta, value));
            port.node_port.iter().for_each(|value| judge("a node port", &service.meta, value));
        }
    }
    for ingress in &manifests.ingresses {
        for (_, backend) in ingress.spec.backends() {
            backend.port.iter().for_each(|value| judge("the port of a backend", &ingress.meta, value));
        }
    }
    for gateway in &manifests.gateways {
        gateway.spec.listeners.iter().for_each(|one| judge("the port of a listener", &gateway.meta, &one.port));
    }
    for route in &manifests.routes {
        let ports = route.spec.backends().filter_map(|backend| backend.port.as_ref());
        ports.for_each(|value| judge("the port of a backend", &route.meta, value));
    }
    for policy in &manifests.policies {
        for port in ports(&policy.spec) {
            judge("a NetworkPolicy port", &policy.meta, port);
        }
    }
    for policy in &manifests.policies {
        reversed(&policy.meta, &policy.spec, findings);
    }
}

fn ports(policy: &Policy) -> impl Iterator<Item = &Spanned<PortValue>> {
    let rules = [&policy.ingress, &policy.egress].into_iter().flatten().flatten();
    rules.flat_map(|rule| &rule.ports).flat_map(|port| port.port.iter().chain(&port.end))
}

fn mistake(what: &str, meta: &Meta, value: &Spanned<PortValue>) -> Option<Finding> {
    let PortValue::Mistaken(mistake) = &value.value else { return None };
    let title = meta.title();
    let finding = |message: String| Finding::new(&IMPOSSIBLE, value.span, message).label("the API refuses it");
    Some(match mistake {
        PortMistake::OutOfRange(text) => {
            finding(format!("{what} of {title} is `{text}`")).help("write a number from 1 to 65535")
        }
        PortMistake::Quoted(number) => {
            let edit = Edit { span: value.span, replacement: number.to_string() };
            finding(format!("{what} of {title} is the text \"{number}\", not a number")).severity(Severity::High).fix(
                Safety::Safe,
                format!("write `{number}` without quotes"),
                vec![edit],
            )
        }
        PortMistake::NotANumber(text) => finding(format!("{what} of {title} is `{text}`, which is no number"))
            .severity(Severity::High)
            .help("write a number from 1 to 65535"),
        PortMistake::BadName(text) => {
            finding(format!("{what} of {title} is `{text}`, which can be neither the number nor the name of a port"))
                .severity(Severity::High)
                .help("names have at most 15 lower-case letters, digits and hyphens, with a letter among them")
        }
    })
}

fn unresolved(what: &str, meta: &Meta, value: &Spanned<PortValue>) -> Option<Finding> {
    let PortValue::Unresolved(text) = &value.value else { return None };
    let message = format!("{what} of {} is decided elsewhere: `{text}`", meta.title());
    Some(Finding::unknown(&UNRESOLVED, value.span, message).help("check the manifest as it is applied"))
}

fn reversed(meta: &Meta, policy: &Policy, findings: &mut Vec<Finding>) {
    let rules = [Direction::Ingress, Direction::Egress].into_iter().flat_map(|direction| policy.rules(direction));
    for port in rules.flat_map(|rule| &rule.ports) {
        let (Some(first), Some(last)) = (&port.port, &port.end) else { continue };
        let is_reversed = first.number().zip(last.number()).is_some_and(|(first, last)| last < first);
        if is_reversed {
            let message = format!("the range of ports {}-{} of {} is empty", **first, **last, meta.title());
            findings.push(
                Finding::new(&IMPOSSIBLE, last.span, message)
                    .label("smaller than `port`")
                    .related(first.span, "the range begins here")
                    .help("write the smaller number as `port` and the larger as `endPort`"),
            );
        }
    }
}
