//! TAP 14 (<https://testanything.org/tap-version-14-specification.html>): what is unknown is a skipped test.

use std::fmt::Write;

use super::title;
use crate::{
    outcome::{Outcome, Verdict},
    report::Report,
};

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", report.outcomes.len());
    for (number, outcome) in report.outcomes.iter().enumerate() {
        line(&mut text, number + 1, outcome);
    }
    text
}

fn line(text: &mut String, number: usize, outcome: &Outcome) {
    let title = escaped(&title(outcome));
    // Writing into a text does not fail.
    let _ = match outcome.verdict {
        Verdict::Pass => writeln!(text, "ok {number} - {title}"),
        Verdict::Unknown => writeln!(text, "ok {number} - {title} # SKIP {}", one_line(&outcome.got)),
        Verdict::Fail => writeln!(text, "not ok {number} - {title}"),
    };
    if outcome.verdict == Verdict::Fail {
        let _ = writeln!(text, "  ---");
        let fields = [
            ("severity", outcome.severity.word().to_owned()),
            ("tried", outcome.tried.clone()),
            ("got", outcome.got.clone()),
            ("fix", outcome.fix.clone().unwrap_or_default()),
            ("at", outcome.place.as_ref().map(ToString::to_string).unwrap_or_default()),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            // A JSON text is a YAML text.
            let _ = writeln!(text, "  {name}: {}", serde_json::to_string(&value).unwrap_or_default());
        }
        let _ = writeln!(text, "  ...");
    }
}

/// `#` begins a directive, `\` escapes.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
