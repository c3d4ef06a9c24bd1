//! Every built-in default, once. The plan applies them, the schema and the reference quote them.
//!
//! `defaults:` in the file goes before these; what a port or service says itself goes before both.

use std::time::Duration;

use crate::declared::{Balance, LogFormat, LogLevel, LogTarget, Percent, ServiceProtocol, StatusSpan, TlsVersion};

/// `ports.*.timeouts.handshake`: PROXY header, TLS handshake, ClientHello.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// `ports.*.timeouts.head`: a whole request head, from its first byte.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// `ports.*.timeouts.keep-alive`: between two requests of a client connection.
pub const CLIENT_KEEP_ALIVE: Duration = Duration::from_mins(1);

/// `services.*.timeouts.connect`: TCP connect and TLS handshake to an endpoint.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// `services.*.timeouts.response`: from the request sent whole to the response head.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// `services.*.timeouts.idle` while an HTTP body flows.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// `services.*.timeouts.idle` of TCP sessions and upgraded connections, where silence is normal.
pub const SESSION_IDLE_TIMEOUT: Duration = Duration::from_hours(1);
/// `services.*.timeouts.half-close`: for the other side, after one side of a TCP session has closed.
pub const HALF_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
/// `services.*.timeouts.keep-alive`: idle upstream connections. Below the usual 60 s of servers, so that we close first.
pub const SERVICE_KEEP_ALIVE: Duration = Duration::from_secs(55);

/// `services.*.protocol`
pub const SERVICE_PROTOCOL: ServiceProtocol = ServiceProtocol::Http;
/// `services.*.balance`
pub const BALANCE: Balance = Balance::RoundRobin;
/// `services.*.endpoints[].weight`
pub const WEIGHT: u32 = 1;
/// `services.*.resolve`.
pub const RESOLVE: Duration = Duration::from_secs(30);
/// `services.*.idle-connections`: kept for each endpoint and worker.
pub const IDLE_CONNECTIONS: u32 = 64;
/// `services.*.retries.attempts`: further attempts after the first.
pub const RETRY_ATTEMPTS: u32 = 1;
/// `services.*.retries.budget`: retries as a share of requests.
pub const RETRY_BUDGET: Percent = Percent(20);
/// `services.*.eject.failures`: consecutive failures until an endpoint is ejected.
pub const EJECT_FAILURES: u32 = 5;
/// `services.*.eject.for`: how long an ejected endpoint is left alone.
pub const EJECT_DURATION: Duration = Duration::from_secs(10);

/// `services.*.health.every`
pub const HEALTH_EVERY: Duration = Duration::from_secs(2);
/// `services.*.health.timeout`
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
/// `services.*.health.rise`: consecutive successes until up.
pub const HEALTH_RISE: u32 = 2;
/// `services.*.health.fall`: consecutive failures until down.
pub const HEALTH_FALL: u32 = 3;
/// `services.*.health.status`: codes that count as healthy.
pub const HEALTH_STATUS: StatusSpan = StatusSpan { first: 200, last: 399 };

/// `ports.*.limits.head-bytes`
pub const HEAD_BYTES: u32 = 16 * 1024;
/// `ports.*.limits.headers`
pub const HEADERS: u32 = 100;
/// `ports.*.limits.target-bytes`
pub const TARGET_BYTES: u32 = 8 * 1024;
/// `ports.*.limits.minimum-rate`, bytes per second.
pub const MINIMUM_RATE: u32 = 128;
/// `ports.*.limits.connections`
pub const PORT_CONNECTIONS: u32 = 50_000;
/// `ports.*.limits.connections-per-source` of public ports; other ports have no bound of their own.
pub const CONNECTIONS_PER_SOURCE: u32 = 1_000;

/// `limits.connections`: client connections of the whole process.
pub const PROCESS_CONNECTIONS: u32 = 100_000;
/// `limits.drain`: how long a drain or a stop waits for open connections.
pub const DRAIN: Duration = Duration::from_secs(30);

/// `ports.*.tls.minimum`
pub const TLS_MINIMUM: TlsVersion = TlsVersion::Tls12;
/// `routes[].redirect.status`: keeps the method, and is not remembered by browsers before the operator is sure.
pub const REDIRECT_STATUS: u16 = 307;
/// Status of a port's `redirect:` to https: permanent, and keeps the method.
pub const PORT_REDIRECT_STATUS: u16 = 308;
/// `routes[].respond.content-type`
pub const RESPOND_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// `log.access.to`
pub const ACCESS_LOG_TARGET: LogTarget = LogTarget::Stdout;
/// `log.access.format`
pub const ACCESS_LOG_FORMAT: LogFormat = LogFormat::Json;
/// `log.access.buffer`
pub const ACCESS_LOG_BUFFER_BYTES: u64 = 8 * 1024 * 1024;
/// `log.level`
pub const LOG_LEVEL: LogLevel = LogLevel::Info;

/// `metrics.buckets`: upper bounds of the latency histograms, ascending.
pub const BUCKETS: [Duration; 16] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// How often the claims of people are asked for again.
pub const CLAIMS_REFRESH: Duration = Duration::from_mins(5);
/// How far the clocks of issuers may differ from ours.
pub const TOKEN_LEEWAY: Duration = Duration::from_mins(1);
/// What an OpenID provider is asked for beyond `openid`.
pub const OIDC_SCOPES: [&str; 2] = ["email", "profile"];
/// How long the answer of an introspection is believed.
pub const INTROSPECTION_CACHE: Duration = Duration::from_secs(30);
/// Ends a login that nobody uses.
pub const SESSION_IDLE: Duration = Duration::from_hours(1);
/// Ends every login.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// Longest time that a grant may be asked for.
pub const LONGEST_GRANT: Duration = Duration::from_hours(8);
/// Claim with the groups.
pub const GROUPS_CLAIM: &str = "groups";
/// Header in which services get the signed claims.
pub const ASSERTION_HEADER: &str = "x-portcullis-assertion";
/// Of one assertion.
pub const ASSERTION_LIFETIME: Duration = Duration::from_mins(1);
/// How this proxy calls itself in assertions.
pub const ASSERTION_ISSUER: &str = "portcullis";
