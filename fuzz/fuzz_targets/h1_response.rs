//! Responses on one connection: no panic, the same under any split, and hyper reads what we read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_h1::Limits;

#[allow(dead_code)] // the other targets' parts
#[path = "../../crates/h1/tests/conformance/hyper_client.rs"]
mod hyper_client;
#[allow(dead_code)]
#[path = "../../crates/h1/tests/conformance/hyper_server.rs"]
mod hyper_server;
#[allow(dead_code)]
#[path = "../../crates/h1/tests/conformance/reading.rs"]
mod reading;

fuzz_target!(|input: &[u8]| {
    // The last byte is the length of the reads, and says whether HEAD was asked.
    let Some((&last, bytes)) = input.split_last() else { return };
    let method = if last < 64 { "HEAD" } else { "GET" };
    for limits in [Limits { head_bytes: 120, fields: 4, target_bytes: 0 }, Limits::default()] {
        let whole = reading::responses(bytes, &[], method.as_bytes(), &limits);
        assert_eq!(reading::responses(bytes, &[1 + usize::from(last % 64)], method.as_bytes(), &limits), whole);
    }
    let (ours, end) = reading::responses(bytes, &[], method.as_bytes(), &Limits::default());
    let theirs = portcullis_fuzz::runtime::block_on(hyper_client::read(bytes, method));
    let difference = hyper_client::difference(&ours, end, theirs.as_ref());
    assert_eq!(difference, None, "ours {ours:#?} {end:?}\ntheirs {theirs:#?}");
});
