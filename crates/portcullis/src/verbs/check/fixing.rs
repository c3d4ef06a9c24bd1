//! Applying and showing fixes.

use std::{fs, io::Write, path::Path};

use anyhow::Context;
use portcullis_lint::{
    fix::{Fixed, fixes},
    inputs::Inputs,
    report::Report,
};
use similar::TextDiff;

use crate::{output, verdict::Verdict};

/// Writes the files that safe fixes change.
pub(super) fn fix(report: &Report, inputs: &Inputs) -> anyhow::Result<()> {
    for fixed in fixes(&report.findings, inputs) {
        let path = &fixed.path;
        replace(path, &fixed).with_context(|| format!("cannot write {}", path.display()))?;
        let word = if fixed.mended == 1 { "finding" } else { "findings" };
        let told = format!("{}: {} {word} mended\n", path.display(), fixed.mended);
        std::io::stderr().write_all(told.as_bytes())?;
    }
    Ok(())
}

/// Shows as a unified diff what would change. Exits with 1 if anything would.
pub(super) fn suggest(report: &Report, inputs: &Inputs) -> anyhow::Result<Verdict> {
    let fixes = fixes(&report.findings, inputs);
    for Fixed { path, before, after, .. } in &fixes {
        let path = path.display().to_string();
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        output::print(&diff.unified_diff().header(&format!("a/{path}"), &format!("b/{path}")).to_string())?;
    }
    Ok(if fixes.is_empty() { Verdict::Fine } else { Verdict::Findings })
}

/// A file is replaced whole or not at all, keeps its mode, and is left alone if it changed since it was read.
fn replace(path: &Path, fixed: &Fixed) -> anyhow::Result<()> {
    let now = fs::read_to_string(path)?;
    if now.trim_start_matches('\u{feff}') != fixed.before {
        anyhow::bail!("it changed while it was checked");
    }
    let mark = &now[..now.len() - fixed.before.len()];
    let target = fs::canonicalize(path)?;
    let folder = target.parent().context("it has no folder")?;
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(mark.as_bytes())?;
    fresh.write_all(fixed.after.as_bytes())?;
    fresh.as_file().set_permissions(fs::metadata(&target)?.permissions())?;
    fresh.persist(&target)?;
    Ok(())
}
