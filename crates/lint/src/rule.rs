//! What a rule is: the one place from which reports, SARIF metadata and the page of the rule come.

use serde::Serialize;

/// How bad it is, by the catalogue's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Untidy; may become worse.
    Low,
    /// A defect that needs another one to hurt.
    Medium,
    /// Exposes something, or breaks in use.
    High,
    /// Exposes something that must never be, or cannot work at all.
    Critical,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A rule of the catalogue. Declared as a `static` beside the code that applies it, listed in its format's `RULES`.
#[derive(Debug)]
pub struct Rule {
    /// `PC201`: stable for ever, the number of the catalogue.
    pub id: &'static str,
    /// `published-on-all-interfaces`: what people write in a suppression.
    pub name: &'static str,
    /// Its usual severity; a finding may have another where the case is better or worse.
    pub severity: Severity,
    /// What it finds, in a few words without full stop: "a port is published on every interface of the host".
    pub title: &'static str,
    /// Why that matters: one to three whole sentences, shown in reports and on the rule's page.
    pub why: &'static str,
    /// What to do about it in general; a finding carries the fix for its own case.
    pub remedy: &'static str,
    /// Whether it speaks unless it is asked for.
    pub default: Default,
}

/// Whether a rule speaks unless it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Always.
    On,
    /// Only with `--enable`: the rule is a matter of policy.
    Off,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}
