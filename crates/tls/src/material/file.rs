//! Bytes and certificates from a file, bounded.

use std::path::Path;

use portcullis_files::Unreadable;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    MaterialError,
    instead::{Instead, Wanted},
};

/// Longest file with a certificate chain or a key, bytes.
pub(super) const LONGEST: u64 = 1024 * 1024;
/// Longest file with revocation lists, bytes: half a million revoked certificates.
pub(super) const LONGEST_CRL: u64 = 32 * 1024 * 1024;
/// Longest file with CAs, bytes; the public ones of an operating system, with comments, come close to one megabyte.
pub(super) const LONGEST_ROOTS: u64 = 4 * 1024 * 1024;

pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, MaterialError> {
    portcullis_files::read(path, limit).map_err(|cause| MaterialError::Unreadable { path: path.into(), cause })
}

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path, limit: u64) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let pem = read(path, limit)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| MaterialError::Malformed { path: path.into(), why: error.to_string() })?;
    match (found.is_empty(), Instead::of(&pem)) {
        (false, _) => Ok(found),
        (true, Some(found)) => Err(MaterialError::Instead { path: path.into(), wanted: Wanted::Certificate, found }),
        (true, None) => Err(MaterialError::NoCertificate(path.into())),
    }
}

pub(super) fn missing(path: &Path) -> MaterialError {
    MaterialError::Unreadable { path: path.into(), cause: Unreadable::Missing }
}
