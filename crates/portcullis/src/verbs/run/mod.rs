//! `portcullis run`: the proxy itself, from the file to the end of the process.

mod drift;
mod port_table;
mod signals;

use std::io::{self, IsTerminal, Write};

use clap::Args;
use portcullis_config::{finding::Finding, report, sources::Sources};
use portcullis_control::{Control, Reading, Rejection, Start, Watching};
use portcullis_kernel::limits::raise_open_files;
use portcullis_observe::metrics::Build;

use crate::{
    command_line::Format,
    file::FileArguments,
    findings, output, program_log,
    supervisor::{self, State},
    verdict::Verdict,
};

/// Run the proxy in the foreground
///
/// Checks the file, opens every port, and serves until it is told to stop. If anything is wrong, nothing is opened and
/// the report says what.
///
/// Signals: SIGHUP takes on the edited file, or says why not, and opens the access log anew; SIGUSR1 only opens the log
/// anew; SIGTERM and SIGINT let open connections end and then stop, a second one stops at once.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    file: FileArguments,
    /// Take on the file whenever it changes, if it is right
    #[arg(long)]
    watch: bool,
    /// How to print findings and the program's own log
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Run {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let path = self.file.path()?;
        let reading = Reading::of(&path);
        let registries = reading.registries();
        let candidate = match reading.compile(&registries) {
            Ok(candidate) => candidate,
            Err(rejection) => return refuse(rejection, self.format),
        };
        show_warnings(&candidate.warnings, &candidate.sources, self.format)?;
        let log_levels = program_log::start(candidate.plan.log_level, self.format);
        let files = raise_open_files();
        tracing::debug!(files, "limit of open files");
        registries.metrics.process().set_build(Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("PORTCULLIS_COMMIT").unwrap_or_default().to_owned(),
        });
        let watching = if self.watch { Watching::MaterialAndConfiguration } else { Watching::Material };
        let start = Start { path, candidate, registries, log_levels };
        let control = match Control::start(start, watching, drift::look()) {
            Ok(control) => control,
            Err(rejection) => return refuse(rejection, self.format),
        };
        // Installed before anybody is told that we are ready: from then on a signal may come.
        let signals = control.block_on(async { signals::Signals::install() })?;
        announce(&control, self.format)?;
        supervisor::tell(State::Ready);
        let ending = control.block_on(signals.steer(control.publisher()));
        supervisor::tell(State::Stopping);
        control.stop();
        Ok(ending)
    }
}

/// Says why nothing runs: all findings with their lines, or by whom a port is taken.
fn refuse(rejection: Rejection, format: Format) -> anyhow::Result<Verdict> {
    match (rejection, format) {
        (Rejection::Findings { findings, sources }, Format::Json) => {
            findings::print(&findings, &sources, format)?;
            Ok(Verdict::Findings)
        }
        (Rejection::Findings { findings, sources }, Format::Text) => {
            let drawn = report::render(&findings, &sources, output::style(&io::stderr()));
            write!(io::stderr(), "{drawn}\nportcullis: not started: {}\n", report::summary(&findings))?;
            Ok(Verdict::Findings)
        }
        (Rejection::Listen(errors), Format::Text) => {
            for error in &errors {
                writeln!(io::stderr(), "portcullis: {error}")?;
            }
            writeln!(io::stderr(), "portcullis: not started; no port was opened")?;
            Ok(Verdict::Impossible)
        }
        (other, _) => Err(other.into()),
    }
}

fn show_warnings(warnings: &[Finding], sources: &Sources, format: Format) -> anyhow::Result<()> {
    if warnings.is_empty() {
        return Ok(());
    }
    match format {
        Format::Text => {
            let drawn = report::render(warnings, sources, output::style(&io::stderr()));
            Ok(writeln!(io::stderr(), "{drawn}")?)
        }
        Format::Json => Ok(writeln!(io::stderr(), "{}", serde_json::to_string(&report::records(warnings, sources))?)?),
    }
}

/// What is open: a table for whoever sits at the terminal, otherwise lines in the log.
fn announce(control: &Control, format: Format) -> anyhow::Result<()> {
    let running = control.publisher().running();
    if io::stderr().is_terminal() && format == Format::Text {
        writeln!(io::stderr(), "{}", port_table::draw(&running.plan))?;
    } else {
        port_table::log(&running.plan);
    }
    tracing::info!(pid = std::process::id(), ports = running.plan.ports.len(), "portcullis serves");
    Ok(())
}
