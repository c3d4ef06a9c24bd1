//! The table of tokens.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use portcullis_store::{Store, StoreError, Transaction, tokens::TokenRow};

fn token(id: &str) -> TokenRow {
    TokenRow {
        id: id.to_owned(),
        name: "ci".to_owned(),
        hash: [7; 32],
        groups: vec!["build".to_owned(), "deploy".to_owned()],
        services: Some(vec!["shop".to_owned()]),
        created: 10,
        expires: Some(100),
        used: None,
        revoked: None,
    }
}

fn write<T>(store: &mut Store, work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> T {
    store.write(work).unwrap()
}

#[test]
fn a_token_is_kept_as_it_was_made_and_revoked_once() {
    let mut store = Store::in_memory().unwrap();
    let without_bounds = TokenRow { services: None, expires: None, groups: vec![], ..token("b") };
    let rows = write(&mut store, |all| {
        all.tokens().add(&token("a"))?;
        all.tokens().add(&without_bounds)?;
        all.tokens().all()
    });
    assert_eq!(rows, [token("a"), without_bounds]);
    assert!(write(&mut store, |all| all.tokens().revoke("a", 20)));
    assert!(!write(&mut store, |all| all.tokens().revoke("a", 30)));
    assert!(!write(&mut store, |all| all.tokens().revoke("x", 30)));
    assert_eq!(write(&mut store, |all| all.tokens().all())[0].revoked, Some(20));
    assert!(store.write(|all| all.tokens().add(&token("a"))).is_err(), "an id is given once");
}

#[test]
fn changes_are_counted_and_uses_are_not() {
    let mut store = Store::in_memory().unwrap();
    let change = |store: &mut Store| write(store, |all| all.tokens().change());
    assert_eq!(change(&mut store), 0);
    write(&mut store, |all| all.tokens().add(&token("a")));
    write(&mut store, |all| all.tokens().add(&token("b")));
    let before = change(&mut store);
    write(&mut store, |all| all.tokens().used("a", 50));
    write(&mut store, |all| all.tokens().used("a", 40));
    assert_eq!(change(&mut store), before);
    assert_eq!(write(&mut store, |all| all.tokens().all())[0].used, Some(50));
    write(&mut store, |all| all.tokens().revoke("a", 60));
    assert!(change(&mut store) > before);
}
