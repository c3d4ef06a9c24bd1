//! Any bytes as a Compose project, where a byte 0xFF begins the override file: findings and fixes with places inside of
//! the texts, never a panic.
#![no_main]

use std::path::Path;

use portcullis_lint::{check, inputs::Inputs};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let inputs = Inputs::default();
    let parts = ["compose.yaml", "compose.override.yaml"].iter().zip(data.splitn(2, |byte| *byte == 0xff));
    let files: Vec<_> = parts.filter_map(|(name, part)| inputs.add(Path::new(name), part.to_vec()).ok()).collect();
    for finding in check(&inputs, &files, |_| false).findings {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
        for span in [finding.span].into_iter().chain(edits) {
            assert!(inputs.text(span.file).get(span.start as usize..span.end as usize).is_some(), "{finding:?}");
        }
    }
});
