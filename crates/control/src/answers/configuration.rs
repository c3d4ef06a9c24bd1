//! `GET /v1/config`: the running configuration with every default filled in and every secret left out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The running configuration. Routes are as declared; header values are left out, because they may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveConfiguration {
    /// Files that it was read from.
    pub files: Vec<String>,
    /// Threads of the data plane.
    pub workers: usize,
    /// Client connections of the whole process.
    pub connections: u32,
    /// How long a drain waits.
    pub drain_ms: u64,
    /// Where access records go: `stdout`, `off` or a path.
    pub access_log: String,
    /// `json` or `text`.
    pub access_log_format: String,
    /// Level of the program's own log.
    pub log_level: String,
    /// Whether admin ports take a bearer token. The token itself is never shown.
    pub admin_token: bool,
    /// Ports, in the order of the file.
    pub ports: Vec<EffectivePort>,
    /// Services, in the order of the file.
    pub services: Vec<EffectiveService>,
    /// Routes, in the order of the file.
    pub routes: Vec<EffectiveRoute>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectivePort {
    /// Its name.
    pub name: String,
    /// Its address.
    pub listen: String,
    /// Its role.
    pub role: String,
    /// What it speaks.
    pub protocol: String,
    /// Sources that may connect; empty: all.
    pub from: Vec<String>,
    /// Sources that may not.
    pub deny: Vec<String>,
    /// Sources that send a PROXY header.
    pub proxy_protocol_from: Vec<String>,
    /// TLS, where it ends here.
    pub tls: Option<EffectiveTls>,
    /// The number of the https port to which all its requests are redirected.
    pub redirect_https: Option<u16>,
    /// `on`, `off` or `required`.
    pub log: String,
    /// The written reason for an address that the role forbids.
    pub accepted_wildcard: Option<String>,
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
    /// Request body, bytes; absent: unlimited.
    pub body_bytes: Option<u64>,
    /// Bytes per second below which a body counts as stalled.
    pub minimum_rate: u32,
    /// PROXY header, ClientHello and TLS handshake together.
    pub handshake_ms: u64,
    /// A request head.
    pub head_ms: u64,
    /// Between requests.
    pub keep_alive_ms: u64,
}

/// TLS of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveTls {
    /// What is asked of clients.
    pub client_certificate: String,
    /// Certificates, the default one first.
    pub certificates: Vec<CertificateNames>,
}

/// Names of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateNames {
    /// DNS names and addresses.
    pub names: Vec<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveService {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub protocol: String,
    /// The internal ports that its replicas listen on: `3000` or `3000-3001`.
    pub ports: Option<String>,
    /// The range that its ports come from.
    pub range: Option<String>,
    /// Endpoints as declared: names are not yet addresses here.
    pub endpoints: Vec<String>,
    /// How the next endpoint is picked.
    pub balance: String,
    /// Active checks.
    pub health: Option<EffectiveHealth>,
    /// Consecutive failures until an endpoint is ejected; absent: never.
    pub eject_failures: Option<u32>,
    /// How long an ejected endpoint is left alone.
    pub eject_ms: Option<u64>,
    /// TLS towards endpoints: `off`, `verified` or `unverified`.
    pub tls: String,
    /// Version of the PROXY header that is sent ahead.
    pub proxy_protocol: Option<String>,
    /// Further attempts after the first.
    pub retry_attempts: u32,
    /// Retries as a share of requests, percent.
    pub retry_budget_percent: u8,
    /// Idle connections kept for each endpoint and worker.
    pub idle_connections: usize,
    /// How often host names of its endpoints are looked up again.
    pub resolve_ms: u64,
    /// TCP connect and TLS handshake.
    pub connect_ms: u64,
    /// From the request sent whole to the response head.
    pub response_ms: u64,
    /// Silence while an HTTP body flows.
    pub idle_ms: u64,
    /// Silence in a TCP session.
    pub session_idle_ms: u64,
    /// After one side has closed, for the other.
    pub half_close_ms: u64,
    /// Idle upstream connections.
    pub keep_alive_ms: u64,
}

/// Active checks of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveHealth {
    /// `tcp`, `tls` or `GET /healthz`.
    pub probe: String,
    /// Statuses that count as healthy: `200-399`.
    pub status: Vec<String>,
    /// Between two checks.
    pub every_ms: u64,
    /// For one check.
    pub timeout_ms: u64,
    /// Consecutive successes until up.
    pub rise: u32,
    /// Consecutive failures until down.
    pub fall: u32,
}

/// One route, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveRoute {
    /// Its name, if one was given.
    pub name: Option<String>,
    /// Where it is declared: `portcullis.yaml:31:5`.
    pub declared_at: String,
    /// Its ports.
    pub ports: Vec<String>,
    /// What it matches, one condition each: `host shop.example.com`, `path /api/*`, `method GET`.
    pub matches: Vec<String>,
    /// Who may pass, one condition each: `anyone`, `from 10.0.0.0/8`, `certificate *.internal`.
    pub allow: Vec<String>,
    /// Sources that may not.
    pub deny: Vec<String>,
    /// What it does: `service shop`, `redirect 308 https://example.com`, `respond 200`.
    pub action: String,
    /// The path (or its matched prefix) becomes this.
    pub rewrite_path: Option<String>,
    /// The Host that the service sees.
    pub rewrite_host: Option<String>,
    /// Edits of request headers without their values: `set x-env`, `remove x-debug`.
    pub request_headers: Vec<String>,
    /// Edits of response headers without their values.
    pub response_headers: Vec<String>,
}
