//! `portcullis audit`: asking, exporting, verifying, and what a hand in the file leaves behind.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use portcullis_audit::{Action, AuditLog, AuditRecord, Decision, Event, Kind, Moment, Principal};
use serde_json::Value;
use tempfile::TempDir;

/// A store in which somebody's day is recorded.
struct Log {
    directory: TempDir,
}

fn record(name: &str, service: &str, decision: Decision, path: &str) -> AuditRecord {
    AuditRecord {
        decision: Some(decision),
        principal: Some(Principal {
            kind: Kind::User,
            provider: "corp".into(),
            subject: format!("sub-{name}").into(),
            name: name.into(),
            groups: Box::default(),
        }),
        source: Some(([10, 1, 2, 3], 40_000).into()),
        port: Some("web".into()),
        service: Some(service.into()),
        action: Some(Action::Request { method: "GET".into(), host: "x.example.com".into(), path: path.into() }),
        reason: Some("as the policy says".into()),
        ..AuditRecord::new(Event::Decision)
    }
}

impl Log {
    fn new() -> Self {
        let log = Self { directory: TempDir::new().unwrap() };
        let yesterday = Moment::from_micros(Moment::now().micros() - 24 * 3600 * 1_000_000);
        let mut audit = AuditLog::open(&log.store()).unwrap();
        audit
            .append(vec![
                AuditRecord { time: yesterday, ..record("alice", "shop", Decision::Allowed, "/old") },
                record("alice", "shop", Decision::Allowed, "/"),
                record("bob", "ledger", Decision::Refused, "/\x1b[2J\u{202e}"),
                record("=alice", "ledger", Decision::Refused, "/x"),
                record("alice", "ledger", Decision::Allowed, "/y"),
            ])
            .unwrap();
        log
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(self.directory.path()).env("NO_COLOR", "1").env("PORTCULLIS_STORE", self.store());
        command.arg("audit").args(arguments.split_whitespace()).stdin(Stdio::null()).output().unwrap()
    }

    /// What the program prints, ending with this code.
    #[track_caller]
    fn says(&self, arguments: &str, code: i32) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        said
    }

    /// What somebody does who has the file.
    fn by_hand(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.store()).unwrap();
        let unlocked = "DROP TRIGGER audit_records_are_not_changed; DROP TRIGGER audit_records_are_not_removed; \
             DROP TRIGGER audit_records_are_only_added;";
        connection.execute_batch(&format!("{unlocked} {sql}")).unwrap();
    }
}

#[test]
fn records_are_found_by_who_what_when_and_how_it_ended() {
    let log = Log::new();
    for (arguments, paths) in [
        ("", vec!["/old", "/", "/\\u{1b}[2J\\u{202e}", "/x", "/y"]),
        ("--since 1h", vec!["/", "/\\u{1b}[2J\\u{202e}", "/x", "/y"]),
        ("--until 1h", vec!["/old"]),
        ("--principal alice", vec!["/old", "/", "/y"]),
        ("--principal corp:sub-bob", vec!["/\\u{1b}[2J\\u{202e}"]),
        ("--service ledger --decision refused", vec!["/\\u{1b}[2J\\u{202e}", "/x"]),
        ("--port web --last 1", vec!["/y"]),
        ("--text X.EXAMPLE.com/y", vec![]),
        ("--text sub-BOB", vec!["/\\u{1b}[2J\\u{202e}"]),
    ] {
        let said = log.says(arguments, 0);
        let found: Vec<_> = said.lines().filter_map(|line| line.split_once("x.example.com")).collect();
        let found: Vec<_> = found.iter().map(|(_, rest)| rest.split("  ").next().unwrap()).collect();
        assert_eq!(found, paths, "{arguments}: {said}");
    }
    assert!(log.says("--principal nobody", 0).contains("note: no record is like that"));
    let line = log.says("--principal bob", 0);
    assert!(
        line.contains("  refused        bob (corp)               10.1.2.3 web → ledger GET x.example.com/"),
        "{line}"
    );
    let json: Vec<Value> = log
        .says("--principal alice --format json", 0)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json[0]["action"]["request"]["path"], "/old");
    let error = log.says("--since yesterday", 2);
    assert!(error.contains("expected a duration such as 1h, a day such as 2026-11-21"), "{error}");
}

