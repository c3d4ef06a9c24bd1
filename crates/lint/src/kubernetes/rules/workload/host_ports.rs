//! Ports of nodes that pods take: PC401, PC402.

use std::{collections::HashMap, net::IpAddr};

use super::rule;
use crate::{
    estate::Transport,
    finding::Finding,
    inputs::Span,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::{ContainerPort, WorkloadKind},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static HOST_PORT: Rule = rule(
    "PC401",
    "host-port",
    Severity::High,
    "a container takes a port of the node",
    "A host port opens on the addresses of every node that the pod runs on, past Services and mostly past \
     NetworkPolicies, and only one such pod fits on a node.",
    "Remove `hostPort` and reach the pods through a Service; where the node itself must reach it, add \
     `hostIP: 127.0.0.1`.",
);

pub(in super::super) static CONTESTED: Rule = rule(
    "PC402",
    "contested-host-port",
    Severity::High,
    "pods that can land on one node want the same port of it",
    "The scheduler never puts two pods with the same host port on one node: the second stays pending, and a rolling \
     update waits for ever where no node is free.",
    "Give each workload its own port or its own nodes, use a DaemonSet for one pod on each node, or \
     `strategy: { type: Recreate }` where the old pod may end before the new one begins.",
);

/// A port of the node that pods of a workload take.
struct Taken<'c> {
    workload: &'c Pods,
    number: u16,
    transport: Transport,
    /// None means all addresses.
    address: Option<IpAddr>,
    span: Span,
}

/// Workloads with one port that are compared with each other.
const MAX_COMPARED: usize = 64;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let mut by_port: HashMap<(u16, Transport), Vec<Taken<'_>>> = HashMap::new();
    for workload in &cluster.manifests.workloads {
        host_ports(workload, findings);
        if workload.meta.is_whole() {
            spread(workload, findings);
            for taken in taken(workload) {
                by_port.entry((taken.number, taken.transport)).or_default().push(taken);
            }
        }
    }
    for users in by_port.values() {
        contested(cluster, users, findings);
    }
}

fn host_ports(workload: &Pods, findings: &mut Vec<Finding>) {
    for (container, port) in ports(workload) {
        let Some(host_port) = port.host_port.as_ref().filter(|value| value.number().is_some()) else { continue };
        let title = workload.meta.title();
        let on_loopback = address(port).is_some_and(|address| address.is_loopback());
        let (severity, reach) = if on_loopback {
            (Severity::Low, "on the loopback address of its node")
        } else if workload.spec.kind == WorkloadKind::DaemonSet {
            (Severity::Medium, "on every node")
        } else {
            (Severity::High, "on the node it runs on")
        };
        let message = format!("container `{container}` of {title} takes port {} {reach}", **host_port);
        findings.push(
            Finding::new(&HOST_PORT, host_port.span, message)
                .severity(severity)
                .label("not covered by Services, and mostly not by NetworkPolicies")
                .help("remove `hostPort` and reach the pods through a Service, or add `hostIP: 127.0.0.1`"),
        );
    }
}

/// Pods of one workload that get in each other's way.
fn spread(workload: &Pods, findings: &mut Vec<Finding>) {
    let mut seen: Vec<&ContainerPort> = Vec::new();
    for (_, port) in ports(workload).filter(|(_, port)| port.host_port.is_some()) {
        let key = |port: &ContainerPort| {
            (port.host_port.as_ref().and_then(|value| value.number()), port.protocol.transport(), address(port))
        };
        if let Some(first) = seen.iter().find(|other| key(other) == key(port)) {
            let (Some(host_port), Some(other)) = (&port.host_port, &first.host_port) else { continue };
            let message = format!("host port {} is taken twice in {}", **host_port, workload.meta.title());
            findings.push(
                Finding::new(&CONTESTED, host_port.span, message)
                    .label("the pod is refused")
                    .related(other.span, "taken here first")
                    .help("give this container another `hostPort`"),
            );
        }
        seen.push(port);
    }
    let Some(first) = taken(workload).next() else { return };
    if !matches!(workload.spec.kind, WorkloadKind::Deployment | WorkloadKind::Replicas | WorkloadKind::StatefulSet) {
        return;
    }
    let replicas = workload.spec.replicas();
    let needed = replicas + u32::from(starts_before_it_ends(workload));
    // Whoever says where the pods go has thought of it.
    if replicas == 0 || needed < 2 || workload.spec.pod.is_placed {
        return;
    }
    let title = workload.meta.title();
    let message = if replicas == 1 {
        format!("an update of {title} starts the new pod before the old one gives up port {} of the node", first.number)
    } else {
        format!("the {replicas} pods of {title} need {needed} nodes: each takes port {} of its node", first.number)
    };
    findings.push(
        Finding::new(&CONTESTED, first.span, message)
            .severity(Severity::Medium)
            .label("a pod without a free node stays pending")
            .help(if replicas == 1 {
                "add `strategy: { type: Recreate }` to the Deployment, or reach the pod through a Service instead"
            } else {
                "make it a DaemonSet, or reach the pods through a Service instead of `hostPort`"
            }),
    );
}

