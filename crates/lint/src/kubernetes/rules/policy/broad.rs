//! Rules that let everybody pass, or every port: PC464, PC465.

use std::collections::HashSet;

use super::{rule, some_of};
use crate::{
    cidr::{Breadth, Networks},
    estate::Reach,
    finding::Finding,
    inputs::Span,
    kubernetes::{
        cluster::{Cluster, Door, Pods},
        model::{Declared, Direction, Peer, PeerBlock, Policy, PolicyRule},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static EVERYBODY: Rule = rule(
    "PC464",
    "policy-lets-everybody",
    Severity::High,
    "a NetworkPolicy lets everybody in, or lets the pods reach everything",
    "Policies add up: one rule that lets everybody pass makes all others of the same pods meaningless. Without limits \
     on the way out, whoever gets into the pod reaches the internet and every network around.",
    "Write in `from` or `to` who needs it: a `podSelector`, a `namespaceSelector`, or the networks.",
);

pub(in super::super) static ALL_PORTS: Rule = rule(
    "PC465",
    "policy-lets-all-ports",
    Severity::Medium,
    "a NetworkPolicy lets its peers in on all ports",
    "Metrics, debuggers and admin interfaces of the same pods are let in together with the port that was meant, and \
     every port that is added later.",
    "Write the ports that are meant: `ports: [{ protocol: TCP, port: 8080 }]`.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let front: HashSet<*const Pods> = cluster
        .entrances()
        .iter()
        .filter(|entrance| entrance.reach == Some(Reach::Internet) || entrance.door == Door::NodePort)
        .flat_map(|entrance| entrance.ways.iter().map(|way| std::ptr::from_ref(way.pods)))
        .collect();
    for policy in &cluster.manifests.policies {
        let mut selected: Option<Vec<&Pods>> = None;
        for rule in policy.spec.rules(Direction::Ingress) {
            let pods = selected.get_or_insert_with(|| cluster.selected(&policy.spec.pods, &policy.meta));
            if let Some((span, what)) = everybody(rule) {
                let is_front = pods.iter().any(|pods| front.contains(&std::ptr::from_ref(*pods)));
                findings.push(let_in(policy, rule, span, &what, is_front));
            } else if rule.ports.is_empty() {
                findings.extend(all_ports(policy, rule, pods));
            }
        }
        for rule in policy.spec.rules(Direction::Egress) {
            if let Some((span, what)) = everybody(rule).filter(|_| !is_dns_alone(rule)) {
                findings.push(let_out(policy, rule, span, &what));
            }
        }
    }
}

/// Where and how a rule says that everybody is meant.
fn everybody(rule: &PolicyRule) -> Option<(Span, String)> {
    if rule.peers.is_empty() {
        return Some((rule.span, "no peers are named".to_owned()));
    }
    let blocks: Vec<&PeerBlock> = rule
        .peers
        .iter()
        .filter_map(|peer| match peer {
            Peer::Block(block) => Some(block),
            _ => None,
        })
        .collect();
    let networks: Networks = blocks.iter().filter_map(|block| networks(block)).collect();
    if networks.breadth() != Breadth::Internet {
        return None;
    }
    let whole = blocks.iter().find(|block| networks_of(block).is_some_and(|one| one.breadth() == Breadth::Internet));
    let block = whole.or(blocks.first())?;
    let what = if whole.is_some() { format!("`{}`", *block.cidr) } else { format!("together, `{networks}`") };
    Some((block.cidr.span, what))
}

fn networks_of(block: &PeerBlock) -> Option<Networks> {
    Networks::parse(&block.cidr).ok()
}

/// What a block means, without its exceptions.
fn networks(block: &PeerBlock) -> Option<Networks> {
    let except: Networks = block.except.iter().filter_map(|text| Networks::parse(text).ok()).collect();
    networks_of(block).map(|networks| networks.without(&except))
}

/// Names are looked up outside of the namespace, so that rule is part of every policy for the way out.
fn is_dns_alone(rule: &PolicyRule) -> bool {
    let is_dns = |text: &str| matches!(text, "53" | "5353" | "dns" | "dns-tcp");
    !rule.ports.is_empty()
        && rule.ports.iter().all(|port| port.port.as_ref().is_some_and(|value| is_dns(&value.to_string())))
}

fn let_in(policy: &Declared<Policy>, rule: &PolicyRule, span: Span, what: &str, is_front: bool) -> Finding {
    let ports = ports(rule);
    // A front door has to let everybody in; it need not do so on every port.
    let severity = match (is_front, rule.ports.is_empty()) {
        (true, false) => Severity::Low,
        (true, true) => Severity::Medium,
        (false, _) => Severity::High,
    };
    let message = format!("{} lets everybody in{ports}: {what}", policy.meta.title());
    Finding::new(&EVERYBODY, span, message)
        .severity(severity)
        .label("from every pod and every network")
        .help("write in `from` who needs it: `- podSelector: { matchLabels: { app: web } }`")
}

fn let_out(policy: &Declared<Policy>, rule: &PolicyRule, span: Span, what: &str) -> Finding {
    let ports = ports(rule);
    let severity = if rule.ports.is_empty() { Severity::Medium } else { Severity::Low };
    let message = format!("{} lets its pods reach everything{ports}: {what}", policy.meta.title());
    Finding::new(&EVERYBODY, span, message)
        .severity(severity)
        .label("to every pod and every network")
        .help("write in `to` what they need, and leave the networks of your own out by `except`")
}

fn ports(rule: &PolicyRule) -> String {
    let ports: Vec<String> = rule
        .ports
        .iter()
        .map(|port| port.port.as_ref().map_or_else(|| "any".to_owned(), |value| value.to_string()))
        .collect();
    if ports.is_empty() { String::new() } else { format!(" on port {}", some_of(&ports)) }
}

fn all_ports(policy: &Declared<Policy>, rule: &PolicyRule, pods: &[&Pods]) -> Option<Finding> {
    let mut numbers: Vec<u16> =
        pods.iter().flat_map(|pods| pods.spec.pod.ports()).filter_map(|port| port.number.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        return None;
    }
    let message =
        format!("{} lets its peers in on all ports, where its pods declare {}", policy.meta.title(), some_of(&numbers));
    let list: Vec<String> =
        numbers.iter().take(4).map(|number| format!("{{ protocol: TCP, port: {number} }}")).collect();
    Some(
        Finding::new(&ALL_PORTS, rule.span, message)
            .label("no `ports`")
            .help(format!("add the ports that are meant: `ports: [{}]`", list.join(", "))),
    )
}
