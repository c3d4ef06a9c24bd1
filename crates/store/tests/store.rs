//! The file: who may read it, what else it may be, several processes at once, and a crash at any moment.
//!
//! The other processes are this test binary again: [`writer`] is their main function.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that can not go on has failed; pipes are how writers talk

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use portcullis_store::{
    Store, StoreError,
    leases::{HolderRow, LeaseRow, TermRow},
    reservations::ReservationRow,
};
use rusqlite::Connection;

fn lease(port: u16, service: &str) -> LeaseRow {
    LeaseRow {
        space: "host".to_owned(),
        transport: "tcp".to_owned(),
        port,
        project: "/srv/portcullis.yaml".to_owned(),
        service: service.to_owned(),
        environment: String::new(),
        replica: 0,
        range: "app".to_owned(),
        since: 1,
        term: TermRow::Released,
        ended: None,
        holder: None,
    }
}

fn all(store: &mut Store) -> Vec<LeaseRow> {
    store.read::<_, StoreError>(|transaction| transaction.leases().all()).unwrap()
}

fn put(store: &mut Store, row: &LeaseRow) -> Result<(), StoreError> {
    store.write(|transaction| transaction.leases().put(row))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_file_and_what_lies_beside_it_are_private_and_its_directory_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/store.db");
    let mut store = Store::open(&path).unwrap();
    put(&mut store, &lease(3000, "shop")).unwrap();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(store.path(), path);
}

#[test]
fn a_file_that_others_may_read_is_made_private_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    put(&mut Store::open(&path).unwrap(), &lease(3000, "shop")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(all(&mut Store::open(&path).unwrap()).len(), 1);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn what_was_written_is_there_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let holder = HolderRow { pid: 7, started: u64::MAX, boot: "b".to_owned(), namespace: 4, command: "nc".to_owned() };
    let rows = [
        LeaseRow { term: TermRow::Holder, holder: Some(holder), ..lease(3000, "shop") },
        LeaseRow { term: TermRow::Time(99), ended: Some(98), environment: "test".to_owned(), ..lease(3001, "shop") },
        LeaseRow { space: "netns:blue".to_owned(), replica: 3, ..lease(3000, "shop") },
    ];
    for row in &rows {
        put(&mut Store::open(&path).unwrap(), row).unwrap();
    }
    let mut store = Store::open(&path).unwrap();
    assert_eq!(all(&mut store), rows);
    let reservation = ReservationRow {
        space: "host".to_owned(),
        first: 3050,
        last: 3059,
        reason: "printer".to_owned(),
        since: 1,
        expires: Some(2),
    };
    store.write::<_, StoreError>(|transaction| transaction.reservations().put(&reservation)).unwrap();
    let found = store.read::<_, StoreError>(|transaction| transaction.reservations().all()).unwrap();
    assert_eq!(found, [reservation]);
    let gone = store.write::<_, StoreError>(|transaction| {
        transaction.reservations().remove("host", 3050, 3059)?;
        transaction.leases().remove("host", "tcp", 3000)?;
        Ok((transaction.reservations().all()?.len(), transaction.leases().in_space("host", "tcp")?.len()))
    });
    assert_eq!(gone.unwrap(), (0, 1));
}

#[test]
fn an_owner_has_one_number_and_a_number_has_one_owner() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(&directory.path().join("store.db")).unwrap();
    put(&mut store, &lease(3000, "shop")).unwrap();
    put(&mut store, &lease(3001, "shop")).unwrap();
    assert_eq!(all(&mut store), [lease(3001, "shop")]);
    put(&mut store, &lease(3001, "cart")).unwrap();
    assert_eq!(all(&mut store), [lease(3001, "cart")]);
    for wrong in [lease(0, "zero"), LeaseRow { transport: "sctp".to_owned(), ..lease(3000, "shop") }] {
        assert!(matches!(put(&mut store, &wrong), Err(StoreError::Failed { .. })), "{wrong:?}");
    }
}

