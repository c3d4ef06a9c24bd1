//! What a peer's certificate says, once rustls has believed it.

use std::{fmt::Write, time::SystemTime};

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::material::time;

/// The leaf certificate of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Distinguished name, as text.
    pub subject: String,
    /// First common name of the subject.
    pub common_name: Option<String>,
    /// DNS alternative names, lower case.
    pub dns_sans: Vec<String>,
    /// URI alternative names (SPIFFE ids are such).
    pub uri_sans: Vec<String>,
    /// E-mail alternative names.
    pub email_sans: Vec<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why a certificate is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It does not parse.
    #[error("the client certificate does not parse")]
    Malformed,
    /// A name in it holds NUL or another control character, which is made to be read in two ways (CVE-2025-66220).
    #[error("a name in the client certificate holds control characters")]
    ControlCharacters,
}

impl PeerCertificate {
    /// Reads a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, PeerError> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|_| PeerError::Malformed)?;
        let mut certificate = Self {
            subject: parsed.subject().to_string(),
            common_name: parsed
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            dns_sans: Vec::new(),
            uri_sans: Vec::new(),
            email_sans: Vec::new(),
            fingerprint: hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref()),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
        };
        let names = parsed.subject_alternative_name().map_err(|_| PeerError::Malformed)?;
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => certificate.dns_sans.push(name.to_ascii_lowercase()),
                GeneralName::URI(name) => certificate.uri_sans.push((*name).to_owned()),
                GeneralName::RFC822Name(name) => certificate.email_sans.push((*name).to_owned()),
                _ => {}
            }
        }
        let is_clean = |text: &str| !text.chars().any(char::is_control);
        if certificate.names().all(is_clean) && is_clean(&certificate.subject) {
            Ok(certificate)
        } else {
            Err(PeerError::ControlCharacters)
        }
    }

    /// Names by which a route can admit it. The common name counts only where there is no alternative name, as
    /// RFC 9525 has it for servers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let has_alternatives = !(self.dns_sans.is_empty() && self.uri_sans.is_empty() && self.email_sans.is_empty());
        let common = self.common_name.iter().filter(move |_| !has_alternatives);
        self.dns_sans.iter().chain(&self.uri_sans).chain(&self.email_sans).chain(common).map(String::as_str)
    }

    /// Whether `now` lies within its validity.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
