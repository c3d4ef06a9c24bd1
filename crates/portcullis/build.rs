//! Says which commit the program is built of, for `--version` and the metrics: `PORTCULLIS_COMMIT`, or else what git says.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=PORTCULLIS_COMMIT");
    let mut version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    if let Some(commit) = env::var("PORTCULLIS_COMMIT").ok().or_else(head) {
        version = format!("{version} ({commit})");
        println!("cargo::rustc-env=PORTCULLIS_COMMIT={commit}");
    }
    println!("cargo::rustc-env=PORTCULLIS_VERSION={version}");
}

/// The commit that is checked out; none in a tree that came without its history.
fn head() -> Option<String> {
    // A line is added to it whenever another commit is checked out or made.
    println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned()).filter(|said| !said.is_empty())
}
