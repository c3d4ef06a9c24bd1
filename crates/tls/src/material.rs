//! Certificates, keys and CAs from PEM files.

mod crl;
mod error;
mod file;
mod instead;
mod roots;

use std::{fmt, path::Path, sync::Arc, time::SystemTime};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};
use x509_parser::{prelude::GeneralName, x509::X509Version};

pub use crl::{Crls, load_crls};
pub use error::MaterialError;
pub use instead::{Instead, Wanted};
pub use roots::{Roots, load_roots, system_roots};

use crate::certificate;

/// A certificate chain with the key that fits it.
#[derive(Clone)]
pub struct Certificate {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// DNS names, lower case, and addresses that it is for.
    pub names: Vec<String>,
    /// Beginning of its validity.
    pub not_before: SystemTime,
    /// End of its validity.
    pub not_after: SystemTime,
    /// SHA-256 of the leaf, hexadecimal: two loads of the same certificate have the same.
    pub fingerprint: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Loads a chain (the leaf first) and its key, and checks that they belong together and that the leaf is valid now.
pub fn load_certificate(cert: &Path, key: &Path) -> Result<Certificate, MaterialError> {
    let (chain, signing) = match (file::certificates(cert, file::LONGEST), load_key(key)) {
        (Ok(chain), Ok(signing)) => (chain, signing),
        (
            Err(MaterialError::Instead { found: Instead::PrivateKey, .. }),
            Err(MaterialError::Instead { found: Instead::Certificate, .. }),
        ) => return Err(MaterialError::Swapped { cert: cert.into(), key: key.into() }),
        (Err(error), _) | (Ok(_), Err(error)) => return Err(error),
    };
    let leaf = chain.first().ok_or_else(|| MaterialError::NoCertificate(cert.into()))?.clone();
    let malformed = |why: &str| MaterialError::Malformed { path: cert.into(), why: why.to_owned() };
    let parsed = certificate::parse(&leaf).ok_or_else(|| malformed("the first certificate does not parse"))?;
    if parsed.version() != X509Version::V3 {
        return Err(MaterialError::Version1(cert.into()));
    }
    let certified = CertifiedKey::new(chain, Arc::clone(&signing));
    if !fits(&certified, cert)? {
        return Err(misfit(cert, key, &certified.cert, &signing));
    }
    let (not_before, not_after) = certificate::validity(&parsed);
    let now = SystemTime::now();
    if now < not_before {
        let from = parsed.validity().not_before.to_string();
        return Err(MaterialError::NotYetValid { path: cert.into(), from });
    }
    if let Ok(since) = now.duration_since(not_after) {
        return Err(MaterialError::Expired { path: cert.into(), days: since.as_secs() / 86_400 });
    }
    let alternatives =
        certificate::alternative_names(&parsed).ok_or_else(|| malformed("its alternative names do not parse"))?;
    let names = alternatives.iter().filter_map(name).collect();
    Ok(Certificate {
        key: Arc::new(certified),
        names,
        not_before,
        not_after,
        fingerprint: certificate::fingerprint(&leaf),
    })
}

/// A name by which a client can ask for the certificate.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        // What is no text can not be asked for, and does not belong into logs and maps.
        GeneralName::DNSName(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
        }
        GeneralName::IPAddress(bytes) => certificate::ip_address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn load_key(path: &Path) -> Result<Arc<dyn SigningKey>, MaterialError> {
    let malformed = |why: String| MaterialError::Malformed { path: path.into(), why };
    let pem = file::read(path, file::LONGEST)?;
    if is_encrypted(&pem) {
        return Err(MaterialError::Encrypted(path.into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => match Instead::of(&pem) {
            Some(found) => MaterialError::Instead { path: path.into(), wanted: Wanted::Key, found },
            None => MaterialError::NoKey(path.into()),
        },
        error => malformed(error.to_string()),
    })?;
    crate::provider().key_provider.load_private_key(key).map_err(|_| MaterialError::UnsupportedKey(path.into()))
}

/// Encrypted PKCS#8 (RFC 7468 11), and the older form that OpenSSL wrote.
fn is_encrypted(pem: &[u8]) -> bool {
    let has = |text: &[u8]| pem.windows(text.len()).any(|window| window == text);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

fn fits(certified: &CertifiedKey, cert: &Path) -> Result<bool, MaterialError> {
    match certified.keys_match() {
        Ok(()) => Ok(true),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Ok(false),
        Err(error) => Err(MaterialError::Malformed { path: cert.into(), why: error.to_string() }),
    }
}

/// The usual reason for a key that does not fit is a chain in the wrong order.
fn misfit(cert: &Path, key: &Path, chain: &[CertificateDer<'static>], signing: &Arc<dyn SigningKey>) -> MaterialError {
    let fits_later = chain
        .iter()
        .skip(1)
        .any(|later| CertifiedKey::new(vec![later.clone()], Arc::clone(signing)).keys_match().is_ok());
    if fits_later {
        return MaterialError::WrongOrder { path: cert.into(), key: key.into() };
    }
    MaterialError::KeyDoesNotFit { cert: cert.into(), key: key.into() }
}
