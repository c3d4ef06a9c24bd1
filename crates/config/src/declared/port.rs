//! What the file says about ports: the sockets that Portcullis listens on.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::AuditNeed;
use crate::span::Spanned;

/// One socket that Portcullis listens on.
#[derive(Debug)]
pub struct Port {
    /// Its name.
    pub name: Spanned<String>,
    /// `listen:` the address of the socket.
    pub listen: Spanned<ListenAddress>,
    /// `role:`
    pub role: Spanned<Role>,
    /// `protocol:`; required for `public` and `internal` ports, always HTTP on `admin` and `metrics` ports.
    pub protocol: Option<Spanned<Protocol>>,
    /// `tls:` certificates, or pass-through.
    pub tls: Option<Spanned<PortTls>>,
    /// `clients:` client certificates.
    pub clients: Option<Spanned<Clients>>,
    /// `from:` sources that may connect; empty means that the role's default applies (everyone).
    pub from: Vec<Spanned<IpNet>>,
    /// `deny:` sources that may not connect, stronger than `from`.
    pub deny: Vec<Spanned<IpNet>>,
    /// `redirect: web`: every request of this port is redirected to that https port.
    pub redirect: Option<Spanned<String>>,
    /// `plaintext: accepted`: plain HTTP on a public port is meant.
    pub plaintext: Option<Spanned<PlaintextAccepted>>,
    /// `accept: { wildcard: "why" }`: the written reason for what would be an error.
    pub accept: Option<Spanned<Accept>>,
    /// `proxy-protocol: { from: [...] }`: sources that send a PROXY header, and must.
    pub proxy_protocol: Option<Spanned<ProxyProtocolIn>>,
    /// `limits:`
    pub limits: PortLimits,
    /// `timeouts:`
    pub timeouts: PortTimeouts,
    /// `authenticate:` names of the providers that may prove who calls, in the order in which they are asked; empty: all.
    pub authenticate: Vec<Spanned<String>>,
    /// `log: required | on | off`
    pub log: Option<Spanned<PortLog>>,
    /// `audit: required | on | off`
    pub audit: Option<Spanned<AuditNeed>>,
}

/// `listen: 127.0.0.1:8443`, `[::1]:443`, `unix:/run/portcullis.sock` (admin and metrics ports only).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// TCP on an IP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Open to the world; the only role that may listen on a wildcard or public address.
    Public,
    /// For other machines of the same owner.
    Internal,
    /// The admin API.
    Admin,
    /// Prometheus metrics.
    Metrics,
}

/// What a port speaks to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Raw TCP, also for server-speaks-first protocols.
    Tcp,
    /// TLS that carries anything: terminated (`tls.certificates`) or passed through by SNI (`tls.passthrough: true`).
    Tls,
    /// HTTP/1 without TLS.
    Http,
    /// HTTP/1 inside TLS.
    Https,
}

/// `tls:` of a port.
#[derive(Debug, Default)]
pub struct PortTls {
    /// Chosen by SNI; the first is for clients without SNI (or with an unknown one).
    pub certificates: Vec<Spanned<CertificateFiles>>,
    /// `passthrough: true`: route by the SNI of the ClientHello, do not terminate. Only with `protocol: tls`.
    pub passthrough: Option<Spanned<bool>>,
    /// `minimum: "1.2" | "1.3"`; default 1.2.
    pub minimum: Option<Spanned<TlsVersion>>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 and later.
    Tls12,
    /// TLS 1.3 and later.
    Tls13,
}

/// Paths are relative to the file that names them and already resolved against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// PEM file with the chain, the leaf first.
    pub cert: Spanned<PathBuf>,
    /// PEM file with the private key.
    pub key: Spanned<PathBuf>,
}

/// `clients: { certificate: required, ca: ca.pem }`
#[derive(Debug)]
pub struct Clients {
    /// `certificate: none | optional | required`
    pub certificate: Spanned<ClientCertificate>,
    /// Required unless `certificate: none`.
    pub ca: Option<Spanned<PathBuf>>,
    /// `crl:` revocation lists of the CAs.
    pub crl: Option<Spanned<PathBuf>>,
}

/// What a port asks of its clients during the TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertificate {
    /// Clients are not asked.
    None,
    /// Clients are asked and may come without; one that is shown must be valid.
    Optional,
    /// No valid certificate, no connection.
    Required,
}

/// The single accepted word of `plaintext:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaintextAccepted;

/// Accepted departures from an invariant, each with its mandatory reason.
#[derive(Debug, Default)]
pub struct Accept {
    /// A wildcard or public address on a port whose role forbids it.
    pub wildcard: Option<Spanned<String>>,
}

/// `proxy-protocol: { from: [10.0.0.1] }` of a port.
#[derive(Debug)]
pub struct ProxyProtocolIn {
    /// Never empty.
    pub from: Vec<Spanned<IpNet>>,
}

/// `limits:` of a port (also under `defaults.limits`).
#[derive(Debug, Default, Clone)]
pub struct PortLimits {
    /// Open connections on this port.
    pub connections: Option<Spanned<u32>>,
    /// Open connections from one source address (IPv6: one /64).
    pub connections_per_source: Option<Spanned<u32>>,
    /// Request head: start line and headers, bytes.
    pub head_bytes: Option<Spanned<u32>>,
    /// Number of header lines.
    pub headers: Option<Spanned<u32>>,
    /// Request target, bytes (414 beyond it).
    pub target_bytes: Option<Spanned<u32>>,
    /// Request body, bytes (413 beyond it); `None`: unlimited.
    pub body_bytes: Option<Spanned<u64>>,
    /// A peer that moves fewer bytes per second than this while a body flows is dropped; 0 turns it off.
    pub minimum_rate: Option<Spanned<u32>>,
}

/// `timeouts:` of a port (also under `defaults.timeouts`).
#[derive(Debug, Default, Clone)]
pub struct PortTimeouts {
    /// PROXY header, TLS handshake, ClientHello: all of it, from accept.
    pub handshake: Option<Spanned<Duration>>,
    /// A whole request head, from its first byte.
    pub head: Option<Spanned<Duration>>,
    /// Between two requests of a connection, and before the first.
    pub keep_alive: Option<Spanned<Duration>>,
}

/// Whether and how strictly connections of a port are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortLog {
    /// Recorded; under pressure records may be dropped, and counted.
    On,
    /// Not recorded. Public ports only.
    Off,
    /// Traffic waits when the log cannot take its record.
    Required,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Port {
    /// Whether services are reached through it; admin and metrics ports belong to the control plane.
    pub fn is_data_port(&self) -> bool {
        matches!(self.role.value, Role::Public | Role::Internal)
    }

    /// Whether TLS is passed through by SNI.
    pub fn passes_through(&self) -> bool {
        self.tls.as_ref().and_then(|tls| tls.passthrough).is_some_and(|passthrough| *passthrough)
    }
}
