//! Why a file can not be used.

use std::{io, path::PathBuf};

/// Why a file can not be used. Each names it; none quotes from it.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// It can not be read.
    #[error("can not read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is longer than such a file ever is.
    #[error("{} is longer than {limit} bytes, which is not a PEM file of ours", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// What is accepted, bytes.
        limit: u64,
    },
    /// No certificate in it.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// No private key in it.
    #[error("{} holds no private key", .0.display())]
    NoKey(PathBuf),
    /// PEM or DER that does not parse, or a key of a kind that is not supported.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key belongs to another certificate.
    #[error("the key {} does not fit the certificate {}", key.display(), cert.display())]
    KeyDoesNotFit {
        /// Certificate file.
        cert: PathBuf,
        /// Key file.
        key: PathBuf,
    },
    /// Its validity is over; of a file of CAs, that of all of them.
    #[error("the certificate {} expired {}", path.display(), ago(*days))]
    Expired {
        /// The file.
        path: PathBuf,
        /// Whole days since.
        days: u64,
    },
    /// Its validity has not begun.
    #[error("the certificate {} is not valid yet", .0.display())]
    NotYetValid(PathBuf),
}

fn ago(days: u64) -> String {
    match days {
        0 => "less than a day ago".to_owned(),
        1 => "a day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}
