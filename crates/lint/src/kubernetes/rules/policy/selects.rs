//! Policies that mean nobody: PC462, PC463.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Direction, Meta, Peer, Policy, Selector},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static NO_PODS: Rule = rule(
    "PC462",
    "policy-without-pods",
    Severity::Medium,
    "a NetworkPolicy selects no pod",
    "It looks like protection and protects nothing: a selector that matches nothing is no error to the cluster.",
    "Write in `podSelector` the labels of the pod template (`spec.template.metadata.labels`), and put the policy into \
     the namespace of the pods.",
);

pub(in super::super) static NO_PEERS: Rule = rule(
    "PC463",
    "policy-peer-without-pods",
    Severity::Medium,
    "a peer of a NetworkPolicy is no pod or namespace",
    "The rule lets nobody pass who should, or whoever takes these labels later.",
    "Write the labels of the pods that are meant; for a namespace use the label that every namespace has, \
     `kubernetes.io/metadata.name`.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for policy in &cluster.manifests.policies {
        findings.extend(without_pods(cluster, policy));
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in policy.spec.rules(direction) {
                findings.extend(rule.peers.iter().filter_map(|peer| without_peers(cluster, policy, peer)));
            }
        }
    }
}

fn without_pods(cluster: &Cluster, policy: &Declared<Policy>) -> Option<Finding> {
    let selector = &policy.spec.pods;
    let missing = cluster.missing_pods(selector, &policy.meta)?;
    let message = format!("{} selects no pod: none has `{selector}`", policy.meta.title());
    let finding = Finding::new(&NO_PODS, selector.span, message).label("protects nothing");
    Some(missing.told(finding))
}

fn without_peers(cluster: &Cluster, policy: &Declared<Policy>, peer: &Peer) -> Option<Finding> {
    let Peer::Pods { pods, namespaces } = peer else { return None };
    match (pods, namespaces) {
        (Some(pods), None) => {
            let missing = cluster.missing_pods(pods, &policy.meta)?;
            let message = format!("a peer of {} is no pod: none has `{pods}`", policy.meta.title());
            Some(missing.told(Finding::new(&NO_PEERS, pods.span, message).label("matches nothing")))
        }
        (_, Some(namespaces)) => unlabelled_namespace(cluster, policy, namespaces)
            .or_else(|| other_labels(cluster, policy, pods.as_ref()?, namespaces)),
        (None, None) => None,
    }
}

/// A namespace that is in the files by its name, but without the label that is asked for.
fn unlabelled_namespace(cluster: &Cluster, policy: &Declared<Policy>, selector: &Selector) -> Option<Finding> {
    if selector.is_empty() || selector.is_unresolved() || !cluster.namespaces_selected(selector).is_empty() {
        return None;
    }
    let (label, name) = selector.equals.0.iter().find(|(label, _)| label == "name" || label.ends_with("/name"))?;
    let namespace =
        cluster.manifests.namespaces.iter().take(4096).find(|namespace| namespace.meta.name.value == *name)?;
    let message = format!("a peer of {} is no namespace: `{name}` has no label `{label}`", policy.meta.title());
    Some(
        Finding::new(&NO_PEERS, selector.span, message)
            .label("matches no namespace")
            .related(namespace.meta.anchor(), "the namespace that is meant")
            .help(format!("write `kubernetes.io/metadata.name: {name}`, which every namespace has")),
    )
}

/// Pods of namespaces that are in the files, none of which has the labels.
fn other_labels(
    cluster: &Cluster,
    policy: &Declared<Policy>,
    pods: &Selector,
    namespaces: &Selector,
) -> Option<Finding> {
    if pods.is_empty() || pods.is_unresolved() || namespaces.is_empty() || namespaces.is_unresolved() {
        return None;
    }
    let names = cluster.namespaces_selected(namespaces);
    let inside = |meta: &Meta| names.iter().any(|name| name == meta.namespace());
    let is_known = cluster.workloads().take(4096).any(|workload| inside(&workload.meta));
    let is_met = cluster.selected_in_any_namespace(pods).iter().any(|pods| inside(&pods.meta));
    let by_operator = cluster.may_be_made_by_operator(pods.values(), &policy.meta);
    // Pods that name no namespace may be applied to any.
    let may_be_met = cluster.selected_in_any_namespace(pods).iter().any(|pods| pods.meta.namespace.is_none());
    if !is_known || is_met || may_be_met || by_operator {
        return None;
    }
    let message = format!("a peer of {} is no pod: none of its namespaces has one with `{pods}`", policy.meta.title());
    Some(
        Finding::new(&NO_PEERS, pods.span, message)
            .label("matches nothing")
            .help("write the labels of the pods that are meant"),
    )
}
