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
    finding::{Finding, Verdict},
    format_of,
    inputs::{FileId, Inputs, MAX_FILE_BYTES, is_standard_input as is_stdin, tidy},
    own,
    reading::{BOUNDS, SYNTAX, UNREADABLE},
    rule::Severity,
    walk::{Walked, walk},
};

use crate::{file, output};

/// Files that were checked, and what was found.
pub(crate) struct Checked {
    pub(crate) inputs: Inputs,
    pub(crate) files: Vec<FileId>,
    pub(crate) outcome: Outcome,
    /// Why what the files say is not known whole; nothing may be concluded from what is missing.
    pub(crate) unread: Vec<Finding>,
}

impl Checked {
    /// An error with all reasons if a file could not be read whole. What another file names and is not there is only
    /// told of where [`Missing::Told`].
    pub(crate) fn refuse_unread(&self, missing: Missing) -> anyhow::Result<()> {
        let is_told = |finding: &&Finding| {
            missing == Missing::Told && (finding.verdict == Verdict::Unknown || is_secret_elsewhere(finding))
        };
        for finding in self.unread.iter().filter(is_told) {
            output::note(&self.line(finding));
        }
        let refused: Vec<String> =
            self.unread.iter().filter(|finding| !is_told(finding)).map(|finding| self.line(finding)).collect();
        if !refused.is_empty() {
            bail!("these files could not be read whole; mend them first\n  {}", refused.join("\n  "));
        }
        Ok(())
    }

    fn line(&self, finding: &Finding) -> String {
        let (path, at) = (self.inputs.path(finding.span.file).display(), self.inputs.position(finding.span));
        format!("{path}:{}:{}: {}", at.line, at.column, finding.message)
    }
}

/// A secret lies where the proxy runs, and says nothing about ports: a checkout without it is read whole all the same.
fn is_secret_elsewhere(finding: &Finding) -> bool {
    finding.rule.id == "substitution" && finding.message.starts_with("cannot read ")
}

/// What to do about files that others name and that are not among those under check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Say so and go on.
    Told,
    /// Go no further.
    Refused,
}

/// Whether a finding says that a file was not read whole: it has no text, breaks its syntax, or has errors.
pub(crate) fn is_unread(finding: &Finding) -> bool {
    let of_reading = [&UNREADABLE, &SYNTAX, &BOUNDS].into_iter().any(|rule| rule == finding.rule);
    // A file without ports is read whole: ranges and services for others to include.
    let says_all = finding.rule.id == "no-ports";
    of_reading || finding.severity >= Severity::High && own::rules().contains(finding.rule) && !says_all
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
    let named: Vec<PathBuf> = on_disk.iter().map(|path| tidy(path)).collect();
    let is_named = |path: &Path| named.iter().any(|named| named == path);
    refuse_unknown(&inputs, &walked, is_named)?;
    let mut outcome = portcullis_lint::check(&inputs, &walked.files, is_named);
    outcome.findings.extend(walked.findings);
    let unread = outcome.findings.iter().filter(|finding| is_unread(finding)).cloned().collect();
    let is_single = matches!(on_disk.as_slice(), [only] if !only.is_dir());
    let place = if is_single { place } else { Place::Anywhere };
    for file in std::mem::take(&mut outcome.own).into_iter().filter(|file| !is_stdin(inputs.path(*file))) {
        outcome.findings.extend(compiled(file, &inputs, place)?);
    }
    if outcome.recognised.is_empty() && outcome.findings.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let (named, kinds) = (named.join(", "), "`portcullis check --help` names them");
        if on_disk.iter().any(|path| path.is_dir()) {
            bail!("nothing beneath {named} is of a kind that can be checked; {kinds}");
        }
        bail!("{named} is of no kind that can be checked; {kinds}");
    }
    Ok(Checked { inputs, files: walked.files, outcome, unread })
}

/// What a person has named is checked, or it is said that it is not: silence would be taken for a pass.
fn refuse_unknown(inputs: &Inputs, walked: &Walked, is_named: impl Fn(&Path) -> bool) -> anyhow::Result<()> {
    for file in &walked.files {
        let path = inputs.path(*file);
        if !(is_named(path) || is_stdin(path)) || format_of(path, inputs.text(*file)).is_some() {
            continue;
        }
        if is_stdin(path) {
            bail!(
                "standard input is of no kind that is known by its contents, such as Compose, Kubernetes or one of \
                 Portcullis' own; Terraform, systemd and broken files are known by their names: save it and name the file"
            );
        }
        // A YAML file that is named, and nothing else, is read as one of our own, and says itself what is wrong.
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if walked.files.len() > 1 && !is_yaml {
            output::note(&format!("{} is of no kind that can be checked, and was left out", path.display()));
        }
    }
    Ok(())
}

/// What only loading certificates and resolving names can tell of one of Portcullis' own files.
fn compiled(file: FileId, inputs: &Inputs, place: Place) -> anyhow::Result<Vec<Finding>> {
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

fn standard_input(inputs: &Inputs) -> anyhow::Result<FileId> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        bail!("nothing came through standard input; see whether the command before the `|` has failed");
    }
    inputs.add_standard_input(bytes).context("standard input")
}

/// The folder beneath which files may be followed from a path: that of the repository it lies in, if any. Projects
/// share files between their folders, and a repository is what CI has checked out.
fn root(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = if path.is_dir() { path } else { path.parent().map(Path::to_owned).unwrap_or_default() };
    let repository = folder.ancestors().find(|ancestor| ancestor.join(".git").exists());
    repository.map_or(folder.clone(), Path::to_owned)
}
