//! The forms in which a run is told.

mod json;
mod junit;
mod prometheus;
mod tap;
mod text;

use crate::{outcome::Outcome, report::Report};

pub use prometheus::metrics;
pub use text::{Detail, Style};

/// A form for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object.
    Json,
    /// JUnit XML: a test suite for each group, a test case for each outcome.
    Junit,
    /// TAP 14: a line for each outcome.
    Tap,
}

/// The run in a form for programs, with its line end.
pub fn render(report: &Report, form: Form) -> String {
    match form {
        Form::Json => json::render(report),
        Form::Junit => junit::render(report),
        Form::Tap => tap::render(report),
    }
}

/// The run for people.
pub fn render_text(report: &Report, style: Style, detail: Detail) -> String {
    text::render(report, style, detail)
}

/// One outcome for people: a line, and what helps below it.
pub fn render_outcome(outcome: &Outcome, style: Style) -> String {
    text::outcome(outcome, style)
}

/// `dead-port: port `web` (127.0.0.1:80)`, with the vantage unless it is this host.
fn title(outcome: &Outcome) -> String {
    let vantage = match outcome.vantage.as_str() {
        crate::outcome::THIS_HOST => String::new(),
        other => format!(" from {other}"),
    };
    format!("{}: {}{vantage}", outcome.check.id(), outcome.subject)
}
