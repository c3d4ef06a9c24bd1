//! Any bytes as a Compose project, where a byte 0xFF begins the override file: findings and fixes with places inside of
//! the texts, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let parts = ["compose.yaml", "compose.override.yaml"].into_iter().zip(data.splitn(2, |byte| *byte == 0xff));
    portcullis_fuzz::format::read("Compose", &parts.collect::<Vec<_>>());
});
