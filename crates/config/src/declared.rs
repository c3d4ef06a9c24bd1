//! What the file says, word for word and with the place of each word.
//!
//! Nothing here is resolved: a route names its service by the name that was written, a timeout that was not
//! written is `None`. Defaults are applied when the plan is made (`portcullis-plan`), so that reports and maps can
//! tell "said" from "assumed".

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use crate::{secret::Secret, span::Spanned};

/// The whole file with everything it includes, in the order in which it was written.
#[derive(Debug, Default)]
pub struct Declared {
    /// `ranges:` named spans of port numbers.
    pub ranges: Vec<Range>,
    /// `ports:` what Portcullis listens on.
    pub ports: Vec<Port>,
    /// `services:` what is reached through it.
    pub services: Vec<Service>,
    /// `routes:` which traffic of which port goes to which service.
    pub routes: Vec<Route>,
    /// `defaults:` for every port and service that does not say otherwise.
    pub defaults: Defaults,
    /// `limits:` of the whole process.
    pub limits: ProcessLimits,
    /// `log:` access log and program log.
    pub log: Log,
    /// `metrics:` what the metrics ports show.
    pub metrics: Metrics,
    /// `admin:` who may use the admin ports.
    pub admin: Admin,
    /// `workers:` number of data-plane threads; `None` follows CPU affinity and the cgroup quota.
    pub workers: Option<Spanned<usize>>,
    /// Files that were read: the main file first, then includes, and every file a `${file:}` named.
    pub sources: Vec<PathBuf>,
}

/// `ranges: { app: { ports: 3000-3999 } }`
#[derive(Debug)]
pub struct Range {
    pub name: Spanned<String>,
    pub ports: Spanned<PortSpan>,
}

/// An inclusive span of port numbers, `1 <= first <= last <= 65535`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortSpan {
    pub first: u16,
    pub last: u16,
}

/// One socket that Portcullis listens on.
#[derive(Debug)]
pub struct Port {
    pub name: Spanned<String>,
    pub listen: Spanned<ListenAddress>,
    pub role: Spanned<Role>,
    /// `protocol:`; required for `public` and `internal` ports, always HTTP on `admin` and `metrics` ports.
    pub protocol: Option<Spanned<Protocol>>,
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
    pub limits: PortLimits,
    pub timeouts: PortTimeouts,
    /// `log: required | on | off`
    pub log: Option<Spanned<PortLog>>,
}

/// `listen: 127.0.0.1:8443`, `[::1]:443`, `unix:/run/portcullis.sock` (admin and metrics ports only).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Public,
    Internal,
    Admin,
    Metrics,
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// Paths are relative to the file that names them and already resolved against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    pub cert: Spanned<PathBuf>,
    pub key: Spanned<PathBuf>,
}

