//! Which rules speak, and what they are.

use std::{fs, path::PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use portcullis_lint::{
    baseline::Baseline,
    own,
    report::Policy,
    rule::{Default, Rule},
    rule_named, rules,
};
use time::OffsetDateTime;

use crate::{output, verdict::Verdict};

#[derive(Debug, Args)]
pub(super) struct PolicyArguments {
    /// Let a rule speak that is off by default
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    enable: Vec<String>,
    /// Silence a rule everywhere; a comment where it stands is better, for it says why
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    disable: Vec<String>,
    /// Findings that are known, and do not count
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

impl PolicyArguments {
    pub(super) fn resolve(&self) -> anyhow::Result<Policy> {
        let named = |names: &[String]| names.iter().map(|name| find(name)).collect::<anyhow::Result<Vec<_>>>();
        let baseline = self.baseline.as_ref().map(|path| -> anyhow::Result<Baseline> {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text)
                .with_context(|| format!("{} is no baseline; write one with --write-baseline", path.display()))
        });
        Ok(Policy {
            enable: named(&self.enable)?,
            disable: named(&self.disable)?,
            baseline: baseline.transpose()?,
            today: OffsetDateTime::now_utc().date(),
        })
    }
}

/// Says what a rule is about.
pub(super) fn explain(name: &str) -> anyhow::Result<Verdict> {
    let rule = find(name)?;
    let mut text = format!("{} {} ({})\n\n", rule.id, rule.name, rule.severity.word());
    for part in [rule.title, rule.why, rule.remedy] {
        if !part.is_empty() && !text.contains(part) {
            text.push_str(part);
            text.push_str("\n\n");
        }
    }
    output::print(text.trim_end_matches('\n')).and_then(|()| output::print("\n"))?;
    Ok(Verdict::Fine)
}

/// Lists all rules.
pub(super) fn list() -> anyhow::Result<Verdict> {
    let mut table = output::table(["RULE", "NAME", "SEVERITY", "FINDS"]);
    for rule in rules().into_iter().chain(own::rules()) {
        let name = if rule.name == rule.id { "" } else { rule.name };
        let off = if rule.default == Default::Off { " (off)" } else { "" };
        table.add_row([rule.id, name, &format!("{}{off}", rule.severity.word()), rule.title]);
    }
    output::print(&format!("{}\n", table.trim_fmt()))?;
    Ok(Verdict::Fine)
}

fn find(name: &str) -> anyhow::Result<&'static Rule> {
    rule_named(name).ok_or_else(|| anyhow!("there is no rule {name}; `portcullis check --rules` lists them"))
}
