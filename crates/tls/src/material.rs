//! Certificates, keys and CAs from PEM files.

use std::{
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Longest file that is read, bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A certificate chain with the key that fits it.
pub struct Certificate {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// DNS names, lower case, and addresses that it is for.
    pub names: Vec<String>,
    /// End of its validity.
    pub not_after: SystemTime,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Why a file can not be used.
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
    /// Its validity is over.
    #[error("the certificate {} expired {} days ago", path.display(), days)]
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

/// Loads a chain and its key and checks that they belong together and are valid now.
pub fn load_certificate(cert: &Path, key: &Path) -> Result<Certificate, MaterialError> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => MaterialError::NoKey(key.into()),
        error => MaterialError::Malformed { path: key.into(), why: error.to_string() },
    })?;
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private)
        .map_err(|error| MaterialError::Malformed { path: key.into(), why: error.to_string() })?;
    let leaf = chain.first().ok_or_else(|| MaterialError::NoCertificate(cert.into()))?;
    let (names, not_after) = judge(cert, leaf)?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) => Ok(Certificate { key: Arc::new(certified), names, not_after }),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(MaterialError::KeyDoesNotFit { cert: cert.into(), key: key.into() })
        }
        Err(error) => Err(MaterialError::Malformed { path: cert.into(), why: error.to_string() }),
    }
}

/// Names and end of validity of a certificate that is valid now.
fn judge(path: &Path, der: &CertificateDer<'_>) -> Result<(Vec<String>, SystemTime), MaterialError> {
    let (_, parsed) = X509Certificate::from_der(der)
        .map_err(|error| MaterialError::Malformed { path: path.into(), why: error.to_string() })?;
    let now = SystemTime::now();
    let not_before = time(parsed.validity().not_before.timestamp());
    let not_after = time(parsed.validity().not_after.timestamp());
    if not_before > now {
        return Err(MaterialError::NotYetValid(path.into()));
    }
    if let Ok(since) = now.duration_since(not_after) {
        return Err(MaterialError::Expired { path: path.into(), days: since.as_secs() / 86_400 });
    }
    let names = parsed.subject_alternative_name().ok().flatten().map(|names| {
        names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress([a, b, c, d]) => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            GeneralName::IPAddress(bytes) => {
                <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
            }
            _ => None,
        })
    });
    Ok((names.into_iter().flatten().collect(), not_after))
}

/// Seconds since 1970 as a time; what lies before is 1970.
pub(crate) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// CAs, never empty, with a digest by which two loads can be compared.
#[derive(Debug, Clone)]
pub struct Roots {
    /// For rustls.
    pub store: Arc<RootCertStore>,
    /// Of the certificates' bytes.
    pub digest: u64,
}

/// Loads the CAs of one file.
pub fn load_roots(path: &Path) -> Result<Roots, MaterialError> {
    roots(path, certificates(path)?)
}

/// The operating system's CAs.
pub fn system_roots() -> Result<Roots, MaterialError> {
    const BUNDLES: [&str; 3] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let path = BUNDLES.into_iter().map(Path::new).find(|path| path.exists()).unwrap_or(Path::new(BUNDLES[0]));
    load_roots(path)
}

fn roots(path: &Path, certificates: Vec<CertificateDer<'static>>) -> Result<Roots, MaterialError> {
    let mut hasher = DefaultHasher::new();
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        certificate.as_ref().hash(&mut hasher);
        store
            .add(certificate)
            .map_err(|error| MaterialError::Malformed { path: path.into(), why: error.to_string() })?;
    }
    if store.is_empty() {
        return Err(MaterialError::NoCertificate(path.into()));
    }
    Ok(Roots { store: Arc::new(store), digest: hasher.finish() })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| MaterialError::Malformed { path: path.into(), why: error.to_string() })?;
    if found.is_empty() { Err(MaterialError::NoCertificate(path.into())) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, MaterialError> {
    let unreadable = |cause| MaterialError::Unreadable { path: path.into(), cause };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > LONGEST {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 4 MiB")));
    }
    fs::read(path).map_err(unreadable)
}
