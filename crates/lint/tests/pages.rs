//! The page of each rule under `docs/rules` says what the rule and its examples say. `UPDATE_PAGES=1` writes them.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use portcullis_lint::{
    rule::{Default, Rule},
    rules,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(rule: &Rule) -> String {
    let mut page = format!("# {} `{}`\n\n{}.\n\n", rule.id, rule.name, capitalised(rule.title));
    let when = if rule.default == Default::On { "" } else { " (only with `--enable`)" };
    write!(page, "Severity: **{}**{when}\n\n## Why\n\n{}\n\n", rule.severity.word(), rule.why).unwrap();
    write!(page, "## What to do\n\n{}\n", rule.remedy).unwrap();
    for (title, case) in [("Bad", "bad"), ("Good", "good")] {
        let folder = root().join("crates/lint/examples").join(rule.id).join(case);
        write!(page, "\n## {title}\n").unwrap();
        for file in files(&folder) {
            let name = file.strip_prefix(&folder).unwrap().display().to_string();
            match fs::read_to_string(&file) {
                Ok(text) if text.len() < 4000 => {
                    write!(page, "\n`{name}`\n\n```{}\n{}\n```\n", language(&name), text.trim_end()).unwrap();
                }
                _ => write!(page, "\n`{name}`: see the folder of examples.\n").unwrap(),
            }
        }
    }
    let suppression = "A line that must stay as it is can be suppressed with a reason, and best with an end:";
    write!(page, "\n## Suppressing it\n\n{suppression}\n\n").unwrap();
    write!(page, "```\n# portcullis: ignore {} until 2027-01-31: why this is right here\n```\n", rule.id).unwrap();
    page
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn language(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("yaml" | "yml") => "yaml",
        Some("tf" | "tfvars") => "hcl",
        Some("json") => "json",
        Some("conf") => "nginx",
        Some("service" | "socket") => "ini",
        _ if name.to_ascii_lowercase().contains("dockerfile") => "dockerfile",
        _ => "",
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[test]
fn every_rule_has_its_page() {
    let folder = root().join("docs/rules");
    let mut index =
        "# The rules of `portcullis check`\n\n| rule | severity | what it finds |\n| --- | --- | --- |\n".to_owned();
    let mut stale = Vec::new();
    let update = std::env::var_os("UPDATE_PAGES").is_some();
    let mut compare = |path: PathBuf, text: String| {
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(path.display().to_string());
        }
    };
    for rule in rules() {
        let severity = rule.severity.word();
        writeln!(index, "| [{0} `{1}`]({0}.md) | {severity} | {2} |", rule.id, rule.name, rule.title).unwrap();
        compare(folder.join(format!("{}.md", rule.id)), page(rule));
    }
    compare(folder.join("README.md"), index);
    assert!(stale.is_empty(), "stale, write them with UPDATE_PAGES=1: {stale:#?}");
}
