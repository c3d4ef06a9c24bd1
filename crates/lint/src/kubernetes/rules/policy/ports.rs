//! Ports in policies that are not those of the pods: PC466, PC467.

use super::{rule, some_of};
use crate::{
    estate::Transport,
    finding::{Edit, Finding, Safety},
    inputs::Span,
    kubernetes::{
        cluster::{Cluster, PeerPods, Pods, leading_to},
        model::{Declared, Direction, Policy, PolicyPort, PolicyRule, PortValue, ServicePort},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static SERVICE_PORT: Rule = rule(
    "PC466",
    "policy-names-service-port",
    Severity::High,
    "a NetworkPolicy names the port of the Service, not that of the pods",
    "Policies are applied where the pod is reached, after the Service has translated the port. A rule with the port of \
     the Service lets nobody in who comes through it, and the port that is really open is not the one that was \
     reviewed.",
    "Write the port of the container, which is the `targetPort` of the Service.",
);

pub(in super::super) static UNDECLARED: Rule = rule(
    "PC467",
    "policy-port-not-declared",
    Severity::Medium,
    "a NetworkPolicy names a port that none of its pods declares",
    "Mostly a port that was changed in one place only: the rule then lets pass what nobody serves, and blocks what \
     somebody needs. A name that no pod declares matches nothing.",
    "Write the port that the pods listen on, or declare it in their container.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for policy in &cluster.manifests.policies {
        let ingress = policy.spec.rules(Direction::Ingress);
        if ingress.iter().any(|rule| !rule.ports.is_empty()) {
            let pods = cluster.selected(&policy.spec.pods, &policy.meta);
            for rule in ingress {
                judge(cluster, policy, rule, &pods, findings);
            }
        }
        for rule in policy.spec.rules(Direction::Egress).iter().filter(|rule| !rule.ports.is_empty()) {
            if let Some(pods) = reached(cluster, policy, rule) {
                judge(cluster, policy, rule, &pods, findings);
            }
        }
    }
}

/// The pods that a rule for the way out leads to, if all of them are in the files.
fn reached<'c>(cluster: &'c Cluster, policy: &Declared<Policy>, rule: &PolicyRule) -> Option<Vec<&'c Pods>> {
    let mut reached = Vec::new();
    for peer in &rule.peers {
        match cluster.peer_pods(peer, &policy.meta) {
            PeerPods::Known(pods) if !pods.is_empty() => reached.extend(pods),
            _ => return None,
        }
    }
    Some(reached)
}

fn judge(cluster: &Cluster, policy: &Declared<Policy>, rule: &PolicyRule, pods: &[&Pods], findings: &mut Vec<Finding>) {
    // A pod that declares nothing may listen on anything.
    if pods.is_empty() || !pods.iter().all(|pods| pods.spec.pod.declares_ports()) {
        return;
    }
    for port in rule.ports.iter().filter(|port| port.end.is_none()) {
        let Some(value) = &port.port else { continue };
        if pods.iter().any(|pods| declares(pods, port)) {
            continue;
        }
        let known = matches!(&value.value, PortValue::Name(_) | PortValue::Number(_));
        if !known {
            continue;
        }
        findings.push(match service_port(cluster, port, pods) {
            Some((way, pods, number)) => {
                named_service_port(policy, (port, value.span, &value.value), &way, pods, number)
            }
            None => undeclared(policy, (port, value.span, &value.value), pods),
        });
    }
}

fn declares(pods: &Pods, port: &PolicyPort) -> bool {
    let Some(value) = &port.port else { return true };
    pods.spec.pod.ports().any(|declared| {
        let is_it = match &value.value {
            PortValue::Name(name) => declared.name.as_ref().is_some_and(|own| **own == *name),
            value => value.number().is_some() && value.number() == declared.number.number(),
        };
        is_it && declared.protocol == port.protocol
    })
}

/// A Service on the way to one of the pods whose own port is the one that is named.
struct Way<'c> {
    title: String,
    port: &'c ServicePort,
}

fn service_port<'c>(cluster: &'c Cluster, port: &PolicyPort, pods: &[&'c Pods]) -> Option<(Way<'c>, &'c Pods, u16)> {
    let value = &port.port.as_ref()?.value;
    let transport = port.protocol.transport().unwrap_or(Transport::Tcp);
    pods.iter().find_map(|pods| {
        let leading = leading_to(cluster.services(), pods);
        leading.into_iter().find_map(|(service, own, target)| {
            let is_meant = match value {
                PortValue::Name(name) => own.name.as_ref().is_some_and(|own| **own == *name),
                value => own.port.number() == value.number(),
            };
            let number = target.number().filter(|number| Some(*number) != value.number())?;
            let meets =
                is_meant && own.transport() == Some(transport) && cluster.are_related(&service.meta, &pods.meta);
            meets.then(|| (Way { title: service.meta.title(), port: own }, *pods, number))
        })
    })
}

fn named_service_port(
    policy: &Declared<Policy>,
    (_, span, value): (&PolicyPort, Span, &PortValue),
    way: &Way<'_>,
    pods: &Pods,
    number: u16,
) -> Finding {
    let message = format!(
        "{} lets port {value} pass, which is that of {}; {} listens on {number}",
        policy.meta.title(),
        way.title,
        pods.meta.title()
    );
    let edit = Edit { span, replacement: number.to_string() };
    Finding::new(&SERVICE_PORT, span, message)
        .label(format!("the pods are reached on {number}"))
        .related(way.port.port.span, format!("{} translates it here", way.title))
        .related(pods.meta.anchor(), format!("{} is reached on {number}", pods.meta.title()))
        .fix(Safety::NeedsReview, format!("write `{number}`"), vec![edit])
}

fn undeclared(
    policy: &Declared<Policy>,
    (port, span, value): (&PolicyPort, Span, &PortValue),
    pods: &[&Pods],
) -> Finding {
    let other_protocol = pods.iter().find_map(|pods| {
        pods.spec
            .pod
            .ports()
            .find(|declared| declared.number.number().is_some() && declared.number.number() == value.number())
    });
    let whose = pods.first().map(|pods| pods.meta.title()).unwrap_or_default();
    let whose = if pods.len() > 1 { format!("none of its {} workloads", pods.len()) } else { whose };
    if let Some(declared) = other_protocol {
        let unsaid = if port.says_protocol { "" } else { " (nothing means TCP)" };
        let message = format!(
            "{} lets port {value} pass for another protocol than its pods declare{unsaid}",
            policy.meta.title()
        );
        return Finding::new(&UNDECLARED, span, message)
            .label("another protocol")
            .related(declared.number.span, "declared here")
            .help("write the `protocol` of the container port");
    }
    let verb = if pods.len() > 1 { "declares" } else { "does not declare" };
    let message = format!("{} lets port {value} pass, which {whose} {verb}", policy.meta.title());
    let mut numbers: Vec<u16> =
        pods.iter().flat_map(|pods| pods.spec.pod.ports()).filter_map(|port| port.number.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let finding = Finding::new(&UNDECLARED, span, message)
        .label("no pod declares it")
        .help(format!("write a port that is declared: {}", some_of(&numbers)));
    match pods.first() {
        Some(pods) => finding.related(pods.meta.anchor(), format!("{} is selected", pods.meta.title())),
        None => finding,
    }
}
