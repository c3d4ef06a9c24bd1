//! What happened, told to people and machines: the access log, the metrics, and the closed set of reasons for which
//! anything ends.
//!
//! Owns: the access record and how it is written ([`AccessRecord`], [`AccessLog`]), the counters and their exposition
//! ([`metrics`]), and the words for why a request or session ended ([`Termination`]).
//!
//! Must not know: connections, plans, configuration files. It is told names and numbers and keeps them.
//!
//! Invariants: a worker that logs or counts never waits, takes no lock per record, shares no counter that another
//! worker writes, and allocates nothing once warm; nothing that came from outside can forge a line or steer a
//! terminal; a record that was lost is counted, and on ports with `log: required` none is lost.

pub mod access_log;
pub mod metrics;
mod record;
mod request_id;
mod termination;

pub use access_log::{AccessGate, AccessLog, AccessLogError, AccessLogSettings, LogWriter};
pub use record::{AccessRecord, Phases, PrincipalRecord, RecordKind, TlsRecord};
pub use request_id::{RequestId, RequestIds};
pub use termination::Termination;
