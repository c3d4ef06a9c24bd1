//! What a peer's certificate says, once rustls has believed it.

mod subject;

use std::{net::IpAddr, time::SystemTime};

use x509_parser::prelude::GeneralName;

use crate::certificate;

/// The leaf certificate of a peer. All texts in it are print: nothing that ends a line, hides or turns around what
/// follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Distinguished name (RFC 4514): the most specific part first, what has a meaning in the form is escaped.
    pub subject: String,
    /// First common name of the subject, not escaped; `None` also if it holds characters that do not show.
    pub common_name: Option<String>,
    /// DNS alternative names, lower case.
    pub dns_sans: Vec<String>,
    /// URI alternative names (SPIFFE ids are such).
    pub uri_sans: Vec<String>,
    /// E-mail alternative names.
    pub email_sans: Vec<String>,
    /// IP address alternative names.
    pub ip_sans: Vec<IpAddr>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// The same as bytes.
    pub thumbprint: [u8; 32],
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why a certificate is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It does not parse.
    #[error("the client certificate does not parse")]
    Malformed,
    /// A name in it holds NUL or other characters that do not show, made to be read in two ways (CVE-2025-66220).
    #[error("a name in the client certificate holds characters that do not show")]
    Unprintable,
}

impl PeerCertificate {
    /// Reads a certificate. rustls has verified it, but rustls looks at no name of a client: what is said here about
    /// names is all that is checked of them.
    pub fn from_der(der: &[u8]) -> Result<Self, PeerError> {
        let parsed = certificate::parse(der).ok_or(PeerError::Malformed)?;
        let (not_before, not_after) = certificate::validity(&parsed);
        let mut certificate = Self {
            subject: subject::distinguished_name(parsed.subject())?,
            common_name: subject::common_name(parsed.subject()),
            dns_sans: Vec::new(),
            uri_sans: Vec::new(),
            email_sans: Vec::new(),
            ip_sans: Vec::new(),
            serial: certificate::hex(parsed.raw_serial()),
            fingerprint: certificate::fingerprint(der),
            thumbprint: certificate::thumbprint(der),
            not_before,
            not_after,
        };
        for name in certificate::alternative_names(&parsed).ok_or(PeerError::Malformed)? {
            match name {
                GeneralName::DNSName(name) => certificate.dns_sans.push(visible(name)?.to_ascii_lowercase()),
                GeneralName::URI(name) => certificate.uri_sans.push(visible(name)?.to_owned()),
                GeneralName::RFC822Name(name) => certificate.email_sans.push(visible(name)?.to_owned()),
                GeneralName::IPAddress(bytes) => {
                    certificate.ip_sans.push(certificate::ip_address(bytes).ok_or(PeerError::Malformed)?);
                }
                GeneralName::Invalid(..) => return Err(PeerError::Malformed),
                // Directory names and the like are nobody's name here.
                _ => {}
            }
        }
        Ok(certificate)
    }

    /// Names by which a route can admit it: DNS, URI and e-mail alternative names. The common name counts only where
    /// there is no alternative name of any kind, as RFC 9525 has it for servers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let alternatives = [&self.dns_sans, &self.uri_sans, &self.email_sans];
        let has_alternatives = !self.ip_sans.is_empty() || alternatives.iter().any(|names| !names.is_empty());
        let common = self.common_name.iter().filter(move |_| !has_alternatives);
        alternatives.into_iter().flatten().chain(common).map(String::as_str)
    }

    /// Whether `now` lies within its validity. To be asked of resumed sessions: they prove a certificate that was
    /// verified when the ticket was made and may have expired since.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// End of its validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

/// Alternative names are ASCII (IA5String, RFC 5280 4.2.1.6), and no name in them holds a space.
fn visible(name: &str) -> Result<&str, PeerError> {
    let is_visible = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible { Ok(name) } else { Err(PeerError::Unprintable) }
}
