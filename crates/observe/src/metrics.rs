//! Counters: written by workers without any sharing, added up when somebody asks.
//!
//! Each port, route, service and endpoint has one shard for each worker ([`PortMetrics::shard`]); a worker writes only
//! its own ([`Cell`]). The [`Registry`] gives the same counters for the same name again, so that they survive
//! reloads, and turns all of them into the text that Prometheus scrapes or the snapshots that the admin API shows.

mod cell;
mod endpoint;
mod exposition;
mod histogram;
mod port;
mod process;
mod registry;
mod route;
mod service;
mod status;

pub use cell::Cell;
pub use endpoint::{CheckOutcome, EndpointMetrics, EndpointShard, EndpointSnapshot, Health};
pub use exposition::CONTENT_TYPE;
pub use histogram::{Buckets, BucketsError, Histogram, HistogramSnapshot};
pub use port::{PortMetrics, PortShard, PortSnapshot};
pub use process::{
    AuditNumbers, Build, CertificateExpiry, DriftCount, Drifted, PortStrangers, ProcessMetrics, ReloadOutcome,
};
pub use registry::Registry;
pub use route::{RouteMetrics, RouteShard, RouteSnapshot};
pub use service::{ServiceMetrics, ServiceShard, ServiceSnapshot};
pub use status::StatusCounts;
