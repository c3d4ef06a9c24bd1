//! `portcullis audit export`

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use portcullis_audit::{AuditError, CSV_HEADER, Selection, csv_line};

use super::selection::{Place, Wanted};
use crate::verdict::Verdict;

/// Write records for other programs
///
/// All of them, or those that are meant, oldest first. Without a choice, the lines of `json` can be verified by
/// anybody: each holds the SHA-256 of the one before.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    wanted: Wanted,
    /// Where to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// json: a record in a line, to the letter as it is kept; csv: for spreadsheets
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Json,
    Csv,
}

impl Export {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let mut store = self.place.open()?;
        let mut out: Box<dyn Write> = match &self.output {
            None => Box::new(io::BufWriter::new(io::stdout().lock())),
            Some(path) => {
                let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
                Box::new(io::BufWriter::new(file.with_context(|| format!("can not write {}", path.display()))?))
            }
        };
        if self.format == Form::Csv {
            out.write_all(CSV_HEADER.as_bytes())?;
        }
        portcullis_audit::read(&mut store, &self.wanted.filter(), Selection::All, |found| {
            match self.format {
                Form::Json => writeln!(out, "{}", found.line),
                Form::Csv => out.write_all(csv_line(&found).as_bytes()),
            }
            .map_err(AuditError::Passing)
        })?;
        out.flush()?;
        Ok(Verdict::Fine)
    }
}
