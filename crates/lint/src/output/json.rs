//! For programs. The field names are an interface: docs/reference/check-json.md.

use serde::Serialize;

use super::{page, place, word};
use crate::{
    baseline,
    finding::{Finding, Safety},
    inputs::{Inputs, Span},
    report::Report,
};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    summary: String,
    files: Vec<Files>,
    suppressed: usize,
    in_baseline: usize,
    findings: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Files {
    format: &'static str,
    count: usize,
}

#[derive(Serialize)]
struct Record<'a> {
    rule: &'static str,
    name: &'static str,
    severity: &'static str,
    verdict: &'static str,
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    why: &'static str,
    help: Option<&'a str>,
    edits: Vec<Edit<'a>>,
    related: Vec<Related<'a>>,
    page: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct Edit<'a> {
    file: String,
    start_byte: u32,
    end_byte: u32,
    replacement: &'a str,
    safe: bool,
}

#[derive(Serialize)]
struct Related<'a> {
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
}

pub(super) fn render(report: &Report, inputs: &Inputs) -> String {
    let fingerprints = baseline::fingerprints(&report.findings, inputs);
    let records = report.findings.iter().zip(fingerprints);
    let document = Document {
        version: 1,
        summary: report.summary(),
        files: report.recognised.iter().map(|(format, count)| Files { format, count: *count }).collect(),
        suppressed: report.suppressed,
        in_baseline: report.known,
        findings: records.map(|(finding, fingerprint)| record(finding, fingerprint, inputs)).collect(),
    };
    super::json_text(&document)
}

fn record<'a>(finding: &'a Finding, fingerprint: String, inputs: &Inputs) -> Record<'a> {
    let (file, line, column) = place(finding, inputs);
    let end = inputs.end_position(finding.span);
    let path = |span: Span| inputs.path(span.file).display().to_string();
    let fix = finding.fix.as_ref();
    let edits = fix.into_iter().flat_map(|fix| fix.edits.iter().map(|edit| (edit, fix.safety == Safety::Safe)));
    let related = finding.related.iter().map(|(span, message)| {
        let at = inputs.position(*span);
        Related { file: path(*span), line: at.line, column: at.column, message }
    });
    Record {
        rule: finding.rule.id,
        name: finding.rule.name,
        severity: finding.severity.word(),
        verdict: if word(finding) == "unknown" { "unknown" } else { "finding" },
        file,
        line,
        column,
        end_line: end.line,
        end_column: end.column,
        message: &finding.message,
        why: finding.rule.why,
        help: fix.map(|fix| fix.text.as_str()),
        edits: edits
            .map(|(edit, safe)| Edit {
                file: path(edit.span),
                start_byte: edit.span.start,
                end_byte: edit.span.end,
                replacement: &edit.replacement,
                safe,
            })
            .collect(),
        related: related.collect(),
        page: page(finding),
        fingerprint,
    }
}
