//! nginx configurations.

mod lexer;
mod tree;

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

/// nginx configurations.
pub(crate) static FORMAT: Format = Format { name: "nginx", recognises, check, rules: &[] };

fn recognises(_path: &Path, _text: &str) -> bool {
    false
}

fn check(_inputs: &Inputs, _files: &[FileId]) -> Part {
    Part::default()
}
