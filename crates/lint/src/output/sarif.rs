//! SARIF 2.1.0 (OASIS), in the shape that code-scanning uploads accept: relative URIs, `partialFingerprints`, and
//! `security-severity` on the rules. A test validates it against the schema of the standard.

use std::{collections::HashMap, fmt::Write};

use serde_json::{Value, json};

use super::{line_hash::line_hashes, page, word};
use crate::{
    baseline,
    finding::{Finding, Fix, Verdict},
    inputs::{FileId, Inputs, Span},
    report::Report,
    rule::{Rule, Severity},
};

pub(super) fn render(report: &Report, inputs: &Inputs) -> String {
    let rules = used_rules(&report.findings);
    let fingerprints = baseline::fingerprints(&report.findings, inputs);
    let mut lines = Lines::default();
    let results: Vec<Value> = report
        .findings
        .iter()
        .zip(fingerprints)
        .map(|(finding, fingerprint)| {
            let known_by = json!({
                "portcullis/v1": fingerprint,
                "primaryLocationLineHash": lines.hash(finding.span, inputs),
            });
            result(finding, &known_by, &rules, inputs)
        })
        .collect();
    let described: Vec<Value> = rules.iter().map(|(rule, page)| descriptor(rule, page)).collect();
    super::json_text(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": described,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

/// The hashes of the lines of the files that have findings.
#[derive(Default)]
struct Lines(HashMap<FileId, Vec<String>>);

impl Lines {
    fn hash(&mut self, span: Span, inputs: &Inputs) -> Option<String> {
        let hashes = self.0.entry(span.file).or_insert_with(|| line_hashes(inputs.text(span.file)));
        hashes.get(inputs.position(span).line - 1).cloned()
    }
}

/// The rules that speak, by id, each with its page.
fn used_rules(findings: &[Finding]) -> Vec<(&'static Rule, String)> {
    let mut rules: Vec<(&'static Rule, String)> =
        findings.iter().map(|finding| (finding.rule, page(finding))).collect();
    rules.sort_by_key(|(rule, _)| rule.id);
    rules.dedup_by_key(|(rule, _)| rule.id);
    rules
}

fn descriptor(rule: &Rule, page: &str) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": { "text": if rule.remedy.is_empty() { rule.title } else { rule.remedy } },
        "helpUri": page,
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "tags": ["security", "ports"],
            "precision": "high",
            "security-severity": score(rule.severity),
        },
    })
}

fn result(finding: &Finding, known_by: &Value, rules: &[(&'static Rule, String)], inputs: &Inputs) -> Value {
    let level = match finding.verdict {
        Verdict::Wrong => level(finding.severity),
        Verdict::Unknown => "note",
    };
    let text = match &finding.fix {
        Some(fix) => format!("{}; {}", finding.message, fix.text),
        None => finding.message.clone(),
    };
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": rules.iter().position(|(rule, _)| rule.id == finding.rule.id),
        "level": level,
        "message": { "text": text },
        "locations": [location(finding.span, None, inputs)],
        "partialFingerprints": known_by,
        "properties": { "severity": word(finding) },
    });
    if finding.verdict == Verdict::Unknown {
        result["kind"] = json!("open");
        result["level"] = json!("none");
    }
    if !finding.related.is_empty() {
        let related = finding.related.iter().enumerate();
        result["relatedLocations"] = related
            .map(|(id, (span, label))| {
                let mut place = location(*span, Some(label), inputs);
                place["id"] = json!(id);
                place
            })
            .collect();
    }
    if let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty()) {
        result["fixes"] = json!([fix_record(fix, inputs)]);
    }
    result
}

fn location(span: Span, message: Option<&String>, inputs: &Inputs) -> Value {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(span, inputs) },
            "region": region(span, inputs),
        },
    });
    if let Some(message) = message {
        location["message"] = json!({ "text": message });
    }
    location
}

fn region(span: Span, inputs: &Inputs) -> Value {
    let (start, end) = (inputs.position(span), inputs.end_position(span));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

fn fix_record(fix: &Fix, inputs: &Inputs) -> Value {
    let changes: Vec<Value> = fix
        .edits
        .iter()
        .map(|edit| {
            json!({
                "artifactLocation": { "uri": uri(edit.span, inputs) },
                "replacements": [{
                    "deletedRegion": region(edit.span, inputs),
                    "insertedContent": { "text": edit.replacement },
                }],
            })
        })
        .collect();
    json!({ "description": { "text": fix.text }, "artifactChanges": changes })
}

/// The path as a URI reference (RFC 3986): what is not allowed there is percent-encoded. A path from the root of the
/// machine is only a URI with its scheme.
fn uri(span: Span, inputs: &Inputs) -> String {
    use std::os::unix::ffi::OsStrExt;
    let path = inputs.path(span.file);
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "" });
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Low => "warning",
        Severity::Info => "note",
    }
}

/// The middle of the bands that code scanning makes of the number: critical from 9.0, high from 7.0, medium from 4.0.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
        Severity::Info => "0.5",
    }
}
