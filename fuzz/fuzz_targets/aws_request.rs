//! Presigned STS requests, as tokens and as the addresses in them: no panic.
#![no_main]

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use portcullis_identity::aws::{Arn, PREFIX, Presigned};

fuzz_target!(|text: &str| {
    let endpoint = "https://sts.eu-central-1.amazonaws.com/".parse().expect("an address");
    let _ = Presigned::parse(text, &endpoint);
    let _ = Presigned::parse(&format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(text)), &endpoint);
    let _ = Arn::parse(text);
});
