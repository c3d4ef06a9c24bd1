//! Revocation lists (RFC 5280 5): which certificates of a CA are not to be believed any more.

use std::{path::Path, sync::Arc, time::SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::{CertificateRevocationListDer, pem::PemObject};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::{
    MaterialError, file,
    instead::{Instead, Wanted},
};
use crate::certificate;

/// Revocation lists, never none, of which none has expired; with a digest by which two loads can be compared.
#[derive(Debug, Clone)]
pub struct Crls {
    /// For rustls.
    pub lists: Arc<[CertificateRevocationListDer<'static>]>,
    /// When the first of them expires. What is revoked after that is not known, so nobody is believed.
    pub next_update: SystemTime,
    /// SHA-256 over the lists, in the order of the file.
    pub digest: [u8; 32],
}

/// Loads the lists of one file. One that has expired, or does not say when the next is due, is an error.
pub fn load_crls(path: &Path) -> Result<Crls, MaterialError> {
    let pem = file::read(path, file::LONGEST_CRL)?;
    let malformed = |why: String| MaterialError::Malformed { path: path.into(), why };
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
    let lists = found.map_err(|error| malformed(error.to_string()))?;
    if lists.is_empty() {
        return Err(match Instead::of(&pem) {
            Some(found) => MaterialError::Instead { path: path.into(), wanted: Wanted::Crl, found },
            None => MaterialError::NoCrl(path.into()),
        });
    }
    let now = SystemTime::now();
    let mut context = Context::new(&SHA256);
    let mut first_expiry: Option<SystemTime> = None;
    for (index, list) in lists.iter().enumerate() {
        let (_, parsed) = CertificateRevocationList::from_der(list)
            .map_err(|_| malformed(format!("revocation list {} does not parse", index + 1)))?;
        let next_update = parsed
            .next_update()
            .ok_or_else(|| malformed(format!("revocation list {} does not say when the next is due", index + 1)))?;
        let next_update = certificate::time(next_update.timestamp());
        if let Ok(since) = now.duration_since(next_update) {
            return Err(MaterialError::CrlExpired { path: path.into(), days: since.as_secs() / 86_400 });
        }
        first_expiry = Some(first_expiry.map_or(next_update, |first| first.min(next_update)));
        context.update(&list.len().to_be_bytes());
        context.update(list);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Crls { lists: lists.into(), next_update: first_expiry.unwrap_or(now), digest })
}
