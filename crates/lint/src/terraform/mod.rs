//! Terraform configurations and plans.

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

/// Terraform configurations and plans.
pub(crate) static FORMAT: Format = Format { name: "Terraform", recognises, check, rules: &[] };

fn recognises(_path: &Path, _text: &str) -> bool {
    false
}

fn check(_inputs: &Inputs, _files: &[FileId]) -> Part {
    Part::default()
}
