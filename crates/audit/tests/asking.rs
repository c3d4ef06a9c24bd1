//! Records are found by who, what, when, through which port and how it ended.

#![allow(clippy::unwrap_used)] // a step that fails is a test that fails

use portcullis_audit::{
    AuditLog, AuditRecord, Damage, Decision, Event, Filter, Kind, Moment, Principal, Selection, read,
};
use portcullis_store::Store;

fn record(second: i64, name: &str, service: &str, decision: Decision) -> AuditRecord {
    AuditRecord {
        time: Moment::from_micros(4_102_444_800_000_000 + second * 1_000_000),
        decision: Some(decision),
        principal: Some(Principal {
            kind: Kind::User,
            provider: "corp".into(),
            subject: format!("sub-{name}").into(),
            name: name.into(),
            groups: Box::default(),
        }),
        service: Some(service.into()),
        port: Some("web".into()),
        reason: Some(format!("Because {second}").into()),
        ..AuditRecord::new(Event::Decision)
    }
}

#[test]
fn filters_are_joined_by_and() {
    use Decision::{Allowed, Refused};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut log = AuditLog::open(&path).unwrap();
    // Clocks go back, too: the third is before the second.
    log.append(vec![
        record(1, "alice", "shop", Allowed),
        record(3, "bob", "ledger", Refused),
        record(2, "alice", "ledger", Refused),
        record(4, "alice", "shop", Allowed),
    ])
    .unwrap();
    let at = |second: i64| Some(Moment::from_micros(4_102_444_800_000_000 + second * 1_000_000));
    let table = [
        (Filter::default(), Selection::All, vec![1, 2, 3, 4, 5]),
        (Filter::default(), Selection::Newest(2), vec![4, 5]),
        (Filter::default(), Selection::Newest(0), vec![]),
        (Filter { principal: Some("alice".into()), ..Filter::default() }, Selection::All, vec![2, 4, 5]),
        (Filter { principal: Some("sub-alice".into()), ..Filter::default() }, Selection::All, vec![2, 4, 5]),
        (Filter { principal: Some("corp:sub-bob".into()), ..Filter::default() }, Selection::All, vec![3]),
        (Filter { principal: Some("other:sub-bob".into()), ..Filter::default() }, Selection::All, vec![]),
        (Filter { principal: Some("alice".into()), ..Filter::default() }, Selection::Newest(1), vec![5]),
        (Filter { service: Some("ledger".into()), ..Filter::default() }, Selection::All, vec![3, 4]),
        (Filter { decision: Some(Refused), port: Some("web".into()), ..Filter::default() }, Selection::All, vec![3, 4]),
        (Filter { since: at(2), until: at(4), ..Filter::default() }, Selection::All, vec![3, 4]),
        (Filter { since: at(3), port: Some("web".into()), ..Filter::default() }, Selection::All, vec![3, 5]),
        (Filter { until: at(1), ..Filter::default() }, Selection::All, vec![1]),
        (Filter { text: Some("because 3".into()), ..Filter::default() }, Selection::All, vec![3]),
        (Filter { event: Some(Event::AuditBegun), ..Filter::default() }, Selection::All, vec![1]),
    ];
    let mut store = Store::open(&path).unwrap();
    for (filter, selection, expected) in table {
        let mut found = Vec::new();
        read(&mut store, &filter, selection, |record| {
            found.push(record.id);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, expected, "{filter:?} {selection:?}");
    }
    log.cut(at(3).unwrap(), Damage::Stays, None).unwrap();
    let mut found = Vec::new();
    read(&mut store, &Filter::default(), Selection::All, |record| {
        found.push(record.id);
        Ok(())
    })
    .unwrap();
    assert_eq!(found, [3, 4, 5, 6], "times are not in order, so none that is younger goes");
}
