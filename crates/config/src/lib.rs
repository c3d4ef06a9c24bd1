//! The file: what is declared, with the place of every word, and everything that can be said against it.
//!
//! Owns: reading `portcullis.yaml` and its includes into [`declared::Declared`], the checks on it, the findings and
//! how they are shown, the JSON Schema, the normal form of paths, and the built-in defaults (as numbers; the plan
//! applies them).
//!
//! Must not know: what runs. No socket is opened here, no certificate is parsed, no name is resolved, no default is
//! filled in.

pub mod argument;
pub mod bands;
pub mod bind_conflict;
mod checks;
pub mod declared;
pub mod defaults;
pub mod finding;
pub mod host;
pub mod path;
mod read;
pub mod report;
pub mod rule;
pub mod schema;
pub mod scope;
pub mod secret;
pub mod sources;
pub mod span;
pub mod tunnels;
pub mod well_known;
mod yaml;

use std::path::Path;

use declared::Declared;
use finding::Finding;
use read::Loading;
use sources::Sources;

/// What a YAML parser says of a text that is none, in words for whoever wrote the text.
pub fn syntax_in_words(info: &str) -> std::borrow::Cow<'_, str> {
    yaml::in_words(info)
}

/// What came of loading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// What could be read; `None` if the main file gave nothing to read. Incomplete if there are errors: nothing is to
    /// be built from it then.
    pub declared: Option<Declared>,
    /// The texts, for showing findings.
    pub sources: Sources,
    /// Everything that is wrong or worth knowing, in reading order.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// Whether any finding keeps the configuration from being used.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Reads a file and what it includes, and checks it. Never fails: what is wrong is a finding.
pub fn load(path: &Path) -> Loaded {
    let mut loading = Loading::default();
    loading.main_file(path);
    check(loading)
}

/// As [`load`], with the text of the main file given; includes and `${file:}` are relative to `path`.
pub fn load_str(path: &Path, text: &str) -> Loaded {
    load_bytes(path, text.as_bytes().to_vec())
}

/// As [`load_str`], for bytes that may not even be text.
pub fn load_bytes(path: &Path, bytes: Vec<u8>) -> Loaded {
    let mut loading = Loading::default();
    loading.main_bytes(path, bytes);
    check(loading)
}

fn check(loading: Loading) -> Loaded {
    let (mut declared, sources, mut findings) = loading.finish();
    if let Some(declared) = &mut declared {
        tunnels::place(declared);
        checks::run(declared, &mut findings);
    }
    let mut findings = findings.into_sorted();
    for finding in &mut findings {
        finding.tidy(&sources);
    }
    Loaded { declared, sources, findings }
}
