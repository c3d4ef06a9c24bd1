//! Every rule has a folder `examples/PCnnn` with at least one bad and one good case, and says exactly what stands in
//! `expected` about the bad ones.
//!
//! `bad*/` are folders of files that are checked together, `bad*.expected` what is found in them by this rule (one
//! line each: `file:line:column: severity: message`). `good*/` are folders in which the rule must find nothing.
//! `UPDATE_EXAMPLES=1` writes the `expected` files.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use portcullis_lint::{
    check,
    finding::Verdict,
    inputs::Inputs,
    report::{Policy, Report},
    rule::Rule,
    rules,
    walk::walk,
};
use time::macros::date;

/// What the rule says about a folder, a line each.
fn told(rule: &'static Rule, folder: &Path) -> String {
    let inputs = Inputs::beneath([folder.to_owned()]);
    let walked = walk(&inputs, &[folder.to_owned()]);
    let mut outcome = check(&inputs, &walked.files, |_| false);
    outcome.findings.extend(walked.findings);
    let policy = Policy { enable: vec![rule], disable: Vec::new(), baseline: None, today: date!(2026 - 11 - 21) };
    let report = Report::new(outcome, &walked.files, &inputs, &policy);
    let findings = report.findings.iter().filter(|finding| finding.rule.id == rule.id);
    let mut told = String::new();
    for finding in findings {
        let at = inputs.position(finding.span);
        let path = inputs.path(finding.span.file).strip_prefix(folder).unwrap();
        let severity = match finding.verdict {
            Verdict::Wrong => finding.severity.word(),
            Verdict::Unknown => "unknown",
        };
        writeln!(told, "{}:{}:{}: {severity}: {}", path.display(), at.line, at.column, finding.message).unwrap();
    }
    told
}

fn cases(rule: &Rule, prefix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(rule.id);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_case = |path: &PathBuf| path.is_dir() && path.file_name().unwrap().to_string_lossy().starts_with(prefix);
    let mut cases: Vec<PathBuf> = entries.filter(is_case).collect();
    cases.sort();
    cases
}

#[test]
fn bad_examples_are_found_with_exact_places() {
    let mut wrong = String::new();
    for rule in rules() {
        let bad = cases(rule, "bad");
        if bad.is_empty() {
            writeln!(wrong, "{0}: no examples/{0}/bad", rule.id).unwrap();
        }
        for folder in bad {
            let found = told(rule, &folder);
            let file = folder.with_extension("expected");
            if std::env::var_os("UPDATE_EXAMPLES").is_some() {
                fs::write(&file, &found).unwrap();
            }
            let expected = fs::read_to_string(&file).unwrap_or_default();
            if found.is_empty() || found != expected {
                writeln!(wrong, "{}:\nexpected:\n{expected}found:\n{found}", folder.display()).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn good_examples_are_left_alone() {
    let mut wrong = String::new();
    for rule in rules() {
        let good = cases(rule, "good");
        if good.is_empty() {
            writeln!(wrong, "{0}: no examples/{0}/good", rule.id).unwrap();
        }
        for folder in good {
            wrong.push_str(&told(rule, &folder));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
