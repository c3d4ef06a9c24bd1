//! The firewalls of AWS: security groups with rules inside or beside them, and network ACLs.

use super::{
    opening::{
        Described, Direction, Effect, Group, Kind, Peer, Permit, Ports, Protocol, Words, networks, port_span,
        unknown_block,
    },
    resource::Resource,
    value::Term,
};
use crate::{estate::PortSpan, inputs::Span};

pub(super) static WORDS: Words = Words {
    address: "cidr_blocks = [\"203.0.113.7/32\"]",
    group: "security_groups = [aws_security_group.app.id]",
    port: "from_port = 443, to_port = 443 and protocol = \"tcp\"",
};

/// Groups with the rules that they contain.
pub(super) fn group(resource: &Resource) -> Option<Group> {
    let (words, kind) = match resource.kind.as_str() {
        "aws_security_group" => ("security group", Kind::Stateful),
        "aws_default_security_group" => ("default security group", Kind::Default),
        "aws_network_acl" | "aws_default_network_acl" => ("network ACL", Kind::Stateless),
        _ => return None,
    };
    let mut permits = Vec::new();
    for (key, direction) in [("ingress", Direction::In), ("egress", Direction::Out)] {
        for block in resource.body.blocks(key) {
            permits.push(match kind {
                Kind::Stateless => acl_rule(block, direction, "action", "rule_no"),
                Kind::Stateful | Kind::Default => inline_rule(block, direction),
            });
        }
    }
    Some(Group::of(resource, words, kind, &WORDS, permits))
}

/// A rule that stands beside its group, and the attribute by which it names the group.
pub(super) fn rule(resource: &Resource) -> Option<(Permit, &'static str)> {
    let body = &resource.body;
    let direction = |is_out: Option<bool>| if is_out == Some(true) { Direction::Out } else { Direction::In };
    Some(match resource.kind.as_str() {
        "aws_security_group_rule" => {
            let is_out = body.text("type").map(|text| text == "egress");
            (inline_rule(body, direction(is_out)).at(resource.place), "security_group_id")
        }
        "aws_vpc_security_group_ingress_rule" => {
            (single_rule(body, Direction::In).at(resource.place), "security_group_id")
        }
        "aws_vpc_security_group_egress_rule" => {
            (single_rule(body, Direction::Out).at(resource.place), "security_group_id")
        }
        "aws_network_acl_rule" => {
            let direction = direction(body.truth("egress"));
            (acl_rule(body, direction, "rule_action", "rule_number").at(resource.place), "network_acl_id")
        }
        _ => return None,
    })
}

/// `ingress { … }` and `aws_security_group_rule`
fn inline_rule(block: &Term, direction: Direction) -> Permit {
    if let Some(permit) = unknown_block(block, direction) {
        return permit;
    }
    let mut peers = networks(block.get("cidr_blocks"));
    peers.extend(networks(block.get("ipv6_cidr_blocks")));
    let others = ["security_groups", "source_security_group_id", "prefix_list_ids", "self"];
    peers.extend(others.iter().filter_map(|key| block.get(key)).map(|_| Peer::Other));
    let protocol = Protocol::read(block.get("protocol"), block.span);
    let ports = ports(block, &protocol);
    permit(block, direction, peers, protocol, ports)
}

/// `aws_vpc_security_group_ingress_rule`
fn single_rule(body: &Term, direction: Direction) -> Permit {
    let mut peers = networks(body.get("cidr_ipv4"));
    peers.extend(networks(body.get("cidr_ipv6")));
    let others = ["referenced_security_group_id", "prefix_list_id"];
    peers.extend(others.iter().filter_map(|key| body.get(key)).map(|_| Peer::Other));
    let protocol = Protocol::read(body.get("ip_protocol"), body.span);
    let ports = ports(body, &protocol);
    permit(body, direction, peers, protocol, ports)
}

/// A protocol that stands for everything takes no ports, whatever is written.
fn ports(block: &Term, protocol: &Protocol) -> Ports {
    match protocol {
        Protocol::Any(place) => Ports::Of { ports: PortSpan::ALL, place: *place },
        _ => port_span(block.get("from_port"), block.get("to_port"), block.span),
    }
}

fn permit(block: &Term, direction: Direction, peers: Vec<Peer>, protocol: Protocol, ports: Ports) -> Permit {
    let is_described = match block.get("description").map(|text| text.value.as_text()) {
        Some(Some(text)) if text.trim().is_empty() => Described::No,
        Some(_) => Described::Yes,
        None => Described::No,
    };
    let place = block.span;
    Permit { direction, effect: Effect::Allow, order: 0, peers, protocol, ports: vec![ports], is_described, place }
}

/// A rule of a network ACL.
fn acl_rule(block: &Term, direction: Direction, action: &str, number: &str) -> Permit {
    if let Some(permit) = unknown_block(block, direction) {
        return permit;
    }
    let mut peers = networks(block.get("cidr_block"));
    peers.extend(networks(block.get("ipv6_cidr_block")));
    let protocol = Protocol::read(block.get("protocol"), block.span);
    let ports = ports(block, &protocol);
    let is_deny = block.text(action).is_some_and(|action| action.eq_ignore_ascii_case("deny"));
    Permit {
        effect: if is_deny { Effect::Deny } else { Effect::Allow },
        order: block.get(number).and_then(|number| number.value.as_integer()).unwrap_or(0),
        is_described: Described::Nowhere,
        ..permit(block, direction, peers, protocol, ports)
    }
}

impl Permit {
    /// With another place than that of its body.
    fn at(self, place: Span) -> Self {
        Self { place, ..self }
    }
}
