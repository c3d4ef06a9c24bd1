//! HAProxy configurations.

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

/// HAProxy configurations.
pub(crate) static FORMAT: Format = Format { name: "HAProxy", recognises, check, rules: &[] };

fn recognises(_path: &Path, _text: &str) -> bool {
    false
}

fn check(_inputs: &Inputs, _files: &[FileId]) -> Part {
    Part::default()
}
