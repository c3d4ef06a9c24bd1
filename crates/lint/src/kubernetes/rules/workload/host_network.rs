//! Pods in the network of their node: PC403, PC404.

use super::{rule, some_of};
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::WorkloadKind,
    },
    rule::{Rule, Severity},
};

pub(in super::super) static HOST_NETWORK: Rule = rule(
    "PC403",
    "pod-host-network",
    Severity::High,
    "a pod shares the network of its node",
    "Whatever the pod listens on, it listens on the node's own addresses, and it reaches what listens on the node's \
     loopback address. Network policies do not hold for it.",
    "Remove `hostNetwork` and reach the pod through a Service; agents that must see the node's network should listen \
     on the loopback address.",
);

pub(in super::super) static BEYOND_POLICY: Rule = rule(
    "PC404",
    "host-network-beyond-policy",
    Severity::High,
    "a NetworkPolicy selects a pod that shares the network of its node, where it has no effect",
    "Network plugins tell pods apart by their addresses, and this pod has the address of its node. The policy looks \
     like protection and is none.",
    "Remove `hostNetwork` from the pod, or protect its ports with the firewall of the node.",
);

/// Policies that are looked at for one pod.
const MAX_POLICIES: usize = 4096;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for workload in &cluster.manifests.workloads {
        let Some(place) = workload.spec.pod.host_network else { continue };
        let title = workload.meta.title();
        let numbers: Vec<u16> = workload.spec.pod.ports().filter_map(|port| port.number.number()).collect();
        let message = match numbers.as_slice() {
            [] => format!("{title} shares the network of its node"),
            numbers => format!("{title} listens on the addresses of its node (port {})", some_of(numbers)),
        };
        // Agents of nodes mostly have a reason.
        let severity = if workload.spec.kind == WorkloadKind::DaemonSet { Severity::Medium } else { Severity::High };
        findings.push(
            Finding::new(&HOST_NETWORK, place, message)
                .severity(severity)
                .label("no NetworkPolicy holds for it")
                .help("remove `hostNetwork: true` and reach the pod through a Service"),
        );
        if workload.meta.is_whole() {
            beyond_policy(cluster, workload, findings);
        }
    }
}

fn beyond_policy(cluster: &Cluster, workload: &Pods, findings: &mut Vec<Finding>) {
    let Some(place) = workload.spec.pod.host_network else { return };
    let policies = cluster.manifests.policies.iter().take(MAX_POLICIES);
    let selecting = policies.filter(|policy| {
        policy.meta.shares_namespace(&workload.meta)
            && cluster.are_related(&policy.meta, &workload.meta)
            && policy.spec.pods.matches(&workload.spec.pod.labels)
    });
    // One that means this pod says more than one that means all.
    let Some(policy) = selecting.min_by_key(|policy| policy.spec.pods.is_empty()) else { return };
    let severity = if policy.spec.pods.is_empty() { Severity::Medium } else { Severity::High };
    let message = format!(
        "{} does not hold for {}, which shares the network of its node",
        policy.meta.title(),
        workload.meta.title()
    );
    findings.push(
        Finding::new(&BEYOND_POLICY, place, message)
            .severity(severity)
            .label("a pod with the node's address is not told apart from the node")
            .related(policy.spec.pods.span, "selected here")
            .help("remove `hostNetwork: true`, or close the port in the firewall of the node"),
    );
}
