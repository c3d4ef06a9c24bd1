//! What is told at the end: the findings that count, and how many do not.

use time::Date;

use crate::{
    Outcome,
    baseline::Baseline,
    finding::{self, Finding, Verdict},
    inputs::{FileId, Inputs},
    rule::{Default, Rule, Severity},
    suppression,
};

/// Which findings count.
#[derive(Debug)]
pub struct Policy {
    /// Rules that speak although they are off by default.
    pub enable: Vec<&'static Rule>,
    /// Rules that do not speak.
    pub disable: Vec<&'static Rule>,
    /// What is known already.
    pub baseline: Option<Baseline>,
    /// For suppressions that end.
    pub today: Date,
}

/// The findings that count, and how many do not.
#[derive(Debug)]
pub struct Report {
    /// In reading order.
    pub findings: Vec<Finding>,
    /// Number of findings that the files say to leave alone.
    pub suppressed: usize,
    /// Number of findings that the baseline knows.
    pub known: usize,
    /// Number of files of each format.
    pub recognised: Vec<(&'static str, usize)>,
}

impl Report {
    /// Applies a policy to what was found in these files.
    pub fn new(outcome: Outcome, files: &[FileId], inputs: &Inputs, policy: &Policy) -> Self {
        let Outcome { mut findings, recognised, .. } = outcome;
        findings.retain(|finding| {
            let is_on = finding.rule.default == Default::On || policy.enable.contains(&finding.rule);
            is_on && !policy.disable.contains(&finding.rule)
        });
        let suppressed = suppression::apply(&mut findings, files, inputs, policy.today);
        finding::sort(&mut findings, inputs);
        let known = policy.baseline.as_ref().map_or(0, |baseline| baseline.apply(&mut findings, inputs));
        Self { findings, suppressed, known, recognised }
    }

    /// Whether anything is wrong that is at least this bad. What is unknown fails only where it is asked for.
    pub fn fails(&self, at: Severity, unknown: Unknown) -> bool {
        self.findings.iter().any(|finding| match finding.verdict {
            Verdict::Wrong => finding.severity >= at,
            Verdict::Unknown => unknown == Unknown::Fails,
        })
    }

    /// `3 files (2 Compose, 1 nginx): 1 critical, 2 high, 1 unknown; 1 suppressed`.
    pub fn summary(&self) -> String {
        let files: usize = self.recognised.iter().map(|(_, count)| count).sum();
        let mut kinds: Vec<String> = self.recognised.iter().map(|(name, count)| format!("{count} {name}")).collect();
        kinds.sort();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let word = if files == 1 { "file" } else { "files" };
        let mut besides = Vec::new();
        for (count, word) in [(self.suppressed, "suppressed"), (self.known, "in the baseline")] {
            if count > 0 {
                besides.push(format!("{count} {word}"));
            }
        }
        let besides = if besides.is_empty() { String::new() } else { format!("; {}", besides.join(", ")) };
        format!("{files} {word}{kinds}: {}{besides}", self.counts())
    }

    /// `1 critical, 2 high, 1 unknown`; `no findings`.
    pub fn counts(&self) -> String {
        let of_severity = |severity| {
            let is_such = |finding: &&Finding| finding.verdict == Verdict::Wrong && finding.severity == severity;
            self.findings.iter().filter(is_such).count()
        };
        let mut counts: Vec<String> = Vec::new();
        for severity in Severity::ALL.into_iter().rev() {
            match of_severity(severity) {
                0 => {}
                count => counts.push(format!("{count} {}", severity.word())),
            }
        }
        match self.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown).count() {
            0 => {}
            count => counts.push(format!("{count} unknown")),
        }
        if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") }
    }
}

/// Whether what could not be judged lets a check fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It is told and no more.
    Passes,
    /// For those who want proof.
    Fails,
}