#[test]
fn csv_is_safe_to_open_and_json_lines_verify_elsewhere() {
    let log = Log::new();
    let csv = log.says("export --format csv", 0);
    assert!(csv.starts_with("id,time,event,decision,kind,provider,subject,principal,"), "{csv}");
    assert!(csv.contains(",\"'=alice\","), "{csv}");
    assert!(!csv.contains('\x1b') && !csv.contains('\u{202e}'), "{csv}");
    log.says("export --output audit.jsonl", 0);
    let verified = log.says("verify audit.jsonl", 0);
    assert!(verified.starts_with("6 records verified: 1 to 6"), "{verified}");
    assert!(verified.contains("without signatures nothing says that it is the real one"), "{verified}");
    let path = log.directory.path().join("audit.jsonl");
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("refused", "allowed", 1)).unwrap();
    let verified = log.says("verify audit.jsonl", 1);
    assert!(verified.starts_with("record 4 ("), "{verified}");
}

#[test]
fn a_hand_in_the_file_is_told_by_name() {
    for (sql, finding) in [
        ("UPDATE audit_records SET body = replace(body, 'refused', 'allowed') WHERE id = 4", "record 4 ("),
        ("DELETE FROM audit_records WHERE id = 4", "record 4 was removed, between "),
        ("DELETE FROM audit_records WHERE id > 4", "records 5 to 6 were removed from the end; signed for at "),
        (
            "UPDATE audit_records SET id = 99 WHERE id = 3; UPDATE audit_records SET id = 3 WHERE id = 4; \
             UPDATE audit_records SET id = 4 WHERE id = 99",
            "record 4 (",
        ),
        (
            "UPDATE audit_records SET id = id + 100 WHERE id > 3; UPDATE audit_records SET id = id - 99 WHERE id > 100; \
             INSERT INTO audit_records SELECT 4, time, replace(body, 'bob', 'eve') FROM audit_records WHERE id = 5",
            "the record in place 4 was inserted: it calls itself record 4 (",
        ),
        ("INSERT INTO audit_records VALUES (7, 1, '{}')", "what stands in place 7 is not a record"),
    ] {
        let log = Log::new();
        let sound = log.says("verify", 0);
        assert!(sound.contains("6 records verified: 1 to 6, the last of 2"), "{sound}");
        assert!(sound.ends_with("the chain holds, and the last record is signed\n"), "{sound}");
        log.by_hand(sql);
        let said = log.says("verify", 1);
        assert!(said.contains(finding), "{sql}: {said}");
        let json: Value = serde_json::from_str(&log.says("verify --format json", 1)).unwrap();
        assert!(json["findings"].as_u64() > Some(0) && json["found"][0]["finding"].is_string(), "{json}");
    }
}

#[test]
fn another_machine_verifies_with_the_public_key_alone() {
    let log = Log::new();
    let pem = log.says("key", 0);
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
    fs::write(log.directory.path().join("audit.pub"), pem).unwrap();
    log.says("verify --public-key audit.pub", 0);
    // Whoever replaces the key can sign, and is found out by whoever has the old one.
    fs::remove_file(log.directory.path().join("store.audit.key")).unwrap();
    let missing = log.says("verify", 2);
    assert!(missing.contains("there is no key to verify with; name one with `--public-key FILE`"), "{missing}");
    AuditLog::open(&log.store()).unwrap().append(vec![record("eve", "shop", Decision::Allowed, "/")]).unwrap();
    let said = log.says("verify --public-key audit.pub", 1);
    assert!(said.contains("which is not trusted here"), "{said}");
}

#[test]
fn old_records_go_to_an_archive_and_both_parts_verify() {
    let log = Log::new();
    // The first record is of the log itself, and as young as this test: nothing goes past it.
    let nothing = log.says("cut --older-than 1h --archive old.jsonl", 0);
    assert_eq!(nothing, "no record is so old\n");
    assert!(!log.directory.path().join("old.jsonl").exists());
    let cut = log.says("cut --older-than 1ms --archive old.jsonl", 0);
    assert_eq!(cut, "cut off 6 records, up to record 6\n");
    let verified = log.says("verify", 0);
    assert!(
        verified.contains("1 record verified: 7 to 7") && verified.contains("those up to 6 were cut off"),
        "{verified}"
    );
    assert!(log.says("verify old.jsonl", 0).starts_with("6 records verified: 1 to 6"));
    let again = log.says("cut --older-than 1ms --archive old.jsonl", 2);
    assert!(again.contains("can not make old.jsonl"), "{again}");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let log = Log { directory: TempDir::new().unwrap() };
    for arguments in ["", "verify", "export", "key", "cut --older-than 1h"] {
        let said = log.says(arguments, 2);
        assert!(said.contains("there is no store ") && said.contains("name another with `--store FILE`"), "{said}");
    }
    assert_eq!(fs::read_dir(log.directory.path()).unwrap().count(), 0);
}
