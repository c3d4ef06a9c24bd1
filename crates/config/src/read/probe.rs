//! `probe:`

use std::net::IpAddr;

use super::{
    mistake::{Mistake, word},
    reader::Reader,
    values,
};
use crate::{
    declared::{Echo, Ignored, Probe},
    yaml::Node,
};

/// `probe:`
pub(super) fn probe(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Probe> {
    reader.mapping(node, "Probe", "`probe`", |map| {
        let ignore = map.node("ignore").map(|node| map.reader.list(node, ignored)).unwrap_or_default();
        Probe { ignore, echo: map.optional("echo", echo) }
    })
}

fn ignored(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Ignored> {
    reader.mapping(node, "Ignored", "an entry of `ignore`", |map| {
        let port = map.required("port", values::port_number);
        let address = map.value("address", address);
        let protocol = map.value("protocol", word);
        let because = map.required("because", reason);
        Some(Ignored { port: port?, address, protocol, because: because? })
    })?
}

fn echo(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Echo> {
    reader.mapping(node, "Echo", "`echo` of `probe`", |map| {
        let port = map.required("port", values::name);
        let host = map.value("host", values::authority);
        let path = map.required("path", values::target_path);
        Some(Echo { port: port?, host, path: path? })
    })?
}

fn address(text: &str) -> Result<IpAddr, Mistake> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| Mistake::new("is not an address", "an IP address without port, such as 0.0.0.0 or ::1"))
}

fn reason(text: &str) -> Result<String, Mistake> {
    match text.trim() {
        "" => Err(Mistake::new("is no reason", "a few words on why it is left alone")),
        reason => Ok(reason.to_owned()),
    }
}
