//! Who may connect to whom by the NetworkPolicies of all files: what the policies mean, not how they say it.
//!
//! A connection passes if the policies of both ends let it (`k8s.io/api/networking/v1`, `NetworkPolicySpec`). An end
//! that no policy of a direction selects lets everything pass in that direction.

use std::fmt;

use super::{Cluster, MAX_CANDIDATES, Pods};
use crate::{
    cidr::{Breadth, Networks},
    estate::{EVERYBODY, PortSpan, Transport},
    inputs::Span,
    kubernetes::model::{Declared, Direction, Labels, Meta, Peer, PeerBlock, Policy, PolicyRule, PortValue, Selector},
};

/// Ports of each transport; merged, so that equal sets are equal however they came about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PortSet(Vec<(Transport, PortSpan)>);

/// Whom one end lets pass in one direction, and on which ports of the one that is connected to.
#[derive(Debug)]
pub(crate) struct Allowed<'c> {
    pub(crate) peer: AllowedPeer<'c>,
    pub(crate) ports: PortSet,
    /// The rule that says so, or the workload that no policy selects.
    pub(crate) place: Span,
}

/// Whom a rule means.
#[derive(Debug)]
pub(crate) enum AllowedPeer<'c> {
    /// Every pod and every network.
    Everybody,
    /// The pods of a workload in these files.
    Pods(&'c Pods),
    /// Every pod of a namespace; of all of them, if none is named.
    AllPods(Option<String>),
    /// These networks.
    Networks(Networks),
    /// Pods of namespaces that are not in these files, as the rule says it.
    Elsewhere(String),
}

impl PortSet {
    const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Sctp];
    const SPAN: PortSpan = PortSpan { first: 1, last: u16::MAX };

    /// All ports of all transports.
    pub(crate) fn all() -> Self {
        Self(Self::TRANSPORTS.map(|transport| (transport, Self::SPAN)).to_vec())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ports, of whichever transport.
    pub(crate) fn spans(&self) -> impl Iterator<Item = PortSpan> {
        self.0.iter().map(|(_, span)| *span)
    }

    /// Adds all ports of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
        self.0.sort_unstable();
        let mut merged: Vec<(Transport, PortSpan)> = Vec::with_capacity(self.0.len());
        for (transport, span) in self.0.drain(..) {
            match merged.last_mut() {
                Some((last, before)) if *last == transport && span.first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(span.last);
                }
                _ => merged.push((transport, span)),
            }
        }
        self.0 = merged;
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return formatter.write_str("all ports");
        }
        let shown: Vec<String> = self
            .0
            .iter()
            .map(
                |(transport, span)| {
                    if *span == Self::SPAN { format!("all of {transport}") } else { format!("{span}/{transport}") }
                },
            )
            .collect();
        formatter.write_str(&shown.join(", "))
    }
}

impl Cluster {
    /// Whom the policies let connect to pods, or whom they let the pods connect to. `None` if they do not care.
    pub(crate) fn allowed<'c>(&'c self, pods: &'c Pods, direction: Direction) -> Option<Vec<Allowed<'c>>> {
        // The address of the node is no address of a pod.
        if pods.spec.pod.host_network.is_some() {
            return None;
        }
        let mut policies = self.policies_of(pods, direction).peekable();
        policies.peek()?;
        let mut allowed = Vec::new();
        for policy in policies {
            for rule in policy.spec.rules(direction) {
                self.of_rule(pods, direction, &policy.meta, rule, &mut allowed);
            }
        }
        Some(allowed)
    }

    /// The policies that select pods and are about a direction.
    pub(crate) fn policies_of<'c>(
        &'c self,
        pods: &'c Pods,
        direction: Direction,
    ) -> impl Iterator<Item = &'c Declared<Policy>> {
        self.manifests.policies.iter().take(MAX_CANDIDATES).filter(move |policy| {
            policy.meta.shares_namespace(&pods.meta)
                && policy.spec.is_about(direction)
                && policy.spec.pods.matches(&pods.spec.pod.labels)
        })
    }

    fn of_rule<'c>(
        &'c self,
        pods: &'c Pods,
        direction: Direction,
        policy: &Meta,
        rule: &'c PolicyRule,
        allowed: &mut Vec<Allowed<'c>>,
    ) {
        let place = rule.span;
        let target = |peer: Option<&Pods>| match direction {
            Direction::Ingress => ports(rule, Some(pods)),
            Direction::Egress => ports(rule, peer),
        };
        if rule.peers.is_empty() {
            allowed.push(Allowed { peer: AllowedPeer::Everybody, ports: target(None), place });
        }
        for peer in &rule.peers {
            match peer {
                Peer::Unknown => {}
                Peer::Block(block) => {
                    let elsewhere = || AllowedPeer::Elsewhere(block.cidr.value.clone());
                    let peer = networks(block).map_or_else(elsewhere, AllowedPeer::Networks);
                    allowed.push(Allowed { peer, ports: target(None), place: block.cidr.span });
                }
                Peer::Pods { pods: selector, namespaces } if means_all(selector.as_ref(), namespaces.as_ref()) => {
                    let namespace = namespaces.is_none().then(|| policy.namespace().to_owned());
                    allowed.push(Allowed { peer: AllowedPeer::AllPods(namespace), ports: target(None), place });
                }
                Peer::Pods { pods: selector, namespaces } => {
                    let met = self.meant(selector.as_ref(), namespaces.as_ref(), policy);
                    if met.is_empty() {
                        let text = describe(selector.as_ref(), namespaces.as_ref());
                        allowed.push(Allowed { peer: AllowedPeer::Elsewhere(text), ports: target(None), place });
                    }
                    for peer in met {
                        let ports = target(Some(peer));
                        if !ports.is_empty() {
                            allowed.push(Allowed { peer: AllowedPeer::Pods(peer), ports, place });
                        }
                    }
                }
            }
        }
    }

    /// The workloads that a peer means.
    fn meant(&self, pods: Option<&Selector>, namespaces: Option<&Selector>, policy: &Meta) -> Vec<&Pods> {
        let everything = Selector { span: policy.span, equals: Labels::default(), expressions: Vec::new() };
        let pods = pods.unwrap_or(&everything);
        let candidates = self.selected_in_any_namespace(pods);
        let is_meant = |meta: &Meta| match namespaces {
            None => meta.shares_namespace(policy),
            Some(selector) => selector.is_empty() || selector.matches(&self.labels_of_namespace(meta.namespace())),
        };
        candidates.into_iter().filter(|pods| is_meant(&pods.meta) && pods.spec.pod.host_network.is_none()).collect()
    }
}

