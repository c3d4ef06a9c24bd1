//! Every broken file gives exactly the report beside it, and every good file gives none.
//!
//! After a change that is meant: `UPDATE_REPORTS=1 cargo test -p portcullis-config --test reports`, then read the diff.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use portcullis_config::{
    declared::PortSpan,
    host::{self, Host},
    load,
    report::{Style, render, summary},
    rule::RULES,
};

#[test]
fn broken_files_give_exactly_the_expected_reports() -> io::Result<()> {
    let update = std::env::var_os("UPDATE_REPORTS").is_some();
    let mut differing = Vec::new();
    let files = [yaml_files("tests/broken")?, yaml_files("tests/every-key")?];
    for path in files.into_iter().flatten() {
        let report = report(&path);
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &report)?;
        } else if fs::read_to_string(&expected).unwrap_or_default() != report {
            differing.push(format!("{}:\n{report}", path.display()));
        }
    }
    assert!(differing.is_empty(), "reports differ:\n{}", differing.join("\n"));
    Ok(())
}

#[test]
fn there_are_many_broken_files_and_each_is_broken() -> io::Result<()> {
    let files = yaml_files("tests/broken")?;
    assert!(files.len() >= 60, "{} files", files.len());
    for path in files {
        assert!(!load(&path).findings.is_empty(), "{} is fine", path.display());
    }
    Ok(())
}

#[test]
fn good_files_give_no_finding() -> io::Result<()> {
    for path in yaml_files("tests/good")? {
        assert_eq!(report(&path), "no findings\n", "{}", path.display());
    }
    Ok(())
}

#[test]
fn the_file_with_every_key_has_no_error() {
    assert!(!load(Path::new("tests/every-key/every-key.yaml")).has_errors());
}

#[test]
fn every_rule_has_a_broken_file() -> io::Result<()> {
    // Found when the plan is made, from certificates and names; their tests stand there.
    let elsewhere = [
        "certificate-unreadable",
        "certificate-expired",
        "certificate-not-yet-valid",
        "certificate-key-mismatch",
        "client-ca-empty",
        "revocation-list",
        "endpoint-unresolvable",
        "endpoint-name-stale",
        "address-unavailable",
        "access-log-unwritable",
        "policy",
        "provider-unusable",
        // Depends on the host: see below.
        "local-ports",
    ];
    let mut seen = BTreeSet::new();
    for path in yaml_files("tests/broken")? {
        seen.extend(load(&path).findings.iter().map(|finding| finding.rule.id()));
    }
    let missing: Vec<_> =
        RULES.iter().map(|rule| rule.id).filter(|id| !seen.contains(id) && !elsewhere.contains(id)).collect();
    assert!(missing.is_empty(), "no broken file for {missing:?}");
    Ok(())
}

/// A host with the defaults of Linux that keeps a few ports to itself.
#[test]
fn files_give_exactly_the_expected_reports_on_a_host() -> io::Result<()> {
    let host = Host {
        local_ports: PortSpan { first: 32_768, last: 60_999 },
        kept: vec![PortSpan { first: 40_000, last: 40_019 }],
    };
    for path in yaml_files("tests/on-host")? {
        let loaded = load(&path);
        assert_eq!(loaded.findings, [], "{}", path.display());
        let findings = loaded.declared.map(|declared| host::check(&declared, &host)).unwrap_or_default();
        let report = format!("{}\n{}\n", render(&findings, &loaded.sources, Style::Plain), summary(&findings));
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            fs::write(&expected, &report)?;
        }
        assert_eq!(fs::read_to_string(&expected).unwrap_or_default(), report, "{}", path.display());
    }
    Ok(())
}

fn report(path: &Path) -> String {
    let loaded = load(path);
    let rendered = render(&loaded.findings, &loaded.sources, Style::Plain);
    let separator = if rendered.is_empty() { "" } else { "\n" };
    format!("{rendered}{separator}{}\n", summary(&loaded.findings))
}

/// In the order of their names.
fn yaml_files(directory: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
