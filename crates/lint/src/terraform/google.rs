//! Firewalls of Google Cloud: each is a group of its own, with several protocols and ports.

use super::{
    opening::{
        Described, Direction, Effect, Group, Kind, Peer, Permit, Ports, Protocol, Words, networks, port_texts,
        unknown_block,
    },
    resource::Resource,
    value::Term,
};
use crate::{cidr::Networks, estate::PortSpan};

static WORDS: Words = Words {
    address: "source_ranges = [\"203.0.113.7/32\"]",
    group: "source_service_accounts = [google_service_account.app.email]",
    port: "allow { protocol = \"tcp\", ports = [\"443\"] }",
};

/// The group that a firewall is.
pub(super) fn group(resource: &Resource) -> Option<Group> {
    let permits = match resource.kind.as_str() {
        "google_compute_firewall" => firewall(resource),
        "google_compute_firewall_policy_rule"
        | "google_compute_network_firewall_policy_rule"
        | "google_compute_region_network_firewall_policy_rule" => policy_rule(resource),
        _ => return None,
    };
    Some(Group::of(resource, "firewall", Kind::Stateful, &WORDS, permits))
}

fn firewall(resource: &Resource) -> Vec<Permit> {
    let body = &resource.body;
    if body.truth("disabled") == Some(true) {
        return Vec::new();
    }
    let direction = direction(body);
    let (ranges, others) = match direction {
        Direction::In => ("source_ranges", &["source_tags", "source_service_accounts"][..]),
        Direction::Out => ("destination_ranges", &[][..]),
    };
    let mut peers = networks(body.get(ranges));
    peers.extend(others.iter().filter_map(|key| body.get(key)).map(|_| Peer::Other));
    if body.get(ranges).is_none() && peers.is_empty() {
        // Who says nothing lets everybody in, as the API has it.
        peers.push(Peer::Networks { networks: Networks::everyone(), place: resource.place });
    }
    permits(resource, direction, &peers, "protocol", &[("allow", Effect::Allow), ("deny", Effect::Deny)])
}

fn policy_rule(resource: &Resource) -> Vec<Permit> {
    let body = &resource.body;
    if body.truth("disabled") == Some(true) {
        return Vec::new();
    }
    let direction = direction(body);
    let effect = match body.text("action").as_deref() {
        Some("allow") => Effect::Allow,
        _ => Effect::Deny,
    };
    let Some(matched) = body.block("match") else { return Vec::new() };
    let peers = networks(matched.get(if direction == Direction::In { "src_ip_ranges" } else { "dest_ip_ranges" }));
    let inner = Resource { body: matched.clone(), ..resource.clone() };
    permits(&inner, direction, &peers, "ip_protocol", &[("layer4_configs", effect)])
        .into_iter()
        .map(|permit| Permit { order: order(body), is_described: described(body), ..permit })
        .collect()
}

fn permits(
    resource: &Resource,
    direction: Direction,
    peers: &[Peer],
    protocol: &str,
    kinds: &[(&str, Effect)],
) -> Vec<Permit> {
    let body = &resource.body;
    let mut permits = Vec::new();
    for (key, effect) in kinds {
        for block in body.blocks(key) {
            if let Some(unknown) = unknown_block(block, direction) {
                let is_open = *effect == Effect::Allow;
                permits.extend(is_open.then(|| Permit { peers: peers.to_vec(), ..unknown }));
                continue;
            }
            let protocol = Protocol::read(block.get(protocol), block.span);
            let ports = match &protocol {
                Protocol::Any(place) => vec![Ports::Of { ports: PortSpan::ALL, place: *place }],
                _ => port_texts(block.get("ports").filter(|ports| !ports.items().is_empty()), block.span),
            };
            permits.push(Permit {
                direction,
                effect: *effect,
                order: order(body),
                peers: peers.to_vec(),
                protocol,
                ports,
                is_described: described(body),
                place: block.span,
            });
        }
    }
    permits
}

fn direction(body: &Term) -> Direction {
    let is_out = body.text("direction").is_some_and(|text| text.eq_ignore_ascii_case("EGRESS"));
    if is_out { Direction::Out } else { Direction::In }
}

fn order(body: &Term) -> i64 {
    const DEFAULT: i64 = 1000;
    body.get("priority").and_then(|priority| priority.value.as_integer()).unwrap_or(DEFAULT)
}

fn described(body: &Term) -> Described {
    if body.text("description").is_some_and(|text| !text.trim().is_empty()) {
        Described::Yes
    } else {
        Described::Nowhere
    }
}
