//! `portcullis audit verify`

use std::{
    fmt::Write,
    fs,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use portcullis_audit::{Finding, PublicKey, Report, SigningKey, key_path, verify_lines, verify_store};
use serde::Serialize;

use super::selection::Place;
use crate::{command_line::Format, output, verdict::Verdict};

/// Findings that are shown. One hand in the file makes a few; beyond this many the rest is counted.
const SHOWN: usize = 1000;

/// Find records that were removed, changed, moved or added by somebody else
///
/// Reads the log of the store, or records that were exported as JSON lines, from the first to the last. Exits with 1 if
/// anything is wrong, and names each record by number and time.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Records that were exported, instead of the store; `-` for standard input
    #[arg(value_name = "FILE")]
    lines: Option<PathBuf>,
    /// A key whose signatures are trusted, as `audit key` prints it; may be repeated [default: the key beside the store]
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// Signed heads that were kept elsewhere: they show also that the end was removed with its signatures
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: Report,
    found: &'a [Finding],
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let mut found = Vec::new();
        let mut keep = |finding: &Finding| {
            if found.len() < SHOWN {
                found.push(finding.clone());
            }
        };
        let heads = self.heads.as_deref();
        let report = match &self.lines {
            Some(lines) if lines == Path::new("-") => {
                verify_lines(io::stdin().lock(), &self.trusted()?, heads, &mut keep)?
            }
            Some(lines) => {
                let file = fs::File::open(lines).with_context(|| format!("can not read {}", lines.display()))?;
                verify_lines(BufReader::new(file), &self.trusted()?, heads, &mut keep)?
            }
            None => verify_store(&mut self.place.open()?, &self.trusted()?, heads, &mut keep)?,
        };
        match self.format {
            Format::Json => output::print_json(&Answer { report, found: &found })?,
            Format::Text => output::print(&draw(&report, &found))?,
        }
        Ok(if report.findings == 0 { Verdict::Fine } else { Verdict::Findings })
    }

    fn trusted(&self) -> anyhow::Result<Vec<PublicKey>> {
        if !self.public_key.is_empty() {
            return Ok(self.public_key.iter().map(|path| PublicKey::load(path)).collect::<Result<_, _>>()?);
        }
        if self.lines.is_some() && self.heads.is_none() {
            return Ok(Vec::new());
        }
        let key = SigningKey::load(&key_path(&self.place.path()?));
        let key = key.context("there is no key to verify with; name one with `--public-key FILE`")?;
        Ok(vec![key.public()])
    }
}

fn draw(report: &Report, found: &[Finding]) -> String {
    let mut page = String::new();
    for finding in found {
        let _ = writeln!(page, "{finding}");
    }
    let left_out = report.findings.saturating_sub(found.len() as u64);
    if left_out > 0 {
        let _ = writeln!(page, "and {left_out} more");
    }
    let Report { records, first, last, .. } = report;
    let (Some(first), Some(last)) = (first, last) else {
        return page + if report.findings == 0 { "no record yet\n" } else { "no record is left\n" };
    };
    let until = report.until.map(|until| format!(", the last of {until}")).unwrap_or_default();
    let cut = report.cut.map(|cut| format!("; those up to {cut} were cut off")).unwrap_or_default();
    let plural = if *records == 1 { "" } else { "s" };
    let _ = writeln!(page, "{records} record{plural} verified: {first} to {last}{until}{cut}");
    let _ = match (report.findings, report.signed) {
        (0, Some(signed)) if signed == *last => writeln!(page, "the chain holds, and the last record is signed"),
        (0, Some(signed)) => writeln!(page, "the chain holds; signatures vouch for it up to record {signed}"),
        (0, None) => {
            writeln!(page, "the chain holds; without signatures nothing says that it is the real one, or all of it")
        }
        (1, _) => writeln!(page, "1 finding"),
        (findings, _) => writeln!(page, "{findings} findings"),
    };
    page
}
