//! `ports:` of a service, in both syntaxes, made unique as Compose does.

use std::collections::HashMap;

use super::super::{
    interpolate::HOLE,
    model::{Published, Syntax},
    port::{self, Certain, HostAddress, HostPort, Invalid, Mapping},
};
use crate::{
    estate::{PortSpan, Transport},
    finding::Finding,
    inputs::Span,
    reading,
    yaml::Node,
};

/// What is published, and what one file says twice.
pub(super) fn published(service: &Node<'_>, findings: &mut Vec<Finding>) -> (Vec<Published>, Vec<(Span, Span)>) {
    let Some(ports) = service.get("ports") else { return Default::default() };
    if ports.items().is_empty() && !ports.is_null() && (ports.text().is_some() || ports.is_mapping()) {
        let message = "`ports:` is a list in a Compose file";
        findings.push(Finding::new(&reading::SYNTAX, ports.span, message).help("write `- ` before each port"));
    }
    unique(ports.items().iter().map(entry), ports.span)
}

fn entry(item: &Node<'_>) -> Published {
    if item.is_mapping() { long(item) } else { short(item) }
}

fn short(item: &Node<'_>) -> Published {
    let text = item.text().unwrap_or("").to_owned();
    let mapping = port::short(&text).map_err(|invalid| (item.span, invalid));
    let plain = item.scalar().is_some_and(|scalar| scalar.plain);
    Published { entry: item.span, syntax: Syntax::Short { plain }, mapping, text }
}

fn long(item: &Node<'_>) -> Published {
    let text = |key: &str| item.get(key).and_then(Node::text).unwrap_or("");
    let place = |key: &str| item.get(key).filter(|value| !value.is_null()).map(|value| value.span);
    let syntax = Syntax::Long { target: place("target"), published: place("published"), host_ip: place("host_ip") };
    let at = |key: &str| place(key).unwrap_or(item.span);
    let mapping = || {
        let target = text("target");
        let mapping = Mapping {
            address: port::address(text("host_ip")).map_err(|invalid| (at("host_ip"), invalid))?,
            published: port::published(text("published")).map_err(|invalid| (at("published"), invalid))?,
            target: match target {
                "" => Err((item.span, Invalid::NoTarget)),
                // Unlike in the short syntax, it is a single number.
                range if range.contains('-') && !range.contains(HOLE) => {
                    Err((at("target"), Invalid::NotANumber(range.to_owned())))
                }
                _ => port::target(target).map_err(|invalid| (at("target"), invalid)),
            }?,
            transport: port::transport(text("protocol")).map_err(|invalid| (at("protocol"), invalid))?,
        };
        mapping.paired().map_err(|invalid| (at("published"), invalid))
    };
    let text = format!("{}:{}:{}/{}", text("host_ip"), text("published"), text("target"), text("protocol"));
    Published { entry: item.span, syntax, mapping: mapping(), text }
}

/// What Compose compares entries by: equal ones are one, and of those the last is written in the place of the first.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Meaning { address: String, published: Option<(PortSpan, bool)>, target: PortSpan, transport: Transport },
    Text(String),
}

impl Key {
    fn of(port: &Published) -> Self {
        let as_text = || Self::Text(port.text.clone());
        let Ok(mapping) = &port.mapping else { return as_text() };
        let (Certain::Known(target), Certain::Known(transport)) = (mapping.target, mapping.transport) else {
            return as_text();
        };
        let address = match &mapping.address {
            HostAddress::Unsaid => "0.0.0.0".to_owned(),
            HostAddress::Ip(address) => address.to_string(),
            HostAddress::Name(name) => name.clone(),
            HostAddress::Unknown => return as_text(),
        };
        let published = match mapping.published {
            HostPort::Random => None,
            HostPort::Fixed(span) => Some((span, false)),
            HostPort::OneOf(span) => Some((span, true)),
            HostPort::Unknown => return as_text(),
        };
        Self::Meaning { address, published, target, transport }
    }
}

/// `list` is the place of the list itself: what another one adds to it is no repetition.
fn unique(ports: impl Iterator<Item = Published>, list: Span) -> (Vec<Published>, Vec<(Span, Span)>) {
    let is_inside = |span: Span| span.file == list.file && list.start <= span.start && span.end <= list.end;
    let mut kept: Vec<Published> = Vec::new();
    let mut repeated = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for port in ports {
        let key = Key::of(&port);
        if let Some(place) = places.get(&key) {
            let first = &mut kept[*place];
            if is_inside(first.entry) && is_inside(port.entry) && first.entry != port.entry {
                repeated.push((port.entry, first.entry));
            }
            *first = port;
        } else {
            places.insert(key, kept.len());
            kept.push(port);
        }
    }
    (kept, repeated)
}
