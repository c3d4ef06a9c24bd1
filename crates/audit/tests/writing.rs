//! The writer: what is accepted is written, what was acknowledged outlives any crash, and a full disk refuses.
//!
//! The processes that are killed, and the one that has a small disk, are this test binary again.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)] // steps must succeed; pipes are how processes talk

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use portcullis_audit::{
    AuditLog, AuditRecord, AuditWriter, Destination, Event, Finding, Offer, Settings, SigningKey, key_path,
    verify_lines, verify_store,
};
use portcullis_store::Store;

fn numbered(number: u64) -> AuditRecord {
    AuditRecord { request: Some(format!("r-{number}").into()), ..AuditRecord::new(Event::Decision) }
}

fn bodies(store: &Path) -> Vec<String> {
    let rows = Store::open(store).unwrap().read::<_, portcullis_store::StoreError>(|transaction| {
        transaction.audit().page(0..u64::MAX, portcullis_store::audit::Order::Ascending, u32::MAX)
    });
    rows.unwrap().into_iter().map(|row| row.body).collect()
}

/// Ids of the requests that were recorded.
fn requests(store: &Path) -> BTreeSet<String> {
    let records = bodies(store).into_iter().map(|body| serde_json::from_str::<AuditRecord>(&body).unwrap());
    records.filter_map(|record| record.request).map(String::from).collect()
}

#[track_caller]
fn assert_sound(store: &Path) {
    let key = SigningKey::load(&key_path(store)).unwrap().public();
    let mut findings = Vec::new();
    verify_store(&mut Store::open(store).unwrap(), &[key], None, |finding: &Finding| {
        findings.push(finding.to_string());
    })
    .unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn everything_that_was_accepted_is_written_before_the_writer_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    let copy = directory.path().join("audit.jsonl");
    let heads = directory.path().join("heads.jsonl");
    let settings =
        Settings { copy: Some(Destination::File(copy.clone())), heads: Some(heads.clone()), ..Settings::default() };
    let writer = AuditWriter::start(&store, settings).unwrap();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let recorder = writer.recorder();
            thread::spawn(move || {
                for number in 0..2000 {
                    assert_eq!(recorder.try_record(numbered(worker * 2000 + number)), Offer::Accepted);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let recorder = writer.recorder();
    assert_eq!(writer.stop(), 0);
    let status = recorder.status();
    assert_eq!((status.written, status.queued, status.refused, status.can_take), (8000, 0, 0, false));
    assert_eq!(recorder.try_record(numbered(0)), Offer::Full, "it has ended");
    assert_eq!(requests(&store).len(), 8000);
    assert_sound(&store);
    // The copy is the same to the letter, and verifies by itself together with the heads.
    assert_eq!(fs::read_to_string(&copy).unwrap().lines().collect::<Vec<_>>(), bodies(&store));
    let key = SigningKey::load(&key_path(&store)).unwrap().public();
    let lines = BufReader::new(fs::File::open(&copy).unwrap());
    let report = verify_lines(lines, &[key], Some(&heads), |finding| panic!("{finding}")).unwrap();
    assert_eq!(report.signed, Some(8001), "the last record was signed at the end");
}

#[test]
fn whoever_asks_is_told_the_number_of_the_record_once_it_is_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    let writer = AuditWriter::start(&store, Settings::default()).unwrap();
    let recorder = writer.recorder();
    for number in 1..=5 {
        let id = recorder.record(numbered(number)).unwrap().wait().unwrap();
        assert_eq!(id, number + 1, "the first says that the log begun");
        assert!(bodies(&store)[usize::try_from(id).unwrap() - 1].contains(&format!("r-{number}")));
    }
}

#[test]
fn several_processes_write_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    let writers: Vec<_> = (0..3).map(|_| AuditWriter::start(&store, Settings::default()).unwrap()).collect();
    let threads: Vec<_> = (0..)
        .zip(&writers)
        .map(|(at, writer)| {
            let recorder = writer.recorder();
            thread::spawn(move || {
                for number in 0..50 {
                    recorder.record(numbered(at * 50 + number)).unwrap().wait().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    drop(writers);
    assert_eq!(requests(&store).len(), 150);
    assert_sound(&store);
}

#[test]
fn the_copy_has_what_other_processes_wrote_too() {
    let directory = tempfile::tempdir().unwrap();
    let (store, copy) = (directory.path().join("store.db"), directory.path().join("audit.jsonl"));
    let settings = Settings { copy: Some(Destination::File(copy.clone())), ..Settings::default() };
    let writer = AuditWriter::start(&store, settings).unwrap();
    writer.recorder().record(numbered(1)).unwrap().wait().unwrap();
    AuditLog::open(&store).unwrap().append((2..900).map(numbered).collect()).unwrap();
    writer.recorder().record(numbered(900)).unwrap().wait().unwrap();
    assert_eq!(writer.stop(), 0);
    assert_eq!(fs::read_to_string(&copy).unwrap().lines().collect::<Vec<_>>(), bodies(&store));
}

#[test]
fn a_full_queue_refuses_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    let writer = AuditWriter::start(&store, Settings { queue: 4, ..Settings::default() }).unwrap();
    let recorder = writer.recorder();
    // Somebody else holds the store, so nothing leaves the queue.
    let blocker = rusqlite::Connection::open(&store).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut accepted = 0;
    wait_until("the queue is full", || match recorder.try_record(numbered(accepted)) {
        Offer::Accepted => {
            accepted += 1;
            false
        }
        Offer::Full => true,
    });
    assert!(recorder.status().refused > 0);
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.stop(), 0);
    assert_eq!(requests(&store).len() as u64, accepted);
}

/// Main function of the process that is killed: tells each record that was acknowledged.
#[test]
fn acknowledged_records_are_told() {
    let Some(store) = env::var_os("AUDIT_TEST_STORE") else { return };
    let writer = AuditWriter::start(Path::new(&store), Settings::default()).unwrap();
    let recorder = writer.recorder();
    for number in (u64::from(std::process::id()) << 32).. {
        let _ = recorder.try_record(numbered(number << 20));
        recorder.record(numbered(number)).unwrap().wait().unwrap();
        // One write, so that the reader never sees half a line.
        std::io::stdout().write_all(format!("\nacknowledged r-{number}\n").as_bytes()).unwrap();
    }
}

#[test]
fn what_was_acknowledged_outlives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    let mut acknowledged = BTreeSet::new();
    for lines in [3, 40, 17, 1, 90] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "acknowledged_records_are_told", "--nocapture"])
            .env("AUDIT_TEST_STORE", &store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told = told.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned));
        acknowledged.extend(told.take(lines));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(acknowledged.len(), 151);
    assert!(requests(&store).is_superset(&acknowledged));
    assert_sound(&store);
}

