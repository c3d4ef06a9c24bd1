//! Counters of an endpoint.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::Serialize;

use super::{
    Buckets, Histogram, HistogramSnapshot,
    cell::{Cell, Shards},
    status::{StatusClasses, StatusCounts},
};

/// Counters of one endpoint of a service.
#[derive(Debug)]
pub struct EndpointMetrics {
    pub(super) service: Box<str>,
    pub(super) address: Box<str>,
    pub(super) shards: Shards<EndpointShard>,
    health: AtomicU8,
    checks_passed: AtomicU64,
    checks_failed: AtomicU64,
}

impl EndpointMetrics {
    pub(super) fn new(service: &str, address: &str, workers: usize, buckets: &Buckets) -> Self {
        Self {
            service: service.into(),
            address: address.into(),
            shards: Shards::new(workers, || EndpointShard::new(buckets)),
            health: AtomicU8::new(Health::Unchecked as u8),
            checks_passed: AtomicU64::default(),
            checks_failed: AtomicU64::default(),
        }
    }

    /// The counters of one worker. Panics if there are fewer workers than the registry was told of.
    pub fn shard(&self, worker: usize) -> &EndpointShard {
        &self.shards[worker]
    }

    /// Counts a health check. For the control plane.
    pub fn checked(&self, outcome: CheckOutcome) {
        let counter = match outcome {
            CheckOutcome::Passed => &self.checks_passed,
            CheckOutcome::Failed => &self.checks_failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Tells what the health checks have concluded. For the control plane.
    pub fn set_health(&self, health: Health) {
        self.health.store(health as u8, Relaxed);
    }

    /// All workers together, now.
    pub fn snapshot(&self) -> EndpointSnapshot {
        let sum = |counter: fn(&EndpointShard) -> &Cell| self.shards.sum(counter);
        // Closed first: a connection that is made in between must not make the difference negative.
        let closed = sum(|shard| &shard.closed);
        let connects = sum(|shard| &shard.connects);
        EndpointSnapshot {
            service: self.service.to_string(),
            endpoint: self.address.to_string(),
            health: Health::from_number(self.health.load(Relaxed)),
            checks_passed: self.checks_passed.load(Relaxed),
            checks_failed: self.checks_failed.load(Relaxed),
            finished: StatusClasses::sum(&self.shards, |shard| &shard.finished),
            connects,
            connect_failures: sum(|shard| &shard.connect_failures),
            reuses: sum(|shard| &shard.reuses),
            active: connects.saturating_sub(closed),
            bytes_received: sum(|shard| &shard.bytes_received),
            bytes_sent: sum(|shard| &shard.bytes_sent),
            response_time: HistogramSnapshot::sum(self.shards.iter().map(|shard| &shard.response_time)),
        }
    }
}

/// What the health checks have concluded of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Health {
    /// It is not checked, or was not yet.
    Unchecked,
    /// It answers as it should.
    Up,
    /// It does not.
    Down,
}

impl Health {
    fn from_number(number: u8) -> Self {
        [Self::Unchecked, Self::Up, Self::Down]
            .into_iter()
            .find(|&health| health as u8 == number)
            .unwrap_or(Self::Unchecked)
    }
}

/// How a health check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// As expected.
    Passed,
    /// Not as expected, or not in time.
    Failed,
}

/// Counters of one endpoint, written by one worker.
#[derive(Debug)]
pub struct EndpointShard {
    finished: StatusClasses,
    /// Connections made.
    pub connects: Cell,
    /// Connections that could not be made, TLS handshakes included.
    pub connect_failures: Cell,
    /// Requests on a connection that was already open.
    pub reuses: Cell,
    /// Connections that ended.
    pub closed: Cell,
    /// Bytes from the endpoint, TLS excluded.
    pub bytes_received: Cell,
    /// Bytes to the endpoint, TLS excluded.
    pub bytes_sent: Cell,
    response_time: Histogram,
}

impl EndpointShard {
    fn new(buckets: &Buckets) -> Self {
        Self {
            finished: StatusClasses::default(),
            connects: Cell::default(),
            connect_failures: Cell::default(),
            reuses: Cell::default(),
            closed: Cell::default(),
            bytes_received: Cell::default(),
            bytes_sent: Cell::default(),
            response_time: Histogram::new(buckets),
        }
    }

    /// Counts the end of a request or session: the status of its response, if there was one, and how long it took.
    /// Only responses are timed: how long sessions last is no latency.
    pub fn finished(&self, status: Option<u16>, took: Duration) {
        self.finished.count(status);
        if status.is_some() {
            self.response_time.observe(took);
        }
    }
}

/// An endpoint at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointSnapshot {
    /// Its service.
    pub service: String,
    /// Its address.
    pub endpoint: String,
    /// What the health checks have concluded.
    pub health: Health,
    /// Health checks that ended as expected.
    pub checks_passed: u64,
    /// Health checks that did not.
    pub checks_failed: u64,
    /// Requests and sessions that ended, by class of status.
    pub finished: StatusCounts,
    /// Connections made.
    pub connects: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Requests on a connection that was already open.
    pub reuses: u64,
    /// Connections open now, idle ones in the pools included.
    pub active: u64,
    /// Bytes from the endpoint.
    pub bytes_received: u64,
    /// Bytes to the endpoint.
    pub bytes_sent: u64,
    /// How long answers took.
    pub response_time: HistogramSnapshot,
}
