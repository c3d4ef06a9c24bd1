//! Firewalls of smaller clouds, which are alike: a direction, a protocol, ports and addresses.

use super::{
    opening::{
        Described, Direction, Effect, Group, Kind, Peer, Permit, Ports, Protocol, Words, networks, port_span,
        port_texts, unknown_block,
    },
    resource::Resource,
    value::Term,
};
use crate::{cidr::Networks, estate::PortSpan};

static WORDS: Words = Words {
    address: "the address `203.0.113.7/32`",
    group: "the group of those that need it",
    port: "the one port that is needed",
};

/// A group with the rules that it contains.
pub(super) fn group(resource: &Resource) -> Option<Group> {
    let body = &resource.body;
    let (words, permits) = match resource.kind.as_str() {
        "digitalocean_firewall" => {
            let inward = rules(body, "inbound_rule", |rule| digitalocean(rule, Direction::In, "source_addresses"));
            let outward =
                rules(body, "outbound_rule", |rule| digitalocean(rule, Direction::Out, "destination_addresses"));
            ("firewall", [inward, outward].concat())
        }
        "hcloud_firewall" => ("firewall", rules(body, "rule", hetzner)),
        "linode_firewall" => {
            let inward = rules(body, "inbound", |rule| linode(rule, Direction::In));
            let outward = rules(body, "outbound", |rule| linode(rule, Direction::Out));
            ("firewall", [inward, outward].concat())
        }
        "openstack_compute_secgroup_v2" => ("security group", rules(body, "rule", openstack_compute)),
        "openstack_networking_secgroup_v2" | "alicloud_security_group" => ("security group", Vec::new()),
        "oci_core_security_list" => {
            let inward = rules(body, "ingress_security_rules", |rule| oracle(rule, Direction::In, "source"));
            let outward = rules(body, "egress_security_rules", |rule| oracle(rule, Direction::Out, "destination"));
            ("security list", [inward, outward].concat())
        }
        _ => return None,
    };
    Some(Group::of(resource, words, Kind::Stateful, &WORDS, permits))
}

/// A rule that stands beside its group, and the attribute by which it names the group.
pub(super) fn rule(resource: &Resource) -> Option<(Permit, &'static str)> {
    let body = &resource.body;
    let (permit, group) = match resource.kind.as_str() {
        "openstack_networking_secgroup_rule_v2" => (openstack_networking(body), "security_group_id"),
        "alicloud_security_group_rule" => (alibaba(body), "security_group_id"),
        "oci_core_network_security_group_security_rule" => {
            let is_out = body.text("direction").is_some_and(|text| text.eq_ignore_ascii_case("EGRESS"));
            let (direction, side) = if is_out { (Direction::Out, "destination") } else { (Direction::In, "source") };
            (oracle(body, direction, side), "network_security_group_id")
        }
        _ => return None,
    };
    Some((Permit { place: resource.place, ..permit }, group))
}

fn rules(body: &Term, key: &str, read: impl Fn(&Term) -> Permit) -> Vec<Permit> {
    let read = |rule: &Term| unknown_block(rule, Direction::In).unwrap_or_else(|| read(rule));
    body.blocks(key).iter().map(read).collect()
}

fn allow(rule: &Term, direction: Direction, peers: Vec<Peer>, protocol: Protocol, ports: Vec<Ports>) -> Permit {
    let ports = match &protocol {
        Protocol::Any(place) => vec![Ports::Of { ports: PortSpan::ALL, place: *place }],
        _ => ports,
    };
    let (effect, order, place) = (Effect::Allow, 0, rule.span);
    Permit { direction, effect, order, peers, protocol, ports, is_described: Described::Nowhere, place }
}

fn digitalocean(rule: &Term, direction: Direction, addresses: &str) -> Permit {
    let peers = networks(rule.get(addresses));
    let ports = port_texts(rule.get("port_range"), rule.span);
    allow(rule, direction, peers, Protocol::read(rule.get("protocol"), rule.span), ports)
}