#[test]
fn work_that_fails_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(&directory.path().join("store.db")).unwrap();
    let result = store.write::<(), StoreError>(|transaction| {
        transaction.leases().put(&lease(3000, "shop"))?;
        transaction.leases().put(&lease(0, "shop"))
    });
    assert!(result.is_err());
    assert_eq!(all(&mut store), []);
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    fs::write(&text, "x".repeat(4096)).unwrap();
    let foreign = directory.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    for path in [&text, &foreign] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Store::open(path).unwrap_err();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o644, "{}", path.display());
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&format!("{} is not a store of Portcullis", path.display())), "{error}");
    }
    assert_eq!(fs::read_to_string(&text).unwrap(), "x".repeat(4096));
    let newer = directory.path().join("newer.db");
    drop(Store::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(&newer).unwrap_err();
    assert!(error.to_string().contains("newer Portcullis (schema 99"), "{error}");
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");
    let error = Store::open(&text.join("store.db")).unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
}

#[test]
fn bytes_that_are_no_database_give_an_error_and_never_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good.db");
    put(&mut Store::open(&good).unwrap(), &lease(3000, "shop")).unwrap();
    let bytes = fs::read(&good).unwrap();
    proptest::proptest!(|(at in 0..bytes.len(), with: u8, keep in 0..bytes.len())| {
        let mut bytes = bytes.clone();
        bytes[at] = with;
        bytes.truncate(keep);
        let path = directory.path().join("damaged.db");
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", path.display()));
        }
        fs::write(&path, &bytes).unwrap();
        if let Ok(mut store) = Store::open(&path) {
            let _ = store.read::<_, StoreError>(|transaction| transaction.leases().all());
            let _ = put(&mut store, &lease(3001, "cart"));
        }
    });
}

/// Another process that writes until it is stopped, and says what it has written.
struct Writer {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(store: &Path, number: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env("WRITER", number.to_string())
            .env("STORE", store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next port that it has written for good.
    fn written(&mut self) -> Option<u16> {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, port)) = line.trim().split_once("written ") {
                return port.parse().ok();
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn writer() {
    let Some(number) = std::env::var("WRITER").ok().and_then(|number| number.parse::<u16>().ok()) else { return };
    let mut store = Store::open(Path::new(&std::env::var_os("STORE").unwrap())).unwrap();
    for port in (number..).step_by(8) {
        put(&mut store, &lease(port, &format!("service-{port}"))).unwrap();
        println!("\nwritten {port}");
    }
}

#[test]
fn several_processes_open_a_new_file_at_once_and_no_write_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/store.db");
    let mut writers: Vec<Writer> = (1..=8).map(|number| Writer::start(&path, number)).collect();
    let written: Vec<u16> =
        writers.iter_mut().flat_map(|writer| (0..20).map(|_| writer.written().unwrap()).collect::<Vec<_>>()).collect();
    drop(writers);
    let found: Vec<u16> = all(&mut Store::open(&path).unwrap()).iter().map(|row| row.port).collect();
    assert!(written.iter().all(|port| found.contains(port)), "{written:?} {found:?}");
}

#[test]
fn a_writer_that_is_killed_at_any_moment_leaves_a_good_store_with_all_that_it_had_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut written = Vec::new();
    for round in 0..12_u16 {
        let mut writer = Writer::start(&path, 1 + round % 8 + round / 8 * 4000);
        // The kill falls into whatever it does after so many writes.
        written.extend((0..=round).filter_map(|_| writer.written()));
        writer.child.kill().unwrap();
        while let Some(port) = writer.written() {
            written.push(port);
        }
    }
    let found: Vec<u16> = all(&mut Store::open(&path).unwrap()).iter().map(|row| row.port).collect();
    assert!(written.iter().all(|port| found.contains(port)), "{written:?} {found:?}");
    let verdict: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
