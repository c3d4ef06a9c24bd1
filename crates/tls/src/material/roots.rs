//! CAs: whom we believe.

use std::{path::Path, sync::Arc, time::SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::{RootCertStore, pki_types::CertificateDer};

use super::{MaterialError, file};
use crate::certificate;

/// CAs, never empty, with a digest by which two loads can be compared.
#[derive(Debug, Clone)]
pub struct Roots {
    /// For rustls.
    pub store: Arc<RootCertStore>,
    /// SHA-256 over the certificates, whatever their order in the file.
    pub digest: [u8; 32],
}

/// Loads the CAs of one file. Certificates in it that have expired are left out, because rustls would go on to believe
/// them; a file with none left is an error, and so is one with anything in it that does not parse.
pub fn load_roots(path: &Path) -> Result<Roots, MaterialError> {
    let unusable = |number: usize, why: &str| MaterialError::Malformed {
        path: path.into(),
        why: format!("certificate {number}: {why}"),
    };
    let now = SystemTime::now();
    let mut valid = Vec::new();
    let mut last_expiry = SystemTime::UNIX_EPOCH;
    for (index, der) in file::certificates(path, file::LONGEST_ROOTS)?.into_iter().enumerate() {
        let parsed = certificate::parse(&der).ok_or_else(|| unusable(index + 1, "does not parse"))?;
        let (_, not_after) = certificate::validity(&parsed);
        last_expiry = last_expiry.max(not_after);
        if now <= not_after {
            RootCertStore::empty().add(der.clone()).map_err(|error| unusable(index + 1, &error.to_string()))?;
            valid.push(der);
        }
    }
    if valid.is_empty() {
        let days = now.duration_since(last_expiry).unwrap_or_default().as_secs() / 86_400;
        return Err(MaterialError::Expired { path: path.into(), days });
    }
    Ok(Roots::new(valid))
}

/// The operating system's CAs, from where its distributions keep them or from `SSL_CERT_FILE`. One that rustls can not
/// read is left out, as everybody does who has not chosen them.
pub fn system_roots() -> Result<Roots, MaterialError> {
    /// Debian and Alpine, Fedora, BSD and old Alpine.
    const BUNDLES: [&str; 3] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let chosen = std::env::var_os("SSL_CERT_FILE");
    let path = match &chosen {
        Some(chosen) => Path::new(chosen),
        None => {
            BUNDLES.into_iter().map(Path::new).find(|path| path.exists()).ok_or(file::missing(Path::new(BUNDLES[0])))?
        }
    };
    let now = SystemTime::now();
    let mut usable = file::certificates(path, file::LONGEST_ROOTS)?;
    usable.retain(|der| {
        let is_valid = certificate::parse(der).is_some_and(|parsed| now <= certificate::validity(&parsed).1);
        is_valid && RootCertStore::empty().add(der.clone()).is_ok()
    });
    if usable.is_empty() { Err(MaterialError::NoCertificate(path.into())) } else { Ok(Roots::new(usable)) }
}

impl Roots {
    /// `certificates` are valid CAs, at least one.
    fn new(mut certificates: Vec<CertificateDer<'static>>) -> Self {
        certificates.sort_by(|one, other| one.as_ref().cmp(other.as_ref()));
        certificates.dedup();
        let mut context = Context::new(&SHA256);
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            context.update(&certificate.len().to_be_bytes());
            context.update(certificate);
        }
        store.add_parsable_certificates(certificates);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self { store: Arc::new(store), digest }
    }
}
