//! What a check reports.

use portcullis_config::span::Span;

use crate::{
    inputs::Inputs,
    rule::{Rule, Severity},
};

/// One thing that is wrong, or that cannot be known, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule speaks.
    pub rule: &'static Rule,
    /// Whether something is wrong, or could not be judged.
    pub verdict: Verdict,
    /// The rule's, unless the case is better or worse.
    pub severity: Severity,
    /// The value that is to be changed, not the block around it.
    pub span: Span,
    /// What is wrong here: lower case, no full stop, names in backticks.
    pub message: String,
    /// A few words beside the caret; may be empty.
    pub label: String,
    /// What to do here.
    pub fix: Option<Fix>,
    /// Other places that matter, each with its label; for a chain, its hops in order.
    pub related: Vec<(Span, String)>,
}

/// The third verdict is to have no finding at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Something is wrong.
    Wrong,
    /// It could not be judged, for example because a variable is not set. Never a pass.
    Unknown,
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// In words, with what can be pasted in backticks: "write `127.0.0.1:5432:5432`".
    pub text: String,
    /// The change to the file, if a program can make it: `--fix` applies the safe ones.
    pub edits: Vec<Edit>,
    /// Whether the change keeps what works working.
    pub safety: Safety,
}

/// Whether `--fix` may apply a change by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// The program means the same to whoever used it rightly.
    Safe,
    /// A person has to decide.
    NeedsReview,
}

/// The bytes of a span give way to others. An empty span inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What gives way.
    pub span: Span,
    /// What comes instead.
    pub replacement: String,
}

impl Finding {
    /// A finding with the rule's own severity.
    pub fn new(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self {
            rule,
            verdict: Verdict::Wrong,
            severity: rule.severity,
            span,
            message: message.into(),
            label: String::new(),
            fix: None,
            related: Vec::new(),
        }
    }

    /// What the rule would have to judge and cannot.
    pub fn unknown(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, severity: Severity::Info, ..Self::new(rule, span, message) }
    }

    /// Another severity than the rule's.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Words beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do, for a person to do it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { text: text.into(), edits: Vec::new(), safety: Safety::NeedsReview });
        self
    }

    /// What to do, and the change to the file.
    #[must_use]
    pub fn fix(mut self, safety: Safety, text: impl Into<String>, edits: Vec<Edit>) -> Self {
        self.fix = Some(Fix { text: text.into(), edits, safety });
        self
    }

    /// Another place that matters.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// Reading order: by path, place, rule and text; exact repetitions are dropped, so that a file that is reached in two
/// ways is told of once.
pub(crate) fn sort(findings: &mut Vec<Finding>, inputs: &Inputs) {
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| (finding.span.start, finding.span.end, finding.rule.id);
        let by_path = inputs.path(a.span.file).cmp(inputs.path(b.span.file));
        by_path.then_with(|| place(a).cmp(&place(b))).then_with(|| a.message.cmp(&b.message))
    });
    // The same words at the same place, reached on several ways, are one finding.
    findings.dedup_by(|a, b| (a.rule.id, a.span, &a.message) == (b.rule.id, b.span, &b.message));
}
