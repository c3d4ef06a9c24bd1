//! What runs: the immutable, compiled form of a configuration.
//!
//! Owns: the [`Plan`] with ids instead of names, resolved defaults, compiled route tables, loaded certificates, and
//! the compilation of `Declared` into it ([`compile`]). A plan is never changed; a new one replaces it.
//!
//! Must not know: connections, workers' loops, the admin API. Runtime state (endpoint health, counters, ticket keys)
//! is held by the plan but lives in registries that outlive it ([`Registries`]).
//!
//! Invariant: a plan exists only if every check passed; the data plane trusts it without asking again.

mod address_set;
mod audit;
mod compile;
mod conditions;
mod known_hosts;
mod names;
mod port;
mod route;
mod service;
mod table;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portcullis_config::{declared, secret::Secret};
use portcullis_identity::Authenticator;
pub use portcullis_identity::Principal;
use portcullis_observe::access_log::AccessLogSettings;
use portcullis_policy::PolicySet;

pub use address_set::AddressSet;
pub use audit::{AuditPlan, GrantsPlan};
pub use compile::{Registries, compile};
pub use conditions::{ClaimTest, Conditions, HeaderLookup, Traffic, ValueTest};
pub use known_hosts::KnownHosts;
pub use names::{NameRegistry, Names, ResolvedName};
pub use port::{PortLimits, PortPlan, PortTimeouts, Protocol, Terminated};
pub use route::{Access, Action, HeaderEdits, HeaderLine, PathRewrite, Redirect, Respond, RoutePlan};
pub use service::{EndpointPlan, EndpointTls, HealthPlan, HealthProbe, ServicePlan, ServiceTimeouts};
pub use table::RouteTable;

/// Everything that the data plane and the control plane run.
#[derive(Debug)]
pub struct Plan {
    /// Counts up with every plan that this process has run, from 1; 0 until it is published.
    pub generation: u64,
    /// Every declared port, in the order of the file. [`PortPlan::index`] is its place here.
    pub ports: Vec<Arc<PortPlan>>,
    /// Every declared service, in the order of the file. [`ServicePlan::index`] is its place here.
    pub services: Vec<Arc<ServicePlan>>,
    /// Client connections of the whole process.
    pub connections: u32,
    /// How long a stop or drain waits for open connections.
    pub drain: Duration,
    /// Token for admin ports.
    pub admin_token: Option<Secret>,
    /// Addresses of admin and metrics ports: never dialled by the data plane, whatever a name resolves to.
    pub control_addresses: Vec<SocketAddr>,
    /// Where access records go.
    pub access_log: AccessLogSettings,
    /// Level of the program's own log.
    pub log_level: declared::LogLevel,
    /// Who may pass, for every route that is not open to everyone.
    pub policies: Arc<PolicySet>,
    /// Who is calling; `None` where nobody asks.
    pub identity: Option<Arc<Authenticator>>,
    /// How decisions are recorded; `None` if none is.
    pub audit: Option<AuditPlan>,
    /// Access that somebody asks for; `None` if no service is granted.
    pub grants: Option<GrantsPlan>,
    /// The header (lower case) in which services are told who calls, signed; `None` where nobody is told.
    pub assertion_header: Option<Box<[u8]>>,
    /// Files whose change makes this plan stale: certificates, keys, CAs.
    pub material: Vec<std::path::PathBuf>,
}

impl Plan {
    /// The port that listens on this address, if the plan has it.
    pub fn port_at(&self, listen: &declared::ListenAddress) -> Option<&Arc<PortPlan>> {
        self.ports.iter().find(|port| port.listen == *listen)
    }
}
