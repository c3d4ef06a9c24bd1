//! Exit codes: an interface, the same for every verb.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 0: done, nothing to complain about.
    Fine,
    /// 1: done, and there are findings.
    Findings,
    /// 2: could not be done.
    Impossible,
    /// What the program ended with that was run instead of us: `connect --exec`.
    Program(u8),
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        Self::from(match verdict {
            Verdict::Fine => 0,
            Verdict::Findings => 1,
            Verdict::Impossible => 2,
            Verdict::Program(code) => code,
        })
    }
}
