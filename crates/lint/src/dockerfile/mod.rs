//! Dockerfiles and Containerfiles: which ports an image says it listens on.

use std::path::Path;

use image::{Dockerfile, is_instruction};

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

mod facts;
mod image;
mod lines;
mod port;
mod rules;
mod words;

/// Dockerfiles.
pub(crate) static FORMAT: Format = Format { name: "Dockerfile", recognises, check, rules: rules::RULES };

/// By its name, if a line begins with `FROM`; else if the first instruction is one that a Dockerfile can begin with and
/// the next few are instructions too.
fn recognises(path: &Path, text: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ending = name.rsplit('.').next().unwrap_or_default();
    if matches!(ending, "dockerignore" | "containerignore" | "md" | "py") {
        return false;
    }
    let is_named = ["dockerfile", "containerfile"].iter().any(|kind| {
        name.strip_prefix(kind).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            || name.strip_suffix(kind).is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    });
    let mut firsts = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    if is_named {
        return firsts.any(|line| first_word(line).eq_ignore_ascii_case("from"));
    }
    // Without the name, the letters must be capitals: `from x import y` is Python.
    firsts.next().is_some_and(|line| matches!(first_word(line), "FROM" | "ARG")) && looks_like_instructions(text)
}

/// The first few instructions, among which is a `FROM`.
fn looks_like_instructions(text: &str) -> bool {
    let head: String = text.split_inclusive('\n').take(60).collect();
    let (instructions, _) = lines::instructions(FileId(0), &head);
    instructions.len() >= 2
        && instructions.iter().any(|instruction| instruction.keyword == "from")
        && instructions.iter().take(8).all(|instruction| is_instruction(&instruction.keyword))
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or("")
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let mut part = Part::default();
    for file in files {
        let dockerfile = Dockerfile::read(*file, inputs.text(*file));
        part.findings.extend(rules::check(inputs, &dockerfile));
        part.facts.images.extend(facts::images(inputs.path(*file), &dockerfile));
        part.facts.copied.extend(facts::copied(inputs.path(*file), &dockerfile));
    }
    part
}

#[cfg(test)]
mod tests;
