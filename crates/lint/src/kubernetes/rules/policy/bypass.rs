//! Ways past a policy: PC471.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Door, Entrance, Pods},
        model::{Declared, Direction, Peer, Policy},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static BYPASSED: Rule = rule(
    "PC471",
    "policy-bypassed",
    Severity::High,
    "a port of the nodes leads to pods that a NetworkPolicy closes to the outside",
    "What comes in on a node port or host port arrives at the pod with the address of a node, and most network plugins \
     let the pod's own node pass: the policy sees no stranger.",
    "Use `type: ClusterIP` behind an Ingress that the policy lets in, or add `externalTrafficPolicy: Local` and list \
     the networks in the policy.",
);

/// Policies that are looked at for one way in.
const MAX_POLICIES: usize = 4096;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for entrance in cluster.entrances() {
        let in_host_network = entrance.ways.iter().any(|way| way.pods.spec.pod.host_network.is_some());
        let is_past = match entrance.door {
            Door::NodePort => true,
            Door::Node => !in_host_network,
            Door::LoadBalancer | Door::Ingress | Door::Gateway => false,
        };
        if is_past {
            findings.extend(told(cluster, &entrance));
        }
    }
}

fn told(cluster: &Cluster, entrance: &Entrance<'_>) -> Option<Finding> {
    let (pods, policy) = entrance.ways.iter().find_map(|way| Some((way.pods, closing(cluster, way.pods)?)))?;
    let what = if entrance.door == Door::NodePort { "node port" } else { "host port" };
    let number = entrance.port.map(|number| format!(" {number}")).unwrap_or_default();
    let message = format!(
        "{what}{number} of {} leads past {} to {}",
        entrance.meta.title(),
        policy.meta.title(),
        pods.meta.title()
    );
    Some(
        Finding::new(&BYPASSED, entrance.place, message)
            .label("arrives with the address of a node")
            .related(policy.spec.pods.span, "closes these pods to the outside")
            .help("use `type: ClusterIP` behind an Ingress that the policy lets in"),
    )
}

/// A policy that holds for the pods, if none lets everybody in from outside.
fn closing<'c>(cluster: &'c Cluster, pods: &Pods) -> Option<&'c Declared<Policy>> {
    let holds = |policy: &&Declared<Policy>| {
        policy.meta.shares_namespace(&pods.meta)
            && cluster.are_related(&policy.meta, &pods.meta)
            && policy.spec.is_about(Direction::Ingress)
            && policy.spec.pods.matches(&pods.spec.pod.labels)
    };
    let mut policies = cluster.manifests.policies.iter().take(MAX_POLICIES).filter(holds).peekable();
    let first = *policies.peek()?;
    let lets_networks = policies.flat_map(|policy| policy.spec.rules(Direction::Ingress)).any(|rule| {
        rule.peers.is_empty() || rule.peers.iter().any(|peer| matches!(peer, Peer::Block(_) | Peer::Unknown))
    });
    (!lets_networks).then_some(first)
}
