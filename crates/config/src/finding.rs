//! What a check reports.

use crate::{
    rule::{RuleId, Severity},
    sources::Sources,
    span::Span,
};

/// One thing that is wrong, or worth knowing, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule speaks.
    pub rule: RuleId,
    /// Taken from the rule.
    pub severity: Severity,
    /// The place.
    pub span: Span,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// A few words beside the caret, such as "expected a duration such as 500ms"; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter, each with its label.
    pub related: Vec<(Span, String)>,
}

impl Finding {
    /// A finding with the rule's own severity.
    pub fn new(rule: RuleId, span: Span, message: impl Into<String>) -> Self {
        let severity = rule.severity();
        Self { rule, severity, span, message: message.into(), label: String::new(), help: None, related: Vec::new() }
    }

    /// Words beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Another place that matters.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// Makes the texts fit to be shown anywhere: without what came from `${env:}` and `${file:}`, and with control
    /// characters escaped, so that a file cannot forge lines or drive a terminal. [`crate::load`] has done it for the
    /// findings that it returns; those that are made later need it before they are shown.
    pub fn tidy(&mut self, sources: &Sources) {
        let texts = [&mut self.message, &mut self.label].into_iter().chain(&mut self.help);
        for text in texts.chain(self.related.iter_mut().map(|(_, label)| label)) {
            *text = sources.redact(text);
            if text.contains(char::is_control) {
                *text = text.chars().flat_map(escape_control).collect();
            }
        }
    }

    /// Whether this keeps the file from being loaded.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

fn escape_control(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

/// Findings as they come in; [`Findings::into_sorted`] brings them into reading order.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// How many there are so far.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Gives help to values of the wrong kind that were found after the first `earlier` findings, lie within `place`,
    /// and have none.
    pub(crate) fn help_wrong_types(&mut self, earlier: usize, place: Span, help: impl Fn() -> String) {
        for finding in self.list.iter_mut().skip(earlier) {
            let is_within =
                finding.span.file == place.file && place.start <= finding.span.start && finding.span.end <= place.end;
            if finding.rule == RuleId::WrongType && finding.help.is_none() && is_within {
                finding.help = Some(help());
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them by file (in the order of reading), place, rule and text; exact repetitions are dropped.
    pub fn into_sorted(mut self) -> Vec<Finding> {
        sort(&mut self.list);
        self.list
    }
}

/// Reading order: by file, place, rule and text; exact repetitions are dropped. Also for findings of several crates
/// that are shown together.
pub fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| (a.span, a.rule, &a.message).cmp(&(b.span, b.rule, &b.message)));
    findings.dedup();
}

/// The machine-readable form of a finding.
#[derive(Debug, serde::Serialize)]
pub struct FindingRecord<'a> {
    /// Rule id, such as `unknown-key`.
    pub rule: &'static str,
    /// `error` or `warning`.
    pub severity: Severity,
    /// Path of the file as it was given.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: &'a str,
    /// What to do about it.
    pub help: Option<&'a str>,
}

impl<'a> FindingRecord<'a> {
    /// The record of one finding.
    pub fn new(finding: &'a Finding, sources: &Sources) -> Self {
        let position = sources.position(finding.span);
        Self {
            rule: finding.rule.id(),
            severity: finding.severity,
            file: sources.path(finding.span.file).display().to_string(),
            line: position.line,
            column: position.column,
            message: &finding.message,
            help: finding.help.as_deref(),
        }
    }
}
