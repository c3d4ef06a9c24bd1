//! Any bytes as files of each format side by side, where a byte 0xFF begins the next: findings, each with a place
//! within the text, never a panic.
#![no_main]

use std::path::Path;

use portcullis_lint::{check, inputs::Inputs};

const NAMES: [&str; 8] =
    ["compose.yaml", "pod.yaml", "main.tf", "Dockerfile", "web.socket", "haproxy.cfg", "nginx.conf", "portcullis.yaml"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let inputs = Inputs::default();
    let texts = data.split(|byte| *byte == 0xff).take(NAMES.len()).filter_map(<[u8]>::split_first);
    let added = texts.filter_map(|(which, text)| {
        inputs.add(Path::new(NAMES[usize::from(*which) % NAMES.len()]), text.to_vec()).ok()
    });
    let files: Vec<_> = added.collect();
    for finding in check(&inputs, &files, |_| true).findings {
        portcullis_fuzz::format::lies_within(&finding, &inputs);
    }
});
