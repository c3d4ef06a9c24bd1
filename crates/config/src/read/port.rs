//! `ports:`

use super::{
    mapping::Mapping,
    mistake::{Mistake, word},
    reader::Reader,
    tls,
    values::{self, number_between},
};
use crate::{
    declared::{Accept, PlaintextAccepted, Port, PortLimits, PortTimeouts, ProxyProtocolIn, Role},
    span::Spanned,
    yaml::Node,
};

/// One port. `None` if what it listens on or what it is for cannot be read.
pub(super) fn port(reader: &mut Reader<'_>, name: Spanned<String>, node: &Node<'_>) -> Option<Port> {
    let what = format!("port `{}`", *name);
    reader.mapping(node, "Port", &what, |map| {
        let listen = map.required("listen", values::listen);
        let role = map.required("role", word);
        let protocol = map.value("protocol", word);
        let needs_protocol = role.as_ref().is_some_and(|role| matches!(role.value, Role::Public | Role::Internal));
        let has_protocol = !needs_protocol || map.require("protocol");
        let port = Port {
            tls: map.optional("tls", |reader, node| tls::port_tls(reader, node, &what)),
            clients: map.optional("clients", |reader, node| tls::clients(reader, node, &what)),
            from: map.values("from", values::network),
            deny: map.values("deny", values::network),
            redirect: map.value("redirect", values::name),
            plaintext: map.value("plaintext", plaintext),
            accept: map.optional("accept", |reader, node| accept(reader, node, &what)),
            proxy_protocol: map.optional("proxy-protocol", |reader, node| proxy_protocol(reader, node, &what)),
            limits: limits(map),
            timeouts: timeouts(map),
            authenticate: map.values("authenticate", values::name),
            log: map.value("log", word),
            audit: map.value("audit", word),
            name,
            listen: listen?,
            role: role?,
            protocol,
        };
        let is_protocol_readable = port.protocol.is_some() || !map.says("protocol");
        // What is judged by whether it is there must not vanish because it could not be read.
        let judged = [
            ("tls", port.tls.is_some()),
            ("clients", port.clients.is_some()),
            ("redirect", port.redirect.is_some()),
            ("plaintext", port.plaintext.is_some()),
            ("authenticate", !port.authenticate.is_empty()),
            ("accept", port.accept.as_ref().is_some_and(|accept| accept.wildcard.is_some())),
        ];
        let is_guard_readable = judged.into_iter().all(|(key, is_read)| is_read || !map.says(key));
        (has_protocol && is_protocol_readable && is_guard_readable).then_some(port)
    })?
}

/// `limits:` of a port or of `defaults:`.
pub(super) fn limits(map: &mut Mapping<'_, '_, '_>) -> PortLimits {
    let what = format!("`limits` of {}", map.what());
    let limits = map.optional("limits", |reader, node| {
        reader.mapping(node, "PortLimits", &what, |map| PortLimits {
            connections: map.value("connections", values::count),
            connections_per_source: map.value("connections-per-source", values::count),
            head_bytes: map.value("head-bytes", bytes_between(512, 1 << 20)),
            headers: map.value("headers", number_between(1, 10_000)),
            target_bytes: map.value("target-bytes", bytes_between(64, 1 << 20)),
            body_bytes: map.value("body-bytes", values::bytes),
            minimum_rate: map.value("minimum-rate", bytes_between(0, 1 << 30)),
        })
    });
    limits.map(|limits| limits.value).unwrap_or_default()
}

/// `timeouts:` of a port.
fn timeouts(map: &mut Mapping<'_, '_, '_>) -> PortTimeouts {
    let what = format!("`timeouts` of {}", map.what());
    let timeouts = map.optional("timeouts", |reader, node| {
        reader.mapping(node, "PortTimeouts", &what, |map| PortTimeouts {
            handshake: map.value("handshake", values::duration),
            head: map.value("head", values::duration),
            keep_alive: map.value("keep-alive", values::duration),
        })
    });
    timeouts.map(|timeouts| timeouts.value).unwrap_or_default()
}

fn accept(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<Accept> {
    reader.mapping(node, "Accept", &format!("`accept` of {what}"), |map| {
        map.require("wildcard");
        Accept { wildcard: map.value("wildcard", values::reason) }
    })
}

fn proxy_protocol(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<ProxyProtocolIn> {
    reader.mapping(node, "ProxyProtocolIn", &format!("`proxy-protocol` of {what}"), |map| {
        map.require("from");
        let from = map.values("from", values::network);
        (!from.is_empty()).then_some(ProxyProtocolIn { from })
    })?
}

/// The one word of `plaintext:`.
fn plaintext(text: &str) -> Result<PlaintextAccepted, Mistake> {
    match text {
        "accepted" => Ok(PlaintextAccepted),
        _ => Err(Mistake::new("is not a way to say it", "accepted").help("write `plaintext: accepted`")),
    }
}

/// Bytes within bounds (inclusive).
fn bytes_between(least: u32, most: u32) -> impl Fn(&str) -> Result<u32, Mistake> {
    move |text| match u32::try_from(values::bytes(text)?) {
        Ok(bytes) if (least..=most).contains(&bytes) => Ok(bytes),
        _ => Err(Mistake::new("is out of bounds", format!("{least} to {most} bytes"))),
    }
}
