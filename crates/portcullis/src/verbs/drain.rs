//! `portcullis drain`: take the proxy out of service without cutting anything.

use std::{
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use portcullis_control::answers::{Drain as Draining, Status};

use crate::{
    admin::{AdminArguments, Outcome, Unreachable},
    command_line::Format,
    output,
    verdict::Verdict,
};

/// Let the running proxy finish what is open, and end
///
/// Its data ports are closed at once; keep-alive connections end after their current exchange, sessions go on until
/// `limits.drain` is over. Then the process ends with exit code 0. The same as SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    admin: AdminArguments,
    /// Return when the proxy has ended
    #[arg(long)]
    wait: bool,
    /// How to print what is left
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Drain {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let proxy = self.admin.proxy()?;
        let left = match proxy.post::<Draining>("/v1/drain")? {
            Outcome::Done(left) => left,
            Outcome::Refused(problem) => anyhow::bail!("{}: {}", problem.title, problem.detail),
        };
        match self.format {
            Format::Json => output::print_json(&left)?,
            Format::Text => output::print(&format!(
                "draining: {} open connections have {:.1} s left\n",
                left.open_connections,
                Duration::from_millis(left.left_ms).as_secs_f64()
            ))?,
        }
        if !self.wait {
            return Ok(Verdict::Fine);
        }
        // A little longer than the drain itself: the access log is written to its end as well.
        let deadline = Instant::now() + Duration::from_millis(left.left_ms) + Duration::from_secs(10);
        while Instant::now() < deadline {
            match proxy.get::<Status>("/v1/status") {
                Ok(_) => thread::sleep(Duration::from_millis(100)),
                Err(error) if error.downcast_ref::<Unreachable>().is_some() => return Ok(Verdict::Fine),
                // Cut off in the middle of an answer: it is just ending.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        anyhow::bail!("the proxy still answers after its time to drain")
    }
}
