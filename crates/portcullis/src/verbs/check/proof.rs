//! `check --prove`: who reaches what, over all files together.

use std::fmt::Write;

use anyhow::anyhow;
use portcullis_lint::{
    estate::{
        Hop, Way,
        proof::{Claim, Verdict as Proof},
        ways,
    },
    finding::Finding,
    inputs::{Inputs, Span},
};
use serde::Serialize;

use super::{CheckFormat, reading::Checked};
use crate::{output, verdict::Verdict};

/// Ways that are shown; the first few say enough.
const SHOWN: usize = 5;

#[derive(Serialize)]
struct Record {
    assertion: String,
    /// `proven`, `refuted` or `unknown`.
    verdict: String,
    /// The ways that refute it, hop by hop.
    ways: Vec<Vec<Place>>,
    /// What would have to be known.
    unknown: Vec<Place>,
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    text: String,
}

/// Judges each assertion and tells why. Exits with 1 unless all are proven.
pub(super) fn tell(assertions: &[String], checked: &Checked, format: CheckFormat) -> anyhow::Result<Verdict> {
    let ways = ways(&checked.outcome.facts, &checked.inputs);
    let mut records = Vec::new();
    for assertion in assertions {
        let claim: Claim = assertion.parse().map_err(|error| anyhow!("`{assertion}`: {error}"))?;
        let judged = claim.judge(&ways);
        let (found, mut doubts) = match &judged {
            Proof::Proven => (Vec::new(), Vec::new()),
            Proof::Refuted(found) => (found.iter().map(|way| hops(way, &checked.inputs)).collect(), Vec::new()),
            Proof::Unknown(doubts) => {
                let place = |text: String, span| place(text, span, &checked.inputs);
                let doubt = |end: &&portcullis_lint::estate::LooseEnd<'_>| {
                    place(format!("no file says what {} is", end.target), end.place)
                };
                (Vec::new(), doubts.iter().map(doubt).collect())
            }
        };
        // What was not read can open a way, but closes none that was found.
        let is_whole = checked.unread.is_empty() || !found.is_empty();
        let verdict = if is_whole { judged } else { Proof::Unknown(Vec::new()) }.to_string();
        if !is_whole {
            let unread = |finding: &Finding| place(finding.message.clone(), finding.span, &checked.inputs);
            doubts.extend(checked.unread.iter().map(unread));
        }
        records.push(Record { assertion: assertion.clone(), verdict, ways: found, unknown: doubts });
    }
    match format {
        CheckFormat::Json => output::print_json(&records)?,
        _ => output::print(&text(&records))?,
    }
    let all_proven = records.iter().all(|record| record.verdict == "proven");
    Ok(if all_proven { Verdict::Fine } else { Verdict::Findings })
}

fn hops(way: &Way<'_>, inputs: &Inputs) -> Vec<Place> {
    way.hops.iter().map(|Hop { text, place: span }| place(text.clone(), *span, inputs)).collect()
}

fn place(text: String, span: Span, inputs: &Inputs) -> Place {
    let at = inputs.position(span);
    Place { file: inputs.path(span.file).display().to_string(), line: at.line, column: at.column, text }
}

fn text(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        let _ = writeln!(text, "{}: {}", record.assertion, record.verdict);
        for way in record.ways.iter().take(SHOWN) {
            for (index, hop) in way.iter().enumerate() {
                let arrow = if index == 0 { "  " } else { "  → " };
                let _ = writeln!(text, "{arrow}{}:{}:{}: {}", hop.file, hop.line, hop.column, hop.text);
            }
            text.push('\n');
        }
        if record.ways.len() > SHOWN {
            let _ = writeln!(text, "  and {} more ways", record.ways.len() - SHOWN);
        }
        if record.verdict == "refuted" && record.ways.is_empty() {
            text.push_str("  no way leads there\n");
        }
        for doubt in &record.unknown {
            let _ = writeln!(text, "  {}:{}:{}: {}", doubt.file, doubt.line, doubt.column, doubt.text);
        }
    }
    text
}
