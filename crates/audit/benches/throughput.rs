//! Records a second, and CPU for each, that the audit costs: `cargo bench -p portcullis-audit`.
//!
//! Four workers offer as fast as the queue takes them; then one waits for each record to be on the disk. CPU time is
//! the kernel's, of all threads of this process, offering and writing together.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a benchmark that can not run says so; it is there to print

use std::{fs, path::Path, thread, time::Instant};

use portcullis_audit::{
    Action, AuditRecord, AuditWriter, Basis, Decision, Event, Kind, Offer, Principal, Settings, SigningKey, key_path,
    verify_store,
};
use portcullis_store::Store;

const WORKERS: u64 = 4;
const RECORDS: u64 = 50_000;
const WAITED: u64 = 500;

fn record(number: u64) -> AuditRecord {
    AuditRecord {
        decision: Some(Decision::Allowed),
        principal: Some(Principal {
            kind: Kind::User,
            provider: "corp".into(),
            subject: "00u1a2b3c4d5e6f7g8h9".into(),
            name: "alice@example.com".into(),
            groups: Box::default(),
        }),
        basis: Some(Basis::Session("s-0123456789abcdef".into())),
        source: Some(([10, 1, 2, 3], 40_000).into()),
        port: Some("web".into()),
        route: Some("web/shop".into()),
        service: Some("shop".into()),
        action: Some(Action::Request {
            method: "GET".into(),
            host: "shop.example.com".into(),
            path: "/catalogue/items/4711".into(),
        }),
        policies: Box::new(["web/shop allow".into()]),
        request: Some(format!("{number:032x}").into()),
        requests: 1,
        bytes_in: 420,
        bytes_out: 7000,
        ..AuditRecord::new(Event::Decision)
    }
}

/// Seconds of CPU that this process has used: fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    offered(&store);
    waited(&store);
    verified(&store);
}

fn offered(store: &Path) {
    let writer = AuditWriter::start(store, Settings::default()).unwrap();
    let (began, used) = (Instant::now(), cpu());
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let recorder = writer.recorder();
            thread::spawn(move || {
                for number in 0..RECORDS {
                    while recorder.try_record(record(worker * RECORDS + number)) == Offer::Full {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(writer.stop(), 0);
    let (records, took, used) = ((WORKERS * RECORDS) as f64, began.elapsed().as_secs_f64(), cpu() - used);
    println!("offered: {:.0} records/s, {:.2} µs of CPU for each", records / took, used * 1e6 / records);
}

fn waited(store: &Path) {
    let writer = AuditWriter::start(store, Settings::default()).unwrap();
    let recorder = writer.recorder();
    let (began, used) = (Instant::now(), cpu());
    for number in 0..WAITED {
        recorder.record(record(number)).unwrap().wait().unwrap();
    }
    let (took, used) = (began.elapsed().as_secs_f64(), cpu() - used);
    println!(
        "waited for: {:.2} ms each, one after the other, {:.0} µs of CPU",
        took * 1e3 / WAITED as f64,
        used * 1e6 / WAITED as f64
    );
}

fn verified(store: &Path) {
    let key = SigningKey::load(&key_path(store)).unwrap().public();
    let began = Instant::now();
    let report = verify_store(&mut Store::open(store).unwrap(), &[key], None, |finding| panic!("{finding}")).unwrap();
    println!("verified: {:.0} records/s", report.records as f64 / began.elapsed().as_secs_f64());
}
