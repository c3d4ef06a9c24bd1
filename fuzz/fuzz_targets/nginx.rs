//! Any bytes as an nginx configuration: findings and fixes with places inside of the text, never a panic.
#![no_main]

mod format;

libfuzzer_sys::fuzz_target!(|data: &[u8]| format::read("nginx", &[("nginx.conf", data)]));