/// The ports that a rule means in the pods that are connected to. A name that they do not have means none; without
/// pods it stays open, so all are meant.
fn ports(rule: &PolicyRule, target: Option<&Pods>) -> PortSet {
    if rule.ports.is_empty() {
        return PortSet::all();
    }
    let mut set = PortSet::default();
    for port in &rule.ports {
        let Some(transport) = port.protocol.transport() else { continue };
        let span = match (&port.port, &port.end) {
            (None, _) => Some(PortSet::SPAN),
            (Some(first), last) => match &first.value {
                PortValue::Name(name) => target.and_then(|pods| named(pods, name, transport)),
                value => {
                    let first = value.number();
                    let last = last.as_ref().map_or(first, |last| last.number());
                    first.zip(last).and_then(|(first, last)| PortSpan::new(first, last))
                }
            },
        };
        set.add(&PortSet(span.map(|span| (transport, span)).into_iter().collect()));
    }
    set
}

fn named(pods: &Pods, name: &str, transport: Transport) -> Option<PortSpan> {
    let declared = pods.spec.pod.ports().find(|port| {
        port.name.as_ref().is_some_and(|own| **own == *name) && port.protocol.transport() == Some(transport)
    });
    declared.and_then(|port| port.number.number()).map(PortSpan::one)
}

fn networks(block: &PeerBlock) -> Option<Networks> {
    let except: Networks = block.except.iter().filter_map(|text| Networks::parse(text).ok()).collect();
    Networks::parse(&block.cidr).ok().map(|networks| networks.without(&except))
}

/// Whether all pods of one namespace, or of all, are meant; their number is not to count.
fn means_all(pods: Option<&Selector>, namespaces: Option<&Selector>) -> bool {
    let is_open = |selector: Option<&Selector>| selector.is_none_or(Selector::is_empty);
    is_open(pods) && is_open(namespaces)
}

fn describe(pods: Option<&Selector>, namespaces: Option<&Selector>) -> String {
    let all = |selector: Option<&Selector>| selector.filter(|selector| !selector.is_empty()).map(ToString::to_string);
    match (all(pods), all(namespaces)) {
        (None, None) => "every pod".to_owned(),
        (Some(pods), None) => format!("pods with {pods}"),
        (None, Some(namespaces)) => format!("pods of namespaces with {namespaces}"),
        (Some(pods), Some(namespaces)) => format!("pods with {pods} of namespaces with {namespaces}"),
    }
}

impl AllowedPeer<'_> {
    /// Whether strangers of the internet are meant.
    pub(crate) fn is_internet(&self) -> bool {
        match self {
            Self::Everybody => true,
            Self::Networks(networks) => networks.breadth() == Breadth::Internet,
            Self::Pods(_) | Self::AllPods(_) | Self::Elsewhere(_) => false,
        }
    }
}

impl fmt::Display for AllowedPeer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => formatter.write_str(EVERYBODY),
            Self::Pods(pods) => write!(formatter, "{}{}", pods.meta.title(), pods.meta.within()),
            Self::AllPods(Some(namespace)) => write!(formatter, "every pod of namespace `{namespace}`"),
            Self::AllPods(None) => formatter.write_str("every pod"),
            Self::Networks(networks) => write!(formatter, "{networks}"),
            Self::Elsewhere(text) => formatter.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_sets_are_merged_and_told_briefly() {
        let set = |spans: &[(Transport, u16, u16)]| {
            let mut set = PortSet::default();
            for (transport, first, last) in spans {
                set.add(&PortSet(vec![(*transport, PortSpan { first: *first, last: *last })]));
            }
            set
        };
        let tcp = Transport::Tcp;
        assert_eq!(set(&[(tcp, 81, 90), (tcp, 80, 80), (tcp, 85, 100)]).to_string(), "80-100/tcp");
        assert_eq!(set(&[(Transport::Udp, 53, 53), (tcp, 53, 53)]).to_string(), "53/tcp, 53/udp");
        assert_eq!(set(&[(tcp, 1, 65535)]).to_string(), "all of tcp");
        assert_eq!(PortSet::all().to_string(), "all ports");
        assert!(set(&[]).is_empty());
    }
}
