//! A certificate authority for each test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use tempfile::TempDir;

/// An authority, with the files that it has issued.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Files of one certificate.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// The chain, the leaf first.
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Leaf {
    /// As `portcullis.yaml` writes it.
    pub(crate) fn yaml(&self) -> String {
        format!("{{ cert: {}, key: {} }}", self.cert.display(), self.key.display())
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), &pem).unwrap();
        Self { directory, issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A certificate for these names (an IP address counts as one), valid now.
    pub(crate) fn issue(&self, names: &[&str]) -> Leaf {
        self.issue_between(names, 2020, 2040)
    }

    /// One that expired long ago.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Leaf {
        self.issue_between(names, 2010, 2015)
    }

    /// Replaces the files of `leaf` by a new certificate for the same names.
    pub(crate) fn renew(&self, leaf: &Leaf, names: &[&str]) {
        let renewed = self.issue(names);
        // Renamed into place, as certificate tools do.
        if renewed.cert != leaf.cert {
            fs::rename(renewed.key, &leaf.key).unwrap();
            fs::rename(renewed.cert, &leaf.cert).unwrap();
        }
    }

    fn issue_between(&self, names: &[&str], from: i32, to: i32) -> Leaf {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| match (name.parse(), name.contains("://")) {
                (Ok(address), _) => SanType::IpAddress(address),
                (_, true) => SanType::URI((*name).try_into().unwrap()),
                (_, false) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let serial = fs::read_dir(self.directory.path()).unwrap().count();
        let path = |kind: &str| self.directory.path().join(format!("{serial}-{kind}.pem"));
        let leaf = Leaf { cert: path("cert"), key: path("key") };
        fs::write(&leaf.cert, certificate.pem()).unwrap();
        fs::write(&leaf.key, key.serialize_pem()).unwrap();
        leaf
    }
}
