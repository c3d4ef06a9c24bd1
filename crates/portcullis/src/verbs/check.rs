//! `portcullis check`: everything that can be said against a file before a socket is opened.

use clap::Args;
use portcullis_config::finding::Finding;
use portcullis_control::{Candidate, Reading, Rejection};

use crate::{command_line::Format, file::FileArguments, findings, verdict::Verdict};

/// Check a configuration without running it
///
/// Reads the file and what it includes, loads its certificates, resolves its names, and reports everything that is
/// wrong in one go. No socket is opened. Exits with 1 if there are errors; warnings alone exit with 0.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    file: FileArguments,
    /// Exit with 1 for warnings as well
    #[arg(long)]
    deny_warnings: bool,
    /// How to print findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let reading = Reading::of(&self.file.path()?);
        let registries = reading.registries();
        let (found, sources) = match reading.compile(&registries) {
            Ok(Candidate { warnings, sources, .. }) => (warnings, sources),
            Err(Rejection::Findings { findings, sources }) => (findings, sources),
            Err(other) => return Err(other.into()),
        };
        findings::print(&found, &sources, self.format)?;
        let fails = found.iter().any(|finding| self.deny_warnings || Finding::is_error(finding));
        Ok(if fails { Verdict::Findings } else { Verdict::Fine })
    }
}
