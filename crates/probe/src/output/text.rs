//! A run as people read it: what is wrong first, what helps below it, the sum at the end.

use std::fmt::Write;

use crate::{
    check::Severity,
    outcome::{Outcome, THIS_HOST, Verdict},
    report::Report,
};

/// Whether words are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For pipes and files.
    Plain,
    /// For terminals.
    Coloured,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What failed and what is unknown.
    Findings,
    /// What passed as well.
    Everything,
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[1;36m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

pub(super) fn render(report: &Report, style: Style, detail: Detail) -> String {
    let mut text = String::new();
    let told = report.outcomes.iter().filter(|outcome| match detail {
        Detail::Findings => outcome.verdict != Verdict::Pass,
        Detail::Everything => true,
    });
    for told in told {
        text.push_str(&outcome(told, style));
        if told.verdict != Verdict::Pass {
            text.push('\n');
        }
    }
    for unseen in &report.unseen {
        let _ = writeln!(text, "not seen: {unseen}");
    }
    let (took, connections) = (report.took.as_secs_f64(), report.connections);
    let sum = report.counts().summary();
    let listeners = report.listeners.len();
    let _ = writeln!(
        text,
        "{}: {sum} ({listeners} listeners, {connections} connections, {took:.1} s, as {})",
        report.file, report.user
    );
    text
}

pub(super) fn outcome(outcome: &Outcome, style: Style) -> String {
    let paint = |colour: &str, text: &str| match style {
        Style::Plain => text.to_owned(),
        Style::Coloured => format!("{colour}{text}{RESET}"),
    };
    let (word, colour) = match (outcome.verdict, outcome.severity) {
        (Verdict::Pass, _) => ("pass", GREEN),
        (Verdict::Unknown, _) => ("unknown", CYAN),
        (Verdict::Fail, Severity::Error) => ("error", RED),
        (Verdict::Fail, Severity::Warning) => ("warning", YELLOW),
    };
    let label = paint(colour, &format!("{word}[{}]", outcome.check.id()));
    let vantage = if outcome.vantage == THIS_HOST { String::new() } else { format!(" from {}", outcome.vantage) };
    let mut text = format!("{label}: {}{vantage}: {}\n", outcome.subject, outcome.got);
    if outcome.verdict == Verdict::Pass {
        return text;
    }
    // Writing into a text does not fail.
    if let Some(place) = &outcome.place {
        let _ = writeln!(text, "  {} {place}", paint(DIM, "-->"));
    }
    let _ = writeln!(text, "  {} {}", paint(DIM, "tried:"), outcome.tried);
    if let Some(fix) = &outcome.fix {
        let _ = writeln!(text, "  {} {fix}", paint(DIM, "fix:"));
    }
    text
}
