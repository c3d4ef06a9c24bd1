//! Why the audit can not be kept or asked.

use std::{io, path::PathBuf};

use portcullis_store::StoreError;

/// Why the audit can not be kept or asked. Texts name the file.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file beside the store can not be used.
    #[error("can not use {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The signing key can be read by others, so that its signatures say nothing.
    #[error(
        "the audit key {} can be read by others (mode {mode:03o}); `chmod 600` it, or move it away to get a new one if \
         somebody may have read it", path.display()
    )]
    SharedKey {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that should hold a key does not.
    #[error("{} holds no Ed25519 {expected} in PEM; `portcullis audit key` prints one", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it should hold: `private key`, `public key`.
        expected: &'static str,
    },
    /// A key can not be made.
    #[error("the system gives no randomness to make an audit key from")]
    NoRandomness,
    /// What is to be cut off does not verify.
    #[error(
        "{findings} findings in the records that are to be cut off; `portcullis audit verify` names them. Cutting them \
         off would remove the evidence, `--damaged` does so"
    )]
    Damaged {
        /// How many.
        findings: u64,
    },
    /// What was asked for can not be written, or what was given not be read.
    #[error("the records can not be passed on")]
    Passing(#[from] io::Error),
}
