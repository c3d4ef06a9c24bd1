//! A table for a comment on a pull request.

use std::fmt::Write;

use super::{page, place, word};
use crate::{inputs::Inputs, report::Report};

pub(super) fn render(report: &Report, inputs: &Inputs) -> String {
    let mut text = format!("### Portcullis: {}\n", cell(&report.summary()));
    if report.findings.is_empty() {
        return text;
    }
    text.push_str("\n| severity | place | finding | what to do |\n| --- | --- | --- | --- |\n");
    for finding in &report.findings {
        let (file, line, column) = place(finding, inputs);
        let help = finding.fix.as_ref().map(|fix| cell(&fix.text)).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | `{}:{line}:{column}` | [{}]({}) {} | {help} |",
            word(finding),
            cell(&file),
            finding.rule.id,
            page(finding),
            cell(&finding.message),
        );
    }
    text
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
