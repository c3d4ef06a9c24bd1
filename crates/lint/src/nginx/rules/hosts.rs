//! PC557: names of services that are asked of somebody outside.

use std::{collections::HashSet, net::IpAddr};

use portcullis_config::scope::Scope;

use super::super::{
    lexer::Word,
    model::{Instance, Server},
    tree::Directive,
};
use crate::{
    finding::Finding,
    rule::{Default, Rule, Severity},
};

/// PC557.
pub(super) static EXTERNAL_RESOLVER: Rule = Rule {
    id: "PC557",
    name: "nginx-external-resolver",
    severity: Severity::Medium,
    title: "nginx asks a resolver on the internet for the addresses that it connects to",
    why: "Answers come over UDP in clear; whoever is on the way, or guesses the number of the question, decides where \
          requests are sent. The resolver also learns the names of internal services.",
    remedy: "Name a resolver that you run: `127.0.0.53`, `127.0.0.11` in Docker, the cluster's own, or one on `127.0.0.1`.",
    default: Default::On,
};

pub(super) fn check(instance: &Instance, servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    let mut lines: Vec<&Directive> = instance.shared(&["resolver"]).collect();
    for server in servers {
        server.visit(|chain| lines.extend(chain.last().all(&["resolver"])));
    }
    for word in lines.into_iter().flat_map(Directive::arguments) {
        if let (Some(address), true) = (public(word), seen.insert(word.span)) {
            let message = format!("names are looked up at `{address}`, which is on the internet");
            findings.push(
                Finding::new(&EXTERNAL_RESOLVER, word.span, message)
                    .help("write the address of a resolver that you run"),
            );
        }
    }
}

fn public(word: &Word) -> Option<IpAddr> {
    let text = word.text.as_str();
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => text.split(':').next()?,
    };
    let address: IpAddr = host.parse().ok()?;
    (Scope::of(address) == Scope::Public && !address.is_unspecified()).then_some(address)
}
