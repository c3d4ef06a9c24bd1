//! NetworkPolicies.

use super::field::{self, Block, Expected};
use crate::{
    kubernetes::model::{Labels, Peer, PeerBlock, Policy, PolicyPort, PolicyRule, Selector, Stray},
    yaml::Node,
};

const SPEC: Block =
    Block { name: "a NetworkPolicy spec", known: &["egress", "ingress", "podSelector", "policyTypes"], closed: true };
const INGRESS: Block = Block { name: "an ingress rule", known: &["from", "ports"], closed: true };
const EGRESS: Block = Block { name: "an egress rule", known: &["ports", "to"], closed: true };
const PEER: Block =
    Block { name: "a NetworkPolicy peer", known: &["ipBlock", "namespaceSelector", "podSelector"], closed: true };
const IP_BLOCK: Block = Block { name: "an ipBlock", known: &["cidr", "except"], closed: true };
const PORT: Block = Block { name: "a NetworkPolicy port", known: &["endPort", "port", "protocol"], closed: true };
const SELECTOR: Block = Block { name: "a label selector", known: &["matchExpressions", "matchLabels"], closed: true };

/// Reads a NetworkPolicy; nothing if it has no spec.
pub(super) fn read(node: &Node<'_>, strays: &mut Vec<Stray>) -> Option<Policy> {
    let spec = node.get("spec").filter(|spec| spec.is_mapping())?;
    field::note_strays(spec, &SPEC, strays);
    let place = |key: &str| spec.entry(key).map(|entry| entry.key.span);
    let pods = spec.get("podSelector").map(|node| selector(node, strays));
    Some(Policy {
        pods: pods.unwrap_or_else(|| Selector { span: spec.span, equals: Labels::default(), expressions: Vec::new() }),
        types: spec.get("policyTypes").map(|types| field::list(Some(types))),
        ingress: rules(spec, "ingress", "from", &INGRESS, strays),
        egress: rules(spec, "egress", "to", &EGRESS, strays),
        ingress_key: place("ingress"),
        egress_key: place("egress"),
    })
}

fn rules(
    spec: &Node<'_>,
    key: &str,
    peers_key: &str,
    block: &Block,
    strays: &mut Vec<Stray>,
) -> Option<Vec<PolicyRule>> {
    let node = spec.get(key)?;
    let mut rules = Vec::new();
    for rule in node.items() {
        field::note_strays(rule, block, strays);
        let peers = rule.get(peers_key).map(Node::items).unwrap_or_default();
        let ports = rule.get("ports").map(Node::items).unwrap_or_default();
        rules.push(PolicyRule {
            span: rule.span,
            peers: peers.iter().map(|item| peer(item, strays)).collect(),
            ports: ports.iter().map(|item| port(item, strays)).collect(),
        });
    }
    Some(rules)
}

fn peer(node: &Node<'_>, strays: &mut Vec<Stray>) -> Peer {
    field::note_strays(node, &PEER, strays);
    if let Some(block) = node.get("ipBlock") {
        field::note_strays(block, &IP_BLOCK, strays);
        return match field::text(block, "cidr") {
            Some(cidr) => Peer::Block(PeerBlock { cidr, except: field::list(block.get("except")) }),
            None => Peer::Unknown,
        };
    }
    let mut selector_of = |key: &str| node.get(key).map(|node| selector(node, strays));
    match (selector_of("podSelector"), selector_of("namespaceSelector")) {
        (None, None) => Peer::Unknown,
        (pods, namespaces) => Peer::Pods { pods, namespaces },
    }
}

fn selector(node: &Node<'_>, strays: &mut Vec<Stray>) -> Selector {
    field::note_strays(node, &SELECTOR, strays);
    field::selector(node)
}

fn port(node: &Node<'_>, strays: &mut Vec<Stray>) -> PolicyPort {
    field::note_strays(node, &PORT, strays);
    PolicyPort {
        port: field::port(node, "port", Expected::NumberOrName),
        end: field::port(node, "endPort", Expected::Number),
        protocol: field::protocol(node),
        says_protocol: node.get("protocol").is_some_and(|protocol| !protocol.is_null()),
    }
}
