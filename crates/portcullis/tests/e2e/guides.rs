//! The guides: every command of them, in the order of the page, in an empty directory.
//!
//! Blocks marked `sh` are run by one shell after the other; one marked `sh background` runs until the end. A block
//! marked `text` is what the commands before it print, whatever their exit codes. Port numbers are replaced by free
//! ones, so that pages can name plain ones and tests can run side by side.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::harness::{PATIENCE, Process, free_address, wait_until};

#[derive(Debug, PartialEq, Eq)]
enum Block {
    Commands(String),
    Background(String),
    Prints(String),
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let text: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match kind {
            "sh" => blocks.push(Block::Commands(text)),
            "sh background" => blocks.push(Block::Background(text)),
            "text" => blocks.push(Block::Prints(text)),
            _ => {}
        }
    }
    blocks
}

/// A shell that knows the program under test by its name.
fn shell(text: &str, directory: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap().display().to_string();
    let mut command = Command::new("bash");
    command.arg("-euc").arg(text).current_dir(directory).stdin(Stdio::null());
    command.env("PATH", format!("{program}:{}", std::env::var("PATH").unwrap_or_default()));
    command.env("PORTCULLIS_STORE", directory.join("store.db"));
    command.env("RUNTIME_DIRECTORY", directory.join("run")).env("NO_COLOR", "1");
    command.env("PORTCULLIS_STORE", directory.join("store.db"));
    command
}

fn follow(page: &str, ports: &[&str]) {
    let page = fs::read_to_string(Path::new("../../docs/guides").join(page)).unwrap();
    let page = ports.iter().fold(page, |page, port| page.replace(port, &free_address().port().to_string()));
    let directory = tempfile::tempdir().unwrap();
    let mut background = Vec::new();
    let mut steps = blocks(&page).into_iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Block::Background(text) => {
                // In the place of the shell, so that ending it ends the program.
                background.push(Process::start(&mut shell(&format!("exec {text}"), directory.path())));
                wait_until("the proxy answers", || {
                    let status = shell("portcullis status", directory.path()).output().unwrap();
                    status.status.success().then_some(())
                });
            }
            Block::Commands(text) => match steps.next_if(|next| matches!(next, Block::Prints(_))) {
                Some(Block::Prints(expected)) => prints(&text, &expected, directory.path()),
                _ => succeeds(&text, directory.path()),
            },
            Block::Prints(text) => panic!("nothing prints this: {text}"),
        }
    }
}

#[track_caller]
fn succeeds(text: &str, directory: &Path) {
    let output = shell(text, directory).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{said}{complained}");
}

/// Asks again for as long as a test waits for anything: a log is written a moment after what it tells of.
#[track_caller]
fn prints(text: &str, expected: &str, directory: &Path) {
    // Whatever a command ends with, the next one is to be seen as well.
    let mut command = shell(&format!("set +e\n{text}"), directory);
    let mut said = String::new();
    let deadline = Instant::now() + PATIENCE;
    while said != expected && Instant::now() < deadline {
        said = String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned();
    }
    assert_eq!(said, expected, "{text}");
}

#[test]
fn client_certificates() {
    follow("client-certificates.md", &["8443"]);
}

#[test]
fn identity() {
    follow("identity.md", &["8080"]);
}

#[test]
fn login() {
    follow("login.md", &["8080", "3100"]);
}

#[test]
fn every_guide_is_followed() {
    let guides =
        fs::read_dir("../../docs/guides").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut guides: Vec<String> = guides.collect();
    guides.sort();
    assert_eq!(guides, ["client-certificates.md", "identity.md", "login.md"], "each has a test above");
}
