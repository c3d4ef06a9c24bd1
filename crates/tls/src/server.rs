//! The server side: certificates by SNI, client certificates, tickets.

mod by_sni;
mod tickets;

use std::{sync::Arc, time::SystemTime};

use rustls::{
    ServerConfig,
    client::VerifierBuilderError,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

pub use tickets::TicketRegistry;

use crate::{
    TlsError,
    material::{Certificate, Crls, Roots},
};

/// What is asked of clients.
#[derive(Debug, Clone)]
pub enum ClientPolicy {
    /// Nothing.
    None,
    /// A certificate that is sent must be believed; none is fine.
    Optional(Believed),
    /// A certificate of these CAs.
    Required(Believed),
}

/// Whose client certificates are believed.
#[derive(Debug, Clone)]
pub struct Believed {
    /// Those of these CAs,
    pub roots: Roots,
    /// unless they are on these lists. With lists, every CA that issued a part of a client's chain must have one that has
    /// not expired: what nobody knows is not believed.
    pub revoked: Option<Crls>,
}

impl From<Roots> for Believed {
    /// All that these CAs have issued.
    fn from(roots: Roots) -> Self {
        Self { roots, revoked: None }
    }
}

/// Lowest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Minimum {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// Everything that makes one port's TLS.
#[derive(Debug)]
pub struct ServerSettings<'a> {
    /// Name of the port; with the client policy, the domain of its tickets.
    pub port: &'a str,
    /// Chosen by SNI: exact name, then `*.` in the place of the first label, whatever the case. The first certificate
    /// is for clients that name none, or one that none is for. Of several for the same name, the first that the
    /// client's algorithms allow is taken.
    pub certificates: &'a [Arc<Certificate>],
    /// Client certificates.
    pub clients: ClientPolicy,
    /// Lowest version.
    pub minimum: Minimum,
    /// ALPN, in the order of preference; empty: the extension is ignored.
    pub alpn: &'a [&'a [u8]],
}

impl ServerSettings<'_> {
    /// The configuration that connections are accepted with. One port asks the same of all its clients, whatever name
    /// they ask for, so that no name is a way around a client certificate.
    pub fn build(&self, registry: &TicketRegistry) -> Result<Arc<ServerConfig>, TlsError> {
        if self.certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let versions: &[&rustls::SupportedProtocolVersion] = match self.minimum {
            Minimum::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            Minimum::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(crate::provider()).with_protocol_versions(versions)?;
        let builder = match self.clients.verifier()? {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_cert_resolver(Arc::new(by_sni::BySni::new(self.certificates)));
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // Sessions are kept by clients, in tickets: no memory for them here, and any worker can resume.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = registry.tickets(self.port, &self.clients)?;
        // One is what a client that comes back needs; more are bytes in each handshake.
        config.send_tls13_tickets = 1;
        // What comes before the handshake is done can be sent again by anybody who saw it.
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

impl ClientPolicy {
    /// Until when it is known who was revoked, if anybody asks.
    pub fn revocation_known_until(&self) -> Option<SystemTime> {
        match self {
            Self::None => None,
            Self::Optional(believed) | Self::Required(believed) => Some(believed.revoked.as_ref()?.next_update),
        }
    }

    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let builder = |believed: &Believed| {
            let store = Arc::clone(&believed.roots.store);
            let builder = WebPkiClientVerifier::builder_with_provider(store, crate::provider());
            match &believed.revoked {
                Some(revoked) => builder.with_crls(revoked.lists.iter().cloned()).enforce_revocation_expiration(),
                None => builder,
            }
        };
        let built = match self {
            Self::None => return Ok(None),
            Self::Optional(believed) => builder(believed).allow_unauthenticated().build(),
            Self::Required(believed) => builder(believed).build(),
        };
        built.map(Some).map_err(|error: VerifierBuilderError| TlsError::ClientCas(error.to_string()))
    }
}
