//! The binary: verbs and wiring. It alone knows every crate; what it does itself is read its arguments, start and
//! stop, and print.

mod admin;
mod command_line;
mod file;
mod findings;
mod output;
mod program_log;
mod sender;
mod supervisor;
mod verbs;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use command_line::CommandLine;
use verdict::Verdict;

/// Measured against the system's allocator under keep-alive load: less user time for each request (`bench/RESULTS.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match CommandLine::parse().verb.run() {
        Ok(verdict) => verdict.into(),
        // Whoever reads our output has seen enough, as with `| head`: not an error.
        Err(error) if output::is_broken_pipe(&error) => Verdict::Fine.into(),
        Err(error) => {
            output::complain(&error);
            Verdict::Impossible.into()
        }
    }
}
