//! PC120 for nginx: directives that are nearly those that decide about ports and access.

use super::super::{model::Instance, tree::Directive};
use crate::{
    finding::{Edit, Finding, Safety},
    keys::{UNKNOWN_KEY, meant},
};

/// Only what is nearly one of these is told of.
const DECIDING: [&str; 12] = [
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "auth_request",
    "deny",
    "internal",
    "limit_except",
    "listen",
    "satisfy",
    "server_name",
    "ssl_verify_client",
    "stub_status",
];

/// Blocks in which these stand; others hold data, or directives of modules of their own.
const BLOCKS: [&str; 7] = ["http", "stream", "mail", "server", "location", "if", "limit_except"];

pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) {
    let mut open: Vec<&Directive> = instance.directives.iter().collect();
    while let Some(directive) = open.pop() {
        if BLOCKS.contains(&directive.name()) {
            findings.extend(directive.inside().iter().filter_map(misspelt));
            open.extend(directive.inside());
        }
    }
}

fn misspelt(directive: &Directive) -> Option<Finding> {
    let word = directive.words.first().filter(|word| !word.is_template)?;
    let meant = meant(&word.text, &DECIDING)?;
    let message = format!("nginx knows no directive `{}`; `{meant}` was probably meant", word.text);
    let edit = Edit { span: word.span, replacement: meant.to_owned() };
    Some(Finding::new(&UNKNOWN_KEY, word.span, message).fix(
        Safety::NeedsReview,
        format!("write `{meant}`"),
        vec![edit],
    ))
}
