//! `portcullis user`: people that the proxy itself knows, kept by the program.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The program with a store of its own.
struct Store(TempDir);

impl Store {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Runs the verb, with this on its standard input.
    fn run(&self, arguments: &str, input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .current_dir(self.0.path())
            .env("PORTCULLIS_STORE", self.0.path().join("store.db"))
            .arg("user")
            .args(arguments.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A verb that wants no password may have ended before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn says(&self, arguments: &str, input: &str, expected: &str) {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{arguments}");
    }

    #[track_caller]
    fn refuses(&self, arguments: &str, input: &str, expected: &str) {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        assert!(said.contains(expected), "{arguments}: {said}");
        assert!(!said.contains("battery"), "the password is not repeated: {said}");
    }

    fn list(&self) -> Value {
        serde_json::from_slice(&self.run("list --format json", "").stdout).unwrap()
    }
}

#[test]
fn people_are_added_changed_and_removed() {
    let store = Store::new();
    store.says("list", "", "nobody; add somebody with `portcullis user add NAME`\n");
    store.says(
        "add Alice@Example.com --group staff --group dba",
        "correct horse battery\n",
        "added alice@example.com\n",
    );
    store.says("add bob", "correct horse battery\r\n", "added bob\n");
    let users = store.list();
    assert_eq!(users[0]["name"], "alice@example.com");
    assert_eq!(users[0]["groups"], serde_json::json!(["dba", "staff"]));
    assert_eq!((&users[1]["name"], &users[1]["sessions"]), (&"bob".into(), &0.into()));
    store.says("groups bob on-call", "", "bob is in on-call\n");
    store.says("groups alice@example.com", "", "alice@example.com is in no group\n");
    assert_eq!(store.list()[1]["groups"], serde_json::json!(["on-call"]));
    store.says("password bob", "another battery staple\n", "changed the password of bob\n");
    store.says("remove bob", "", "removed bob\n");
    assert_eq!(store.list().as_array().unwrap().len(), 1);
    let bytes = std::fs::read(store.0.path().join("store.db")).unwrap();
    assert!(!bytes.windows(7).any(|seven| seven == b"battery"), "only a hash is kept");
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let store = Store::new();
    store.says("add alice", "correct horse battery\n", "added alice\n");
    store.refuses("add alice", "correct horse battery\n", "`portcullis user password alice`");
    store.refuses("add carol", "short\n", "at least 12 characters");
    store.refuses("add carol", "", "write the password in its first line");
    store.refuses("add al!ce", "correct horse battery\n", "letters a-z, digits");
    store.refuses("remove alcie", "", "did you mean alice?");
    store.refuses("add carol hunter2hunter2", "", "unexpected argument");
}
