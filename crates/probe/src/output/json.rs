//! One JSON object; its fields are an interface.

use serde::Serialize;

use crate::report::{Counts, Report};

#[derive(Serialize)]
struct Document<'r> {
    summary: Counts,
    #[serde(flatten)]
    report: &'r Report,
}

pub(super) fn render(report: &Report) -> String {
    let document = Document { summary: report.counts(), report };
    // It fails only for maps whose keys are no text, and there are none.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
