//! Why a file can not be used, and what mends it.

use std::path::{Path, PathBuf};

use portcullis_files::Unreadable;

use super::instead::{Instead, Wanted};

/// Why a file can not be used. Each names it; none quotes from it.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// It can not be read.
    #[error("can not read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: Unreadable,
    },
    /// No certificate in it.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// No private key in it.
    #[error("{} holds no private key", .0.display())]
    NoKey(PathBuf),
    /// No revocation list in it.
    #[error("{} holds no revocation list", .0.display())]
    NoCrl(PathBuf),
    /// Something else in it, which is known.
    #[error("{} holds {found} where {wanted} is expected", path.display())]
    Instead {
        /// The file.
        path: PathBuf,
        /// What is expected.
        wanted: Wanted,
        /// What is there.
        found: Instead,
    },
    /// The certificate's file holds the key, and the key's file the certificate.
    #[error("certificate and key are swapped: {} holds the key, {} the certificate", cert.display(), key.display())]
    Swapped {
        /// What is named as the certificate.
        cert: PathBuf,
        /// What is named as the key.
        key: PathBuf,
    },
    /// Nobody is there to be asked for a password.
    #[error("the key {} is encrypted, and nobody is there to be asked for its password", .0.display())]
    Encrypted(PathBuf),
    /// PEM or DER that does not parse.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Something other than ECDSA, Ed25519 and RSA.
    #[error("{}: the key is of a kind that is not supported; use ECDSA, Ed25519 or RSA", .0.display())]
    UnsupportedKey(PathBuf),
    /// X.509 version 1 has no place for alternative names, and no client accepts it any more.
    #[error("the certificate {} is one of X.509 version 1, which clients refuse", .0.display())]
    Version1(PathBuf),
    /// A chain in the wrong order.
    #[error("{}: the certificate that the key {} fits must come first", path.display(), key.display())]
    WrongOrder {
        /// The file with the chain.
        path: PathBuf,
        /// Key file.
        key: PathBuf,
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
    #[error("the certificate {} is not valid yet, but from {from} on", path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// From when on it is.
        from: String,
    },
    /// A revocation list whose next one is due: what was revoked since is not known.
    #[error("the revocation list {} expired {}", path.display(), ago(*days))]
    CrlExpired {
        /// The file.
        path: PathBuf,
        /// Whole days since.
        days: u64,
    },
}

impl MaterialError {
    /// The file that is wrong; where it is a pair, the certificate.
    pub fn path(&self) -> &Path {
        match self {
            Self::NoCertificate(path)
            | Self::NoKey(path)
            | Self::NoCrl(path)
            | Self::Encrypted(path)
            | Self::UnsupportedKey(path)
            | Self::Version1(path)
            | Self::Unreadable { path, .. }
            | Self::Instead { path, .. }
            | Self::Malformed { path, .. }
            | Self::WrongOrder { path, .. }
            | Self::Expired { path, .. }
            | Self::NotYetValid { path, .. }
            | Self::CrlExpired { path, .. }
            | Self::Swapped { cert: path, .. }
            | Self::KeyDoesNotFit { cert: path, .. } => path,
        }
    }

    /// What to do about it, with the command that does it where there is one.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { path, cause: Unreadable::Denied } => {
                format!("let the user of the proxy read it; `ls -l {}` shows who may", path.display())
            }
            Self::Unreadable { .. } | Self::NoCertificate(_) | Self::NoKey(_) | Self::NoCrl(_) => {
                "name a PEM file; the path is relative to the file that names it".to_owned()
            }
            Self::Instead { path, wanted, found } => found.remedy(*wanted, path),
            Self::Swapped { cert, key } => format!("write `cert: {}, key: {}`", key.display(), cert.display()),
            Self::Encrypted(path) => format!(
                "decrypt it once, for the eyes of the proxy's user alone: `(umask 077; openssl pkey -in {0} -out {0}.plain)`",
                path.display()
            ),
            Self::Malformed { path, .. } => {
                format!(
                    "look at it with `openssl x509 -in {0} -noout -text` or `openssl pkey -in {0} -noout`",
                    path.display()
                )
            }
            Self::UnsupportedKey(path) => format!(
                "make a new one and ask for a certificate with it: `openssl genpkey -algorithm EC -pkeyopt \
                 ec_paramgen_curve:P-256 -out {}`",
                path.display()
            ),
            Self::Version1(path) => format!(
                "issue it again with the names that it is for: `openssl x509 -req -in {} -CA ca.pem -CAkey ca.key \
                 -CAcreateserial -days 90 -extfile <(echo subjectAltName=DNS:shop.example.com) -out {}`",
                path.with_extension("csr").display(),
                path.display()
            ),
            Self::WrongOrder { path, .. } => {
                format!("put the leaf first, then who issued it: `cat leaf.pem issuer.pem > {}`", path.display())
            }
            Self::KeyDoesNotFit { cert, key } => format!(
                "of a pair, `openssl x509 -in {} -noout -pubkey` and `openssl pkey -in {} -pubout` print the same; a request \
                 for a certificate with this key is made by `openssl req -new -key {2} -out {3}`",
                cert.display(),
                key.display(),
                key.display(),
                key.with_extension("csr").display()
            ),
            Self::Expired { path, .. } => {
                format!(
                    "renew it; `openssl x509 -in {} -noout -subject -issuer -enddate` says with whom",
                    path.display()
                )
            }
            Self::NotYetValid { path, .. } => format!(
                "compare the clock of this host (`date -u`) with `openssl x509 -in {} -noout -startdate`",
                path.display()
            ),
            Self::CrlExpired { path, .. } => format!(
                "let the CA write a new one: `openssl ca -gencrl -out {}` with its configuration; until then nobody knows \
                 who was revoked",
                path.display()
            ),
        }
    }
}

fn ago(days: u64) -> String {
    match days {
        0 => "less than a day ago".to_owned(),
        1 => "a day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}
