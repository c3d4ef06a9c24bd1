//! Policies in a cluster whose network plugin does not enforce them: PC470.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::Container,
    },
    rule::{Rule, Severity},
};

pub(in super::super) static NOT_ENFORCED: Rule = rule(
    "PC470",
    "policy-not-enforced",
    Severity::High,
    "the files install a network plugin that does not enforce NetworkPolicies",
    "The API server accepts policies whether anybody enforces them or not. With such a plugin they are text, and every \
     pod reaches every other.",
    "Install a plugin that enforces policies (Calico, Cilium, Antrea, kube-router) beside it or instead, or turn the \
     enforcement of this one on.",
);

/// Parts of the names of images that enforce policies.
const ENFORCERS: [&str; 7] =
    ["antrea", "aws-network-policy-agent", "calico", "cilium", "kube-router", "ovn-kube", "weave-npc"];

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let Some(policy) = cluster.manifests.policies.first() else { return };
    let containers =
        || cluster.workloads().flat_map(|pods| pods.spec.pod.containers.iter().map(move |container| (pods, container)));
    if containers().any(|(_, container)| enforces(container)) {
        return;
    }
    let Some((pods, plugin)) = containers().find_map(|(pods, container)| Some((pods, plugin(container)?))) else {
        return;
    };
    findings.push(told(pods, plugin, policy.meta.anchor(), &policy.meta.title()));
}

fn told(pods: &Pods, plugin: &str, policy: crate::inputs::Span, title: &str) -> Finding {
    let message = format!("{title} has no effect where {plugin} is the network plugin: it enforces no policies");
    Finding::new(&NOT_ENFORCED, policy, message)
        .label("accepted, and enforced by nobody")
        .related(pods.meta.anchor(), format!("{plugin} is installed here"))
        .help("install a plugin that enforces policies, or turn the enforcement of this one on")
}

fn image(container: &Container) -> &str {
    container.image.as_ref().map_or("", |image| image.as_str())
}

fn enforces(container: &Container) -> bool {
    let is_off = container.words.iter().any(|word| word.as_str() == "--enable-network-policy=false");
    !is_off && ENFORCERS.iter().any(|name| image(container).contains(name))
}

fn plugin(container: &Container) -> Option<&'static str> {
    let image = image(container);
    if image.contains("flannel") && !image.contains("flannel-cni-plugin") {
        Some("flannel")
    } else if image.contains("amazon-k8s-cni") && !image.contains("init") {
        Some("the Amazon VPC plugin without its policy agent")
    } else {
        None
    }
}
