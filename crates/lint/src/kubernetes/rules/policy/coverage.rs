//! Pods that no policy protects: PC461.

use std::collections::HashMap;

use super::{rule, some_of};
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::{Direction, Meta, WorkloadKind, is_placeholder},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static NOT_ISOLATED: Rule = rule(
    "PC461",
    "pods-without-network-policy",
    Severity::Medium,
    "no NetworkPolicy selects the pods, so every pod of the cluster reaches all of their ports",
    "Pods accept connections from everybody in the cluster until a policy of their namespace selects them. Whoever \
     gets into one pod reaches all others.",
    "Begin with a policy that selects all pods of the namespace and lets nothing in (`podSelector: {}`, \
     `policyTypes: [Ingress]`), and one for each workload that lets in who needs it.",
);

/// Policies that are looked at for one workload.
const MAX_POLICIES: usize = 4096;

/// Titles that are compared with each other; more are not shown.
const MAX_TITLES: usize = 64;

/// One finding for each namespace, not for each pod: the remedy is one policy.
pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let mut by_namespace: HashMap<Option<&str>, Vec<&Pods>> = HashMap::new();
    let mut order = Vec::new();
    for workload in cluster.workloads().filter(|workload| can_be_isolated(workload)) {
        let namespace = workload.meta.namespace.as_ref().map(|namespace| namespace.as_str());
        let of_namespace = by_namespace.entry(namespace).or_insert_with(|| {
            order.push(namespace);
            Vec::new()
        });
        if !is_selected(cluster, workload) && !has_other_policies(cluster, &workload.meta) {
            of_namespace.push(workload);
        }
    }
    for namespace in order {
        findings.extend(by_namespace.get(&namespace).and_then(|workloads| told(workloads)));
    }
}

/// Pods of the node's network cannot be told apart from it, and jobs without ports do not listen.
fn can_be_isolated(workload: &Pods) -> bool {
    let pod = &workload.spec.pod;
    let listens = workload.spec.kind != WorkloadKind::Job || pod.declares_ports();
    workload.spec.kind != WorkloadKind::Custom && pod.host_network.is_none() && listens
}

fn is_selected(cluster: &Cluster, workload: &Pods) -> bool {
    cluster.manifests.policies.iter().take(MAX_POLICIES).any(|policy| {
        let lands_there = policy.meta.shares_namespace(&workload.meta)
            || policy.meta.namespace.as_ref().is_some_and(|namespace| is_placeholder(namespace))
            || (policy.meta.may_share_namespace(&workload.meta) && cluster.are_related(&policy.meta, &workload.meta));
        lands_there
            && policy.spec.is_about(Direction::Ingress)
            && (policy.spec.pods.is_unresolved() || policy.spec.pods.matches(&workload.spec.pod.labels))
    })
}

/// Policies of network plugins, which say more than the files can tell.
fn has_other_policies(cluster: &Cluster, workload: &Meta) -> bool {
    const EVERYWHERE: [&str; 5] = [
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "ClusterNetworkPolicy",
        "GlobalNetworkPolicy",
    ];
    cluster.manifests.others.iter().take(MAX_POLICIES).any(|other| {
        let kind = other.meta.kind.as_str();
        EVERYWHERE.contains(&kind) || (kind.ends_with("NetworkPolicy") && other.meta.shares_namespace(workload))
    })
}

fn told(workloads: &[&Pods]) -> Option<Finding> {
    let first = workloads.first()?;
    let mut titles: Vec<String> = Vec::new();
    for workload in workloads {
        let title = workload.meta.title();
        if titles.len() > MAX_TITLES || !titles.contains(&title) {
            titles.push(title);
        }
    }
    let message = format!("no NetworkPolicy selects the pods of {}{}", some_of(&titles), first.meta.within());
    let mut finding = Finding::new(&NOT_ISOLATED, first.meta.anchor(), message)
        .label("every pod of the cluster reaches all of its ports")
        .help(
            "begin with a policy that lets nothing in: `spec: { podSelector: {}, policyTypes: [Ingress] }`, then let \
             in who needs it",
        );
    for workload in workloads.iter().skip(1).take(3) {
        finding = finding.related(workload.meta.anchor(), format!("{} as well", workload.meta.title()));
    }
    Some(finding)
}
