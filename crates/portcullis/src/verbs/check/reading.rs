//! From the arguments to what was found.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use portcullis_control::{Candidate, Reading, Rejection, rehearse_start};
use portcullis_lint::{
    Outcome,
    inputs::{FileId, Inputs, MAX_FILE_BYTES},
    own,
    walk::walk,
};

use crate::file;

/// Files that were checked, and what was found.
pub(crate) struct Checked {
    pub(crate) inputs: Inputs,
    pub(crate) files: Vec<FileId>,
    pub(crate) outcome: Outcome,
}

/// The paths that are meant; an error that helps if one is not there.
pub(crate) fn paths(named: &[PathBuf], config: Option<&PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(config) = config {
        return Ok(vec![file::existing(Some(config.clone()))?]);
    }
    if named.is_empty() {
        let default = Path::new(file::DEFAULT);
        return Ok(vec![if default.exists() { default.to_owned() } else { PathBuf::from(".") }]);
    }
    for path in named.iter().filter(|path| !is_stdin(path) && !path.is_dir()) {
        file::existing(Some(path.clone()))?;
    }
    Ok(named.to_vec())
}

/// Where the files are to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this host: a proxy's own file, if it is the only one that is named, is held against it.
    Here,
    /// Nobody knows where.
    Anywhere,
}

/// Reads and checks. Standard input is read only once, so it cannot be fixed.
pub(crate) fn check(paths: &[PathBuf], place: Place) -> anyhow::Result<Checked> {
    let inputs = Inputs::beneath(paths.iter().filter(|path| !is_stdin(path)).map(|path| root(path)));
    let (stdin, on_disk): (Vec<PathBuf>, Vec<PathBuf>) = paths.iter().cloned().partition(|path| is_stdin(path));
    let mut walked = walk(&inputs, &on_disk);
    if !stdin.is_empty() {
        walked.files.push(standard_input(&inputs)?);
    }
    let is_named = |path: &Path| on_disk.iter().any(|named| named == path) || is_stdin(path);
    let mut outcome = portcullis_lint::check(&inputs, &walked.files, is_named);
    outcome.findings.extend(walked.findings);
    let is_single = matches!(on_disk.as_slice(), [only] if !only.is_dir());
    let place = if is_single { place } else { Place::Anywhere };
    for file in std::mem::take(&mut outcome.own).into_iter().filter(|file| !is_stdin(inputs.path(*file))) {
        outcome.findings.extend(compiled(file, &inputs, place)?);
    }
    let sure = on_disk.iter().all(|path| path.is_dir());
    if outcome.recognised.is_empty() && outcome.findings.is_empty() && sure && stdin.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!(
            "nothing beneath {} is of a kind that can be checked; `portcullis check --help` names them",
            named.join(", ")
        );
    }
    Ok(Checked { inputs, files: walked.files, outcome })
}

/// What only loading certificates and resolving names can tell of one of Portcullis' own files.
fn compiled(file: FileId, inputs: &Inputs, place: Place) -> anyhow::Result<Vec<portcullis_lint::finding::Finding>> {
    let reading = Reading::of(inputs.path(file));
    let registries = reading.registries();
    let (found, sources) = match reading.compile(&registries) {
        Ok(Candidate { mut warnings, declared, sources, .. }) => {
            if place == Place::Here {
                warnings.extend(rehearse_start(inputs.path(file), &declared, &sources));
            }
            (warnings, sources)
        }
        Err(Rejection::Findings { findings, sources }) => (findings, sources),
        Err(other) => return Err(other.into()),
    };
    Ok(own::told(&found, &sources, inputs))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn standard_input(inputs: &Inputs) -> anyhow::Result<FileId> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    inputs.add(Path::new("-"), bytes).context("standard input")
}

/// The folder beneath which files may be followed from a path: that of the repository it lies in, if any. Projects
/// share files between their folders, and a repository is what CI has checked out.
fn root(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = if path.is_dir() { path } else { path.parent().map(Path::to_owned).unwrap_or_default() };
    let repository = folder.ancestors().find(|ancestor| ancestor.join(".git").exists());
    repository.map_or(folder.clone(), Path::to_owned)
}
