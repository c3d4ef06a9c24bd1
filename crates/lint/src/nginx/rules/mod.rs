//! The rules for nginx. Each looks at one nginx with all that it includes.

mod access;
mod exposure;
mod hosts;
mod keywords;
mod listens;
mod requests;
mod servers;

use super::{
    lexer::Word,
    listen::{Address, Host},
    model::{Instance, Server},
};
use crate::{
    finding::Finding,
    numbers::IMPOSSIBLE,
    reading::{SYNTAX, UNREADABLE, UNRESOLVED},
    rule::Rule,
};

/// In the order of their numbers.
pub(super) static RULES: &[&Rule] = &[
    &IMPOSSIBLE,
    &crate::keys::UNKNOWN_KEY,
    &exposure::WILDCARD_LISTEN,
    &exposure::OPEN_STATUS,
    &access::ALLOW_WITHOUT_DENY,
    &servers::DEFAULT_SERVER,
    &requests::CHOSEN_TARGET,
    &requests::SPOOFED_HOST,
    &hosts::EXTERNAL_RESOLVER,
    &listens::REPEATED_OPTIONS,
    &UNREADABLE,
    &UNRESOLVED,
];

/// Applies all of them.
pub(super) fn check(instance: &Instance) -> Vec<Finding> {
    let mut findings = Vec::new();
    let servers = instance.servers();
    values(&servers, &mut findings);
    upstream_ports(instance, &mut findings);
    keywords::check(instance, &mut findings);
    exposure::check(&servers, &mut findings);
    access::check(&servers, &mut findings);
    requests::check(instance, &servers, &mut findings);
    hosts::check(instance, &servers, &mut findings);
    // Where another tool decides which lines there are, two of them may never stand in one file.
    if !instance.templated {
        servers::check(instance, &servers, &mut findings);
        listens::check(&servers, &mut findings);
    }
    findings
}

/// Values of `listen` that nginx does not take, or that something else decides.
fn values(servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    for listen in servers.iter().flat_map(|server| &server.listens) {
        match &listen.address {
            Address::Refused(reason, (from, to)) => {
                let span = listen
                    .directive
                    .and_then(|line| line.words.get(1))
                    .map_or(listen.span, |word| word.part(*from, *to));
                let rule = if reason.starts_with("that") { &SYNTAX } else { &IMPOSSIBLE };
                let message = format!("nginx does not take `listen {}`: {reason}", listen.text());
                findings.push(Finding::new(rule, span, message));
            }
            Address::Open | Address::Internet { host: Host::Open, .. } => {
                let message =
                    format!("what `listen {}` means is decided by a variable that is not in the files", listen.text());
                let help = "check the rendered form of the file, or write the port";
                findings.push(Finding::unknown(&UNRESOLVED, listen.span, message).help(help));
            }
            Address::Internet { .. } | Address::Unix => {}
        }
    }
}

/// Ports of `server` lines of upstreams that no port has.
fn upstream_ports(instance: &Instance, findings: &mut Vec<Finding>) {
    for word in instance.upstreams().iter().flat_map(|upstream| &upstream.servers) {
        if let Some((at, port)) = impossible_port(word) {
            let message = format!("nginx does not take `server {}`: a port is a number from 1 to 65535", word.text);
            findings.push(Finding::new(&IMPOSSIBLE, word.part(at, at + port.len()), message));
        }
    }
}

fn impossible_port(word: &Word) -> Option<(usize, &str)> {
    if word.text.starts_with("unix:") {
        return None;
    }
    let at = word.text.rfind([':', ']']).filter(|at| word.text.as_bytes()[*at] == b':')? + 1;
    let port = &word.text[at..];
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !matches!(port.parse::<u16>(), Ok(1..))).then_some((at, port))
}
