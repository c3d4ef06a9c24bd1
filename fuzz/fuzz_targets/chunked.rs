//! Chunked bodies: no panic, the same under any split, and what the plain grammar says.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)] // the other targets' parts
#[path = "../../crates/h1/tests/conformance/reading.rs"]
mod reading;

fuzz_target!(|input: &[u8]| {
    let Some((&length, bytes)) = input.split_last() else { return };
    let whole = reading::decode(bytes, &[]);
    assert_eq!(reading::decode(bytes, &[1 + usize::from(length)]), whole);
    if let reading::Decoded::Whole(data, trailers, length) = whole {
        assert_eq!(reading::reference(bytes), Some((data, trailers, length)));
    }
});
