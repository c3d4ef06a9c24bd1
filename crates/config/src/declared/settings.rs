//! What the file says about everything else: defaults, bounds, logs, metrics, admin.

use std::{path::PathBuf, time::Duration};

use super::{Balance, Eject, PortLimits, PortTimeouts, Retries, ServiceTimeouts};
use crate::{secret::Secret, span::Spanned};

/// `defaults:`
#[derive(Debug, Default)]
pub struct Defaults {
    /// `balance:` of every service.
    pub balance: Option<Spanned<Balance>>,
    /// `retries:` of every service.
    pub retries: Option<Spanned<Retries>>,
    /// `eject:` of every service.
    pub eject: Option<Spanned<Eject>>,
    /// `limits:` of every port.
    pub limits: PortLimits,
    /// `timeouts:`: one mapping that takes the keys of both.
    pub port_timeouts: PortTimeouts,
    /// See `port_timeouts`.
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
    /// `access:`
    pub access: AccessLog,
    /// Level of the program's own log: error, warn, info, debug, trace.
    pub level: Option<Spanned<LogLevel>>,
}

/// `log.access:`
#[derive(Debug, Default)]
pub struct AccessLog {
    /// `to: stdout | off | PATH`; default stdout.
    pub to: Option<Spanned<LogTarget>>,
    /// `format: json | text`; default json.
    pub format: Option<Spanned<LogFormat>>,
    /// Bytes buffered for a slow sink; past it records are dropped and counted.
    pub buffer_bytes: Option<Spanned<u64>>,
}

/// Where access records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// Appended to a file, which is opened anew on SIGUSR1 and SIGHUP.
    File(PathBuf),
}

/// How access records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object for each line.
    Json,
    /// For people.
    Text,
}

/// How much the program says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// And what may.
    Warn,
    /// And what happened.
    Info,
    /// And why.
    Debug,
    /// And every step.
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
