//! Any text as a systemd unit: findings with places inside of the text, never a panic.
#![no_main]

use std::path::Path;

use portcullis_lint::{FORMATS, inputs::Inputs};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let inputs = Inputs::default();
    let Ok(file) = inputs.add(Path::new("app.socket"), data.to_vec()) else { return };
    let Some(format) = FORMATS.iter().find(|format| format.name == "systemd") else { return };
    for finding in (format.check)(&inputs, &[file]).findings {
        let (start, end) = (finding.span.start as usize, finding.span.end as usize);
        assert!(inputs.text(file).get(start..end).is_some(), "{finding:?}");
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(inputs.text(file).get(edit.span.start as usize..edit.span.end as usize).is_some(), "{edit:?}");
        }
    }
});
