//! The forms in which a report is told: one file for each, all from the same [`Report`].

mod annotations;
mod json;
mod junit;
mod line_hash;
mod markdown;
mod sarif;
mod text;

use portcullis_config::report::Style;

use crate::{finding::Finding, inputs::Inputs, report::Report};

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people: the line, a caret, why, and what to do.
    Text(Style),
    /// One line for each finding: `file:line:column: severity: message [PC201]`, as editors jump to.
    Short,
    /// For programs; the schema is in docs/reference/check-json.md.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for CI dashboards.
    Junit,
    /// Workflow commands that GitHub shows beside the lines of a pull request.
    Github,
    /// The code quality report of GitLab.
    Gitlab,
    /// A table for a comment on a pull request.
    Markdown,
}

/// The whole report in a form, with a line end.
pub fn render(report: &Report, inputs: &Inputs, form: Form) -> String {
    match form {
        Form::Text(style) => text::render(report, inputs, style),
        Form::Short => text::short(report, inputs),
        Form::Json => json::render(report, inputs),
        Form::Sarif => sarif::render(report, inputs),
        Form::Junit => junit::render(report, inputs),
        Form::Github => annotations::github(report, inputs),
        Form::Gitlab => annotations::gitlab(report, inputs),
        Form::Markdown => markdown::render(report, inputs),
    }
}

/// Where the page of a rule is read.
pub(crate) fn page(finding: &Finding) -> String {
    const PAGES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs");
    if finding.rule.id.starts_with("PC") {
        format!("{PAGES}/rules/{}.md", finding.rule.id)
    } else {
        format!("{PAGES}/reference/configuration.md")
    }
}

/// `file`, line and column of the first byte.
pub(crate) fn place(finding: &Finding, inputs: &Inputs) -> (String, usize, usize) {
    let at = inputs.position(finding.span);
    (inputs.path(finding.span.file).display().to_string(), at.line, at.column)
}

/// The word for how bad it is; what could not be judged is `unknown`.
pub(crate) fn word(finding: &Finding) -> &'static str {
    match finding.verdict {
        crate::finding::Verdict::Wrong => finding.severity.word(),
        crate::finding::Verdict::Unknown => "unknown",
    }
}

/// A value as indented JSON with a line end. What is serialised here are our own plain records, which cannot fail.
pub(crate) fn json_text(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// `PC201 published-on-all-interfaces`; a rule of Portcullis' own file has one name.
pub(crate) fn title(finding: &Finding) -> String {
    let rule = finding.rule;
    if rule.id == rule.name { rule.id.to_owned() } else { format!("{} {}", rule.id, rule.name) }
}
