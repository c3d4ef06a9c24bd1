//! What forges show beside the lines of a change.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{place, title};
use crate::{
    baseline,
    finding::{Finding, Verdict},
    inputs::Inputs,
    report::Report,
    rule::Severity,
};

/// Workflow commands: `::error file=…,line=…,col=…,title=…::message`.
pub(super) fn github(report: &Report, inputs: &Inputs) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let command = match (finding.verdict, finding.severity) {
            (Verdict::Wrong, Severity::Critical | Severity::High) => "error",
            (Verdict::Wrong, Severity::Medium | Severity::Low) => "warning",
            _ => "notice",
        };
        let (file, line, column) = place(finding, inputs);
        let end = inputs.end_position(finding.span);
        let until = if end.line == line { format!(",endColumn={}", end.column) } else { String::new() };
        let title = property(&title(finding));
        let file = property(&file);
        let message = data(&message(finding));
        let _ = writeln!(text, "::{command} file={file},line={line},col={column}{until},title={title}::{message}");
    }
    text
}

/// The code quality report: a list of issues with fingerprint, place and severity.
pub(super) fn gitlab(report: &Report, inputs: &Inputs) -> String {
    let fingerprints = baseline::fingerprints(&report.findings, inputs);
    let issues: Vec<Value> = report
        .findings
        .iter()
        .zip(fingerprints)
        .map(|(finding, fingerprint)| {
            let (file, line, _) = place(finding, inputs);
            let severity = match (finding.verdict, finding.severity) {
                (Verdict::Unknown, _) | (_, Severity::Info) => "info",
                (_, Severity::Critical) => "blocker",
                (_, Severity::High) => "critical",
                (_, Severity::Medium) => "major",
                (_, Severity::Low) => "minor",
            };
            json!({
                "description": message(finding),
                "check_name": finding.rule.id,
                "fingerprint": fingerprint,
                "severity": severity,
                "location": { "path": file, "lines": { "begin": line } },
            })
        })
        .collect();
    super::json_text(&issues)
}

fn message(finding: &Finding) -> String {
    match &finding.fix {
        Some(fix) => format!("{}; {}", finding.message, fix.text),
        None => finding.message.clone(),
    }
}

/// What a workflow command takes as its message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What a workflow command takes as the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
