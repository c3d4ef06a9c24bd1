//! Showing findings, the same for every verb that has some.

use std::io;

use portcullis_config::{
    finding::{Finding, FindingRecord},
    report,
    sources::Sources,
};
use serde::Serialize;

use crate::{command_line::Format, output};

/// Findings for programs.
#[derive(Debug, Serialize)]
struct Records<'a> {
    /// `no findings`, or how many of each.
    summary: String,
    findings: Vec<FindingRecord<'a>>,
}

/// Prints all findings and how many there are.
pub(crate) fn print(findings: &[Finding], sources: &Sources, format: Format) -> anyhow::Result<()> {
    let summary = report::summary(findings);
    match format {
        Format::Json => output::print_json(&Records { summary, findings: report::records(findings, sources) }),
        Format::Text => {
            let drawn = report::render(findings, sources, output::style(&io::stdout()));
            let gap = if drawn.is_empty() { "" } else { "\n" };
            let file = sources.paths().next().map(|path| path.display().to_string()).unwrap_or_default();
            output::print(&format!("{drawn}{gap}{file}: {summary}\n"))
        }
    }
}
