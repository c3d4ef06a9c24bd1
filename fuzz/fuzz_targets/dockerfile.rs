//! Any bytes as a Dockerfile: findings with places inside of the text, never a panic.
#![no_main]

use std::path::Path;

use portcullis_lint::{check, inputs::Inputs};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let inputs = Inputs::default();
    let Ok(file) = inputs.add(Path::new("Dockerfile"), data.to_vec()) else { return };
    for finding in check(&inputs, &[file], |_| false).findings {
        let (start, end) = (finding.span.start as usize, finding.span.end as usize);
        assert!(inputs.text(file).get(start..end).is_some(), "{finding:?}");
    }
});
