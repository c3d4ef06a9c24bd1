//! The access log against real files, pipes and full disks.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use portcullis_observe::{
    AccessLog, AccessLogError, AccessLogSettings, AccessRecord, LogWriter, Phases, RecordKind, RequestId, Termination,
    access_log::{Dropped, Format, SinkState, Target},
};
use rustix::fs::{CWD, FileType, Mode, OFlags};

/// Longest that a condition is waited for; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn record(path: &str) -> AccessRecord<'_> {
    AccessRecord {
        kind: RecordKind::Request,
        time: SystemTime::UNIX_EPOCH,
        port: "web",
        role: "public",
        source: Some(SocketAddr::from(([203, 0, 113, 9], 51234))),
        peer: None,
        tls: None,
        sni: None,
        principal: None,
        method: Some(b"GET"),
        host: Some(b"shop.example.com"),
        path: Some(path.as_bytes()),
        status: Some(200),
        bytes_received: 0,
        bytes_sent: 0,
        route: None,
        service: None,
        endpoint: None,
        phases: Phases::default(),
        retries: 0,
        request_id: RequestId(7),
        termination: Termination::Completed,
        detail: None,
    }
}

fn to_file(path: &Path) -> AccessLogSettings {
    AccessLogSettings { target: Target::File(path.into()), ..AccessLogSettings::default() }
}

fn paths(log: &str) -> Vec<String> {
    log.lines()
        .map(|line| {
            let record: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            record["path"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("/{number}")).collect()
}

fn write(writer: &mut LogWriter, numbers: std::ops::Range<u32>) {
    for path in numbered(numbers) {
        writer.write(&record(&path));
    }
}

fn write_required(writer: &mut LogWriter, numbers: std::ops::Range<u32>) {
    for path in numbered(numbers) {
        writer.write_required(&record(&path));
    }
}

fn whole_lines(read: &str) -> usize {
    read.matches('\n').count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// A FIFO whose reader reads only when it is told to.
struct Pipe {
    path: PathBuf,
    reader: File,
}

impl Pipe {
    fn new(directory: &Path) -> Self {
        let path = directory.join("pipe");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let reader = Self::open_reader(&path);
        Self { path, reader }
    }

    fn open_reader(path: &Path) -> File {
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path).unwrap()
    }

    /// Reads on until `enough` of what was read in all.
    fn read_until(&mut self, read: &mut String, enough: impl Fn(&str) -> bool) {
        let start = Instant::now();
        let mut bytes = [0; 8192];
        while !enough(read) {
            assert!(start.elapsed() < PATIENCE, "the pipe gave only {} bytes", read.len());
            match self.reader.read(&mut bytes) {
                Ok(count) => read.push_str(str::from_utf8(&bytes[..count]).unwrap()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn records_of_all_workers_arrive_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let log = AccessLog::open(to_file(&file)).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mut writer = log.writer();
            scope.spawn(move || write(&mut writer, worker * 1000..(worker + 1) * 1000));
        }
    });
    log.close(PATIENCE).unwrap();
    let written = paths(&fs::read_to_string(&file).unwrap());
    for worker in 0..4 {
        let of_worker: Vec<_> = (worker * 1000..(worker + 1) * 1000).map(|number| format!("/{number}")).collect();
        let arrived: Vec<_> = written.iter().filter(|path| of_worker.contains(path)).cloned().collect();
        assert_eq!(arrived, of_worker);
    }
    assert_eq!(log.dropped(), Dropped::default());
}

/// Runs itself as a child, since the standard output of a test belongs to the test runner.
#[test]
fn records_reach_standard_output() {
    const CHILD: &str = "PORTCULLIS_LOG_TO_STDOUT";
    if std::env::var_os(CHILD).is_some() {
        let log = AccessLog::open(AccessLogSettings::default()).unwrap();
        write(&mut log.writer(), 0..1000);
        return log.close(PATIENCE).unwrap();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "records_reach_standard_output", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    let records: String = output.lines().filter(|line| line.starts_with('{')).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(paths(&records), numbered(0..1000));
}

#[test]
fn after_a_rotation_records_go_to_the_new_file_and_none_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (file, rotated) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let log = AccessLog::open(to_file(&file)).unwrap();
    let mut writer = log.writer();
    write(&mut writer, 0..10);
    writer.flush();
    fs::rename(&file, &rotated).unwrap();
    log.reopen().unwrap();
    write(&mut writer, 10..20);
    drop(writer);
    log.close(PATIENCE).unwrap();
    assert_eq!(paths(&fs::read_to_string(&rotated).unwrap()), numbered(0..10));
    assert_eq!(paths(&fs::read_to_string(&file).unwrap()), numbered(10..20));
}

#[test]
fn a_target_that_cannot_be_opened_leaves_everything_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let log = AccessLog::open(to_file(&file)).unwrap();
    let error = log.reconfigure(to_file(&directory.path().join("missing/access.log"))).unwrap_err();
    assert!(error.to_string().contains("missing/access.log: No such file or directory"), "{error}");
    write(&mut log.writer(), 0..3);
    log.close(PATIENCE).unwrap();
    assert_eq!(paths(&fs::read_to_string(&file).unwrap()), numbered(0..3));
}

#[test]
fn settings_change_without_losing_what_was_recorded_before() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (directory.path().join("one.log"), directory.path().join("other.log"));
    let log = AccessLog::open(to_file(&one)).unwrap();
    let mut writer = log.writer();
    write(&mut writer, 0..5);
    log.reconfigure(AccessLogSettings { target: Target::Off, ..to_file(&one) }).unwrap();
    write(&mut writer, 5..10);
    writer.flush();
    assert!(!writer.can_accept());
    wait_until("the records from before are written", || fs::read_to_string(&one).unwrap().lines().count() == 5);
    log.reconfigure(AccessLogSettings { format: Format::Text, ..to_file(&other) }).unwrap();
    assert!(writer.can_accept());
    write(&mut writer, 10..12);
    drop(writer);
    log.close(PATIENCE).unwrap();
    assert_eq!(paths(&fs::read_to_string(&one).unwrap()), numbered(0..5));
    let text = fs::read_to_string(&other).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with("1970-01-01T00:00:00.000000Z web "), "{text}");
}

