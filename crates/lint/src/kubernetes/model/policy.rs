//! NetworkPolicies.

use super::{PortValue, Protocol, Selector};
use crate::inputs::{Span, Spanned};

/// A NetworkPolicy of `networking.k8s.io`.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Which pods of its namespace it is about.
    pub(crate) pods: Selector,
    /// `policyTypes` as it is written.
    pub(crate) types: Option<Vec<Spanned<String>>>,
    /// `ingress`; none if the key is not there.
    pub(crate) ingress: Option<Vec<PolicyRule>>,
    /// `egress`; none if the key is not there.
    pub(crate) egress: Option<Vec<PolicyRule>>,
    /// Place of the key `ingress`.
    pub(crate) ingress_key: Option<Span>,
    /// Place of the key `egress`.
    pub(crate) egress_key: Option<Span>,
}

/// To or from the selected pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ingress,
    Egress,
}

/// What one rule lets pass: any of its ports with any of its peers.
#[derive(Debug)]
pub(crate) struct PolicyRule {
    pub(crate) span: Span,
    /// `from` or `to`; empty means everybody.
    pub(crate) peers: Vec<Peer>,
    /// `ports`; empty means all.
    pub(crate) ports: Vec<PolicyPort>,
}

/// One of `from` or `to`.
#[derive(Debug)]
pub(crate) enum Peer {
    /// `ipBlock`.
    Block(PeerBlock),
    /// `podSelector`, `namespaceSelector` or both.
    Pods { pods: Option<Selector>, namespaces: Option<Selector> },
    /// Something else, which is refused, or decided elsewhere.
    Unknown,
}

/// `ipBlock`.
#[derive(Debug)]
pub(crate) struct PeerBlock {
    pub(crate) cidr: Spanned<String>,
    pub(crate) except: Vec<Spanned<String>>,
}

/// One of `ports` of a rule.
#[derive(Debug)]
pub(crate) struct PolicyPort {
    /// None means all ports of the protocol.
    pub(crate) port: Option<Spanned<PortValue>>,
    /// `endPort`.
    pub(crate) end: Option<Spanned<PortValue>>,
    pub(crate) protocol: Protocol,
    /// Whether the protocol was written down.
    pub(crate) says_protocol: bool,
}

impl Policy {
    /// Whether it is about this direction: by `policyTypes`, else ingress always and egress if it has rules for it.
    pub(crate) fn is_about(&self, direction: Direction) -> bool {
        match (&self.types, direction) {
            (Some(types), _) if !types.is_empty() => types.iter().any(|word| **word == direction.word()),
            (_, Direction::Ingress) => true,
            (_, Direction::Egress) => self.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        }
    }

    /// What it lets pass in a direction that it is about; nothing is let pass where there are no rules.
    pub(crate) fn rules(&self, direction: Direction) -> &[PolicyRule] {
        let rules = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        if self.is_about(direction) { rules.as_deref().unwrap_or_default() } else { &[] }
    }
}

impl Direction {
    /// The word of `policyTypes`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }
}

impl PolicyRule {
    /// Whether a port is among those that it lets pass.
    pub(crate) fn lets_port(&self, number: u16, transport: crate::estate::Transport) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|port| port.contains(number, transport))
    }
}

impl PolicyPort {
    /// Whether a port number is meant. A name is none: that depends on the pod.
    pub(crate) fn contains(&self, number: u16, transport: crate::estate::Transport) -> bool {
        if self.protocol.transport() != Some(transport) {
            return false;
        }
        match (&self.port, &self.end) {
            (None, _) => true,
            (Some(first), None) => first.number() == Some(number),
            (Some(first), Some(last)) => match (first.number(), last.number()) {
                (Some(first), Some(last)) => (first..=last).contains(&number),
                _ => false,
            },
        }
    }
}
