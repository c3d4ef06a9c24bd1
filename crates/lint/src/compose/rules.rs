//! The rules for Compose, and the order in which they are applied.

mod address;
mod conflict;
mod control;
mod elsewhere;
mod isolation;
mod keys;
mod labels;
mod layering;
mod network;
mod number;
mod scaling;
mod sensitive;
mod unknown;

pub(super) use keys::is_top_key;
pub(super) use labels::told_ports;

use super::model::{Project, Published, Service};
use crate::{
    finding::{Edit, Finding},
    inputs::{Inputs, Span},
    numbers,
    rule::Rule,
    yaml::Node,
};

/// In the order of their numbers.
pub(super) static RULES: &[&Rule] = &[
    &address::WILDCARD_COMMAND,
    &address::IPV6_TWIN,
    &numbers::PRIVILEGED,
    &numbers::IMPOSSIBLE,
    &crate::keys::UNKNOWN_KEY,
    &address::UNSAID,
    &address::WILDCARD,
    &conflict::TWICE,
    &scaling::FIXED,
    &scaling::RANGE,
    &layering::APPENDED,
    &number::PRIVILEGED,
    &network::HOST,
    &network::SHARED,
    &sensitive::SENSITIVE,
    &sensitive::NEEDLESS,
    &isolation::NO_BACKEND,
    &number::BASE_60,
    &address::RANDOM,
    &control::SOCKET,
    &unknown::UNRESOLVED,
    &address::HOST_NAME,
    &number::UNTRANSLATED,
    &address::OLD_ENGINE,
    &labels::MISMATCH,
    &elsewhere::TAKEN_ELSEWHERE,
];

/// A project, with what is needed to point into its files.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) project: &'a Project,
    /// The merged tree from which the project was read.
    pub(super) root: &'a Node<'a>,
}

/// Applies all of them.
pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    address::apply(subject, findings);
    conflict::apply(subject, findings);
    control::apply(subject, findings);
    elsewhere::apply(subject, findings);
    isolation::apply(subject, findings);
    keys::apply(subject, findings);
    labels::apply(subject, findings);
    layering::apply(subject, findings);
    network::apply(subject, findings);
    number::apply(subject, findings);
    scaling::apply(subject, findings);
    sensitive::apply(subject, findings);
    unknown::apply(subject, findings);
}

impl Subject<'_> {
    /// The text of a value as it is written, without quotes; `None` if it is not a simple one on a single line, so
    /// that a program could not change it safely.
    fn written(&self, span: Span) -> Option<(&str, Span)> {
        let text = self.inputs.excerpt(span);
        let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
        let inner = match quote {
            Some(quote) => text.strip_prefix(quote)?.strip_suffix(quote)?,
            None => text,
        };
        let is_simple = !inner.is_empty() && !inner.contains(['\n', '\\', '"', '\'']);
        let skipped = u32::from(quote.is_some());
        let span = Span { start: span.start + skipped, end: span.end - skipped, ..span };
        is_simple.then_some((inner, span))
    }

    /// What an entry is to be replaced by, in quotes, so that no YAML reader takes it for a number.
    fn rewrite(port: &Published, text: &str) -> Edit {
        Edit { span: port.entry, replacement: format!("\"{text}\"") }
    }
}

/// `port 80` or `ports 80-81`, or what stands there while it is not known.
fn ports_of(published: &Published) -> String {
    let mapping = published.mapping.as_ref().ok();
    match mapping.and_then(|mapping| mapping.target.known()) {
        Some(span) if span.count() == 1 => format!("port {span}"),
        Some(span) => format!("ports {span}"),
        None => format!("`{}`", super::interpolate::shown(&published.text)),
    }
}

/// `a`, `a and b`, `a, b and 3 others`.
fn listed<'s>(services: impl Iterator<Item = &'s Service>) -> String {
    let names: Vec<String> = services.map(|service| format!("`{}`", service.name.value)).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] if rest.len() == 1 => format!("{one}, {two} and {}", rest[0]),
        [one, two, rest @ ..] => format!("{one}, {two} and {} others", rest.len()),
    }
}
