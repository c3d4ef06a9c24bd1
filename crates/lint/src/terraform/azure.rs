//! Network security groups of Azure, with rules inside or beside them.

use super::{
    opening::{
        self, Described, Direction, Effect, Group, Kind, Peer, Permit, Ports, Protocol, Words, network, port_texts,
        unknown_block,
    },
    resource::Resource,
    value::Term,
};
use crate::{cidr::Networks, estate::PortSpan};

static WORDS: Words = Words {
    address: "source_address_prefix = \"203.0.113.7/32\"",
    group: "source_application_security_group_ids = [azurerm_application_security_group.app.id]",
    port: "destination_port_range = \"443\" and protocol = \"Tcp\"",
};

/// A group with the rules that it contains.
pub(super) fn group(resource: &Resource) -> Option<Group> {
    if resource.kind != "azurerm_network_security_group" {
        return None;
    }
    let rules = resource.body.blocks("security_rule");
    let permits = rules.iter().map(|block| security_rule(block).unwrap_or_else(|| unknown(block))).collect();
    Some(Group::of(resource, "network security group", Kind::Stateful, &WORDS, permits))
}

/// A rule that stands beside its group, and the attribute by which it names the group.
pub(super) fn rule(resource: &Resource) -> Option<(Permit, &'static str)> {
    if resource.kind != "azurerm_network_security_rule" {
        return None;
    }
    let permit = security_rule(&resource.body)?;
    Some((Permit { place: resource.place, ..permit }, "network_security_group_name"))
}

fn unknown(block: &Term) -> Permit {
    let place = block.span;
    unknown_block(block, Direction::In).unwrap_or(Permit {
        direction: Direction::In,
        effect: Effect::Deny,
        order: i64::MAX,
        peers: Vec::new(),
        protocol: Protocol::Portless,
        ports: Vec::new(),
        is_described: Described::Nowhere,
        place,
    })
}

fn security_rule(body: &Term) -> Option<Permit> {
    body.value.as_map()?;
    let is = |key: &str, word: &str| body.text(key).is_some_and(|text| text.eq_ignore_ascii_case(word));
    let direction = if is("direction", "Outbound") { Direction::Out } else { Direction::In };
    let side = if direction == Direction::In { "source" } else { "destination" };
    let mut peers = Vec::new();
    for key in ["address_prefix", "address_prefixes"] {
        if let Some(term) = body.get(&format!("{side}_{key}")) {
            peers.extend(term.items().iter().flat_map(address));
        }
    }
    let groups = format!("{side}_application_security_group_ids");
    peers.extend(body.get(&groups).map(|_| Peer::Other));
    let protocol = Protocol::read(body.get("protocol"), body.span);
    let mut ports: Vec<Ports> = ["destination_port_range", "destination_port_ranges"]
        .iter()
        .filter_map(|key| body.get(key))
        .flat_map(|term| port_texts(Some(term), body.span))
        .collect();
    // `azurerm` wants one of the two; a plan that has neither knows no ports.
    if ports.is_empty() && body.get("destination_port_range").is_none() {
        ports.push(Ports::Of { ports: PortSpan::ALL, place: body.span });
    }
    let described = body.text("description").is_some_and(|text| !text.trim().is_empty());
    Some(Permit {
        direction,
        effect: if is("access", "Deny") { Effect::Deny } else { Effect::Allow },
        order: body.get("priority").and_then(|term| term.value.as_integer()).unwrap_or(i64::MAX),
        peers,
        protocol,
        ports,
        // Names are mandatory and say it well enough.
        is_described: if described { Described::Yes } else { Described::Nowhere },
        place: body.span,
    })
}

/// A network, or a service tag: `Internet` and `*` are everybody, all others are part of Azure or of a network.
fn address(term: &Term) -> Vec<Peer> {
    let peers = network(term, |text| match text.to_ascii_lowercase().as_str() {
        "*" | "internet" | "any" | "0.0.0.0" => Some(Networks::everyone()),
        _ => opening::address(text),
    });
    if peers.is_empty() && term.value.as_text().is_some_and(|text| !text.is_empty()) {
        vec![Peer::Other]
    } else {
        peers
    }
}
