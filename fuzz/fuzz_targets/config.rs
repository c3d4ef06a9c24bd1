//! Any bytes as a configuration file: findings or a declaration, never a panic, and a report for every finding.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let loaded = portcullis_config::load_bytes(Path::new("/nonexistent/portcullis.yaml"), data.to_vec());
    assert!(loaded.declared.is_some() || loaded.has_errors());
    let _ = portcullis_config::report::records(&loaded.findings, &loaded.sources);
});
