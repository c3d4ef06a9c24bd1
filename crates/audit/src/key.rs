//! The key that signs heads, and the one that verifies them.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    digest,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};

use crate::AuditError;

/// Where the signing key of a store lies: beside it.
pub fn key_path(store: &Path) -> PathBuf {
    store.with_extension("audit.key")
}

/// What signs heads and cuts.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Reads the key from a file, PKCS#8 in PEM.
    pub fn load(path: &Path) -> Result<Self, AuditError> {
        let failed = |cause| AuditError::File { path: path.to_path_buf(), cause };
        let mode = fs::metadata(path).map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(AuditError::SharedKey { path: path.to_path_buf(), mode });
        }
        let none = || AuditError::NoKey { path: path.to_path_buf(), expected: "private key" };
        let pem = fs::read(path).map_err(failed)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| none())?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| none())?;
        Self::from_pair(pair).ok_or_else(none)
    }

    /// Reads the key of a store; makes one if there is none. Other processes may do so at the same time: the file comes
    /// to its name in one step, and whoever is second takes what is there. It belongs to whom the store belongs.
    pub fn load_or_make(store: &Path) -> Result<Self, AuditError> {
        let path = key_path(store);
        match Self::load(&path) {
            Err(AuditError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let pkcs8 = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
        let pkcs8 = pkcs8.map_err(|_| AuditError::NoRandomness)?;
        let failed = |cause| AuditError::File { path: path.clone(), cause };
        place(&path, &pem("PRIVATE KEY", pkcs8.as_ref()), store).map_err(failed)?;
        Self::load(&path)
    }

    /// Makes one that nobody else has and that ends with this value.
    #[cfg(test)]
    pub(crate) fn ephemeral() -> Self {
        Self::from_pair(Ed25519KeyPair::generate().unwrap()).unwrap()
    }

    fn from_pair(pair: Ed25519KeyPair) -> Option<Self> {
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public })
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn sign(&self, statement: &str) -> Vec<u8> {
        self.pair.sign(statement.as_bytes()).as_ref().to_vec()
    }
}

/// Says which key it is, and never what it is.
impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public.id())
    }
}

/// What verifies signatures: an Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// What stands before an Ed25519 public key in its `SubjectPublicKeyInfo` (RFC 8410 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PublicKey {
    /// Reads it from a file: `SubjectPublicKeyInfo` in PEM, as `portcullis audit key` and OpenSSL write it.
    pub fn load(path: &Path) -> Result<Self, AuditError> {
        let pem = fs::read(path).map_err(|cause| AuditError::File { path: path.to_path_buf(), cause })?;
        let none = || AuditError::NoKey { path: path.to_path_buf(), expected: "public key" };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| none())?;
        let key = der.strip_prefix(&SPKI_PREFIX).ok_or_else(none)?;
        Ok(Self(key.try_into().map_err(|_| none())?))
    }

    /// In PEM.
    pub fn to_pem(self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    /// The first 16 hexadecimal digits of the SHA-256 of its `SubjectPublicKeyInfo`: how heads name it.
    pub fn id(self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.spki());
        hash.as_ref()[..8].iter().fold(String::new(), |id, byte| id + &format!("{byte:02x}"))
    }

    pub(crate) fn verifies(self, statement: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(statement.as_bytes(), signature).is_ok()
    }

    fn spki(self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Writes a file that its owner alone may read, unless there is one by now.
fn place(path: &Path, text: &str, store: &Path) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.{:?}.new", std::process::id(), std::thread::current().id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if rustix::process::geteuid().is_root() {
        // Made by root at the command line for a proxy that is not: it has to be able to sign, too.
        let owner = fs::metadata(store)?;
        chown(&fresh, Some(owner.uid()), Some(owner.gid()))?;
    }
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_private_and_the_same_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store.db");
        fs::write(&store, "").unwrap();
        let made = SigningKey::load_or_make(&store).unwrap();
        let found = SigningKey::load_or_make(&store).unwrap();
        assert_eq!(made.public(), found.public());
        let path = key_path(&store);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(made.public().verifies("a", &found.sign("a")));
        assert!(!made.public().verifies("b", &found.sign("a")));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing else is left behind");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKey::load_or_make(&store).unwrap_err().to_string();
        assert!(error.contains("can be read by others (mode 640); `chmod 600` it"), "{error}");
    }

    #[test]
    fn a_public_key_goes_through_pem() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.pub");
        let key = SigningKey::ephemeral().public();
        fs::write(&path, key.to_pem()).unwrap();
        assert_eq!(PublicKey::load(&path).unwrap(), key);
        fs::write(&path, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").unwrap();
        assert!(PublicKey::load(&path).unwrap_err().to_string().contains("holds no Ed25519 public key in PEM"));
        assert!(!format!("{:?}", SigningKey::ephemeral()).contains("seed"));
    }
}
