//! A CA for a test, and files as an operator would have them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use portcullis_tls::material::{Certificate, Roots, load_certificate, load_roots};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, date_time_ymd,
};
use tempfile::TempDir;

/// A CA with a folder in which it leaves what it issues.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// PEM files of a certificate.
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn load(&self) -> Arc<Certificate> {
        Arc::new(load_certificate(&self.cert, &self.key).unwrap())
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    pub(crate) fn with(name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        adjust(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn roots(&self) -> Roots {
        load_roots(&self.file("ca.pem", self.pem())).unwrap()
    }

    /// A revocation list with these serial numbers, whose next one is due in that year.
    pub(crate) fn crl(&self, revoked: &[u64], next_update: i32) -> String {
        let revoked_certs = revoked
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: (*serial).into(),
                revocation_time: date_time_ymd(2024, 1, 1),
                reason_code: None,
                invalidity_date: None,
            })
            .collect();
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(next_update, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate for these names, with an ECDSA key.
    pub(crate) fn certificate(&self, names: &[&str]) -> Arc<Certificate> {
        self.issue(names, |_| {}).load()
    }

    pub(crate) fn issue(&self, names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> Files {
        self.issue_for(&KeyPair::generate().unwrap(), names, adjust)
    }

    pub(crate) fn issue_for(
        &self,
        key: &KeyPair,
        names: &[&str],
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let params = leaf(names, adjust);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        // Each pair has its own files.
        let number = fs::read_dir(self.folder()).unwrap().count();
        Files {
            cert: self.file(&format!("{number}.pem"), certificate.pem()),
            key: self.file(&format!("{number}.key"), key.serialize_pem()),
        }
    }
}

/// What a certificate for `names` says, with the first of them as its common name.
pub(crate) fn leaf(names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    adjust(&mut params);
    params
}
