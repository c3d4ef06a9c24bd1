//! PC553: lists of those who may come in that keep nobody out.

use std::collections::HashSet;

use super::super::{
    access::{Sources, is_everybody},
    lexer::Word,
    model::Server,
};
use crate::{
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC553.
pub(super) static ALLOW_WITHOUT_DENY: Rule = Rule {
    id: "PC553",
    name: "nginx-allow-without-deny",
    severity: Severity::High,
    title: "`allow` without `deny all` behind it keeps nobody out",
    why: "nginx lets in whoever no line is about. A list of `allow` lines alone reads like a fence and is none, and it \
          also replaces a `deny all` of an outer block.",
    remedy: "End the list with `deny all;`.",
    default: Default::On,
};

pub(super) fn check(servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    // Several servers share the outer block.
    let mut seen: HashSet<Span> = HashSet::new();
    for server in servers {
        server.visit(|chain| {
            for link in chain.links() {
                let Some(last) = link.own("allow") else { continue };
                if !seen.insert(last.span) || link.own("include").is_some() {
                    continue;
                }
                findings.extend(link.sources().and_then(|sources| told(last.words.get(1)?, last.span, sources)));
            }
        });
    }
}

fn told(word: &Word, line: Span, sources: &Sources) -> Option<Finding> {
    let is_fence = word.text != "all" && sources.is_known && is_everybody(&sources.forgotten);
    if !is_fence {
        return None;
    }
    let message = format!("everybody passes beside `{}`: no `deny all` follows", word.text);
    // Behind the `;` of the line, with the indentation that most people use inline.
    let edit = Edit { span: Span { start: line.end, ..line }, replacement: "; deny all".to_owned() };
    Some(Finding::new(&ALLOW_WITHOUT_DENY, word.span, message).fix(
        Safety::NeedsReview,
        "add `deny all;` behind it",
        vec![edit],
    ))
}
