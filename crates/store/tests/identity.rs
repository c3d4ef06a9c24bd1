//! The tables of people: their keys, their sessions, and the order in which others learn of changes.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use portcullis_store::{
    Store, StoreError, Transaction,
    sessions::{SessionRow, Which},
    users::UserRow,
};

fn session(id: &str, subject: &str) -> SessionRow {
    SessionRow {
        id: id.to_owned(),
        provider: "corp".to_owned(),
        subject: subject.to_owned(),
        name: format!("{subject}@example.com"),
        account: None,
        provider_session: Some(format!("at-corp-{id}")),
        person: "{}".to_owned(),
        tokens: Some(vec![1, 2, 3]),
        created: 10,
        seen: 11,
        expires: 100,
        confirmed: 12,
        claimed: 0,
        ended: None,
    }
}

fn write<T>(store: &mut Store, work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> T {
    store.write(work).unwrap()
}

#[test]
fn whoever_asks_for_what_is_new_misses_no_change_and_sees_none_twice() {
    let mut store = Store::in_memory().unwrap();
    let rows = write(&mut store, |all| {
        all.sessions().put(&session("a", "alice"))?;
        all.sessions().put(&session("b", "bob"))?;
        all.sessions().after(0)
    });
    assert_eq!(rows.iter().map(|(_, row)| row.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let last = rows.last().unwrap().0;
    assert_eq!(write(&mut store, |all| all.sessions().after(last)), []);
    // Even where the newest row is forgotten, its number is not given to another.
    let rows = write(&mut store, |all| {
        all.sessions().end(&Which::Id("b".to_owned()), 20)?;
        all.sessions().forget_before(21)?;
        all.sessions().put(&SessionRow { seen: 30, ..session("a", "alice") })?;
        all.sessions().after(last)
    });
    assert_eq!(rows.len(), 1);
    assert!(rows[0].0 > last + 1);
    assert_eq!(rows[0].1.seen, 30);
}

#[test]
fn sessions_are_ended_by_what_they_rest_on_and_keep_no_tokens() {
    let corp = |subject: &str| Which::Subject { provider: "corp".to_owned(), subject: subject.to_owned() };
    let at_corp = |sid: &str| Which::ProviderSession { provider: "corp".to_owned(), provider_session: sid.to_owned() };
    let table = [
        (Which::Id("a".to_owned()), vec!["a"]),
        (corp("alice"), vec!["a", "b"]),
        (Which::Subject { provider: "other".to_owned(), subject: "alice".to_owned() }, vec![]),
        (at_corp("at-corp-c"), vec!["c"]),
        (Which::Name("alice@example.com".to_owned()), vec!["a", "b"]),
        (Which::Account("alice".to_owned()), vec!["d"]),
        (Which::Id("nobody".to_owned()), vec![]),
    ];
    for (which, expected) in table {
        let mut store = Store::in_memory().unwrap();
        let (ended, again) = write(&mut store, |all| {
            for (id, subject) in [("a", "alice"), ("b", "alice"), ("c", "carol")] {
                all.sessions().put(&session(id, subject))?;
            }
            let local = SessionRow { provider: "local".to_owned(), ..session("d", "dan") };
            all.sessions().put(&SessionRow { account: Some("alice".to_owned()), ..local })?;
            Ok((all.sessions().end(&which, 50)?, all.sessions().end(&which, 51)?))
        });
        assert_eq!(ended.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), expected, "{which:?}");
        assert_eq!(again, [], "{which:?}");
        for row in ended {
            let kept = write(&mut store, |all| all.sessions().find(&row.id)).unwrap();
            assert_eq!((kept.ended, kept.tokens), (Some(50), None));
        }
    }
}

#[test]
fn users_and_keys_come_back_as_they_were_and_print_no_secret() {
    let mut store = Store::in_memory().unwrap();
    let alice = UserRow {
        name: "alice".to_owned(),
        password: "$argon2id$hidden".to_owned(),
        groups: vec!["dba".to_owned(), "staff".to_owned()],
        created: 1,
        changed: 2,
    };
    write(&mut store, |all| all.users().put(&alice));
    assert_eq!(write(&mut store, |all| all.users().find("alice")), Some(alice.clone()));
    assert_eq!(write(&mut store, |all| all.users().all()), std::slice::from_ref(&alice));
    assert!(!format!("{alice:?}").contains("hidden"));
    assert!(write(&mut store, |all| all.users().remove("alice")));
    assert!(!write(&mut store, |all| all.users().remove("alice")));

    write(&mut store, |all| all.keys().add("seal", b"one", 1));
    write(&mut store, |all| all.keys().add("assertion", b"two", 2));
    let keys = write(&mut store, |all| all.keys().of("seal"));
    assert_eq!((keys.len(), keys[0].secret.as_slice(), keys[0].created), (1, b"one".as_slice(), 1));
    assert!(!format!("{keys:?}").contains("111"));
    write(&mut store, |all| all.keys().remove(keys[0].id));
    write(&mut store, |all| all.keys().add("seal", b"three", 3));
    assert!(write(&mut store, |all| all.keys().of("seal"))[0].id > keys[0].id + 1);
}
