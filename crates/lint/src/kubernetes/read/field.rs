//! Single values and small collections.

use crate::{
    estate::Transport,
    inputs::Spanned,
    kubernetes::model::{
        Expression, Labels, Operator, PortMistake, PortValue, Protocol, Selector, Stray, is_placeholder, is_port_name,
    },
    yaml::{Node, Scalar},
};

/// What may stand where a port is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Number,
    NumberOrName,
}

/// The text of a key.
pub(super) fn text(node: &Node<'_>, key: &str) -> Option<Spanned<String>> {
    node.get(key).and_then(scalar)
}

/// The text of a single value.
pub(super) fn scalar(node: &Node<'_>) -> Option<Spanned<String>> {
    node.text().map(|text| Spanned::new(text.to_owned(), node.span))
}

/// The texts of a list; what is no text is left out.
pub(super) fn list(node: Option<&Node<'_>>) -> Vec<Spanned<String>> {
    node.map(Node::items).unwrap_or_default().iter().filter_map(scalar).collect()
}

/// The texts of a list, without their places.
pub(super) fn words(node: Option<&Node<'_>>) -> Vec<String> {
    list(node).into_iter().map(|word| word.value).collect()
}

/// The keys and texts of a mapping.
pub(super) fn texts(node: Option<&Node<'_>>) -> Vec<(String, Spanned<String>)> {
    let entries = node.map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.text.to_string(), scalar(&entry.value)?))).collect()
}

/// Labels.
pub(super) fn labels(node: Option<&Node<'_>>) -> Labels {
    Labels(texts(node).into_iter().map(|(name, value)| (name, value.value)).collect())
}

/// A selector with `matchLabels` and `matchExpressions`.
pub(super) fn selector(node: &Node<'_>) -> Selector {
    let expressions = node.get("matchExpressions").map(Node::items).unwrap_or_default();
    Selector {
        span: node.span,
        equals: labels(node.get("matchLabels")),
        expressions: expressions.iter().filter_map(expression).collect(),
    }
}

fn expression(node: &Node<'_>) -> Option<Expression> {
    let values = || words(node.get("values"));
    let operator = match node.get("operator").and_then(Node::text) {
        Some("In") => Operator::In(values()),
        Some("NotIn") => Operator::NotIn(values()),
        Some("Exists") => Operator::Exists,
        Some("DoesNotExist") => Operator::DoesNotExist,
        _ => Operator::Unknown,
    };
    Some(Expression { key: text(node, "key")?.value, operator })
}

/// A port, if anything is written there.
pub(super) fn port(node: &Node<'_>, key: &str, expected: Expected) -> Option<Spanned<PortValue>> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    let port = match value.scalar() {
        Some(scalar) => port_value(scalar, expected),
        // `{{ port }}` without quotes is a mapping to YAML.
        None => PortValue::Unresolved(key.to_owned()),
    };
    Some(Spanned::new(port, value.span))
}

/// A port where 0 means that none is asked for.
pub(super) fn port_unless_zero(node: &Node<'_>, key: &str) -> Option<Spanned<PortValue>> {
    if node.get(key).and_then(Node::text) == Some("0") { None } else { port(node, key, Expected::Number) }
}

fn port_value(scalar: &Scalar<'_>, expected: Expected) -> PortValue {
    let text = &*scalar.text;
    if is_placeholder(text) {
        return PortValue::Unresolved(text.to_owned());
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u16>() {
            Ok(number) if number > 0 && scalar.plain => PortValue::Number(number),
            Ok(number) if number > 0 => PortValue::Mistaken(PortMistake::Quoted(number)),
            _ => PortValue::Mistaken(PortMistake::OutOfRange(text.to_owned())),
        };
    }
    match expected {
        Expected::Number => PortValue::Mistaken(PortMistake::NotANumber(text.to_owned())),
        Expected::NumberOrName if is_port_name(text) => PortValue::Name(text.to_owned()),
        Expected::NumberOrName => PortValue::Mistaken(PortMistake::BadName(text.to_owned())),
    }
}

/// A protocol; nothing means TCP.
pub(super) fn protocol(node: &Node<'_>) -> Protocol {
    match node.get("protocol").and_then(Node::text) {
        None | Some("TCP") => Protocol::Known(Transport::Tcp),
        Some("UDP") => Protocol::Known(Transport::Udp),
        Some("SCTP") => Protocol::Known(Transport::Sctp),
        Some(other) => Protocol::Other(other.to_owned()),
    }
}

/// What a block is called, and which keys it knows.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: &'static str,
    pub(super) known: &'static [&'static str],
    /// Whether no version of the API knows others.
    pub(super) closed: bool,
}

/// Notes the keys that a block does not know. Those with a `$` are directives of patches.
pub(super) fn note_strays(node: &Node<'_>, block: &Block, strays: &mut Vec<Stray>) {
    for entry in node.entries() {
        let key = &*entry.key.text;
        if !block.known.contains(&key) && !key.starts_with('$') && !is_placeholder(key) && !key.is_empty() {
            let key = Spanned::new(key.to_owned(), entry.key.span);
            strays.push(Stray { key, block: block.name, known: block.known, closed: block.closed });
        }
    }
}
