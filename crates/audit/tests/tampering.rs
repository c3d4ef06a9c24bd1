//! Whoever lays hands on the file is found out, and so is what they did.

#![allow(clippy::unwrap_used, clippy::format_push_string)] // a step that fails is a test that fails; texts are short

use std::{
    fs,
    io::{BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use portcullis_audit::{
    AuditLog, AuditRecord, Damage, Decision, Event, Finding, Hash, Moment, PublicKey, Report, SigningKey, key_path,
    verify_lines, verify_store,
};
use portcullis_store::Store;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

/// A log of 20 records (the first says that it begun), with its newest signed, and one signature of record 1 kept.
struct Tampered {
    directory: TempDir,
}

impl Tampered {
    fn new() -> Self {
        let log = Self { directory: tempfile::tempdir().unwrap() };
        log.append(9);
        log.append(10);
        log
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("store.db")
    }

    fn append(&self, count: i64) {
        let records = (0..count).map(|number| AuditRecord {
            time: Moment::from_micros(1_600_000_000_000_000 + number),
            decision: Some(Decision::Allowed),
            service: Some("ledger".into()),
            ..AuditRecord::new(Event::Decision)
        });
        AuditLog::open(&self.path()).unwrap().append(records.collect()).unwrap();
    }

    /// What an attacker does who has the file.
    fn by_hand(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        let unlocked = "DROP TRIGGER IF EXISTS audit_records_are_not_changed; \
             DROP TRIGGER IF EXISTS audit_records_are_not_removed; DROP TRIGGER IF EXISTS audit_records_are_only_added;";
        connection.execute_batch(unlocked).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn public_key(&self) -> PublicKey {
        SigningKey::load(&key_path(&self.path())).unwrap().public()
    }

    fn verify(&self) -> (Report, Vec<String>) {
        self.verify_with(None)
    }

    fn verify_with(&self, heads: Option<&Path>) -> (Report, Vec<String>) {
        let mut findings = Vec::new();
        let mut store = Store::open(&self.path()).unwrap();
        let told = |finding: &Finding| findings.push(finding.to_string());
        let report = verify_store(&mut store, &[self.public_key()], heads, told).unwrap();
        assert_eq!(report.findings, findings.len() as u64);
        (report, findings)
    }

    fn lines(&self) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection.prepare("SELECT body FROM audit_records ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

#[test]
fn a_log_that_nobody_touched_has_no_findings() {
    let log = Tampered::new();
    let (report, findings) = log.verify();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!((report.records, report.first, report.last, report.signed), (20, Some(1), Some(20), Some(20)));
}

#[test]
fn the_store_itself_refuses_to_change_or_remove_records() {
    let log = Tampered::new();
    let connection = Connection::open(log.path()).unwrap();
    for (sql, refusal) in [
        ("UPDATE audit_records SET body = 'x' WHERE id = 5", "audit records are never changed"),
        ("DELETE FROM audit_records WHERE id = 5", "audit records are only removed up to a signed cut"),
        ("REPLACE INTO audit_records VALUES (5, 1, 'x')", "audit records are only added at the end"),
        ("INSERT INTO audit_records VALUES (0, 1, 'x')", "CHECK constraint failed: id > 0"),
    ] {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains(refusal) || error.contains("only added at the end"), "{sql}: {error}");
    }
}

#[test]
fn what_was_done_is_told_by_name() {
    const TIME_OF_5: &str = "2020-09-13T12:26:40.000003Z";
    let swap = |a: u32, b: u32| {
        format!(
            "UPDATE audit_records SET id = 1000 WHERE id = {a}; UPDATE audit_records SET id = {a} WHERE id = {b}; \
             UPDATE audit_records SET id = {b} WHERE id = 1000;"
        )
    };
    let shift_up = "UPDATE audit_records SET id = id + 1000 WHERE id >= 5; \
         UPDATE audit_records SET id = id - 999 WHERE id > 1000;";
    let shift_down = "DELETE FROM audit_records WHERE id = 5; UPDATE audit_records SET id = id - 1 WHERE id > 5;";
    let copy_of_5 = "INSERT INTO audit_records SELECT 5, time, replace(body, 'ledger', 'shop') FROM audit_records \
         WHERE id = 6;";
    let table: Vec<(&str, String, Vec<String>)> = vec![
        (
            "a word is changed",
            "UPDATE audit_records SET body = replace(body, 'allowed', 'refused') WHERE id = 5".to_owned(),
            vec![format!("record 5 ({TIME_OF_5}) was changed")],
        ),
        (
            "two records are changed, apart",
            "UPDATE audit_records SET body = replace(body, 'ledger', 'shop') WHERE id IN (5, 12)".to_owned(),
            vec![
                format!("record 5 ({TIME_OF_5}) was changed"),
                "record 12 (2020-09-13T12:26:40.000001Z) was changed".to_owned(),
            ],
        ),
        (
            "records side by side are changed",
            "UPDATE audit_records SET body = replace(body, 'ledger', 'shop') WHERE id BETWEEN 5 AND 7".to_owned(),
            vec![format!("records 5 to 7 (from {TIME_OF_5}) do not join: at least one was changed")],
        ),
        (
            "the last record is changed",
            "UPDATE audit_records SET body = replace(body, 'ledger', 'shop') WHERE id = 20".to_owned(),
            vec![
                "one of the records 11 to 20 was changed and those after it rewritten to fit: record 20 is not"
                    .to_owned(),
            ],
        ),
        (
            "a record is no longer one",
            "UPDATE audit_records SET body = 'nothing to see' WHERE id = 5".to_owned(),
            vec!["what stands in place 5 is not a record: it was changed".to_owned()],
        ),
        (
            "a record is removed",
            "DELETE FROM audit_records WHERE id = 5".to_owned(),
            vec![
                "record 5 was removed, between 2020-09-13T12:26:40.000002Z and 2020-09-13T12:26:40.000004Z".to_owned(),
            ],
        ),
        (
            "a record is removed and the others closed up",
            shift_down.to_owned(),
            vec![
                "record 5 was removed, between 2020-09-13T12:26:40.000002Z and 2020-09-13T12:26:40.000004Z".to_owned(),
            ],
        ),
        (
            "the first records are removed",
            "DELETE FROM audit_records WHERE id <= 3".to_owned(),
            vec!["records 1 to 3 were removed, before 2020-09-13T12:26:40.000002Z".to_owned()],
        ),
        (
            "the last records are removed",
            "DELETE FROM audit_records WHERE id > 17".to_owned(),
            vec!["records 18 to 20 were removed from the end; signed for at ".to_owned()],
        ),
        (
            "all records are removed",
            "DELETE FROM audit_records".to_owned(),
            vec!["records 1 to 20 were removed from the end; signed for at ".to_owned()],
        ),
        (
            "two records change places",
            swap(5, 6),
            vec!["record 6 (2020-09-13T12:26:40.000004Z) was moved: it stands behind record 4".to_owned()],
        ),
        (
            "two records far apart change places",
            swap(5, 15),
            vec![
                "record 15 (2020-09-13T12:26:40.000004Z) was moved: it stands behind record 4".to_owned(),
                format!("record 5 ({TIME_OF_5}) was moved: it stands behind record 14"),
            ],
        ),
        (
            "a record is inserted",
            format!("{shift_up} {copy_of_5}"),
            vec![format!("the record in place 5 was inserted: it calls itself record 5 ({TIME_OF_5})")],
        ),
        (
            "a record is added at the end",
            "INSERT INTO audit_records SELECT 21, time, replace(body, '\"id\":20', '\"id\":21') FROM audit_records \
             WHERE id = 20"
                .to_owned(),
            vec![
                "record 20 (2020-09-13T12:26:40.000009Z) was changed".to_owned(),
                "record 21 was added at the end without a signature: not by Portcullis".to_owned(),
            ],
        ),
        (
            "a record is filed under another time",
            "UPDATE audit_records SET time = 1 WHERE id = 5".to_owned(),
            vec![format!("record 5 ({TIME_OF_5}) is filed under another time")],
        ),
        (
            "signatures are removed",
            "DELETE FROM audit_heads".to_owned(),
            vec!["there is no signature: nothing says that these records are the real ones".to_owned()],
        ),
        (
            "the newest signature is removed with its records",
            "DELETE FROM audit_heads WHERE id > 10; DELETE FROM audit_records WHERE id > 10; \
             UPDATE audit_heads SET id = 9"
                .to_owned(),
            vec![
                "the signature for record 9 is forged".to_owned(),
                "record 10 was added at the end without".to_owned(),
            ],
        ),
        (
            "a cut is forged",
            "INSERT INTO audit_cuts SELECT 5, hash, time, key, signature FROM audit_heads; \
             DELETE FROM audit_records WHERE id <= 5"
                .replace("FROM audit_heads;", "FROM audit_heads LIMIT 1;"),
            vec![
                "the signature of the cut after record 5 is forged".to_owned(),
                "records 1 to 5 were removed, before 2020-09-13T12:26:40.000004Z".to_owned(),
            ],
        ),
    ];
    for (name, sql, expected) in table {
        let log = Tampered::new();
        log.by_hand(&sql);
        let (_, findings) = log.verify();
        assert!(
            findings.len() >= expected.len()
                && expected.iter().zip(&findings).all(|(expected, found)| found.starts_with(expected)),
            "{name}: expected {expected:#?}, found {findings:#?}"
        );
    }
}

#[test]
fn rewriting_everything_behind_a_change_does_not_help_without_the_key() {
    let log = Tampered::new();
    let mut previous = String::new();
    let mut sql = String::new();
    for (line, id) in log.lines().into_iter().zip(1..) {
        let line = if id == 5 { line.replace("ledger", "shop") } else { line };
        let old = &line[line.find("\"previous\":\"").unwrap() + 12..][..64];
        let line = if id > 5 { line.replacen(old, &previous, 1) } else { line };
        previous = Hash::of(&line).to_string();
        sql += &format!("UPDATE audit_records SET body = '{line}' WHERE id = {id};");
    }
    log.by_hand(&sql);
    let (report, findings) = log.verify();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].starts_with("one of the records 1 to 10 was changed and those after it rewritten"),
        "{findings:?}"
    );
    assert_eq!(report.signed, None);
}

#[test]
fn heads_that_are_kept_elsewhere_find_what_was_removed_with_its_signatures() {
    let log = Tampered::new();
    let elsewhere = log.directory.path().join("heads.jsonl");
    let newest = AuditLog::open(&log.path()).unwrap().append(vec![AuditRecord::new(Event::Login)]).unwrap().head;
    fs::write(&elsewhere, newest.line() + "\n").unwrap();
    let (report, findings) = log.verify_with(Some(&elsewhere));
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(report.heads, 3);
    // The one thing that the store alone can not tell: it goes back to what it was.
    log.by_hand("DELETE FROM audit_heads WHERE id > 1; DELETE FROM audit_records WHERE id > 10;");
    let (_, findings) = log.verify_with(Some(&elsewhere));
    assert!(findings[0].starts_with("records 11 to 21 were removed from the end; signed for at 2"), "{findings:?}");
}

#[test]
fn a_log_that_was_damaged_goes_on_and_says_so_for_ever() {
    for (sql, noticed) in [
        ("DELETE FROM audit_records WHERE id > 17", "records 18 to 20, signed for at "),
        ("DELETE FROM audit_records", "no record is left of those up to 20, which were signed for"),
        (
            "INSERT INTO audit_records VALUES (21, 1, 'x'), (22, 1, 'y')",
            "records 21 to 22 were added without a signature",
        ),
        (
            "UPDATE audit_records SET body = replace(body, 'ledger', 'shop') WHERE id = 20",
            "record 20 is not the one that was signed for at ",
        ),
        ("UPDATE audit_heads SET signature = x'00'", "the signature for record 20 is forged"),
        ("DELETE FROM audit_heads", "nobody has signed for the records before this one"),
    ] {
        let log = Tampered::new();
        log.by_hand(sql);
        log.append(3);
        log.append(3);
        let (_, findings) = log.verify();
        let said =
            findings.iter().filter(|finding| finding.contains("says that the log was damaged")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{sql}: {findings:#?}");
        assert!(said[0].contains(noticed), "{sql}: {findings:#?}");
        // What was removed is still missing.
        assert_eq!(
            sql.starts_with("DELETE FROM audit_records"),
            findings.iter().any(|finding| finding.contains("removed")),
            "{sql}: {findings:#?}"
        );
    }
}

#[test]
fn another_key_is_not_trusted_until_it_is_named() {
    let log = Tampered::new();
    let old = log.public_key();
    fs::remove_file(key_path(&log.path())).unwrap();
    log.append(3);
    let (_, findings) = log.verify();
    assert!(
        findings.iter().any(|finding| finding.contains(&format!("is signed with the key {}", old.id()))),
        "{findings:#?}"
    );
    let mut findings = Vec::new();
    let mut store = Store::open(&log.path()).unwrap();
    let keys = [old, log.public_key()];
    verify_store(&mut store, &keys, None, |finding| findings.push(finding.to_string())).unwrap();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].contains("says that the log was damaged: record 20 is signed with the key"), "{findings:#?}");
}

#[test]
fn old_records_are_cut_off_with_a_signature_and_verify_from_there_and_in_the_archive() {
    let log = Tampered::new();
    let all = log.lines();
    let now = Moment::now();
    let young = AuditRecord { time: now, ..AuditRecord::new(Event::Login) };
    let mut audit = AuditLog::open(&log.path()).unwrap();
    audit.append(vec![young]).unwrap();
    let mut archive = Vec::new();
    // The first record is as young as this test.
    assert_eq!(audit.cut(Moment::from_micros(1), Damage::Stays, None).unwrap(), None);
    let cut = audit.cut(now, Damage::Stays, Some(&mut archive)).unwrap().unwrap();
    assert_eq!((cut.last, cut.records), (20, 20));
    let archived = String::from_utf8(archive).unwrap();
    assert_eq!(archived.lines().collect::<Vec<_>>(), all);
    assert_eq!(log.lines().len(), 2, "the young one, and the cut");
    let (report, findings) = log.verify();
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!((report.cut, report.first, report.last), (Some(20), Some(21), Some(22)));
    let report = verify_lines(BufReader::new(archived.as_bytes()), &[], None, |finding| panic!("{finding}")).unwrap();
    assert_eq!((report.first, report.last), (Some(1), Some(20)));
    // The record after the cut still holds it.
    log.by_hand("DELETE FROM audit_records WHERE id = 21");
    let (_, findings) = log.verify();
    assert!(findings[0].starts_with("record 21 was removed, before"), "{findings:#?}");
}

#[test]
fn what_does_not_verify_is_not_cut_off_unless_that_is_wanted() {
    let log = Tampered::new();
    log.by_hand("UPDATE audit_records SET body = replace(body, 'ledger', 'shop') WHERE id = 5");
    let mut audit = AuditLog::open(&log.path()).unwrap();
    let future = Moment::from_micros(i64::MAX);
    let error = audit.cut(future, Damage::Stays, None).unwrap_err().to_string();
    assert!(error.starts_with("1 findings in the records that are to be cut off"), "{error}");
    assert_eq!(log.lines().len(), 20);
    assert_eq!(audit.cut(future, Damage::Goes, None).unwrap().unwrap().last, 20);
    assert!(log.lines()[0].contains("audit-cut") && log.lines()[0].contains("1 findings in them"));
    let (_, findings) = log.verify();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// What docs/reference/audit.md tells a stranger to do.
#[test]
fn a_stranger_verifies_the_lines_with_sha256sum() {
    let log = Tampered::new();
    let script = r#"
        before=0000000000000000000000000000000000000000000000000000000000000000
        while IFS= read -r line; do
          case $line in *"\"previous\":\"$before\""*) ;; *) echo "broken before: $line"; exit 1 ;; esac
          before=$(printf %s "$line" | sha256sum | cut -d ' ' -f 1)
        done"#;
    let run = |lines: Vec<String>| {
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
        child.wait().unwrap().success()
    };
    assert!(run(log.lines()));
    let mut tampered = log.lines();
    tampered[7] = tampered[7].replace("allowed", "refused");
    assert!(!run(tampered));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_single_change_of_a_text_goes_unseen(id in 1_usize..=20, at in 0_usize..400, with in "[ -~]") {
        let log = Tampered::new();
        let line = &log.lines()[id - 1];
        let at = at % line.len();
        let changed = format!("{}{with}{}", &line[..at], &line[at + 1..]);
        prop_assume!(changed != *line);
        Connection::open(log.path()).unwrap().execute_batch("DROP TRIGGER audit_records_are_not_changed").unwrap();
        let connection = Connection::open(log.path()).unwrap();
        connection.execute("UPDATE audit_records SET body = ?1 WHERE id = ?2", (changed, i64::try_from(id).unwrap())).unwrap();
        prop_assert!(log.verify().0.findings > 0);
    }
}
