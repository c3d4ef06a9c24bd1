//! Metrics in Prometheus' text form, for node-exporter's textfile collector.

use std::{collections::BTreeMap, fmt::Write};

use crate::{check::CHECKS, outcome::Verdict, report::Report};

/// All of a run. Every check that was made has its four counts, so that none of them disappears when all is well.
pub fn metrics(report: &Report) -> String {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for entry in CHECKS.iter().filter(|entry| report.outcomes.iter().any(|outcome| outcome.check == entry.check)) {
        for verdict in ["pass", "error", "warning", "unknown"] {
            counts.insert((entry.id, verdict), 0);
        }
    }
    for outcome in &report.outcomes {
        let verdict = match outcome.verdict {
            Verdict::Fail => outcome.severity.word(),
            other => other.word(),
        };
        *counts.entry((outcome.check.id(), verdict)).or_default() += 1;
    }
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, samples: Vec<(String, String)>| {
        // Writing into a text does not fail.
        let _ = writeln!(text, "# HELP portcullis_probe_{name} {help}\n# TYPE portcullis_probe_{name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "portcullis_probe_{name}{labels} {value}");
        }
    };
    let outcomes = counts
        .iter()
        .map(|((check, verdict), count)| (format!("{{check=\"{check}\",verdict=\"{verdict}\"}}"), count.to_string()));
    gauge("outcomes", "Outcomes of the last run, by check and verdict.", outcomes.collect());
    let single = |value: String| vec![(String::new(), value)];
    gauge("listeners", "Addresses on which something listens.", single(report.listeners.len().to_string()));
    gauge("unseen", "Kinds of things that could not be seen.", single(report.unseen.len().to_string()));
    gauge("connections", "Connections that the last run opened.", single(report.connections.to_string()));
    gauge("duration_seconds", "Length of the last run.", single(format!("{:.3}", report.took.as_secs_f64())));
    gauge("last_run_timestamp_seconds", "Beginning of the last run.", single(report.started.to_string()));
    text
}