/// Whether an update needs one more node than the pods have now: nothing may be unavailable, which is what 25 %, rounded
/// down, means for up to three replicas.
fn starts_before_it_ends(workload: &Pods) -> bool {
    let spec = &workload.spec;
    let rolls = spec.strategy.as_ref().is_none_or(|strategy| strategy.starts_with("Rolling"));
    let unavailable = match spec.max_unavailable.as_deref() {
        None => spec.replicas() / 4,
        Some(text) => match text.strip_suffix('%').map(str::parse::<u32>) {
            Some(Ok(percent)) => spec.replicas().saturating_mul(percent) / 100,
            _ => text.parse().unwrap_or(1),
        },
    };
    let has_surge = !matches!(spec.max_surge.as_deref(), Some("0" | "0%"));
    spec.kind == WorkloadKind::Deployment && rolls && unavailable == 0 && has_surge
}

/// Pods of several workloads that get in each other's way.
fn contested(cluster: &Cluster, users: &[Taken<'_>], findings: &mut Vec<Finding>) {
    let users = &users[..users.len().min(MAX_COMPARED)];
    for (index, taken) in users.iter().enumerate() {
        let Some(other) = users[..index].iter().find(|other| collide(cluster, other, taken)) else { continue };
        let daemon = [taken, other].iter().any(|one| one.workload.spec.kind == WorkloadKind::DaemonSet);
        let (severity, consequence) =
            if daemon { (Severity::High, "no node has both") } else { (Severity::Medium, "they never share a node") };
        let (title, first) = (taken.workload.meta.title(), other.workload.meta.title());
        let message = format!("{title} and {first} both take port {} of their node", taken.number);
        findings.push(
            Finding::new(&CONTESTED, taken.span, message)
                .severity(severity)
                .label(consequence)
                .related(other.span, format!("{first} takes it here"))
                .help("give one of them another port, or its own nodes by `nodeSelector`"),
        );
    }
}

fn collide(cluster: &Cluster, one: &Taken<'_>, other: &Taken<'_>) -> bool {
    let (a, b) = (&one.workload, &other.workload);
    let addresses_meet = match (one.address, other.address) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let nodes = |workload: &Pods| workload.spec.pod.node_selector.clone();
    let apart = nodes(a).iter().any(|(key, value)| nodes(b).iter().any(|(other, its)| other == key && its != value));
    let is_placed = a.spec.pod.is_placed || b.spec.pod.is_placed;
    let on_every_node = [a, b].iter().any(|workload| workload.spec.kind == WorkloadKind::DaemonSet);
    let ends = [a, b].iter().any(|workload| workload.spec.kind == WorkloadKind::Job);
    !std::ptr::eq::<Pods>(*a, *b)
        && a.meta.identity() != b.meta.identity()
        && addresses_meet
        && !apart
        && !is_placed
        && !ends
        && if on_every_node {
            cluster.run_together(&a.meta, &b.meta)
        } else {
            cluster.surely_run_together(&a.meta, &b.meta)
        }
}

/// The ports of the node that pods of a workload take; in the network of the node, all of them.
fn taken(workload: &Pods) -> impl Iterator<Item = Taken<'_>> {
    let in_host_network = workload.spec.pod.host_network.is_some();
    ports(workload).filter_map(move |(_, port)| {
        let value = match &port.host_port {
            Some(value) => value,
            None if in_host_network => &port.number,
            None => return None,
        };
        Some(Taken {
            workload,
            number: value.number()?,
            transport: port.protocol.transport()?,
            address: address(port),
            span: value.span,
        })
    })
}

fn ports(workload: &Pods) -> impl Iterator<Item = (&str, &ContainerPort)> {
    let running = workload.spec.pod.running();
    running.flat_map(|container| container.ports.iter().map(|port| (container.name.as_str(), port)))
}

/// The address on which a host port is taken; wildcards are as good as none.
fn address(port: &ContainerPort) -> Option<IpAddr> {
    port.host_ip.as_ref().and_then(|text| text.parse::<IpAddr>().ok()).filter(|address| !address.is_unspecified())
}
