//! systemd units.

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

/// systemd units.
pub(crate) static FORMAT: Format = Format { name: "systemd", recognises, check, rules: &[] };

fn recognises(_path: &Path, _text: &str) -> bool {
    false
}

fn check(_inputs: &Inputs, _files: &[FileId]) -> Part {
    Part::default()
}
