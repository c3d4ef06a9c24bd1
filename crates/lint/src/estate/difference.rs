//! What a change newly exposes, and what it closes.

use std::collections::{BTreeMap, HashSet};

use super::{
    facts::{Allowance, EVERYBODY, Facts, Reach, Side},
    ways,
};
use crate::inputs::{Inputs, Span};

/// Something that can be reached from outside of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// From how far away; `None` if the address is not known.
    pub reach: Option<Reach>,
    /// `0.0.0.0:8080/tcp`.
    pub address: String,
    /// What listens there, and what lies behind.
    pub text: String,
    /// Where that is said.
    pub place: Span,
}

/// The difference of two estates.
#[derive(Debug, Default)]
pub struct Difference {
    /// Exposed by the new one only, or from farther away than before.
    pub opened: Vec<Exposure>,
    /// Exposed by the old one only, or from farther away than now.
    pub closed: Vec<Exposure>,
}

/// Compares what two estates expose. Where something is declared does not matter, only what is.
pub fn between(old: (&Facts, &Inputs), new: (&Facts, &Inputs)) -> Difference {
    let (old, new) = (exposures(old.0, old.1, new.0), exposures(new.0, new.1, old.0));
    let only = |one: &BTreeMap<String, Exposure>, other: &BTreeMap<String, Exposure>| {
        let is_news = |(key, exposure): &(&String, &Exposure)| other.get(*key).is_none_or(|o| o.reach < exposure.reach);
        one.iter().filter(is_news).map(|(_, exposure)| exposure.clone()).collect()
    };
    Difference { opened: only(&new, &old), closed: only(&old, &new) }
}

/// By what makes two of them the same thing: the address, and what lies behind.
fn exposures(facts: &Facts, inputs: &Inputs, other: &Facts) -> BTreeMap<String, Exposure> {
    let mut exposures: BTreeMap<String, Exposure> = BTreeMap::new();
    let mut add = |key: String, exposure: Exposure| {
        let is_near = exposure.reach == Some(Reach::Host);
        if !is_near && exposures.get(&key).is_none_or(|known| known.reach < exposure.reach) {
            exposures.insert(key, exposure);
        }
    };
    for listener in &facts.listeners {
        let address = format!("{}:{}/{}", listener.address, listener.ports, listener.transport);
        let text = listener.title.clone();
        let key = format!("{address} {text}");
        add(key, Exposure { reach: listener.reach, address, text, place: listener.place });
    }
    let known_to_other: HashSet<&str> = other.allowances.iter().map(|one| one.workload.as_str()).collect();
    // That no policy limits something new is what its listeners tell already.
    let is_told = |one: &&Allowance| one.peer != EVERYBODY || known_to_other.contains(one.workload.as_str());
    for allowance in facts.allowances.iter().filter(is_told) {
        let Allowance { workload, side, peer, reach, ports, place } = allowance;
        let text = match side {
            Side::Incoming => format!("{workload} lets {peer} connect"),
            Side::Outgoing => format!("{workload} may connect to {peer}"),
        };
        let key = format!("{text} {ports}");
        add(key, Exposure { reach: Some(*reach), address: ports.clone(), text, place: *place });
    }
    for way in ways(facts, inputs).ways {
        let listener = way.listener;
        let address = format!("{}:{}/{}", listener.address, listener.ports, listener.transport);
        let port = way.port.map(|port| format!(":{port}")).unwrap_or_default();
        let guard = if way.is_anonymous() { String::new() } else { format!(" after {}", way.identities.join(", ")) };
        let text = format!("{} → {}{port}{guard}", listener.title, way.workload.title);
        let key = format!("{address} {text}");
        let place = way.hops.last().map_or(listener.place, |hop| hop.place);
        add(key, Exposure { reach: way.reach, address, text, place });
    }
    exposures
}
