//! What a file holds in place of what was looked for: the ordinary mix-ups, told apart by their first bytes.

use std::{fmt, path::Path};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Certificates in PEM.
    Certificate,
    /// A private key in PEM.
    Key,
    /// Revocation lists in PEM.
    Crl,
}

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// A certificate in PEM.
    Certificate,
    /// A private key in PEM.
    PrivateKey,
    /// Only the public half of a key.
    PublicKey,
    /// A private key in the form of OpenSSH.
    OpenSshKey,
    /// A request to a CA (PKCS#10).
    Request,
    /// A revocation list in PEM.
    Crl,
    /// Certificates in a PKCS#7 envelope.
    Pkcs7,
    /// A certificate in DER.
    DerCertificate,
    /// A private key in DER.
    DerKey,
    /// Certificate and key in a PKCS#12 envelope (`.p12`, `.pfx`).
    Pkcs12,
}

impl Instead {
    /// Looks at the first bytes of a file in which what was wanted was not found.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        const LABELS: [(&str, Instead); 8] = [
            ("OPENSSH PRIVATE KEY", Instead::OpenSshKey),
            ("PRIVATE KEY", Instead::PrivateKey),
            ("PUBLIC KEY", Instead::PublicKey),
            ("CERTIFICATE REQUEST", Instead::Request),
            ("X509 CRL", Instead::Crl),
            ("PKCS7", Instead::Pkcs7),
            ("CMS", Instead::Pkcs7),
            ("CERTIFICATE", Instead::Certificate),
        ];
        let text = String::from_utf8_lossy(content);
        let label = text.lines().find_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
        if let Some(label) = label {
            return LABELS.into_iter().find(|(end, _)| label.ends_with(end)).map(|(_, found)| found);
        }
        Self::of_der(content)
    }

    /// By what the outer SEQUENCE begins with (X.690 8.9): a certificate with another SEQUENCE (RFC 5280 4.1), keys with
    /// the INTEGER 0 or 1 (RFC 5958 2, RFC 8017 A.1.2, RFC 5915 3), PKCS#12 with the INTEGER 3 (RFC 7292 4).
    fn of_der(content: &[u8]) -> Option<Self> {
        let [0x30, length, rest @ ..] = content else { return None };
        let skipped = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
        match rest.get(skipped..)? {
            [0x02, 0x01, 0x03, ..] => Some(Self::Pkcs12),
            [0x02, 0x01, 0x00 | 0x01, ..] => Some(Self::DerKey),
            [0x30, ..] => Some(Self::DerCertificate),
            _ => None,
        }
    }

    /// The command that makes what is wanted of what is there, or what to do where no command can.
    pub(super) fn remedy(self, wanted: Wanted, path: &Path) -> String {
        let file = path.display();
        // Beside it, under a name that nothing else has.
        let made = |end: &str| format!("{file}.{end}");
        match (wanted, self) {
            (Wanted::Certificate, Self::PrivateKey) => "are `cert` and `key` swapped?".to_owned(),
            (Wanted::Key, Self::Certificate) => {
                "name the file with the private key; are `cert` and `key` swapped?".to_owned()
            }
            (Wanted::Certificate, Self::DerCertificate) => {
                format!("write it as PEM: `openssl x509 -inform der -in {file} -out {}`", made("pem"))
            }
            (Wanted::Crl, Self::DerCertificate) => {
                format!("write it as PEM: `openssl crl -inform der -in {file} -out {}`", made("pem"))
            }
            (Wanted::Certificate, Self::Pkcs12) => {
                format!("take the certificates out of it: `openssl pkcs12 -in {file} -nokeys -out {}`", made("pem"))
            }
            (Wanted::Certificate, Self::Pkcs7) => {
                format!("take the certificates out of it: `openssl pkcs7 -in {file} -print_certs -out {}`", made("pem"))
            }
            (Wanted::Certificate, Self::Request) => format!(
                "let the CA sign it: `openssl x509 -req -in {file} -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 \
                 -extfile <(echo subjectAltName=DNS:shop.example.com) -out {}`",
                made("pem")
            ),
            (Wanted::Key, Self::DerKey) => {
                format!("write it as PEM: `openssl pkey -inform der -in {file} -out {}`", made("pem"))
            }
            (Wanted::Key, Self::Pkcs12) => {
                format!("take the key out of it: `openssl pkcs12 -in {file} -nocerts -nodes -out {}`", made("key"))
            }
            (Wanted::Key, Self::OpenSshKey) => {
                format!("write it in the common form: `ssh-keygen -p -m PKCS8 -N '' -f {file}`")
            }
            (Wanted::Key, Self::PublicKey) => {
                "name the file with the private half; the public one proves nothing".to_owned()
            }
            (Wanted::Certificate, _) => "name a PEM file that begins with `-----BEGIN CERTIFICATE-----`".to_owned(),
            (Wanted::Key, _) => "name a PEM file that begins with `-----BEGIN PRIVATE KEY-----`".to_owned(),
            (Wanted::Crl, _) => "name a PEM file that begins with `-----BEGIN X509 CRL-----`".to_owned(),
        }
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "a certificate",
            Self::PrivateKey => "a private key",
            Self::PublicKey => "a public key",
            Self::OpenSshKey => "a key in the form of OpenSSH",
            Self::Request => "a request for a certificate",
            Self::Crl => "a revocation list",
            Self::Pkcs7 => "a PKCS#7 envelope",
            Self::DerCertificate => "binary DER",
            Self::DerKey => "a private key in binary DER",
            Self::Pkcs12 => "a PKCS#12 envelope",
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "a certificate in PEM",
            Self::Key => "a private key in PEM",
            Self::Crl => "a revocation list in PEM",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_told_apart_by_how_they_begin() {
        let pem =
            |label: &str| format!("text before\n-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").into_bytes();
        for (content, expected) in [
            (pem("CERTIFICATE"), Some(Instead::Certificate)),
            (pem("RSA PRIVATE KEY"), Some(Instead::PrivateKey)),
            (pem("OPENSSH PRIVATE KEY"), Some(Instead::OpenSshKey)),
            (pem("CERTIFICATE REQUEST"), Some(Instead::Request)),
            (pem("NEW CERTIFICATE REQUEST"), Some(Instead::Request)),
            (pem("X509 CRL"), Some(Instead::Crl)),
            (vec![0x30, 0x82, 0x01, 0x02, 0x30, 0x82], Some(Instead::DerCertificate)),
            (vec![0x30, 0x81, 0x87, 0x02, 0x01, 0x00], Some(Instead::DerKey)),
            (vec![0x30, 0x82, 0x0a, 0x0b, 0x02, 0x01, 0x03], Some(Instead::Pkcs12)),
            (vec![0x30, 0xff], None),
            (b"hello".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(Instead::of(&content), expected, "{content:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_file_holds_is_too_much(content in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Instead::of(&content);
        }
    }
}
