//! What the firewalls of all clouds have in common: groups of rules that let some peers reach some ports.

use crate::{
    cidr::Networks,
    estate::{PortSpan, Transport},
    inputs::Span,
    terraform::{
        resource::Resource,
        value::{Term, Unknown, Value},
    },
};

/// A set of rules that are asked together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Its resource: `aws_security_group.web`.
    pub(super) address: String,
    /// Which one, if the resource is repeated.
    pub(super) instance: Option<String>,
    /// By what a plan or state refers to it.
    pub(super) id: Option<String>,
    /// For people: "security group `web`".
    pub(super) title: String,
    /// How its rules are asked.
    pub(super) kind: Kind,
    /// The words of its cloud for what a fix says.
    pub(super) words: &'static Words,
    /// Its name.
    pub(super) place: Span,
    /// Its rules, in any order.
    pub(super) permits: Vec<Permit>,
}

/// How the rules of a group are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answers pass by themselves.
    Stateful,
    /// Answers need rules of their own, so high ports have to be open.
    Stateless,
    /// As [`Kind::Stateful`]; whoever names no other group gets this one.
    Default,
}

/// What a cloud calls things, for fixes that can be pasted.
#[derive(Debug)]
pub(super) struct Words {
    /// A source of one address: `cidr_blocks = ["203.0.113.7/32"]`.
    pub(super) address: &'static str,
    /// A source that is not an address: `security_groups = [aws_security_group.app.id]`.
    pub(super) group: &'static str,
    /// One port: `from_port = 443` and so on.
    pub(super) port: &'static str,
}

/// One rule.
#[derive(Debug, Clone)]
pub(super) struct Permit {
    pub(super) direction: Direction,
    pub(super) effect: Effect,
    /// Which is asked first: the smaller. All the same where the order does not matter.
    pub(super) order: i64,
    pub(super) peers: Vec<Peer>,
    pub(super) protocol: Protocol,
    pub(super) ports: Vec<Ports>,
    pub(super) is_described: Described,
    /// The rule's keyword or name.
    pub(super) place: Span,
}

/// Which way the traffic goes that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// Whether somebody wrote down what a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Described {
    Yes,
    No,
    /// The cloud has no place for it.
    Nowhere,
}

/// With whom.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    Networks {
        networks: Networks,
        place: Span,
    },
    /// Another group, a tag, a prefix list: few, and not by address.
    Other,
    Unknown {
        what: String,
        place: Span,
    },
}

/// Over what.
#[derive(Debug, Clone)]
pub(super) enum Protocol {
    /// Everything, ports or not.
    Any(Span),
    Transport(Transport),
    /// Something without ports, such as ICMP.
    Portless,
    Unknown {
        what: String,
        place: Span,
    },
}

/// To which ports.
#[derive(Debug, Clone)]
pub(super) enum Ports {
    Of { ports: PortSpan, place: Span },
    Unknown { what: String, place: Span },
}

impl Group {
    /// A group as its resource says it.
    pub(super) fn of(
        resource: &Resource,
        kind_words: &str,
        kind: Kind,
        words: &'static Words,
        permits: Vec<Permit>,
    ) -> Self {
        Self {
            address: resource.address.clone(),
            instance: resource.instance.clone(),
            id: resource.body.text("id"),
            title: match &resource.instance {
                Some(instance) => format!("{kind_words} `{}[{instance}]`", resource.name),
                None => format!("{kind_words} `{}`", resource.name),
            },
            kind,
            words,
            place: resource.place,
            permits,
        }
    }
}

impl Protocol {
    /// Whether it carries a transport; `None` if it is not known.
    pub(super) fn carries(&self, transport: Transport) -> Option<bool> {
        match self {
            Self::Any(_) => Some(true),
            Self::Transport(known) => Some(*known == transport),
            Self::Portless => Some(false),
            Self::Unknown { .. } => None,
        }
    }

    /// By the names and numbers that clouds use; a null or missing one is everything where `absent` says so.
    pub(super) fn read(term: Option<&Term>, absent: Span) -> Self {
        let Some(term) = term else { return Self::Any(absent) };
        let Some(text) = term.value.as_text() else {
            return Self::Unknown { what: term.value.unknown().unwrap_or_default(), place: term.span };
        };
        match text.to_ascii_lowercase().as_str() {
            "-1" | "all" | "any" | "*" | "" => Self::Any(term.origin()),
            "tcp" | "6" => Self::Transport(Transport::Tcp),
            "udp" | "17" => Self::Transport(Transport::Udp),
            "sctp" | "132" => Self::Transport(Transport::Sctp),
            _ => Self::Portless,
        }
    }
}

impl Permit {
    /// The ports, with all of them for a protocol that stands for everything.
    pub(super) fn known_ports(&self) -> impl Iterator<Item = (PortSpan, Span)> {
        self.ports.iter().filter_map(|ports| match ports {
            Ports::Of { ports, place } => Some((*ports, *place)),
            Ports::Unknown { .. } => None,
        })
    }

    /// Whether it is about some port of a span, over a transport; `None` if that is not known.
    pub(super) fn is_about(&self, ports: PortSpan, transport: Transport) -> Option<bool> {
        match self.protocol.carries(transport) {
            Some(true) => {}
            other => return other,
        }
        if self.known_ports().any(|(known, _)| known.intersection(ports).is_some()) {
            return Some(true);
        }
        let all_known = self.ports.iter().all(|ports| matches!(ports, Ports::Of { .. }));
        all_known.then_some(false)
    }

