//! `portcullis audit cut`

use std::{
    fs::{self, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use portcullis_audit::{AuditLog, Damage, Moment};
use portcullis_config::argument;
use serde::Serialize;

use super::selection::Place;
use crate::{command_line::Format, output, verdict::Verdict};

/// Cut off old records
///
/// They are verified, written to the archive if there is one, and then removed; the cut is signed and recorded, so that
/// the rest still verifies from there on.
#[derive(Debug, Args)]
pub(super) struct Cut {
    /// Records that are older than this
    #[arg(long, value_name = "DURATION", value_parser = argument::duration)]
    older_than: Duration,
    /// A new file for the records, one in a line
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// Also records that do not verify: the evidence goes with them
    #[arg(long)]
    damaged: bool,
    #[command(flatten)]
    place: Place,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Answer {
    records: u64,
    /// The last record that was cut off; `null` if none was.
    last: Option<u64>,
}

impl Cut {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let mut log = AuditLog::open(&self.place.path()?)?;
        let mut archive = self
            .archive
            .as_ref()
            .map(|path| {
                // Never over an older archive.
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
                file.map(BufWriter::new).with_context(|| format!("can not make {}", path.display()))
            })
            .transpose()?;
        let damage = if self.damaged { Damage::Goes } else { Damage::Stays };
        let archive = archive.as_mut().map(|file| file as &mut dyn Write);
        let cut = log.cut(Moment::now().before(self.older_than), damage, archive);
        if let (Some(path), Err(_) | Ok(None)) = (&self.archive, &cut) {
            // Nothing went, so there is nothing to keep.
            fs::remove_file(path)?;
        }
        let cut = cut?;
        let answer = Answer { records: cut.map_or(0, |cut| cut.records), last: cut.map(|cut| cut.last) };
        match (self.format, answer.last) {
            (Format::Json, _) => output::print_json(&answer)?,
            (Format::Text, Some(last)) => {
                output::print(&format!("cut off {} records, up to record {last}\n", answer.records))?;
            }
            (Format::Text, None) => output::print("no record is so old\n")?,
        }
        Ok(Verdict::Fine)
    }
}
