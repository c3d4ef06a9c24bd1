//! `check --diff OLD NEW`: what a change newly exposes, and what it closes.

use std::{fmt::Write, path::Path};

use portcullis_lint::{
    estate::{
        Reach,
        difference::{Exposure, between},
    },
    inputs::Inputs,
};
use serde::Serialize;

use super::{
    CheckFormat, reading,
    reading::{Checked, Missing, Place},
};
use crate::{output, verdict::Verdict};

#[derive(Serialize)]
struct Records {
    opened: Vec<Record>,
    closed: Vec<Record>,
}

#[derive(Serialize)]
struct Record {
    reach: &'static str,
    address: String,
    text: String,
    file: String,
    line: usize,
    column: usize,
}

/// Tells the difference. Exits with 1 if anything is newly exposed. Of a side that is not read whole there is none to
/// tell: what it hides would pass as closed, or as nothing new.
pub(super) fn tell(old: &Path, new: &Path, format: CheckFormat) -> anyhow::Result<Verdict> {
    let (old, new) = (read(old)?, read(new)?);
    let difference = between((&old.outcome.facts, &old.inputs), (&new.outcome.facts, &new.inputs));
    let records = Records {
        opened: difference.opened.iter().map(|exposure| record(exposure, &new.inputs)).collect(),
        closed: difference.closed.iter().map(|exposure| record(exposure, &old.inputs)).collect(),
    };
    match format {
        CheckFormat::Json => output::print_json(&records)?,
        CheckFormat::Markdown => output::print(&markdown(&records))?,
        _ => output::print(&text(&records))?,
    }
    Ok(if records.opened.is_empty() { Verdict::Fine } else { Verdict::Findings })
}

fn read(path: &Path) -> anyhow::Result<Checked> {
    let paths = reading::paths(&[path.to_owned()], None)?;
    let checked = reading::check(&paths, Place::Anywhere)?;
    checked.refuse_unread(Missing::Refused)?;
    Ok(checked)
}

fn record(exposure: &Exposure, inputs: &Inputs) -> Record {
    let at = inputs.position(exposure.place);
    Record {
        reach: exposure.reach.map_or("unknown", Reach::word),
        address: exposure.address.clone(),
        text: exposure.text.clone(),
        file: inputs.path(exposure.place.file).display().to_string(),
        line: at.line,
        column: at.column,
    }
}

fn text(records: &Records) -> String {
    let mut text = String::new();
    for (sign, list) in [('+', &records.opened), ('-', &records.closed)] {
        for record in list {
            let Record { reach, address, text: what, file, line, column } = record;
            let _ = writeln!(text, "{sign} {reach}: {address} {what}  ({file}:{line}:{column})");
        }
    }
    let _ = writeln!(text, "{} newly exposed, {} no longer", records.opened.len(), records.closed.len());
    text
}

fn markdown(records: &Records) -> String {
    let mut text = format!("### Ports: {} newly exposed, {} no longer\n", records.opened.len(), records.closed.len());
    if !records.opened.is_empty() || !records.closed.is_empty() {
        text.push_str("\n| | from | address | what | where |\n| --- | --- | --- | --- | --- |\n");
    }
    for (sign, list) in [("➕ exposed", &records.opened), ("➖ closed", &records.closed)] {
        for record in list {
            let what = record.text.replace('|', "\\|");
            let Record { reach, address, file, line, .. } = record;
            let _ = writeln!(text, "| {sign} | {reach} | `{address}` | {what} | `{file}:{line}` |");
        }
    }
    text
}
