//! Any bytes as an nginx configuration: findings and fixes with places inside of the text, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::format::read("nginx", &[("nginx.conf", data)]));
