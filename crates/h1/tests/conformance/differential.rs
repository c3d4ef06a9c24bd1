//! Whatever we accept, hyper accepts, and means the same by it.

use std::cell::Cell;

use portcullis_h1::Limits;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::{
    hyper_client, hyper_server,
    reading::{requests, responses},
    traffic,
};

#[test]
fn hyper_accepts_every_request_that_we_accept_and_frames_it_alike() {
    let (runtime, config, compared) = (runtime(), config(), Cell::new(0));
    let cases = config.cases as usize;
    proptest!(config, |(bytes in traffic::requests())| {
        let theirs = runtime.block_on(hyper_server::read(&bytes));
        let (ours, end) = requests(&bytes, &[], &Limits::default());
        compared.set(compared.get() + ours.len());
        if let Some(difference) = hyper_server::difference(&ours, end, &theirs) {
            prop_assert!(false, "{difference}\n{}\nours {ours:#?} {end:?}\ntheirs {theirs:#?}", bytes.escape_ascii());
        }
    });
    assert!(
        compared.get() > cases / 3,
        "{} requests of {cases} connections were accepted and compared",
        compared.get()
    );
}

#[test]
fn hyper_accepts_every_response_that_we_accept_and_frames_it_alike() {
    let (runtime, config, compared) = (runtime(), config(), Cell::new(0));
    let cases = config.cases as usize;
    proptest!(config, |(bytes in traffic::responses(), method in prop_oneof![3 => Just("GET"), 1 => Just("HEAD")])| {
        let theirs = runtime.block_on(hyper_client::read(&bytes, method));
        let (ours, end) = responses(&bytes, &[], method.as_bytes(), &Limits::default());
        compared.set(compared.get() + usize::from(hyper_client::final_of(&ours).is_some()));
        if let Some(difference) = hyper_client::difference(&ours, end, theirs.as_ref()) {
            prop_assert!(false, "{difference}\n{}\nours {ours:#?} {end:?}\ntheirs {theirs:#?}", bytes.escape_ascii());
        }
    });
    assert!(compared.get() > cases / 4, "{} of {cases} responses were accepted and compared", compared.get());
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn config() -> ProptestConfig {
    ProptestConfig { source_file: Some(file!()), ..traffic::cases() }
}
