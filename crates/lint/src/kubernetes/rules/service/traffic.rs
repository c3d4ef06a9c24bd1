//! Traffic policies of Services that can be reached from outside: PC431.

use super::rule;
use crate::{
    finding::Finding,
    inputs::Spanned,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Direction, Exposure, Peer, Policy, Service, WorkloadKind},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static EXTERNAL_TRAFFIC: Rule = rule(
    "PC431",
    "external-traffic-policy",
    Severity::Low,
    "the external traffic policy of a Service loses connections or the address of the client",
    "With `Local`, a node without one of the pods drops what arrives at its node port. With `Cluster`, the pods see \
     the address of a node and not that of the client, so that a list of allowed addresses in a NetworkPolicy meets \
     nobody.",
    "Use `Local` where client addresses matter and a load balancer asks which nodes have pods; else `Cluster`.",
);

/// Policies that are looked at for one Service.
const MAX_POLICIES: usize = 4096;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for service in cluster.services() {
        let written = service.spec.external_traffic.as_ref();
        let finding = match (service.spec.exposure(), written.map(|word| word.as_str())) {
            (Exposure::Cluster | Exposure::ExternalName, Some(_)) => written.map(|word| without_effect(service, word)),
            (Exposure::NodePort, Some("Local")) => written.and_then(|word| drops(cluster, service, word)),
            (Exposure::NodePort | Exposure::LoadBalancer, None | Some("Cluster")) => loses_client(cluster, service),
            _ => None,
        };
        findings.extend(finding);
    }
}

fn without_effect(service: &Declared<Service>, word: &Spanned<String>) -> Finding {
    let message =
        format!("{} is not reached from outside, so `externalTrafficPolicy` is refused", service.meta.title());
    Finding::new(&EXTERNAL_TRAFFIC, word.span, message)
        .severity(Severity::Medium)
        .label("only for NodePort and LoadBalancer")
        .help("remove `externalTrafficPolicy`")
}

fn drops(cluster: &Cluster, service: &Declared<Service>, word: &Spanned<String>) -> Option<Finding> {
    let behind = cluster.behind(service);
    let everywhere = behind.iter().any(|pods| pods.spec.kind == WorkloadKind::DaemonSet);
    let first = behind.first().filter(|_| !everywhere)?;
    let message =
        format!("{} is dropped by every node that runs no pod of {}", service.meta.title(), first.meta.title());
    Some(
        Finding::new(&EXTERNAL_TRAFFIC, word.span, message)
            .label("nobody asks which nodes have pods")
            .related(first.meta.anchor(), "runs on some nodes only")
            .help("write `Cluster`, run the pods as a DaemonSet, or use `type: LoadBalancer`"),
    )
}

fn loses_client(cluster: &Cluster, service: &Declared<Service>) -> Option<Finding> {
    let behind = cluster.behind(service);
    let policies = cluster.manifests.policies.iter().take(MAX_POLICIES);
    let (policy, block) = policies
        .filter(|policy| policy.meta.shares_namespace(&service.meta) && !policy.spec.pods.is_empty())
        .filter(|policy| behind.iter().any(|pods| policy.spec.pods.matches(&pods.spec.pod.labels)))
        .find_map(|policy| Some((policy, listed_address(&policy.spec)?)))?;
    let kind = service.spec.kind.as_ref()?;
    let message = format!(
        "the pods behind {} see addresses of nodes, while {} lets `{}` in",
        service.meta.title(),
        policy.meta.title(),
        **block
    );
    Some(
        Finding::new(&EXTERNAL_TRAFFIC, kind.span, message)
            .label("the client's address is lost on the way")
            .related(block.span, "this list is compared with the node's address")
            .help("add `externalTrafficPolicy: Local`"),
    )
}

/// An address block of an ingress rule that does not mean everybody.
fn listed_address(policy: &Policy) -> Option<&Spanned<String>> {
    policy.rules(Direction::Ingress).iter().flat_map(|rule| &rule.peers).find_map(|peer| match peer {
        Peer::Block(block) if !block.cidr.ends_with("/0") => Some(&block.cidr),
        _ => None,
    })
}
