//! What the admin API says, as types: the JSON, the OpenAPI document and what `portcullis status` reads are all of
//! these.
//!
//! Times are seconds since 1970, durations milliseconds unless the name says otherwise.

mod configuration;
mod problem;
mod reload;

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use configuration::{
    CertificateNames, EffectiveConfiguration, EffectiveHealth, EffectivePort, EffectiveRoute, EffectiveService,
    EffectiveTls,
};
pub use problem::{Problem, ProblemKind};
pub use reload::{Cause, FindingReport, Outcome, ReloadReport};

/// `GET /v1/health`: the process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `live`.
    pub status: String,
}

/// `GET /v1/ready`: whether traffic should be sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it should.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// `GET /v1/status`: the process at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The time on the clock of the process, by which other times are to be read.
    pub now: u64,
    /// Process id.
    pub pid: u32,
    /// Where the process stands.
    pub phase: PhaseWord,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Threads of the data plane.
    pub workers: usize,
    /// The file that it was started with.
    pub file: String,
    /// Number of the plan that runs.
    pub generation: u64,
    /// Since when that plan runs.
    pub generation_since: u64,
    /// Client connections on data ports.
    pub open_connections: u64,
    /// Milliseconds that are left for them, while draining.
    pub drain_left_ms: Option<u64>,
    /// How the last reload ended, if there was one.
    pub last_reload: Option<ReloadReport>,
    /// What was found in the running configuration that does not keep it from running.
    pub warnings: Vec<FindingReport>,
    /// The access log.
    pub access_log: AccessLogStatus,
    /// Host names of endpoints, and where they lead.
    #[serde(default)]
    pub names: Vec<NameStatus>,
    /// What is open on this machine and not as declared, as `portcullis probe --only inventory` says it.
    #[serde(default)]
    pub drift: Vec<DriftReport>,
}

/// Something on this machine that is not as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DriftReport {
    /// Id of the check, such as `undeclared-listener`.
    pub check: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What it is about.
    pub subject: String,
    /// What is not as declared.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Where the file declares it, `portcullis.yaml:3:5`; absent for what it does not.
    pub place: Option<String>,
}

impl DriftReport {
    /// The message may change from look to look, for one the number of connections that wait.
    pub(crate) fn is_about_same(&self, other: &Self) -> bool {
        (&self.check, &self.subject) == (&other.check, &other.subject)
    }
}

/// A host name of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NameStatus {
    /// The name.
    pub name: String,
    /// Where it leads, or last led.
    pub addresses: Vec<String>,
    /// Why it does not resolve now; absent if it does.
    pub failure: Option<String>,
    /// Since when it does not.
    pub failing_since: Option<u64>,
}

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseWord {
    /// Ports are open and traffic flows.
    Serving,
    /// Data ports are closed; what is open may end.
    Draining,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessLogStatus {
    /// `working`, `failing`, `unread` or `off`.
    pub state: String,
    /// Records lost because the sink was slower than the traffic.
    pub dropped_sink_full: u64,
    /// Records lost because the sink did not work.
    pub dropped_write_error: u64,
}

/// One port, in the list of `GET /v1/ports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// `0.0.0.0:443` or `unix:/run/portcullis.sock`.
    pub listen: String,
    /// `public`, `internal`, `admin` or `metrics`.
    pub role: String,
    /// From where the address can be reached: `loopback`, `private`, `public` or `this-host` (a Unix socket).
    pub scope: String,
    /// `tcp`, `tls`, `http` or `https`.
    pub protocol: String,
    /// Whether TLS passes through and ends at the service.
    pub passthrough: bool,
    /// What is asked of clients: `none`, `optional` or `required`; absent without TLS.
    pub client_certificate: Option<String>,
    /// Certificates that it shows.
    pub certificates: Vec<Certificate>,
    /// The number of the https port to which all its requests are redirected.
    pub redirect_https: Option<u16>,
    /// The written reason for an address that the role forbids.
    pub accepted_wildcard: Option<String>,
    /// Sockets of other processes that share its address and get a part of its connections, each with its process.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// Services that its routes lead to.
    pub services: Vec<String>,
    /// Connections open now.
    pub active_connections: u64,
    /// Connections so far, refused ones included.
    pub connections: u64,
    /// Requests so far.
    pub requests: u64,
    /// Ends of requests and sessions by reason.
    pub terminations: BTreeMap<String, u64>,
}

/// A certificate that a port shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// Names that it is for.
    pub names: Vec<String>,
    /// Its end.
    pub not_after: u64,
}

/// One route of one port, in the list of `GET /v1/routes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// The port.
    pub port: String,
    /// Host and path that it matches, as written.
    pub pattern: String,
    /// Number of further conditions (method, header, query, source).
    pub conditions: usize,
    /// Who may pass.
    pub allow: AllowWord,
    /// What it does.
    pub action: RouteAction,
    /// Requests and sessions that ended, by class of status: `2xx`, and `none` for sessions.
    pub finished: BTreeMap<String, u64>,
}

/// Who may pass a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AllowWord {
    /// Everyone.
    Anyone,
    /// Those who meet conditions; `GET /v1/config` lists them.
    Conditional,
    /// Nobody: it asks for an identity, and no identity provider is configured.
    Nobody,
}

/// What a route does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RouteAction {
    /// Forwards to this service.
    Service(String),
    /// Redirects with this status.
    Redirect(u16),
    /// Answers with this status.
    Respond(u16),
}

/// One service, in the list of `GET /v1/services`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `http`, `tcp`, `postgres` or `redis`.
    pub protocol: String,
    /// How the next endpoint is picked.
    pub balance: String,
    /// Whether active health checks are on.
    pub checked: bool,
    /// Endpoints that may get traffic now.
    pub available: usize,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Requests and sessions that ended, by class of status: `2xx`, and `none` for sessions.
    pub finished: BTreeMap<String, u64>,
    /// Attempts after the first.
    pub retries: u64,
}

/// One endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Endpoint {
    /// `127.0.0.1:3000` or `unix:/run/shop.sock`.
    pub address: String,
    /// Its share; 0 takes it out of balancing.
    pub weight: u32,
    /// Whether it gets traffic.
    pub state: EndpointWord,
    /// Since when it is in this state.
    pub since: u64,
    /// Why it is not up, or what went wrong since it last answered, in words; where nobody listens, on which ports its
    /// process does.
    pub reason: Option<String>,
    /// Requests in flight.
    pub in_flight: u32,
    /// Connections open, idle ones included.
    pub active_connections: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Health checks that ended as expected.
    pub checks_passed: u64,
    /// Health checks that did not.
    pub checks_failed: u64,
}

/// Whether an endpoint gets traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointWord {
    /// Health checks pass.
    Up,
    /// Not checked, or not yet: taken for up.
    Unchecked,
    /// Health checks fail.
    Down,
    /// Too many failures on real traffic; comes back by itself.
    Ejected,
}

impl EndpointWord {
    /// Whether it gets no traffic.
    pub fn is_out(self) -> bool {
        matches!(self, Self::Down | Self::Ejected)
    }

    /// The word in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unchecked => "unchecked",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }
}

/// `POST /v1/drain`: what is left to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drain {
    /// Client connections that are still open.
    pub open_connections: u64,
    /// After so many milliseconds the process ends, whatever is still open.
    pub left_ms: u64,
}

/// Seconds since 1970; what lies before is 1970.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
