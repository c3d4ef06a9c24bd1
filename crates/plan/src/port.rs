//! One port, compiled.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use portcullis_config::declared::{AuditNeed, ClientCertificate, ListenAddress, PortLog, Role, Word};
use portcullis_observe::metrics::PortMetrics;
use portcullis_tls::peer::PeerCertificate;

use crate::{AddressSet, KnownHosts, RouteTable};

/// A socket that Portcullis listens on and everything that happens to what arrives there.
#[derive(Debug)]
pub struct PortPlan {
    /// Name, as declared.
    pub name: Arc<str>,
    /// Place in [`crate::Plan::ports`].
    pub index: usize,
    /// Where it listens; the identity of its sockets across plans.
    pub listen: ListenAddress,
    /// What it is for.
    pub role: Role,
    /// What it speaks.
    pub protocol: Protocol,
    /// Sources that may connect; `None`: all.
    pub from: Option<AddressSet>,
    /// Sources that may not.
    pub deny: AddressSet,
    /// Sources that send a PROXY header, and must; `None`: nobody does.
    pub proxy_protocol: Option<AddressSet>,
    /// Requests are redirected to the https port with this number.
    pub redirect_https: Option<u16>,
    /// Hosts to which they are redirected: those that the routes of the https port name.
    pub redirect_hosts: KnownHosts,
    /// Its routes.
    pub routes: RouteTable,
    /// Resolved limits.
    pub limits: PortLimits,
    /// Resolved timeouts.
    pub timeouts: PortTimeouts,
    /// Whether and how strictly it is logged.
    pub log: PortLog,
    /// Whether what the port itself refuses goes into the audit.
    pub audit: AuditNeed,
    /// Written reason for a wildcard or public address that the role forbids.
    pub accepted_wildcard: Option<String>,
    /// Counters.
    pub metrics: Arc<PortMetrics>,
}

impl PortPlan {
    /// Whether workers serve it (public and internal ports); admin and metrics ports belong to the control plane.
    pub fn is_data_port(&self) -> bool {
        matches!(self.role, Role::Public | Role::Internal)
    }

    /// The role's word.
    pub fn role_name(&self) -> &'static str {
        self.role.word()
    }
}

/// What a port speaks.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// Bytes.
    Tcp,
    /// TLS, terminated; bytes inside.
    Tls(Terminated),
    /// TLS, routed by SNI and passed on as it is.
    Passthrough,
    /// HTTP/1.
    Http,
    /// HTTP/1 inside TLS.
    Https(Terminated),
}

impl Protocol {
    /// The word of the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls(_) | Self::Passthrough => "tls",
            Self::Http => "http",
            Self::Https(_) => "https",
        }
    }

    /// TLS as terminated here, if it is.
    pub fn terminated(&self) -> Option<&Terminated> {
        match self {
            Self::Tls(terminated) | Self::Https(terminated) => Some(terminated),
            _ => None,
        }
    }

    /// Whether requests, not sessions, are what passes.
    pub fn is_http(&self) -> bool {
        matches!(self, Self::Http | Self::Https(_))
    }
}

/// TLS that ends at this port.
#[derive(Clone)]
pub struct Terminated {
    /// Certificates, client policy, ticket keys.
    pub config: Arc<rustls::ServerConfig>,
    /// What is asked of clients.
    pub clients: ClientCertificate,
    /// Until when it is known which client certificates were revoked; `None`: nobody asks.
    pub revocation_known_until: Option<SystemTime>,
    /// Certificates for the map, the API and expiry metrics.
    pub certificates: Vec<Arc<portcullis_tls::material::Certificate>>,
}

impl Terminated {
    /// Whether a client certificate that the handshake believed is still to be believed, and if not, why. To be asked of
    /// every session: a resumed one proves a certificate that was checked when its ticket was made.
    pub fn is_current(&self, certificate: &PeerCertificate) -> Result<(), &'static str> {
        let now = SystemTime::now();
        if !certificate.is_valid_at(now) {
            return Err("the client certificate has expired");
        }
        match self.revocation_known_until {
            Some(until) if until < now => {
                Err("the revocation list of `clients.crl` has expired, so nobody knows who was revoked")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Terminated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminated").field("clients", &self.clients).finish_non_exhaustive()
    }
}

/// Resolved limits of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortLimits {
    /// Open connections.
    pub connections: u32,
    /// Open connections of one source.
    pub connections_per_source: u32,
    /// Request head, bytes.
    pub head_bytes: usize,
    /// Header lines.
    pub headers: usize,
    /// Request target, bytes.
    pub target_bytes: usize,
    /// Request body, bytes.
    pub body_bytes: Option<u64>,
    /// Bytes per second below which a body counts as stalled; 0: off.
    pub minimum_rate: u32,
}

/// Resolved timeouts of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortTimeouts {
    /// PROXY header, ClientHello and TLS handshake together.
    pub handshake: Duration,
    /// A request head, from its first byte.
    pub head: Duration,
    /// Between requests.
    pub keep_alive: Duration,
}
