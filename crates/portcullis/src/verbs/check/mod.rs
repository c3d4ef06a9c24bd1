//! `portcullis check`: everything that can be said against files before a socket is opened.

mod difference;
mod fixing;
mod policy;
mod proof;
pub(crate) mod reading;

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use portcullis_lint::{
    baseline::Baseline,
    finding::{Finding, Verdict as Judged},
    output::{Form, render},
    report::{Report, Unknown},
    rule::Severity,
};

use crate::{output, verdict::Verdict};
use reading::Place;

const EXAMPLES: &str = "\
Examples:
  portcullis check                               portcullis.yaml, or all files of this folder if there is none
  portcullis check .                             everything that is recognised beneath this folder, as one estate
  helm template shop | portcullis check -        rendered manifests
  portcullis check . --format sarif -o ports.sarif
  portcullis check . --write-baseline ports.baseline.json
  portcullis check . --prove \"public -/-> role:database\"
  portcullis check --diff ../main .              what this tree newly exposes, for a pull request
  portcullis check --explain PC201               what a rule is about

Suppress a finding where it stands: `# portcullis: ignore PC201 until 2027-01-31: the reason`.";

/// Check files before anything runs: Portcullis' own, Compose, Kubernetes, Terraform, HAProxy, nginx and others
///
/// Reads files and folders, recognises what they are by their contents, and reports everything that is wrong with the
/// ports in them, taken together as one estate. Of Portcullis' own files also certificates are loaded and names are
/// resolved, and where one such file is named it is tried whether its addresses and its log could be had on this host now.
/// Nobody is listened to. Exits with 1 if a finding is at least as bad as `--fail-on`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Check {
    /// Files and folders; `-` is standard input [default: portcullis.yaml, or else this folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One of Portcullis' own files, as an option
    #[arg(short, long, value_name = "FILE", conflicts_with = "paths")]
    config: Option<PathBuf>,
    /// How to print findings
    #[arg(long, value_enum, default_value_t)]
    format: CheckFormat,
    /// Where to print them instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The mildest severity for which to exit with 1
    #[arg(long, value_enum, default_value_t = FailOn::High, value_name = "SEVERITY")]
    fail_on: FailOn,
    /// Exit with 1 also for what could not be judged
    #[arg(long)]
    fail_on_unknown: bool,
    /// Exit with 1 for warnings as well, which is `--fail-on low`
    #[arg(long, conflicts_with = "fail_on")]
    deny_warnings: bool,
    #[command(flatten)]
    policy: policy::PolicyArguments,
    /// Write all present findings to a file of known ones, for `--baseline`
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Apply the fixes that need no decision; comments and layout stay
    #[arg(long)]
    fix: bool,
    /// Show what `--fix` would change, and change nothing
    #[arg(long, conflicts_with = "fix")]
    suggest: bool,
    /// Prove or refute who reaches what, such as "public -/-> role:database", instead of reporting findings
    #[arg(long, value_name = "ASSERTION")]
    prove: Vec<String>,
    /// Say what the second of two trees newly exposes, and what it closes, compared with the first
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["paths", "config", "prove"])]
    diff: Vec<PathBuf>,
    /// Say what a rule is about, and nothing else
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
    /// Do not try whether the addresses and the access log of one of Portcullis' own files could be had here and now
    #[arg(long)]
    offline: bool,
    /// List all rules, and nothing else
    #[arg(long)]
    rules: bool,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum CheckFormat {
    /// For people
    #[default]
    Text,
    /// A line for each finding
    Short,
    /// For programs
    Json,
    /// SARIF 2.1.0 for code scanning
    Sarif,
    /// JUnit XML for CI
    Junit,
    /// Annotations of GitHub workflows
    Github,
    /// Code quality report of GitLab
    Gitlab,
    /// For a comment on a pull request
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Critical,
    High,
    Medium,
    Low,
    Info,
    /// Report and exit with 0
    Never,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        if let Some(rule) = &self.explain {
            return policy::explain(rule);
        }
        if self.rules {
            return policy::list();
        }
        if let [old, new] = self.diff.as_slice() {
            return difference::tell(old, new, self.format);
        }
        let policy = self.policy.resolve()?;
        let paths = reading::paths(&self.paths, self.config.as_ref())?;
        let place = if self.offline { Place::Anywhere } else { Place::Here };
        let mut checked = reading::check(&paths, place)?;
        if !self.prove.is_empty() {
            return proof::tell(&self.prove, &checked, self.format);
        }
        if self.fix || self.suggest {
            // Only what would be reported is mended: a suppressed finding stays as its author wants it.
            let report = Report::new(checked.outcome, &checked.files, &checked.inputs, &policy);
            if self.suggest {
                return fixing::suggest(&report, &checked.inputs);
            }
            fixing::fix(&report, &checked.inputs)?;
            checked = reading::check(&paths, place)?;
        }
        let report = Report::new(checked.outcome, &checked.files, &checked.inputs, &policy);
        if let Some(path) = &self.write_baseline {
            // What was not read or not judged is no finding that a project could know of.
            let is_known = |finding: &&Finding| finding.verdict == Judged::Wrong && !reading::is_unread(finding);
            let known: Vec<Finding> = report.findings.iter().filter(is_known).cloned().collect();
            let baseline = Baseline::of(&known, &checked.inputs);
            let text = format!("{}\n", serde_json::to_string_pretty(&baseline)?);
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            output::print(&format!("{}: {} findings are known now\n", path.display(), known.len()))?;
            let left = report.findings.len() - known.len();
            if left > 0 {
                output::note(&format!("{left} say that something could not be read or judged; those are never known"));
            }
            return Ok(Verdict::Fine);
        }
        self.tell(&render(&report, &checked.inputs, self.form()))?;
        Ok(if self.fails(&report) { Verdict::Findings } else { Verdict::Fine })
    }

    fn tell(&self, text: &str) -> anyhow::Result<()> {
        match &self.output {
            None => output::print(text),
            Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        }
    }

    fn form(&self) -> Form {
        match self.format {
            CheckFormat::Text if self.output.is_some() => Form::Text(portcullis_config::report::Style::Plain),
            CheckFormat::Text => Form::Text(output::style(&std::io::stdout())),
            CheckFormat::Short => Form::Short,
            CheckFormat::Json => Form::Json,
            CheckFormat::Sarif => Form::Sarif,
            CheckFormat::Junit => Form::Junit,
            CheckFormat::Github => Form::Github,
            CheckFormat::Gitlab => Form::Gitlab,
            CheckFormat::Markdown => Form::Markdown,
        }
    }

    fn fails(&self, report: &Report) -> bool {
        let unknown = if self.fail_on_unknown { Unknown::Fails } else { Unknown::Passes };
        let at = match self.fail_on {
            _ if self.deny_warnings => Severity::Low,
            FailOn::Critical => Severity::Critical,
            FailOn::High => Severity::High,
            FailOn::Medium => Severity::Medium,
            FailOn::Low => Severity::Low,
            FailOn::Info => Severity::Info,
            FailOn::Never => return false,
        };
        report.fails(at, unknown)
    }
}
