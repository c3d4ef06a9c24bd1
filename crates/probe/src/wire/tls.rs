//! TLS handshakes that believe anybody: what a port shows is looked at, not trusted.

use std::{io, net::IpAddr, sync::Arc};

use portcullis_tls::{
    client::{Verify, client_config},
    material::Certificate,
    peer::PeerCertificate,
};
use rustls::{
    AlertDescription, ClientConfig, Error,
    pki_types::{CertificateDer, ServerName},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Wire;

/// What a client says in its first message.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    /// Server name; an address is not sent.
    pub(crate) name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Hello {
    /// For this host name, or for the address where there is none.
    pub(crate) fn new(name: Option<&str>, address: IpAddr, certificate: Option<&Certificate>) -> Option<Self> {
        let by_name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let name = by_name.unwrap_or_else(|| ServerName::from(address));
        let config = client_config(&Verify::Off, certificate, &[b"http/1.1"]).ok()?;
        Some(Self { name, config })
    }
}

/// A handshake that was completed.
pub(crate) struct Session {
    /// For what is spoken inside.
    pub(crate) stream: TlsStream<Wire>,
    /// `TLS 1.3, http/1.1`
    pub(crate) words: String,
    /// The certificate that the port shows.
    pub(crate) leaf: Option<CertificateDer<'static>>,
}

/// A handshake that was not.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The port wants a certificate that this client does not have.
    CertificateWanted,
    /// It said no in another way.
    Alert(String),
    /// It does not speak TLS; these bytes it spoke.
    NotTls(Vec<u8>),
    /// The connection ended.
    Closed,
}

/// Shakes hands.
pub(crate) async fn handshake(wire: Wire, hello: &Hello) -> Result<Session, Broken> {
    let connecting = TlsConnector::from(Arc::clone(&hello.config)).connect(hello.name.clone(), wire).into_fallible();
    match connecting.await {
        Ok(stream) => {
            let connection = stream.get_ref().1;
            let version = connection.protocol_version().and_then(|version| version.as_str());
            let version = version.unwrap_or("TLS").replace("TLSv1_", "1.");
            let protocol = connection.alpn_protocol().map(|name| format!(", {}", super::printable(name)));
            let words = format!("version {version}{}", protocol.unwrap_or_default());
            let leaf = connection.peer_certificates().and_then(|chain| chain.first()).cloned();
            Ok(Session { words, leaf: leaf.map(CertificateDer::into_owned), stream })
        }
        Err((error, wire)) => Err(Broken::of(&error, wire.first_bytes())),
    }
}

impl Broken {
    /// In a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::CertificateWanted => "refused in TLS: it wants a certificate that it believes".to_owned(),
            Self::Alert(alert) => format!("refused in TLS: {alert}"),
            Self::NotTls(bytes) => format!("no TLS, but \"{}\"", super::printable(bytes)),
            Self::Closed => "closed during the handshake".to_owned(),
        }
    }

    /// What an error of the handshake, or of the first read after it, means. A server of TLS 1.3 asks for a certificate
    /// when the client already believes to be done.
    pub(crate) fn of(error: &io::Error, first: &[u8]) -> Self {
        let alert = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
        match alert {
            Some(Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown,
            )) => Self::CertificateWanted,
            Some(Error::AlertReceived(alert)) => Self::Alert(format!("{alert:?}")),
            _ if !first.is_empty() && !matches!(first, [20..=23, 3, ..]) => Self::NotTls(first.to_vec()),
            _ => Self::Closed,
        }
    }
}

/// The certificate that the other side shows, as far as it can be read.
pub(crate) async fn certificate_of(wire: Wire, hello: &Hello) -> Option<PeerCertificate> {
    let session = handshake(wire, hello).await.ok()?;
    PeerCertificate::from_der(&session.leaf?).ok()
}
