//! `portcullis audit`: what was let in and what was refused, and that nobody changed the record of it.

mod cut;
mod export;
mod key;
mod line;
mod selection;
mod verify;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use portcullis_audit::{AuditError, Selection};
use portcullis_config::argument;

use self::selection::{Place, Wanted};
use crate::{command_line::Format, output, verdict::Verdict};

const EXAMPLES: &str = "\
Examples:
  portcullis audit --since 1h --decision refused          who was refused in the last hour, and why
  portcullis audit --principal alice --service ledger     what alice did there
  portcullis audit verify                                 whether anybody changed the log
  portcullis audit export --since 2026-11-01 --format csv > november.csv
  portcullis audit key > audit.pub                        what verifies the signatures elsewhere";

/// How many records are shown if nothing says from when on.
const NEWEST: usize = 100;

/// Show what was let in and what was refused
///
/// Without a verb, records are shown oldest first: those since a time, or the newest hundred.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Option<AuditVerb>,
    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
enum AuditVerb {
    Verify(verify::Verify),
    Export(export::Export),
    Key(key::Key),
    Cut(cut::Cut),
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    wanted: Wanted,
    /// The newest N of them [default: 100 if there is no --since]
    #[arg(long, value_name = "N", value_parser = argument::number::<usize>(1..=1_000_000))]
    last: Option<usize>,
    #[command(flatten)]
    place: Place,
    /// How to print them: json is a record in a line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Audit {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        match self.verb {
            None => self.show.run(),
            Some(AuditVerb::Verify(verb)) => verb.run(),
            Some(AuditVerb::Export(verb)) => verb.run(),
            Some(AuditVerb::Key(verb)) => verb.run(),
            Some(AuditVerb::Cut(verb)) => verb.run(),
        }
    }
}

impl Show {
    fn run(self) -> anyhow::Result<Verdict> {
        let mut store = self.place.open()?;
        let selection = match self.last {
            Some(last) => Selection::Newest(last),
            None if self.wanted.since.is_none() => Selection::Newest(NEWEST),
            None => Selection::All,
        };
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let mut shown = 0;
        portcullis_audit::read(&mut store, &self.wanted.filter(), selection, |found| {
            shown += 1;
            match self.format {
                Format::Json => writeln!(stdout, "{}", found.line),
                Format::Text => writeln!(stdout, "{}", line::draw(&found)),
            }
            .map_err(AuditError::Passing)
        })?;
        stdout.flush()?;
        if shown == 0 && self.format == Format::Text {
            output::note("no record is like that");
        } else if shown == NEWEST && self.last.is_none() && self.wanted.since.is_none() {
            output::note(&format!("these are the newest {NEWEST}; `--since 30d` or `--last 1000` shows more"));
        }
        Ok(Verdict::Fine)
    }
}