/// `clients: { certificate: required, ca: ca.pem }`
#[derive(Debug)]
pub struct Clients {
    pub certificate: Spanned<ClientCertificate>,
    /// Required unless `certificate: none`.
    pub ca: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertificate {
    None,
    Optional,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortLog {
    On,
    Off,
    /// Traffic waits when the log cannot take its record.
    Required,
}

/// Something that is reached through Portcullis.
#[derive(Debug)]
pub struct Service {
    pub name: Spanned<String>,
    /// `port:` or `ports:`; the internal ports that its replicas listen on. `None` only if every endpoint is a Unix socket.
    pub ports: Option<Spanned<PortSpan>>,
    pub range: Option<Spanned<String>>,
    pub protocol: Option<Spanned<ServiceProtocol>>,
    /// Never empty.
    pub endpoints: Vec<Spanned<Endpoint>>,
    pub balance: Option<Spanned<Balance>>,
    pub health: Option<Spanned<Health>>,
    pub eject: Option<Spanned<Eject>>,
    pub timeouts: ServiceTimeouts,
    pub retries: Option<Spanned<Retries>>,
    /// TLS towards the endpoints.
    pub tls: Option<Spanned<ServiceTls>>,
    /// `proxy-protocol: v1 | v2`: header sent to the endpoints.
    pub proxy_protocol: Option<Spanned<ProxyProtocolOut>>,
    /// `connections:` idle upstream connections kept per endpoint and worker.
    pub idle_connections: Option<Spanned<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceProtocol {
    Http,
    Tcp,
    Postgres,
    Redis,
}

/// `endpoints: [127.0.0.1:3000, 10.0.0.7, "unix:/run/shop.sock", { address: ..., weight: 2 }]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: EndpointAddress,
    /// 1 to 256, default 1; 0 takes it out of balancing.
    pub weight: Option<Spanned<u32>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// IP literal with port; a bare host has been given the service's single `port`.
    Tcp(SocketAddr),
    /// A DNS name with port, resolved when the plan is made.
    Name {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Balance {
    RoundRobin,
    LeastRequests,
}

/// `health: { http: /healthz, every: 2s }`; exactly one of `tcp: true`, `tls: true`, `http: PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub probe: HealthProbe,
    pub every: Option<Spanned<Duration>>,
    pub timeout: Option<Spanned<Duration>>,
    /// Consecutive successes until up.
    pub rise: Option<Spanned<u32>>,
    /// Consecutive failures until down.
    pub fall: Option<Spanned<u32>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthProbe {
    Tcp,
    Tls,
    Http {
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
    pub first: u16,
    pub last: u16,
}

/// Passive ejection: `eject: { failures: 5, for: 10s }`; `eject: off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eject {
    Off,
    After { failures: Option<Spanned<u32>>, duration: Option<Spanned<Duration>> },
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
    /// `verify: system | internal | off | PATH`: whose certificates are believed. `internal` is the CA of `ca:`.
    pub verify: Spanned<Verify>,
    /// `ca: PATH`
    pub ca: Option<Spanned<PathBuf>>,
    /// Name that is sent as SNI and checked; default the endpoint's host.
    pub name: Option<Spanned<String>>,
    /// Client certificate presented to the endpoint.
    pub certificate: Option<Spanned<CertificateFiles>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// The operating system's roots.
    System,
    /// The roots of `ca:`.
    Ca,
    /// Not verified: a finding (warning) always.
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyProtocolOut {
    V1,
    V2,
}

/// The rule that takes traffic from a port to a service.
#[derive(Debug)]
pub struct Route {
    /// Place of the whole route.
    pub span: crate::span::Span,
    /// `name:`; default `PORT/HOST PATH` as written.
    pub name: Option<Spanned<String>>,
    /// `port:` one name or a list.
    pub ports: Vec<Spanned<String>>,
    pub matches: Matches,
    /// Missing is an error (invariant 1), except on a redirect.
    pub allow: Option<Spanned<Allow>>,
    /// `deny: [cidr]`
    pub deny: Vec<Spanned<IpNet>>,
    /// Exactly one of `service`, `redirect`, `respond`; otherwise a finding and `None`.
    pub action: Option<Spanned<Action>>,
    pub rewrite: Rewrite,
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
}

/// The conditions of a route; all that are given must hold.
#[derive(Debug, Default)]
pub struct Matches {
    pub sni: Option<Spanned<HostPattern>>,
    pub host: Option<Spanned<HostPattern>>,
    /// `path: /x` (exact) | `path: /x/*` or `prefix: /x` (on segment borders) | `path: ~regex`.
    pub path: Option<Spanned<PathPattern>>,
    pub methods: Vec<Spanned<String>>,
    /// Header name (lower case) to what its value must be.
    pub headers: Vec<(Spanned<String>, Spanned<ValuePattern>)>,
    pub query: Vec<(Spanned<String>, Spanned<ValuePattern>)>,
    /// `from:` as a condition: other sources fall to other routes.
    pub from: Vec<Spanned<IpNet>>,
}

/// Lower-cased, no trailing dot, no port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    Exact(String),
    /// `*.example.com`, kept as `example.com`: any name with one or more labels before it.
    Suffix(String),
    Any,
}

/// Literal paths are in the normal form in which requests are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathPattern {
    Exact(String),
    /// `/api` matches `/api` and `/api/x`, not `/apix`. `/` matches everything.
    Prefix(String),
    /// Anchored at both ends. Valid for the `regex` crate.
    Regex(String),
}

/// `{ x-beta: "1" }`, `{ x-beta: present }`, `{ x-beta: ~regex }`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ValuePattern {
    Present,
    Exact(String),
    Regex(String),
}

/// Who may pass: `allow: anyone`, or a mapping whose keys must all hold (within one key, any value suffices).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    Anyone,
    Only {
        /// Source addresses.
        from: Vec<Spanned<IpNet>>,
        /// Names on the client certificate (subject CN, DNS or URI SAN), `*.` wildcards allowed; `any` is `["*"]`.
        certificates: Vec<Spanned<String>>,
        /// Need an identity provider: parsed and kept; until one is configured nobody passes (a warning says so).
        users: Vec<Spanned<String>>,
        groups: Vec<Spanned<String>>,
        workloads: Vec<Spanned<String>>,
    },
}

/// What a route does.
#[derive(Debug, Clone)]
pub enum Action {
    Service(String),
    /// `redirect: https://x/y` or `{ to: ..., status: 301 }`; `${path}`-free: the path and query are kept when `to` has no path.
    Redirect {
        to: String,
        status: u16,
    },
    /// `respond: { status: 200, body: "ok", content-type: text/plain }`
    Respond {
        status: u16,
        body: String,
        content_type: String,
    },
}

/// `rewrite: { path-prefix: /v2, host: internal.example }`
#[derive(Debug, Default, Clone)]
pub struct Rewrite {
    /// Replaces the matched prefix (or the whole path of an exact match).
    pub path: Option<Spanned<String>>,
    pub host: Option<Spanned<String>>,
}

/// `request-headers: { set: {..}, append: {..}, remove: [..] }`; names valid per RFC 9110 5.1, lower case.
#[derive(Debug, Default, Clone)]
pub struct HeaderEdits {
    pub set: Vec<(Spanned<String>, Spanned<String>)>,
    pub append: Vec<(Spanned<String>, Spanned<String>)>,
    pub remove: Vec<Spanned<String>>,
}

/// `defaults:`
#[derive(Debug, Default)]
pub struct Defaults {
    pub balance: Option<Spanned<Balance>>,
    pub retries: Option<Spanned<Retries>>,
    pub eject: Option<Spanned<Eject>>,
    /// `limits:` of every port.
    pub limits: PortLimits,
    /// `timeouts:`: one mapping that takes the keys of both.
    pub port_timeouts: PortTimeouts,
    pub service_timeouts: ServiceTimeouts,
}

/// `limits:` at the top: bounds of the whole process.
#[derive(Debug, Default)]
pub struct ProcessLimits {
    /// Client connections in all.
    pub connections: Option<Spanned<u32>>,
    /// How long a drain or a stop waits for open connections.
    pub drain: Option<Spanned<Duration>>,
}

/// `log: { access: { to: stdout, format: json }, level: info }`
#[derive(Debug, Default)]
pub struct Log {
    pub access: AccessLog,
    /// Level of the program's own log: error, warn, info, debug, trace.
    pub level: Option<Spanned<LogLevel>>,
}

#[derive(Debug, Default)]
pub struct AccessLog {
    /// `to: stdout | off | PATH`; default stdout.
    pub to: Option<Spanned<LogTarget>>,
    /// `format: json | text`; default json.
    pub format: Option<Spanned<LogFormat>>,
    /// Bytes buffered for a slow sink; past it records are dropped and counted.
    pub buffer_bytes: Option<Spanned<u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    Stdout,
    Off,
    File(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `metrics: { buckets: [1ms, 5ms, ...] }`
#[derive(Debug, Default)]
pub struct Metrics {
    /// Upper bounds of the latency histograms, ascending.
    pub buckets: Vec<Spanned<Duration>>,
}

/// `admin: { token: ${env:PORTCULLIS_ADMIN_TOKEN} }`
#[derive(Debug, Default)]
pub struct Admin {
    /// Bearer token for admin ports. A TCP admin port needs this or `clients: { certificate: required }`.
    pub token: Option<Spanned<Secret>>,
}
