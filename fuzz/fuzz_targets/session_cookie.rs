//! `Cookie` lines and the sealed session cookie in them: nothing that is made up proves anybody.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;
use portcullis_identity::{
    Presented, Vault, cookie,
    session::{SessionSettings, Sessions},
};

thread_local! {
    static SESSIONS: LazyCell<Sessions> = LazyCell::new(|| {
        let vault = Vault::new(portcullis_store::Store::in_memory().unwrap());
        portcullis_fuzz::runtime::block_on(Sessions::open(vault, SessionSettings::default())).unwrap()
    });
}

fuzz_target!(|lines: Vec<&str>| {
    let found = cookie::find(lines.into_iter(), "__Host-portcullis");
    let session = found.ok().flatten().map(Into::into);
    let presented = Presented { session, scheme: "https", authority: "a.example".into(), ..Presented::default() };
    assert!(SESSIONS.with(|sessions| sessions.prove(&presented).is_err()));
});
