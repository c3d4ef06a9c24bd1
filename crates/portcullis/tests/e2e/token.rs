//! `portcullis token`: keys for programs, made, listed and revoked by the program.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A store of its own.
struct Keys {
    directory: TempDir,
}

impl Keys {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env("NO_COLOR", "1").env("PORTCULLIS_STORE", self.directory.path().join("store.db"));
        command.arg("token").args(arguments.split_whitespace()).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &str) -> Value {
        let output = self.run(&format!("{arguments} --format json"));
        assert_eq!(output.status.code(), Some(0), "{arguments}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The whole file and what lies beside it.
    fn bytes(&self) -> Vec<u8> {
        fs::read_dir(self.directory.path()).unwrap().flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

#[test]
fn a_key_is_printed_alone_and_once_and_only_its_hash_is_kept() {
    let keys = Keys::new();
    let output = keys.run("create ci --group deploy --group build --service shop");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap();
    let token = token.strip_suffix('\n').unwrap();
    let (id, secret) = token.strip_prefix("pct_").unwrap().split_once('_').unwrap();
    assert_eq!((id.len(), secret.len()), (16, 64));
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.contains(id) && note.contains("once") && !note.contains(secret), "{note}");

    let listed = keys.json("list");
    assert_eq!(listed["tokens"][0]["id"], id);
    assert_eq!(listed["tokens"][0]["name"], "ci");
    assert_eq!(listed["tokens"][0]["state"], "active");
    assert_eq!(listed["tokens"][0]["groups"], serde_json::json!(["build", "deploy"]));
    assert_eq!(listed["tokens"][0]["services"], serde_json::json!(["shop"]));
    assert!(listed["tokens"][0]["expires"].is_string(), "a key ends by itself unless somebody says otherwise");
    assert!(!listed.to_string().contains(secret));
    assert!(!keys.bytes().windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[test]
fn keys_are_revoked_by_id_by_name_and_by_the_key_that_was_found() {
    let keys = Keys::new();
    let make = |arguments: &str| keys.json(&format!("create {arguments}"));
    let (first, second, third) = (make("ci"), make("ci --expires never"), make("backup --expires 30d"));
    assert_eq!(second.get("expires"), None);
    let states = |name: &str| {
        let all = keys.json("list --all");
        let of_name = all["tokens"].as_array().unwrap().iter().filter(|token| token["name"] == name);
        of_name.map(|token| token["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let revoked = keys.json(&format!("revoke {}", first["id"].as_str().unwrap()));
    assert_eq!(revoked["revoked"][0]["id"], first["id"]);
    assert_eq!(states("ci").iter().filter(|state| *state == "revoked").count(), 1);
    let found = keys.run(&format!("revoke {}", third["token"].as_str().unwrap()));
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    assert_eq!(states("backup"), ["revoked"]);
    assert_eq!(keys.json("revoke ci")["revoked"].as_array().unwrap().len(), 1, "the other was revoked before");
    assert_eq!(states("ci"), ["revoked", "revoked"]);
    assert_eq!(keys.json("list")["tokens"], serde_json::json!([]));
    let again = keys.run(&format!("revoke {}", first["id"].as_str().unwrap()));
    assert_eq!(again.status.code(), Some(0));
    assert!(String::from_utf8(again.stderr).unwrap().contains("was revoked before"));
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let keys = Keys::new();
    assert!(!keys.directory.path().join("store.db").exists());
    let empty = keys.run("list");
    assert_eq!(String::from_utf8(empty.stdout).unwrap(), "no key; make one with `portcullis token create NAME`\n");
    assert!(!keys.directory.path().join("store.db").exists(), "to look is not to make");
    let made = keys.json("create deploy");
    for (arguments, expected) in [
        ("revoke deplyo", "did you mean `deploy`?"),
        ("revoke deploy nobody", "\"nobody\""),
        ("revoke pct_0011223344556677", "a part of a key"),
        ("create a/b", "is not a name"),
        ("create ci --expires 10", "expected a time such as 30d or 12h, or never"),
        ("create ci --expires 0d", "expected 1d"),
        ("create", "NAME"),
    ] {
        let error = keys.refused(arguments);
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    let foreign = format!("pct_{}_{}", "0".repeat(16), "a".repeat(64));
    let error = keys.refused(&format!("revoke {foreign}"));
    assert!(error.contains("0000000000000000") && !error.contains("aaaa"), "{error}");
    let listed = keys.json("list");
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(listed["tokens"][0]["id"], made["id"], "a mistake in one name revokes none of the others");
}