#[test]
fn a_stuck_pipe_blocks_no_worker_drops_ordinary_records_and_counts_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut pipe = Pipe::new(directory.path());
    let log = AccessLog::open(AccessLogSettings { buffer_bytes: 400_000, ..to_file(&pipe.path) }).unwrap();
    let mut writer = log.writer();
    write(&mut writer, 0..20_000);
    writer.flush();
    let dropped = log.dropped();
    assert!(dropped.sink_full > 10_000, "{dropped:?}");
    assert!(writer.can_accept(), "ordinary records leave room for required ones");

    let mut read = String::new();
    pipe.read_until(&mut read, |read| whole_lines(read) as u64 == 20_000 - dropped.sink_full);
    drop(writer);
    log.close(PATIENCE).unwrap();
    assert_eq!(paths(&read).len() as u64 + log.dropped().sink_full, 20_000);
}

#[tokio::test]
async fn required_records_are_never_dropped_and_their_traffic_waits_for_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut pipe = Pipe::new(directory.path());
    let log = AccessLog::open(AccessLogSettings { buffer_bytes: 200_000, ..to_file(&pipe.path) }).unwrap();
    let (mut writer, gate) = (log.writer(), log.gate());
    gate.accepts().await;
    write_required(&mut writer, 0..5000);
    writer.flush();
    assert!(!gate.is_open());

    let reader = std::thread::spawn(move || {
        let mut read = String::new();
        pipe.read_until(&mut read, |read| whole_lines(read) == 5000);
        read
    });
    tokio::time::timeout(PATIENCE, gate.accepts()).await.expect("the gate opens once the pipe is read");
    assert_eq!(paths(&reader.join().unwrap()), numbered(0..5000));
    assert_eq!(log.dropped(), Dropped::default());
}

#[test]
fn a_pipe_that_nobody_reads_any_more_is_no_error_and_works_again_for_the_next_reader() {
    let directory = tempfile::tempdir().unwrap();
    let mut pipe = Pipe::new(directory.path());
    let log = AccessLog::open(to_file(&pipe.path)).unwrap();
    let mut writer = log.writer();
    // The write end must stay open while the reader changes, and it is: the log holds it.
    let path = pipe.path.clone();
    drop(std::mem::replace(&mut pipe.reader, File::open("/dev/null").unwrap()));
    write_required(&mut writer, 0..1);
    writer.flush();
    wait_until("the log notices", || log.state() == SinkState::Unread);
    assert!(!writer.can_accept());
    write(&mut writer, 1..11);
    writer.flush();
    assert_eq!(log.dropped().write_error, 10);

    pipe.reader = Pipe::open_reader(&path);
    let mut read = String::new();
    pipe.read_until(&mut read, |read| whole_lines(read) == 1);
    wait_until("the gate opens", || writer.can_accept());
    assert_eq!(paths(&read), numbered(0..1));
}

#[tokio::test]
async fn a_full_disk_stops_required_traffic_until_another_target_is_set_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let log = AccessLog::open(to_file(Path::new("/dev/full"))).unwrap();
    let (mut writer, gate) = (log.writer(), log.gate());
    write_required(&mut writer, 0..3);
    writer.flush();
    wait_until("the log notices", || log.state() == SinkState::Failing);
    assert!(!gate.is_open());
    write(&mut writer, 3..6);
    writer.flush();
    log.reconfigure(to_file(&directory.path().join("overtaken.log"))).unwrap();
    log.reconfigure(to_file(&file)).unwrap();
    tokio::time::timeout(PATIENCE, gate.accepts()).await.expect("the gate opens once the new file takes records");
    drop(writer);
    log.close(PATIENCE).unwrap();
    let overtaken = fs::read_to_string(directory.path().join("overtaken.log")).unwrap();
    let written = overtaken + &fs::read_to_string(&file).unwrap();
    assert_eq!(paths(&written), numbered(0..6));
}

#[test]
fn closing_takes_no_longer_than_it_may_and_says_what_was_lost() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = Pipe::new(directory.path());
    let log = AccessLog::open(to_file(&pipe.path)).unwrap();
    let mut writer = log.writer();
    write(&mut writer, 0..2000);
    drop(writer);
    let start = Instant::now();
    let error = log.close(Duration::from_millis(50)).unwrap_err();
    assert!(start.elapsed() < PATIENCE);
    let AccessLogError::NotFlushed { records } = error else { panic!("{error}") };
    assert_eq!(log.dropped().write_error, records);
    assert!((1..=2000).contains(&records));

    write(&mut log.writer(), 0..5);
    assert_eq!(log.dropped().write_error, records + 5, "what comes after the end is counted too");
}

#[test]
fn a_log_that_is_off_costs_nothing_and_lets_no_required_traffic_in() {
    let log = AccessLog::open(AccessLogSettings { target: Target::Off, ..AccessLogSettings::default() }).unwrap();
    let mut writer = log.writer();
    write(&mut writer, 0..1000);
    assert!(!writer.can_accept());
    drop(writer);
    log.close(PATIENCE).unwrap();
    assert_eq!(log.dropped(), Dropped::default());
}
