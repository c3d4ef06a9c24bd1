//! What the file says, word for word and with the place of each word.
//!
//! Nothing here is resolved: a route names its service by the name that was written, a timeout that was not
//! written is `None`. Defaults are applied when the plan is made (`portcullis-plan`), so that reports and maps can
//! tell "said" from "assumed".

mod audit;
mod grants;
mod identity;
mod port;
mod probe;
mod route;
mod service;
mod settings;
mod word;

use std::{fmt, path::PathBuf};

pub use audit::{Audit, AuditNeed};
pub use grants::{Circle, GrantTerms, Grants};
pub use identity::{
    AssertionSettings, ClaimNames, Identity, KeySource, ProofOfPossession, Provider, ProviderKind, SessionTimes,
    TokenAlgorithm,
};
pub use port::{
    Accept, CertificateFiles, ClientCertificate, Clients, ListenAddress, PlaintextAccepted, Port, PortLimits, PortLog,
    PortTimeouts, PortTls, Protocol, ProxyProtocolIn, Role, TlsVersion,
};
pub use probe::{Echo, Ignored, Probe, Transport};
pub use route::{
    Action, Allow, Claim, ClaimTest, Deny, GrantNeed, HeaderEdits, HostPattern, Hours, Matches, PathPattern,
    Requirements, Rewrite, Route, Times, ValuePattern, Weekday,
};
pub use service::{
    Balance, Eject, Endpoint, EndpointAddress, Health, HealthProbe, Percent, ProxyProtocolOut, Replicas, Retries,
    Service, ServiceProcess, ServiceProtocol, ServiceTimeouts, ServiceTls, Space, StatusSpan, Verify,
};
pub use settings::{AccessLog, Admin, Defaults, Log, LogFormat, LogLevel, LogTarget, Metrics, ProcessLimits};
pub use word::Word;

use crate::span::Spanned;

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
    /// `probe:` what `portcullis probe` leaves alone, and what helps it.
    pub probe: Probe,
    /// `identity:` who proves who is calling.
    pub identity: Identity,
    /// `audit:` that decisions are recorded; `None`: only where a port or a route says so.
    pub audit: Option<Spanned<Audit>>,
    /// `grants:` access that somebody asks for.
    pub grants: Grants,
    /// `policies:` files with Cedar policies of one's own, resolved.
    pub policies: Vec<Spanned<PathBuf>>,
    /// `workers:` number of data-plane threads; `None` follows CPU affinity and the cgroup quota.
    pub workers: Option<Spanned<usize>>,
    /// `assert:` who must, or must not, reach what: `public -/-> role:database`. Judged by `check` over all files.
    pub assertions: Vec<Spanned<String>>,
    /// Files that were read: the main file first, then includes, and every file a `${file:}` named.
    pub sources: Vec<PathBuf>,
    /// What is declared but could not be read; each has a finding of its own.
    pub unreadable: Unreadable,
}

/// What is declared but could not be read. Checks keep silent about what is only missing because of that, so that one
/// mistake is reported once.
#[derive(Debug, Default)]
pub struct Unreadable {
    /// Names of ports.
    pub ports: Vec<String>,
    /// Names of services.
    pub services: Vec<String>,
    /// Names of ranges.
    pub ranges: Vec<String>,
    /// What routes refer to; their references are checked all the same.
    pub routes: Vec<References>,
    /// Whether there is an admin token that cannot be read.
    pub token: bool,
    /// Whether whole sections or files may be missing.
    pub sections: bool,
}

/// Names that a route refers to.
#[derive(Debug, Default)]
pub struct References {
    /// Names of ports.
    pub ports: Vec<Spanned<String>>,
    /// Name of a service.
    pub service: Option<Spanned<String>>,
}

/// `ranges: { app: { ports: 3000-3999 } }`
#[derive(Debug)]
pub struct Range {
    /// Its name.
    pub name: Spanned<String>,
    /// The numbers.
    pub ports: Spanned<PortSpan>,
    /// `pinned:` the band that is for numbers which services declare themselves. Without it, those that they declare
    /// are pinned, and all others automatic.
    pub pinned: Option<Spanned<PortSpan>>,
    /// `reserve:` numbers that are never handed out.
    pub reserve: Vec<Spanned<PortSpan>>,
    /// `accept:` accepted departures from the rules.
    pub accept: RangeAccept,
}

/// Accepted departures of a range from the rules, each with its reason.
#[derive(Debug, Default)]
pub struct RangeAccept {
    /// `node-ports:` why numbers are meant where the nodes of a Kubernetes cluster open ports.
    pub node_ports: Option<Spanned<String>>,
}

/// An inclusive span of port numbers, `1 <= first <= last <= 65535`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortSpan {
    /// Lowest number.
    pub first: u16,
    /// Highest number, inclusive.
    pub last: u16,
}

impl PortSpan {
    /// A single number.
    pub fn single(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Whether `port` is among the numbers.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether all numbers of `other` are among them.
    pub fn includes(self, other: Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }

    /// The numbers that are also in `other`.
    pub fn common(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }

    /// Each number, ascending.
    pub fn numbers(self) -> impl DoubleEndedIterator<Item = u16> + Clone {
        self.first..=self.last
    }

    /// How many numbers there are, never 0.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl fmt::Display for PortSpan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(formatter, "{}", self.first)
        } else {
            write!(formatter, "{}-{}", self.first, self.last)
        }
    }
}
