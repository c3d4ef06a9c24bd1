//! The server side: certificates by SNI, client certificates, tickets.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use crate::material::{Certificate, Roots};

/// What is asked of clients.
#[derive(Debug, Clone)]
pub enum ClientPolicy {
    /// Nothing.
    None,
    /// A certificate that is sent must be believed; none is fine.
    Optional(Roots),
    /// A certificate of these CAs.
    Required(Roots),
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
    /// Chosen by SNI; the first is for clients that name none, or one that none is for.
    pub certificates: &'a [Arc<Certificate>],
    /// Client certificates.
    pub clients: ClientPolicy,
    /// Lowest version.
    pub minimum: Minimum,
    /// ALPN, in the order of preference.
    pub alpn: &'a [&'a [u8]],
}

/// Ticket keys that outlive plans, by port and client policy: a ticket made under one policy is never good under
/// another (CVE-2025-23419), and resumption survives a reload that changes nothing.
#[derive(Debug, Default)]
pub struct TicketRegistry {
    known: Mutex<HashMap<TicketDomain, Arc<dyn ProducesTickets>>>,
}

/// Port, kind of policy, digest of its CAs.
type TicketDomain = (String, u8, u64);

impl TicketRegistry {
    fn tickets(&self, port: &str, clients: &ClientPolicy) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let (kind, digest) = match clients {
            ClientPolicy::None => (0, 0),
            ClientPolicy::Optional(roots) => (1, roots.digest),
            ClientPolicy::Required(roots) => (2, roots.digest),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (port.to_owned(), kind, digest);
        if let Some(tickets) = known.get(&key) {
            return Ok(Arc::clone(tickets));
        }
        // Rotates its keys by itself; a ticket is good for twelve hours at most.
        let tickets = aws_lc_rs::Ticketer::new()?;
        // One policy a port: a ticket of the policy before must not come to life again if that one returns.
        known.retain(|(of, ..), _| of != port);
        known.insert(key, Arc::clone(&tickets));
        Ok(tickets)
    }
}

impl ServerSettings<'_> {
    /// The configuration that connections are accepted with.
    pub fn build(&self, registry: &TicketRegistry) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match self.minimum {
            Minimum::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            Minimum::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let verifier = |roots: &Roots| {
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots.store), Arc::clone(&provider))
        };
        let failed = |error: rustls::client::VerifierBuilderError| rustls::Error::General(error.to_string());
        let builder = match &self.clients {
            ClientPolicy::None => builder.with_no_client_auth(),
            ClientPolicy::Optional(roots) => {
                builder.with_client_cert_verifier(verifier(roots).allow_unauthenticated().build().map_err(failed)?)
            }
            ClientPolicy::Required(roots) => {
                builder.with_client_cert_verifier(verifier(roots).build().map_err(failed)?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(BySni::new(self.certificates)));
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = registry.tickets(self.port, &self.clients)?;
        config.send_tls13_tickets = 1;
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

/// Certificates by name: exact, then `*.` in the place of the first label.
struct BySni {
    exact: HashMap<String, Arc<CertifiedKey>>,
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl BySni {
    fn new(certificates: &[Arc<Certificate>]) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for certificate in certificates {
            for name in &certificate.names {
                let (of, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut wildcard, rest),
                    None => (&mut exact, name.as_str()),
                };
                // The first that is written wins, as everywhere in the file.
                of.entry(name.to_owned()).or_insert_with(|| Arc::clone(&certificate.key));
            }
        }
        Self { exact, wildcard, default: certificates.first().map(|first| Arc::clone(&first.key)) }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let by_wildcard = || name.split_once('.').and_then(|(_, rest)| self.wildcard.get(rest));
        self.exact.get(&name).or_else(by_wildcard)
    }
}

impl fmt::Debug for BySni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BySni").field("names", &(self.exact.len() + self.wildcard.len())).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.server_name().and_then(|name| self.find(name)).or(self.default.as_ref()).cloned()
    }
}
