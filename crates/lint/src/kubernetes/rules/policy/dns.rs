//! Policies that forget how names are looked up: PC469.

use super::rule;
use crate::{
    estate::Transport,
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::{Declared, Direction, Peer, Policy, PolicyRule, PortValue},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static NO_DNS: Rule = rule(
    "PC469",
    "policy-blocks-dns",
    Severity::Medium,
    "a NetworkPolicy for the way out lets no names be looked up",
    "Nearly every connection begins with a name. Pods that cannot ask DNS see timeouts that look like a broken \
     network; without TCP, answers that are too long for UDP are lost.",
    "Let the pods reach port 53 by UDP and TCP: `egress: [{ ports: [{ protocol: UDP, port: 53 }, \
     { protocol: TCP, port: 53 }] }]`.",
);

/// Policies that are looked at for one other.
const MAX_POLICIES: usize = 4096;
/// Workloads of a policy that are looked at; they mostly have the same policies.
const MAX_WORKLOADS: usize = 16;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for policy in &cluster.manifests.policies {
        // What reaches nothing looks nothing up.
        if !policy.spec.rules(Direction::Egress).is_empty() {
            findings.extend(judged(cluster, policy));
        }
    }
}

fn judged(cluster: &Cluster, policy: &Declared<Policy>) -> Option<Finding> {
    let key = policy.spec.egress_key?;
    let selected = cluster.selected(&policy.spec.pods, &policy.meta);
    // One workload that cannot look names up is enough; without workloads, what all pods of the policy are let.
    let lets = |transport: Transport| {
        if selected.is_empty() {
            lets_dns(cluster, policy, None, transport)
        } else {
            selected.iter().take(MAX_WORKLOADS).all(|pods| lets_dns(cluster, policy, Some(pods), transport))
        }
    };
    let (by_udp, by_tcp) = (lets(Transport::Udp), lets(Transport::Tcp));
    if by_udp && by_tcp {
        return None;
    }
    let title = policy.meta.title();
    let (severity, message) = if by_udp {
        (Severity::Low, format!("{title} lets names be looked up by UDP, but not by TCP"))
    } else if needs_names(&policy.spec) {
        (Severity::Medium, format!("{title} lets its pods connect to others, but not look their names up"))
    } else {
        (Severity::Low, format!("{title} lets no names be looked up"))
    };
    Some(
        Finding::new(&NO_DNS, key, message)
            .severity(severity)
            .label("port 53 is missing")
            .help("add `- ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]` under `egress`"),
    )
}

/// Pods are reached by the names of their Services; networks mostly by address.
fn needs_names(policy: &Policy) -> bool {
    let peers = policy.rules(Direction::Egress).iter().flat_map(|rule| &rule.peers);
    peers.into_iter().any(|peer| matches!(peer, Peer::Pods { .. }))
}

/// Whether any policy of the namespace that holds for the pods lets them ask DNS.
fn lets_dns(cluster: &Cluster, policy: &Declared<Policy>, pods: Option<&Pods>, transport: Transport) -> bool {
    let holds = |other: &&Declared<Policy>| {
        let selector = &other.spec.pods;
        other.meta.may_share_namespace(&policy.meta)
            && match pods {
                Some(pods) => selector.matches(&pods.spec.pod.labels),
                None => selector.is_empty() || selector.equals == policy.spec.pods.equals,
            }
    };
    let in_dns_namespace = policy.meta.namespace() == "kube-system";
    let policies = cluster.manifests.policies.iter().take(MAX_POLICIES).filter(holds);
    policies
        .flat_map(|other| other.spec.rules(Direction::Egress))
        .any(|rule| lets_port(rule, transport) && (in_dns_namespace || reaches_dns(rule)))
}

/// A name server may have any address and any namespace but, mostly, this one.
fn reaches_dns(rule: &PolicyRule) -> bool {
    rule.peers.is_empty()
        || rule.peers.iter().any(|peer| match peer {
            Peer::Block(_) | Peer::Unknown => true,
            Peer::Pods { pods, namespaces } => {
                let dns = |selector: &crate::kubernetes::model::Selector| {
                    selector.values().any(|value| value.contains("dns"))
                };
                namespaces.is_some() || pods.as_ref().is_some_and(dns)
            }
        })
}

/// Clusters of OpenShift ask on 5353, and a port may be meant by its name.
fn lets_port(rule: &PolicyRule, transport: Transport) -> bool {
    rule.lets_port(53, transport)
        || rule.lets_port(5353, transport)
        || rule.ports.iter().any(|port| {
            port.protocol.transport() == Some(transport)
                && port.port.as_ref().is_some_and(|value| match &value.value {
                    PortValue::Name(name) => name.contains("dns"),
                    PortValue::Unresolved(_) => true,
                    _ => false,
                })
        })
}
