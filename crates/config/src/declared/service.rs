//! What the file says about services: what is reached through Portcullis.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use super::{CertificateFiles, PortSpan};
use crate::span::Spanned;

/// Something that is reached through Portcullis.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Spanned<String>,
    /// `port:` or `ports:`; the internal ports that its replicas listen on. `None` only if every endpoint is a Unix socket.
    pub ports: Option<Spanned<PortSpan>>,
    /// `range:` the range from which its ports come.
    pub range: Option<Spanned<String>>,
    /// `replicas:` how many there may be.
    pub replicas: Option<Replicas>,
    /// `space:` where its ports are.
    pub space: Option<Spanned<Space>>,
    /// `protocol:`
    pub protocol: Option<Spanned<ServiceProtocol>>,
    /// Never empty.
    pub endpoints: Vec<Spanned<Endpoint>>,
    /// `balance:`
    pub balance: Option<Spanned<Balance>>,
    /// `health:` active checks.
    pub health: Option<Spanned<Health>>,
    /// `eject:` passive ejection.
    pub eject: Option<Spanned<Eject>>,
    /// `timeouts:`
    pub timeouts: ServiceTimeouts,
    /// `retries:`
    pub retries: Option<Spanned<Retries>>,
    /// TLS towards the endpoints.
    pub tls: Option<Spanned<ServiceTls>>,
    /// `proxy-protocol: v1 | v2`: header sent to the endpoints.
    pub proxy_protocol: Option<Spanned<ProxyProtocolOut>>,
    /// `process:` which program serves it, where that is on this host.
    pub process: Option<Spanned<ServiceProcess>>,
    /// `idle-connections:` idle upstream connections kept per endpoint and worker.
    pub idle_connections: Option<Spanned<u32>>,
    /// `resolve:` how often host names of endpoints are looked up again.
    pub resolve: Option<Spanned<Duration>>,
}

/// `replicas: { max: 3 }`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// How many there are at most, 1 to 1000.
    pub max: Spanned<u32>,
}

/// A port space: what holds each number once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// `host`: the network namespace in which the program itself runs.
    Host,
    /// `netns:blue`: a network namespace of this host, by its name.
    Namespace(String),
    /// `db-1.example.com`: another host. What is open there cannot be seen from here.
    Remote(String),
}

impl FromStr for Space {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        crate::argument::space(text)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => formatter.write_str("host"),
            Self::Namespace(name) => write!(formatter, "netns:{name}"),
            Self::Remote(name) => formatter.write_str(name),
        }
    }
}

/// What a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceProtocol {
    /// HTTP/1.1
    Http,
    /// Any bytes.
    Tcp,
    /// PostgreSQL, forwarded as bytes.
    Postgres,
    /// Redis, forwarded as bytes.
    Redis,
    /// SSH, forwarded as bytes.
    Ssh,
}

/// `process: postgres`, or `{ command: postgres, user: postgres }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProcess {
    /// Its command name, as `ps -o comm` shows it.
    pub command: Spanned<String>,
    /// The user as whom it runs; `None` for any.
    pub user: Option<Spanned<String>>,
}

/// `endpoints: [127.0.0.1:3000, 10.0.0.7, "unix:/run/shop.sock", { address: ..., weight: 2 }]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub address: EndpointAddress,
    /// 1 to 256, default 1; 0 takes it out of balancing.
    pub weight: Option<Spanned<u32>>,
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// IP literal with port; a bare host has been given the service's single `port`.
    Tcp(SocketAddr),
    /// A DNS name with port, resolved when the plan is made.
    Name {
        /// Lower case, no trailing dot.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// How the next endpoint is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Balance {
    /// Each in turn, by weight.
    RoundRobin,
    /// The one with the fewest requests (or sessions) under way, relative to its weight.
    LeastRequests,
}

/// `health: { http: /healthz, every: 2s }`; exactly one of `tcp: true`, `tls: true`, `http: PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is tried.
    pub probe: HealthProbe,
    /// Between two checks of one endpoint.
    pub every: Option<Spanned<Duration>>,
    /// For one check.
    pub timeout: Option<Spanned<Duration>>,
    /// Consecutive successes until up.
    pub rise: Option<Spanned<u32>>,
    /// Consecutive failures until down.
    pub fall: Option<Spanned<u32>>,
}

/// What an active check tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthProbe {
    /// Connect.
    Tcp,
    /// Connect and finish a TLS handshake.
    Tls,
    /// GET and look at the status.
    Http {
        /// Request target.
        path: Spanned<String>,
        /// Host header; default the service name.
        host: Option<Spanned<String>>,
        /// Status codes that count as healthy; default 200-399.
        status: Vec<Spanned<StatusSpan>>,
    },
}

/// `200` or `200-399`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusSpan {
    /// Lowest status.
    pub first: u16,
    /// Highest status, inclusive.
    pub last: u16,
}

/// Passive ejection: `eject: { failures: 5, for: 10s }`; `eject: off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eject {
    /// Never.
    Off,
    /// After consecutive failures, for a while.
    After {
        /// Consecutive failures until it happens.
        failures: Option<Spanned<u32>>,
        /// How long the endpoint is left alone.
        duration: Option<Spanned<Duration>>,
    },
}

/// `timeouts:` of a service (also under `defaults.timeouts`).
#[derive(Debug, Default, Clone)]
pub struct ServiceTimeouts {
    /// TCP connect and TLS handshake to an endpoint.
    pub connect: Option<Spanned<Duration>>,
    /// From the request sent whole to the response head.
    pub response: Option<Spanned<Duration>>,
    /// No byte in either direction while a body, a tunnel or a TCP session flows.
    pub idle: Option<Spanned<Duration>>,
    /// After one side of a TCP session has closed, for the other.
    pub half_close: Option<Spanned<Duration>>,
    /// Idle upstream connections are closed after this.
    pub keep_alive: Option<Spanned<Duration>>,
}

/// `retries: { attempts: 2, budget: 20% }`
#[derive(Debug, Clone, Default)]
pub struct Retries {
    /// Further attempts after the first; 0 turns retries off.
    pub attempts: Option<Spanned<u32>>,
    /// Retries as a share of requests, percent.
    pub budget: Option<Spanned<Percent>>,
}

/// 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Percent(pub u8);

/// `tls:` of a service.
#[derive(Debug, Clone)]
pub struct ServiceTls {
    /// `verify: system | ca | off`; `internal` is another word for `ca`. Default `ca` if `ca:` is given, otherwise `system`.
    pub verify: Spanned<Verify>,
    /// `ca: PATH`
    pub ca: Option<Spanned<PathBuf>>,
    /// Name that is sent as SNI and checked; default the endpoint's host.
    pub name: Option<Spanned<String>>,
    /// Client certificate presented to the endpoint.
    pub certificate: Option<Spanned<CertificateFiles>>,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// The operating system's roots.
    System,
    /// The roots of `ca:`.
    Ca,
    /// Not verified: a finding (warning) always.
    Off,
}

/// Version of the PROXY header that is sent ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyProtocolOut {
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Name { host, port } => write!(formatter, "{host}:{port}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}
