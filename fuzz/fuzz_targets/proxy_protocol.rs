//! PROXY headers: no panic, a decision stands whatever follows, and what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_preface::proxy_protocol::{Parsed, parse, write_v1, write_v2};

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    for cut in 0..bytes.len() {
        let partial = parse(&bytes[..cut]);
        assert!(partial == Ok(Parsed::Incomplete) || partial == whole, "{partial:?} at {cut}, then {whole:?}");
    }
    let Ok(Parsed::Proxied { consumed, source, destination }) = whole else { return };
    assert!(consumed <= bytes.len());
    for write in [write_v1, write_v2] {
        let mut header = Vec::new();
        write(source, destination, &mut header);
        assert_eq!(parse(&header), Ok(Parsed::Proxied { consumed: header.len(), source, destination }));
    }
});