    /// What it depends on that the files do not say.
    pub(super) fn unknown_peer(&self) -> Option<(&str, Span)> {
        self.peers.iter().find_map(|peer| match peer {
            Peer::Unknown { what, place } => Some((what.as_str(), *place)),
            _ => None,
        })
    }

    /// As [`Self::unknown_peer`], for the ports or the protocol.
    pub(super) fn unknown_port(&self) -> Option<(&str, Span)> {
        let of_protocol = match &self.protocol {
            Protocol::Unknown { what, place } => Some((what.as_str(), *place)),
            _ => None,
        };
        of_protocol.or_else(|| {
            self.ports.iter().find_map(|ports| match ports {
                Ports::Unknown { what, place } => Some((what.as_str(), *place)),
                Ports::Of { .. } => None,
            })
        })
    }

    /// Whether it is about something that has ports.
    pub(super) fn has_ports(&self) -> bool {
        !matches!(self.protocol, Protocol::Portless)
    }

    /// All networks that it names.
    pub(super) fn networks(&self) -> Networks {
        let networks = self.peers.iter().filter_map(|peer| match peer {
            Peer::Networks { networks, .. } => Some(networks.clone()),
            _ => None,
        });
        networks.collect()
    }
}

/// Networks from a list of texts, or a single one; what is no network is left out, as the cloud refuses it.
pub(super) fn networks(term: Option<&Term>) -> Vec<Peer> {
    let items = term.map_or(&[][..], Term::items);
    items.iter().flat_map(|item| network(item, address)).collect()
}

/// A network as clouds take it. Whatever stands before `/0`, it is everybody.
pub(super) fn address(text: &str) -> Option<Networks> {
    let parsed = Networks::parse(text).ok();
    parsed.or_else(|| text.ends_with("/0").then(Networks::everyone))
}

/// Peers of one term, by how its cloud reads a text; texts with commas are lists.
pub(super) fn network(term: &Term, read: impl Fn(&str) -> Option<Networks>) -> Vec<Peer> {
    if let Value::Unknown(Unknown::Host(_)) = term.value.resolved() {
        return vec![Peer::Other];
    }
    match term.value.as_text() {
        Some(text) => {
            let known = text.split(',').filter_map(|part| read(part.trim()));
            let networks: Networks = known.collect();
            if networks.is_empty() { Vec::new() } else { vec![Peer::Networks { networks, place: term.origin() }] }
        }
        None => term
            .value
            .unknown()
            .map(|what| if is_one_address(&what) { Peer::Other } else { Peer::Unknown { what, place: term.span } })
            .into_iter()
            .collect(),
    }
}

/// `aws_eip.x.public_ip` and its like are one address, whichever.
fn is_one_address(what: &str) -> bool {
    ["public_ip", "private_ip", "ip_address", "ipv4_address"].iter().any(|end| what.ends_with(end))
}

/// A span from two numbers, either of which may be missing; -1 stands for all, as AWS has it.
pub(super) fn port_span(first: Option<&Term>, last: Option<&Term>, absent: Span) -> Ports {
    let (first, last) = match (first, last) {
        (None, None) => return Ports::Of { ports: PortSpan::ALL, place: absent },
        (Some(one), None) | (None, Some(one)) => (one, one),
        (Some(first), Some(last)) => (first, last),
    };
    let number = |term: &Term| match term.value.as_integer() {
        Some(-1) => Some(None),
        Some(number) => u16::try_from(number).ok().map(Some),
        None => None,
    };
    let unknown = [first, last].into_iter().find_map(|term| term.value.unknown().map(|what| (what, term.span)));
    if let Some((what, place)) = unknown {
        return Ports::Unknown { what, place };
    }
    let place = first.origin();
    match (number(first), number(last)) {
        (Some(None), _) | (_, Some(None)) => Ports::Of { ports: PortSpan::ALL, place },
        (Some(Some(first)), Some(Some(last))) if first <= last => Ports::Of { ports: PortSpan { first, last }, place },
        _ => Ports::Unknown { what: "ports that are no ports".to_owned(), place },
    }
}

/// Spans written as text: `22`, `8000-8100`, `1/65535`, `all`, `*`, `any`, several with commas.
pub(super) fn port_texts(term: Option<&Term>, absent: Span) -> Vec<Ports> {
    let Some(term) = term else { return vec![Ports::Of { ports: PortSpan::ALL, place: absent }] };
    let mut spans = Vec::new();
    for item in term.items() {
        let place = item.origin();
        match item.value.as_text() {
            Some(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                spans.extend(parts.filter_map(port_text).map(|ports| Ports::Of { ports, place }));
            }
            None => spans.extend(item.value.unknown().map(|what| Ports::Unknown { what, place: item.span })),
        }
    }
    spans
}

fn port_text(text: &str) -> Option<PortSpan> {
    if matches!(text.to_ascii_lowercase().as_str(), "*" | "all" | "any" | "-1/-1" | "-1") {
        return Some(PortSpan::ALL);
    }
    match text.split_once(['-', '/', ':']) {
        Some((first, last)) => PortSpan::new(first.trim().parse().ok()?, last.trim().parse().ok()?),
        None => text.parse().ok().map(PortSpan::one),
    }
}

/// A block of which nothing is known, such as that of a `dynamic` over a variable.
pub(super) fn unknown_block(block: &Term, direction: Direction) -> Option<Permit> {
    let what = block.value.unknown()?;
    let place = block.span;
    Some(Permit {
        direction,
        effect: Effect::Allow,
        order: 0,
        peers: vec![Peer::Unknown { what: what.clone(), place }],
        protocol: Protocol::Unknown { what, place },
        ports: Vec::new(),
        is_described: Described::Nowhere,
        place,
    })
}
