//! One service and its endpoints, compiled.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_balance::{EjectPolicy, EndpointState, Group};
use portcullis_config::declared::{ProxyProtocolOut, ServiceProtocol};
use portcullis_observe::metrics::{EndpointMetrics, ServiceMetrics};

/// Something that is reached through Portcullis.
#[derive(Debug)]
pub struct ServicePlan {
    /// Name, as declared.
    pub name: Arc<str>,
    /// Place in [`crate::Plan::services`].
    pub index: usize,
    /// What it speaks.
    pub protocol: ServiceProtocol,
    /// In the order of [`Group::members`].
    pub endpoints: Vec<EndpointPlan>,
    /// Balancing over `endpoints`.
    pub group: Group,
    /// Active checks, if any.
    pub health: Option<HealthPlan>,
    /// Passive ejection, if on.
    pub eject: Option<EjectPolicy>,
    /// Resolved timeouts.
    pub timeouts: ServiceTimeouts,
    /// Further attempts after the first.
    pub retry_attempts: u32,
    /// Retries as a share of requests, percent.
    pub retry_budget_percent: u8,
    /// PROXY header sent ahead.
    pub proxy_protocol: Option<ProxyProtocolOut>,
    /// Idle connections kept for each endpoint and worker.
    pub idle_connections: usize,
    /// How often host names of its endpoints are looked up again.
    pub resolve: Duration,
    /// Counters.
    pub metrics: Arc<ServiceMetrics>,
}

/// One address that serves a service.
#[derive(Debug)]
pub struct EndpointPlan {
    /// Runtime state, shared with all workers and plans.
    pub state: Arc<EndpointState>,
    /// Address for logs.
    pub label: Arc<str>,
    /// `host:port` for Host headers of health checks and for requests without a Host.
    pub authority: Arc<str>,
    /// TLS towards it.
    pub tls: Option<EndpointTls>,
    /// Counters.
    pub metrics: Arc<EndpointMetrics>,
}

/// TLS towards an endpoint: configuration (shared by the service) and the name that is checked.
#[derive(Clone)]
pub struct EndpointTls {
    /// Roots, client certificate, ALPN.
    pub config: Arc<rustls::ClientConfig>,
    /// SNI and expected name.
    pub name: rustls::pki_types::ServerName<'static>,
}

impl fmt::Debug for EndpointTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Resolved timeouts of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceTimeouts {
    /// TCP connect and TLS handshake.
    pub connect: Duration,
    /// From the request sent whole to the response head.
    pub response: Duration,
    /// No byte either way while an HTTP body flows.
    pub idle: Duration,
    /// No byte either way in a TCP session or tunnel.
    pub session_idle: Duration,
    /// After one side of a session has closed, for the other.
    pub half_close: Duration,
    /// Idle upstream connections are closed after this.
    pub keep_alive: Duration,
}

/// Active health checks of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPlan {
    /// What is tried.
    pub probe: HealthProbe,
    /// Between two checks of one endpoint; jitter is added.
    pub every: Duration,
    /// For one check.
    pub timeout: Duration,
    /// Consecutive successes until up.
    pub rise: u32,
    /// Consecutive failures until down.
    pub fall: u32,
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
        path: String,
        /// Host header.
        host: String,
        /// Inclusive spans of statuses that count as healthy.
        status: Vec<(u16, u16)>,
    },
}
