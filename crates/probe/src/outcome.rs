//! What a check reports: what it tried, what it got, and its verdict.

use std::fmt;

use serde::Serialize;

use crate::check::{Check, Severity};

/// How one check of one subject came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Which check.
    pub check: Check,
    /// How it came out.
    pub verdict: Verdict,
    /// How bad it is, where it failed.
    pub severity: Severity,
    /// What it is about: "port `web` (0.0.0.0:443)".
    pub subject: String,
    /// From where it was tried: "this host", or the name of a network namespace.
    pub vantage: String,
    /// What was tried.
    pub tried: String,
    /// What came of it. Lower case, no full stop.
    pub got: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Where the file declares the subject.
    pub place: Option<Place>,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As declared.
    Pass,
    /// Not as declared.
    Fail,
    /// It could not be made; what keeps it is told.
    Unknown,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path of the file as it was given.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Outcome {
    /// A check of a subject that passed.
    pub fn pass(check: Check, subject: impl Into<String>, tried: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Pass,
            severity: check.severity(),
            subject: subject.into(),
            vantage: THIS_HOST.to_owned(),
            tried: tried.into(),
            got: got.into(),
            fix: None,
            place: None,
        }
    }

    /// One that failed.
    pub fn fail(check: Check, subject: impl Into<String>, tried: impl Into<String>, got: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::pass(check, subject, tried, got) }
    }

    /// One that could not be made.
    pub fn unknown(check: Check, subject: impl Into<String>, tried: impl Into<String>, got: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, ..Self::pass(check, subject, tried, got) }
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Where the file declares the subject.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// From where it was tried.
    #[must_use]
    pub fn from(mut self, vantage: impl Into<String>) -> Self {
        self.vantage = vantage.into();
        self
    }

    /// As bad as this.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// What stays the same from run to run: the check, the subject and the vantage.
    pub fn key(&self) -> (Check, &str, &str) {
        (self.check, &self.subject, &self.vantage)
    }
}

/// The vantage of this process itself.
pub const THIS_HOST: &str = "this host";