fn hetzner(rule: &Term) -> Permit {
    let is_out = rule.text("direction").is_some_and(|text| text == "out");
    let (direction, addresses) =
        if is_out { (Direction::Out, "destination_ips") } else { (Direction::In, "source_ips") };
    let ports = port_texts(rule.get("port"), rule.span);
    allow(rule, direction, networks(rule.get(addresses)), Protocol::read(rule.get("protocol"), rule.span), ports)
}

fn linode(rule: &Term, direction: Direction) -> Permit {
    let mut peers = networks(rule.get("ipv4"));
    peers.extend(networks(rule.get("ipv6")));
    let ports = port_texts(rule.get("ports"), rule.span);
    let permit = allow(rule, direction, peers, Protocol::read(rule.get("protocol"), rule.span), ports);
    let is_drop = rule.text("action").is_some_and(|action| action.eq_ignore_ascii_case("DROP"));
    Permit { effect: if is_drop { Effect::Deny } else { Effect::Allow }, ..permit }
}

fn openstack_compute(rule: &Term) -> Permit {
    let mut peers = networks(rule.get("cidr"));
    peers.extend(["from_group_id", "self"].iter().filter_map(|key| rule.get(key)).map(|_| Peer::Other));
    let ports = vec![port_span(rule.get("from_port"), rule.get("to_port"), rule.span)];
    allow(rule, Direction::In, peers, Protocol::read(rule.get("ip_protocol"), rule.span), ports)
}

/// Neutron: no prefix and no group is everybody of the family.
fn openstack_networking(body: &Term) -> Permit {
    let is_out = body.text("direction").is_some_and(|text| text == "egress");
    let mut peers = networks(body.get("remote_ip_prefix"));
    if body.get("remote_group_id").is_some() {
        peers.push(Peer::Other);
    } else if body.get("remote_ip_prefix").is_none() {
        let family = if body.text("ethertype").is_some_and(|text| text == "IPv6") { "::/0" } else { "0.0.0.0/0" };
        let everybody = Networks::parse(family).into_iter();
        peers.extend(everybody.map(|networks| Peer::Networks { networks, place: body.span }));
    }
    let direction = if is_out { Direction::Out } else { Direction::In };
    let ports = vec![port_span(body.get("port_range_min"), body.get("port_range_max"), body.span)];
    allow(body, direction, peers, Protocol::read(body.get("protocol"), body.span), ports)
}

fn alibaba(body: &Term) -> Permit {
    let is_out = body.text("type").is_some_and(|text| text == "egress");
    let mut peers = networks(body.get("cidr_ip"));
    peers.extend(networks(body.get("ipv6_cidr_ip")));
    peers.extend(body.get("source_security_group_id").map(|_| Peer::Other));
    let direction = if is_out { Direction::Out } else { Direction::In };
    let ports = port_texts(body.get("port_range"), body.span);
    let permit = allow(body, direction, peers, Protocol::read(body.get("ip_protocol"), body.span), ports);
    let is_drop = body.text("policy").is_some_and(|policy| policy == "drop");
    let order = body.get("priority").and_then(|term| term.value.as_integer()).unwrap_or(1);
    Permit { effect: if is_drop { Effect::Deny } else { Effect::Allow }, order, ..permit }
}

fn oracle(rule: &Term, direction: Direction, side: &str) -> Permit {
    let by_address = rule.text(&format!("{side}_type")).is_none_or(|kind| kind == "CIDR_BLOCK");
    let peers = if by_address { networks(rule.get(side)) } else { vec![Peer::Other] };
    let protocol = Protocol::read(rule.get("protocol"), rule.span);
    let options = rule.block("tcp_options").or_else(|| rule.block("udp_options"));
    let ports = options.map(|options| options.block("destination_port_range").unwrap_or(options));
    let ports = match ports {
        Some(range) => port_span(range.get("min"), range.get("max"), range.span),
        None => port_span(None, None, rule.span),
    };
    allow(rule, direction, peers, protocol, vec![ports])
}
