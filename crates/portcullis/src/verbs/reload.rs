//! `portcullis reload`: take on the edited file, or say why not.

use clap::Args;
use portcullis_control::answers::ReloadReport;

use crate::{
    admin::{AdminArguments, Outcome},
    command_line::Format,
    output,
    verdict::Verdict,
};

/// Make the running proxy take on its edited file
///
/// The file is validated whole before anything changes; if anything is wrong with it, the proxy goes on as before and
/// the report says why. Open connections are never cut.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    admin: AdminArguments,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Reload {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let proxy = self.admin.proxy()?;
        let (report, verdict) = match proxy.post::<ReloadReport>("/v1/reload")? {
            Outcome::Done(report) => (report, Verdict::Fine),
            Outcome::Refused(problem) => match problem.reload {
                Some(report) => (report, Verdict::Findings),
                None => anyhow::bail!("{}: {}", problem.title, problem.detail),
            },
        };
        match (self.format, verdict) {
            (Format::Json, _) => output::print_json(&report)?,
            (Format::Text, Verdict::Fine) => output::print(&format!("{}{}\n", report.report, report.summary()))?,
            (Format::Text, _) => output::print(&format!("{}everything goes on as before\n", report.report))?,
        }
        Ok(verdict)
    }
}
