//! What a failed handshake means, for the log of somebody who has to act.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Somebody who connects to a port.
    Client,
    /// An endpoint of a service.
    Endpoint,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "the client",
            Self::Endpoint => "the endpoint",
        }
    }

    /// The certificate that we show it.
    fn shown(self) -> &'static str {
        match self {
            Self::Client => "the certificate of this port",
            Self::Endpoint => "the client certificate that it was shown",
        }
    }
}

/// The error of a handshake in words, with the name that other programs have for it.
pub fn of_handshake(error: &io::Error, peer: Peer) -> String {
    match cause(error) {
        Some(error) => words(error, peer).unwrap_or_else(|| error.to_string()),
        None => error.to_string(),
    }
}

/// What rustls said, if it was rustls.
pub fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// Whether the peer ended the handshake because of the certificate that it was shown.
pub fn refuses_certificate(error: &Error) -> bool {
    use AlertDescription as Alert;
    matches!(
        error,
        Error::AlertReceived(
            Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
        )
    )
}

fn words(error: &Error, peer: Peer) -> Option<String> {
    Some(match error {
        Error::AlertReceived(alert) => alerted(*alert, peer)?,
        Error::InvalidCertificate(error) => unbelieved(error, peer)?,
        Error::NoCertificatesPresented => format!("{} showed no certificate, and one is required", peer.name()),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            format!("{} offers no cipher suite that is taken here", peer.name())
        }
        // Signature algorithms are what a client of TLS 1.1 and older does not send (RFC 5246 7.4.1.4.1).
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => {
            format!("{} offers no version of TLS that is spoken here (1.2 and 1.3; see `tls.minimum`)", peer.name())
        }
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => {
            format!("{} offers no key exchange that is taken here", peer.name())
        }
        _ => return None,
    })
}

/// Alerts that the peer sent (RFC 8446 6.2).
fn alerted(alert: AlertDescription, peer: Peer) -> Option<String> {
    use AlertDescription as Alert;
    let (name, shown) = (peer.name(), peer.shown());
    Some(match alert {
        Alert::UnknownCA => {
            format!(
                "{name} does not know the CA that issued {shown} (alert unknown_ca): give it that CA, or the chain is incomplete"
            )
        }
        Alert::CertificateExpired => format!("{name} says that {shown} has expired (alert certificate_expired)"),
        Alert::CertificateRevoked => format!("{name} says that {shown} was revoked (alert certificate_revoked)"),
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate => format!(
            "{name} does not accept {shown} ({}): another name than it asked for, perhaps, or a CA that it does not know",
            alert_name(alert)
        ),
        Alert::CertificateRequired => format!("{name} asks for a certificate (alert certificate_required)"),
        Alert::AccessDenied => format!("{name} believes {shown} and lets it do nothing (alert access_denied)"),
        Alert::ProtocolVersion => format!("{name} speaks no version of TLS that was offered (alert protocol_version)"),
        Alert::HandshakeFailure => {
            format!(
                "{name} has no algorithm in common with this side, or misses a certificate (alert handshake_failure)"
            )
        }
        Alert::UnrecognisedName => format!("{name} knows no such server name (alert unrecognized_name)"),
        Alert::NoApplicationProtocol => {
            format!("{name} speaks no protocol that was offered by ALPN (alert no_application_protocol)")
        }
        Alert::UserCanceled | Alert::CloseNotify => format!("{name} broke off the handshake"),
        _ => return None,
    })
}

fn alert_name(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::BadCertificate => "alert bad_certificate",
        AlertDescription::UnsupportedCertificate => "alert unsupported_certificate",
        _ => "alert certificate_unknown",
    }
}

/// Certificates that we did not believe.
fn unbelieved(error: &CertificateError, peer: Peer) -> Option<String> {
    let certificate = match peer {
        Peer::Client => "the client certificate",
        Peer::Endpoint => "the certificate of the endpoint",
    };
    Some(match error {
        CertificateError::UnknownIssuer => {
            let roots = match peer {
                Peer::Client => "`clients.ca`",
                Peer::Endpoint => "the CAs that the service's `tls` believes",
            };
            format!("{certificate} was issued by nobody in {roots} (unknown issuer)")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!("{certificate} has expired"),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("{certificate} is not valid yet; compare the clocks")
        }
        CertificateError::Revoked => format!("{certificate} was revoked"),
        CertificateError::UnknownRevocationStatus => {
            format!("{certificate}, or one of its chain, was issued by a CA of which `clients.crl` has no list")
        }
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "the revocation list of `clients.crl` has expired, so nobody knows who was revoked".to_owned()
        }
        CertificateError::BadSignature => format!("the signature on {certificate} is wrong"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            // rustls lists the names that it is for.
            format!("{certificate} is for another name: {error}")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            let purpose = match peer {
                Peer::Client => "clientAuth",
                Peer::Endpoint => "serverAuth",
            };
            format!("{certificate} was not issued for this purpose (extendedKeyUsage lacks {purpose})")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: Error, peer: Peer) -> String {
        of_handshake(&io::Error::other(error), peer)
    }

    #[test]
    fn an_alert_is_told_from_the_side_that_sent_it() {
        let unknown_ca = || Error::AlertReceived(AlertDescription::UnknownCA);
        let said_of_client = said(unknown_ca(), Peer::Client);
        assert!(said_of_client.starts_with("the client does not know the CA that issued the certificate of this port"));
        let said_of_endpoint = said(unknown_ca(), Peer::Endpoint);
        assert!(said_of_endpoint.starts_with("the endpoint does not know the CA that issued the client certificate"));
        assert!(refuses_certificate(&unknown_ca()) && !refuses_certificate(&Error::NoCertificatesPresented));
    }

    #[test]
    fn what_has_no_words_of_ours_keeps_those_of_rustls() {
        assert_eq!(said(Error::DecryptError, Peer::Client), Error::DecryptError.to_string());
        assert_eq!(of_handshake(&io::ErrorKind::BrokenPipe.into(), Peer::Client), "broken pipe");
        for error in [CertificateError::UnknownIssuer, CertificateError::Revoked, CertificateError::Expired] {
            let said = said(Error::InvalidCertificate(error), Peer::Client);
            assert!(said.starts_with("the client certificate "), "{said}");
        }
    }
}
