//! Reading the main file and what it includes, within bounds.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use portcullis_files::Unreadable;

use super::{FileReader, reader::Reader, substitution::Substitutions};
use crate::{
    declared::Declared,
    finding::{Finding, Findings},
    rule::RuleId,
    sources::Sources,
    span::{FileId, Span},
    yaml,
};

/// Bytes of one file: 100,000 routes of a hundred bytes, and some room.
pub(crate) const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Files that include files that include files.
const MAX_DEPTH: usize = 8;
/// Files in all.
const MAX_FILES: usize = 1_000;

/// Everything that comes of reading a configuration.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    pub(crate) sources: Sources,
    pub(crate) findings: Findings,
    files: FileReader,
    substitutions: Substitutions,
    /// Where each file was first included, by its canonical path.
    visited: HashMap<PathBuf, Option<Span>>,
    /// Whether the main file gave a tree at all.
    is_readable: bool,
}

impl Loading {
    /// Reads the main file from the disk.
    pub(crate) fn main_file(&mut self, path: &Path) {
        let bytes = read_bounded(path);
        self.visited.insert(canonical(path), None);
        self.is_readable = self.file(path, bytes, None, 0);
    }

    /// Reads the main file from memory, as if it stood at `path`.
    pub(crate) fn main_bytes(&mut self, path: &Path, bytes: Vec<u8>) {
        self.visited.insert(canonical(path), None);
        self.is_readable = self.file(path, Ok(bytes), None, 0);
    }

    /// What is declared, unless the main file could not be read at all.
    pub(crate) fn finish(mut self) -> (Option<Declared>, Sources, Findings) {
        let resolved = self.substitutions.finish();
        self.files.declared.sources = self.sources.paths().map(Path::to_owned).chain(resolved.files).collect();
        self.sources.conceal(resolved.concealed, resolved.secrets);
        (self.is_readable.then_some(self.files.declared), self.sources, self.findings)
    }

    /// Whether there was a tree to read.
    fn file(&mut self, path: &Path, bytes: Result<Vec<u8>, String>, from: Option<Span>, depth: usize) -> bool {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => {
                let (rule, span) = match from {
                    Some(span) => (RuleId::Include, span),
                    None => (RuleId::UnreadableFile, self.whole(path, String::new())),
                };
                let message = format!("cannot read `{}`: {why}", path.display());
                self.findings.push(Finding::new(rule, span, message));
                self.files.declared.unreadable.sections = true;
                return false;
            }
        };
        let text = match decode(bytes) {
            Ok(text) => text,
            Err((readable, why)) => {
                // The readable part is kept, so that the finding can show the place.
                let end = readable.len() as u32;
                let span = self.whole(path, readable);
                let place = Span { start: end, end, ..span };
                self.findings.push(Finding::new(RuleId::UnreadableFile, place, why));
                self.files.declared.unreadable.sections = true;
                return false;
            }
        };
        let file = self.sources.add(path.to_owned(), text);
        let text = self.sources.shared_text(file);
        let Some(root) = yaml::parse(&text, file, &mut self.findings) else {
            self.files.declared.unreadable.sections = true;
            return false;
        };
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut reader = Reader::new(&mut self.findings, &mut self.substitutions, &directory);
        let includes = self.files.read(&mut reader, &root);
        drop(root);
        for include in includes {
            self.include(&directory, &include.value, include.span, depth + 1);
        }
        true
    }

    fn include(&mut self, directory: &Path, pattern: &str, span: Span, depth: usize) {
        if depth > MAX_DEPTH {
            self.report(span, format!("files include each other more than {MAX_DEPTH} levels deep"), None);
            return;
        }
        let paths = match expand(directory, pattern) {
            Ok(paths) => paths,
            Err(message) => return self.report(span, message, None),
        };
        for path in paths {
            if let Some(first) = self.visited.get(&canonical(&path)) {
                let first = *first;
                return self.report(span, format!("`{}` is included twice, or includes itself", path.display()), first);
            }
            if self.visited.len() >= MAX_FILES {
                return self.report(span, format!("more than {MAX_FILES} files"), None);
            }
            self.visited.insert(canonical(&path), Some(span));
            self.file(&path, read_bounded(&path), Some(span), depth);
        }
    }

    fn report(&mut self, span: Span, message: String, first: Option<Span>) {
        let mut finding = Finding::new(RuleId::Include, span, message);
        if let Some(first) = first {
            finding = finding.related(first, "first included here");
        }
        self.findings.push(finding);
        self.files.declared.unreadable.sections = true;
    }

    /// Keeps a file that cannot be read further, for its finding.
    fn whole(&mut self, path: &Path, text: String) -> Span {
        let file: FileId = self.sources.add(path.to_owned(), text);
        Span { file, start: 0, end: 0 }
    }
}

/// UTF-8 without byte order mark. The error is what could be read, and why no more.
fn decode(bytes: Vec<u8>) -> Result<String, (String, String)> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let looks_like_utf_16 = matches!(error.as_bytes(), [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
        let readable = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        let why = if looks_like_utf_16 {
            "the file is UTF-16; save it as UTF-8".to_owned()
        } else {
            format!("the file is not UTF-8: byte {} is not part of any character", valid + 1)
        };
        (readable, why)
    })?;
    Ok(match text.strip_prefix('\u{FEFF}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    portcullis_files::read(path, MAX_FILE_BYTES).map_err(|error| match error {
        Unreadable::TooLong { .. } => format!("{error}; split it and use `include:`"),
        _ => error.to_string(),
    })
}

/// The files that a pattern names, by name; `*` stands for any characters of the last component.
fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let (parent, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if !name.contains('*') {
        return Ok(vec![directory.join(pattern)]);
    }
    let parent = directory.join(parent);
    let listed = if parent.as_os_str().is_empty() { Path::new(".") } else { &parent };
    let entries = std::fs::read_dir(listed).map_err(|error| format!("cannot list `{}`: {error}", listed.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|found| !found.starts_with('.') && matches(name, found))
        .collect();
    if names.is_empty() {
        return Err(format!("no file matches `{pattern}`"));
    }
    names.sort();
    Ok(names.iter().map(|name| parent.join(name)).collect())
}

/// Whether a name matches a pattern in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The same file by whatever path. A file that does not exist is named as given; reading it reports that.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a", "a", true),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