/// Main function of the process that has a small disk.
#[test]
fn a_small_disk_is_filled() {
    let Some(directory) = env::var_os("AUDIT_TEST_SMALL_DISK") else { return };
    let directory = Path::new(&directory);
    let store = directory.join("store.db");
    let writer = AuditWriter::start(&store, Settings::default()).unwrap();
    let recorder = writer.recorder();
    recorder.record(numbered(0)).unwrap().wait().unwrap();
    // Something else fills the disk.
    let mut filler = fs::File::create(directory.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let mut number = 1;
    wait_until("the store takes no more", || {
        number += 1;
        recorder.record(numbered(number)).and_then(portcullis_audit::Receipt::wait).is_err()
    });
    assert!(!recorder.can_take());
    assert!(recorder.last_error().unwrap().contains("full"), "{:?}", recorder.last_error());
    assert!(recorder.record(numbered(number)).is_err(), "what requires audit is refused");
    // What only wants to be written waits.
    assert_eq!(recorder.try_record(numbered(1_000_000)), Offer::Accepted);
    drop(filler);
    fs::remove_file(directory.join("filler")).unwrap();
    wait_until("the store takes records again", || recorder.can_take());
    recorder.record(numbered(1_000_001)).unwrap().wait().unwrap();
    assert_eq!(writer.stop(), 0);
    let found = requests(&store);
    assert!(found.contains("r-1000000") && found.contains("r-1000001"));
    assert!(!found.contains(&format!("r-{number}")), "it was refused, and so was what it is about");
    assert!(bodies(&store).iter().any(|body| body.contains("audit-resumed") && body.contains("were refused")));
    assert_sound(&store);
}

#[test]
fn a_full_disk_refuses_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" --exact a_small_disk_is_filled --nocapture"#;
    let may_mount = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !may_mount {
        eprintln!("SKIPPED: no mount namespaces here");
        return;
    }
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .args([directory.path().as_os_str(), env::current_exe().unwrap().as_os_str()])
        .env("AUDIT_TEST_SMALL_DISK", directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
