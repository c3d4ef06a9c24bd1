//! Which file is meant, and what to say if it is not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;

/// The file that is read when none is named.
pub(crate) const DEFAULT: &str = "portcullis.yaml";

/// A configuration file, named with or without its option.
#[derive(Debug, Clone, Args)]
pub(crate) struct FileArguments {
    /// The configuration file [default: portcullis.yaml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same, as an option
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
}

impl FileArguments {
    /// As if it had been named, or not.
    pub(crate) fn of(config: Option<PathBuf>) -> Self {
        Self { file: None, config }
    }

    /// The path, which exists.
    pub(crate) fn path(self) -> anyhow::Result<PathBuf> {
        existing(self.file.or(self.config))
    }
}

/// The path that was named, or the default; an error that helps if there is no such file.
pub(crate) fn existing(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = named.unwrap_or_else(|| DEFAULT.into());
    if path.is_dir() {
        bail!("{} is a directory; name the file in it", path.display());
    }
    if path.try_exists().unwrap_or(true) {
        return Ok(path);
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let found = yaml_files(folder);
    let looked = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    match found.as_slice() {
        [] if !folder.is_dir() => {
            bail!("no file {}: the directory {} does not exist", path.display(), folder.display())
        }
        [] => bail!("no file {}, nor any other .yaml file in {}", path.display(), looked.display()),
        found => bail!("no file {}; in {} there is {}", path.display(), looked.display(), found.join(", ")),
    }
}

fn yaml_files(folder: &Path) -> Vec<String> {
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut found: Vec<String> = entries.filter(is_yaml).filter_map(named).collect();
    found.sort_unstable();
    found.truncate(5);
    found
}
