//! Any bytes as a file of each format: findings, each with a place within the text, never a panic.
#![no_main]

use std::path::Path;

use portcullis_lint::{check, inputs::Inputs};

const NAMES: [&str; 8] = [
    "compose.yaml", "pod.yaml", "main.tf", "Dockerfile", "web.socket", "haproxy.cfg", "nginx.conf", "portcullis.yaml",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, text)) = data.split_first() else { return };
    let inputs = Inputs::default();
    let Ok(file) = inputs.add(Path::new(NAMES[usize::from(*which) % NAMES.len()]), text.to_vec()) else { return };
    for finding in check(&inputs, &[file], |_| true).findings {
        assert!(finding.span.end as usize <= inputs.text(finding.span.file).len(), "{finding:?}");
    }
});
