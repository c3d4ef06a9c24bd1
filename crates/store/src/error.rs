//! Why the store cannot be used, and what to do about it.

use std::{io, path::PathBuf, time::Duration};

use rusqlite::ErrorCode;

/// Why the store cannot be used. Texts name the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory cannot be made or looked at.
    #[error("cannot use the store {}: {cause}; name another place with `--store PATH`", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Not a regular file.
    #[error("the store {} is not a file; name a file with `--store PATH`", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// A file, but none that Portcullis made.
    #[error("{} is not a store of Portcullis; name another file with `--store PATH`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Others may write to the file, so that what it says cannot be believed.
    #[error(
        "the store {} belongs to another user, and others may use it (mode {mode:03o}); its owner has to \
         `chmod 600` it", path.display()
    )]
    Shared {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Written by a later version of the program.
    #[error(
        "the store {} was written by a newer Portcullis (schema {found}, this one knows {known}); run that version, or \
         name another file with `--store PATH`", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// Another process writes, and does not come to an end.
    #[error(
        "another process has been writing to the store {} for {} s; see who with `fuser {}`",
        path.display(), waited.as_secs(), path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// What the file holds is no longer a database.
    #[error("the store {} is damaged ({cause}); move it away, and what it remembered is lost", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
    /// Anything else that SQLite says: a full disk, a read-only file system.
    #[error("the store {}: {cause}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
}

impl StoreError {
    /// Sorts what SQLite said.
    pub(crate) fn from_sqlite(path: &std::path::Path, cause: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, waited: crate::open::PATIENCE }
            }
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, cause },
            _ => Self::Failed { path, cause },
        }
    }
}
