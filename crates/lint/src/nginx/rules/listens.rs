//! PC558: one socket, declared in several places that do not fit together.

use std::collections::{BTreeMap, HashSet};

use super::super::{
    listen::{Address, Listen},
    model::{Layer, Server},
};
use crate::{
    finding::Finding,
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC558.
pub(super) static REPEATED_OPTIONS: Rule = Rule {
    id: "PC558",
    name: "nginx-repeated-listen-options",
    severity: Severity::Low,
    title: "`listen` lines for one address do not fit together",
    why: "Options such as `reuseport` and `backlog` belong to the socket and may be said once; nginx does not start \
          with a second one. QUIC without `reuseport` hands packets of one connection to workers that do not know it.",
    remedy: "Say the options of a socket on one `listen` line, and only `ssl`, `http2` or nothing on the others.",
    default: Default::On,
};

/// The lines of one address.
type Group<'s, 'a> = Vec<(&'s Server<'a>, &'s Listen<'a>)>;

pub(super) fn check(servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<(String, (u16, u16), bool), Group<'_, '_>> = BTreeMap::new();
    for server in servers {
        for listen in server.listens.iter().filter(|listen| listen.directive.is_some()) {
            if let Address::Internet { host, ports, .. } = &listen.address {
                let key = (format!("{host:?}"), *ports, listen.is_datagram());
                groups.entry(key).or_default().push((server, listen));
            }
        }
    }
    for group in groups.values() {
        repeated_options(group, findings);
        repeated_lines(group, findings);
        quic(group, findings);
    }
}

fn repeated_options(group: &Group<'_, '_>, findings: &mut Vec<Finding>) {
    let mut said: Option<Span> = None;
    for (server, listen) in group {
        let Some(word) = listen.socket_option() else { continue };
        // `ipv6only=on` is what nginx does anyway, yet it counts all the same.
        if let Some(first) = said {
            let message =
                format!("`{}` is said a second time for `{}`: nginx does not start", word.text, listen.text());
            findings.push(
                Finding::new(&REPEATED_OPTIONS, word.span, message)
                    .severity(Severity::High)
                    .label(server.title())
                    .related(first, "options of the same socket")
                    .help("remove it here"),
            );
        } else {
            said = Some(word.span);
        }
    }
}

/// The same line twice in one server, or in streams and HTTP at once.
fn repeated_lines(group: &Group<'_, '_>, findings: &mut Vec<Finding>) {
    let mut seen: HashSet<*const Server<'_>> = HashSet::new();
    let Some((first, earlier)) = group.first() else { return };
    for (server, listen) in group {
        let is_again = !seen.insert(std::ptr::from_ref(*server).cast());
        let is_other_layer = server.layer != first.layer;
        // Streams have no names by which servers of one port could be told apart, but newer ones choose by TLS name.
        let is_second_stream =
            server.layer == Layer::Stream && !std::ptr::eq(*server, *first) && server.names().next().is_none();
        if (is_again || is_other_layer || is_second_stream) && listen.span != earlier.span {
            let message = format!("`listen {}` is said a second time: nginx does not start", listen.text());
            findings.push(
                Finding::new(&REPEATED_OPTIONS, listen.span, message)
                    .severity(Severity::High)
                    .related(earlier.span, "the first time")
                    .help("remove it, or write another port"),
            );
        }
    }
}

fn quic(group: &Group<'_, '_>, findings: &mut Vec<Finding>) {
    let is_quic = |listen: &Listen<'_>| listen.has("quic") || listen.has("http3");
    if group.iter().any(|(_, listen)| listen.has("reuseport")) {
        return;
    }
    if let Some((_, listen)) = group.iter().find(|(_, listen)| is_quic(listen)) {
        let message = format!(
            "`listen {} quic` without `reuseport`: packets of one connection meet different workers",
            listen.text()
        );
        let help = format!("write `listen {} quic reuseport` on one of the lines for this address", listen.text());
        findings.push(Finding::new(&REPEATED_OPTIONS, listen.span, message).help(help));
    }
}
