//! How a reload ended.

use std::{fmt, time::SystemTime};

use portcullis_config::{
    finding::{Finding, FindingRecord},
    report::{self, Style},
    rule::Severity,
    sources::Sources,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::unix_seconds;
use crate::{Rejection, Running};

/// How a reload ended, and what it changed or why it did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReport {
    /// Whether the new plan runs.
    pub outcome: Outcome,
    /// Who asked for it.
    pub cause: Cause,
    /// When it ended.
    pub at: u64,
    /// Number of the plan that runs now; the same as before if it was rejected.
    pub generation: u64,
    /// Addresses of ports that were opened.
    pub opened: Vec<String>,
    /// Addresses of ports that were closed.
    pub closed: Vec<String>,
    /// What was found: errors if it was rejected, otherwise warnings.
    pub findings: Vec<FindingReport>,
    /// What takes effect only with the next start.
    pub notes: Vec<String>,
    /// Why it was rejected, in one line.
    pub reason: Option<String>,
    /// All of it for people, with the lines of the file.
    pub report: String,
}

/// Whether the new plan runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It runs.
    Applied,
    /// Everything goes on as before.
    Rejected,
}

/// Who asked for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// The admin API.
    Api,
    /// A changed configuration file (`run --watch`).
    Watch,
    /// A changed certificate, key or CA file.
    Certificates,
    /// Host names of endpoints that lead elsewhere.
    Names,
}

impl Cause {
    /// Whether the file was read again, and not only what it refers to.
    pub(crate) fn reads_the_file(self) -> bool {
        matches!(self, Self::Signal | Self::Api | Self::Watch)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "signal",
            Self::Api => "api",
            Self::Watch => "watch",
            Self::Certificates => "certificates",
            Self::Names => "names",
        })
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingReport {
    /// Rule id, such as `unknown-key`.
    pub rule: String,
    /// `error` or `warning`.
    pub severity: String,
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl FindingReport {
    /// Makes findings independent of their texts.
    pub(crate) fn of(findings: &[Finding], sources: &Sources) -> Vec<Self> {
        findings.iter().map(|finding| Self::from(&FindingRecord::new(finding, sources))).collect()
    }
}

impl From<&FindingRecord<'_>> for FindingReport {
    fn from(record: &FindingRecord<'_>) -> Self {
        Self {
            rule: record.rule.to_owned(),
            severity: match record.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            }
            .to_owned(),
            file: record.file.clone(),
            line: record.line,
            column: record.column,
            message: record.message.to_owned(),
            help: record.help.map(str::to_owned),
        }
    }
}

impl ReloadReport {
    pub(crate) fn applied(
        cause: Cause,
        running: &Running,
        opened: Vec<String>,
        closed: Vec<String>,
        notes: Vec<String>,
    ) -> Self {
        Self {
            outcome: Outcome::Applied,
            cause,
            at: unix_seconds(SystemTime::now()),
            generation: running.plan.generation,
            opened,
            closed,
            findings: FindingReport::of(&running.warnings, &running.sources),
            notes,
            reason: None,
            report: report::render(&running.warnings, &running.sources, Style::Plain),
        }
    }

    pub(crate) fn rejected(cause: Cause, generation: u64, rejection: &Rejection) -> Self {
        let found = rejection.findings();
        let reason = rejection.to_string();
        Self {
            outcome: Outcome::Rejected,
            cause,
            at: unix_seconds(SystemTime::now()),
            generation,
            opened: Vec::new(),
            closed: Vec::new(),
            findings: found.map(|(findings, sources)| FindingReport::of(findings, sources)).unwrap_or_default(),
            notes: Vec::new(),
            report: match found {
                Some((findings, sources)) => format!("{reason}\n{}", report::render(findings, sources, Style::Plain)),
                None => format!("{reason}\n"),
            },
            reason: Some(reason),
        }
    }

    /// One line on what an applied reload changed.
    pub fn summary(&self) -> String {
        let mut words = vec![format!("plan {} runs", self.generation)];
        let mut list = |what, addresses: &[String]| {
            if !addresses.is_empty() {
                words.push(format!("{what} {}", addresses.join(", ")));
            }
        };
        list("opened", &self.opened);
        list("closed", &self.closed);
        words.extend(self.notes.iter().cloned());
        words.join("; ")
    }
}
