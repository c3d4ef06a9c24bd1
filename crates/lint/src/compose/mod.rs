//! Docker Compose files.

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
    yaml,
};

/// Docker Compose files.
pub(crate) static FORMAT: Format = Format { name: "Compose", recognises, check, rules: &[] };

/// By the names that Compose looks for, or by a `services:` at the top of a YAML file.
fn recognises(path: &Path, text: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let is_yaml =
        path.extension().is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"));
    let has_services = || text.lines().any(|line| line.trim_end() == "services:");
    is_yaml && (name.starts_with("compose.") || name.starts_with("docker-compose") || has_services())
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let mut part = Part::default();
    for file in files {
        part.findings.extend(yaml::parse(inputs.text(*file), *file).mistake);
    }
    part
}
