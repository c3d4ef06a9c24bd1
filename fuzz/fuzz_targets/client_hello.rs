//! ClientHellos: no panic, the same under any split, and rustls reads what we read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_preface::client_hello::peek;

#[path = "../../crates/preface/tests/reading/mod.rs"]
mod reading;

fuzz_target!(|input: &[u8]| {
    let Some((&length, bytes)) = input.split_last() else { return };
    let whole = peek(bytes);
    assert_eq!(reading::read_in_pieces(bytes, std::iter::repeat(1 + usize::from(length))), whole);
    assert_eq!(reading::difference(&whole, &reading::read_by_rustls(bytes)), None);
});
