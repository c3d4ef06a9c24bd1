//! From the paths on a command line to the files under check.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::{
    finding::Finding,
    inputs::{FileId, Inputs, Unreadable},
    reading,
};

/// Files beneath one folder; more is a mistake in the command, not a project.
const MAX_FILES: usize = 200_000;

/// What the paths gave.
#[derive(Debug, Default)]
pub struct Walked {
    /// Readable text files, in the order of their paths.
    pub files: Vec<FileId>,
    /// What could not be read: everything that a person named, and configuration files that were found.
    pub findings: Vec<Finding>,
}

/// Opens files that are named, and all text files beneath folders that are named, except what `.gitignore` leaves out
/// and what lies in hidden folders (`.github` and the like are not left out: CI files are configuration).
pub fn walk(inputs: &Inputs, paths: &[PathBuf]) -> Walked {
    let mut walked = Walked::default();
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            let beneath = Beneath::of(path);
            found.extend(beneath.files);
            for (path, why) in beneath.refused {
                walked.findings.extend(told(inputs, &path, &why));
            }
        } else {
            match inputs.open(path) {
                Ok(file) => walked.files.push(file),
                Err(why) => walked.findings.extend(told(inputs, path, &why)),
            }
        }
    }
    found.sort();
    found.dedup();
    found.truncate(MAX_FILES);
    let opened: Vec<(PathBuf, Result<FileId, Unreadable>)> = open_all(inputs, found);
    for (path, result) in opened {
        match result {
            Ok(file) => walked.files.push(file),
            // Pictures and archives are no text; a configuration that is not is worth a word.
            Err(why) if looks_like_configuration(&path) => walked.findings.extend(told(inputs, &path, &why)),
            Err(_) => {}
        }
    }
    let mut seen = std::collections::HashSet::new();
    walked.files.retain(|file| seen.insert(*file));
    walked
}

fn open_all(inputs: &Inputs, paths: Vec<PathBuf>) -> Vec<(PathBuf, Result<FileId, Unreadable>)> {
    use rayon::prelude::*;
    paths
        .into_par_iter()
        .map(|path| {
            let opened = inputs.open(&path);
            (path, opened)
        })
        .collect()
}

/// An empty text stands for a file that gives none, so that the finding has a place.
fn told(inputs: &Inputs, path: &Path, why: &Unreadable) -> Option<Finding> {
    let file = inputs.add(path, Vec::new()).ok()?;
    Some(reading::unreadable_file(file, why))
}

/// What lies beneath a folder.
#[derive(Default)]
struct Beneath {
    files: Vec<PathBuf>,
    /// Folders that cannot be listed, and what has the name of a configuration and is no file.
    refused: Vec<(PathBuf, Unreadable)>,
}

impl Beneath {
    fn of(folder: &Path) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let walker = WalkBuilder::new(folder)
            .hidden(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .require_git(false)
            .follow_links(false)
            .build_parallel();
        walker.run(|| {
            let sender = sender.clone();
            Box::new(move |entry| {
                let seen = match entry {
                    Ok(entry) => seen(entry),
                    Err(error) => unlisted(&error).map(|(path, why)| (path, Err(why))),
                };
                match seen.map(|seen| sender.send(seen)) {
                    Some(Err(_)) => WalkState::Quit,
                    _ => WalkState::Continue,
                }
            })
        });
        drop(sender);
        let mut beneath = Self::default();
        for (path, result) in receiver {
            match result {
                Ok(()) => beneath.files.push(path),
                Err(why) => beneath.refused.push((path, why)),
            }
        }
        beneath.refused.sort_by(|(one, _), (other, _)| one.cmp(other));
        beneath
    }
}

/// A file, or what looks like a configuration and can be no file: a pipe, a socket, a device, a link in a circle. Other
/// links are passed over: what they lead to is read where it lies, if it lies here.
fn seen(entry: DirEntry) -> Option<(PathBuf, Result<(), Unreadable>)> {
    let kind = entry.file_type()?;
    let path = entry.into_path();
    if kind.is_file() {
        return Some((path, Ok(())));
    }
    if kind.is_dir() || !looks_like_configuration(&path) {
        return None;
    }
    let why = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() || metadata.is_dir() => return None,
        Ok(_) => Unreadable::NotAFile,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Unreadable::Refused(error.to_string()),
    };
    Some((path, Err(why)))
}

/// What is wrong with a folder, if that is it and not a line of a `.gitignore`.
fn unlisted(error: &ignore::Error) -> Option<(PathBuf, Unreadable)> {
    let why = Unreadable::Refused(error.io_error()?.to_string());
    match error {
        ignore::Error::WithPath { path, .. } => Some((path.clone(), why)),
        ignore::Error::WithDepth { err, .. } => unlisted(err),
        _ => None,
    }
}

fn looks_like_configuration(path: &Path) -> bool {
    const ENDINGS: [&str; 11] =
        ["yaml", "yml", "json", "conf", "cfg", "tf", "tfvars", "socket", "service", "hcl", "dockerfile"];
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known)))
        || name.starts_with("dockerfile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_and_what_git_ignores_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write(".gitignore", b"vendor/\n");
        write("vendor/a.yaml", b"x");
        write("b/compose.yaml", b"x");
        write(".github/workflows/ci.yml", b"x");
        write(".git/config", b"x");
        write("picture.png", b"\xff\xd8");
        write("broken.yaml", b"\xff\xd8");
        let inputs = Inputs::beneath([folder.path().to_owned()]);
        let walked = walk(&inputs, &[folder.path().to_owned(), folder.path().join("b/compose.yaml")]);
        let names: Vec<String> = walked
            .files
            .iter()
            .map(|file| inputs.path(*file).strip_prefix(folder.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["b/compose.yaml", ".github/workflows/ci.yml", ".gitignore"]);
        let told: Vec<&str> = walked.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(told, ["the file cannot be read: it is not UTF-8 text (byte 0)"]);
    }
}
