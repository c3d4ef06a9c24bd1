//! Requests on one connection: no panic, the same under any split, and hyper reads what we read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_h1::Limits;

#[allow(dead_code)] // the other targets' parts
#[path = "../../crates/h1/tests/conformance/hyper_server.rs"]
mod hyper_server;
#[allow(dead_code)]
#[path = "../../crates/h1/tests/conformance/reading.rs"]
mod reading;

fuzz_target!(|input: &[u8]| {
    // The last byte is the length of the reads, so that seeds can be written as they are sent.
    let Some((&length, bytes)) = input.split_last() else { return };
    for limits in [Limits { head_bytes: 120, fields: 4, target_bytes: 20 }, Limits::default()] {
        let whole = reading::requests(bytes, &[], &limits);
        assert_eq!(reading::requests(bytes, &[1 + usize::from(length)], &limits), whole);
    }
    let (ours, end) = reading::requests(bytes, &[], &Limits::default());
    let theirs = portcullis_fuzz::runtime::block_on(hyper_server::read(bytes));
    assert_eq!(hyper_server::difference(&ours, end, &theirs), None, "ours {ours:#?} {end:?}\ntheirs {theirs:#?}");
});
