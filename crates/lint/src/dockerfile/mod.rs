//! Dockerfiles.

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

/// Dockerfiles.
pub(crate) static FORMAT: Format = Format { name: "Dockerfile", recognises, check, rules: &[] };

fn recognises(_path: &Path, _text: &str) -> bool {
    false
}

fn check(_inputs: &Inputs, _files: &[FileId]) -> Part {
    Part::default()
}
