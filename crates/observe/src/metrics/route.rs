//! Counters of a route.

use std::time::Duration;

use serde::Serialize;

use super::{
    Buckets, Histogram, HistogramSnapshot,
    cell::{Cell, Shards},
    status::{StatusClasses, StatusCounts},
};

/// Counters of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    pub(super) port: Box<str>,
    pub(super) name: Box<str>,
    pub(super) shards: Shards<RouteShard>,
}

impl RouteMetrics {
    pub(super) fn new(port: &str, name: &str, workers: usize, buckets: &Buckets) -> Self {
        Self { port: port.into(), name: name.into(), shards: Shards::new(workers, || RouteShard::new(buckets)) }
    }

    /// The counters of one worker. Panics if there are fewer workers than the registry was told of.
    pub fn shard(&self, worker: usize) -> &RouteShard {
        &self.shards[worker]
    }

    /// All workers together, now.
    pub fn snapshot(&self) -> RouteSnapshot {
        RouteSnapshot {
            port: self.port.to_string(),
            route: self.name.to_string(),
            responses: StatusClasses::sum(&self.shards, |shard| &shard.responses),
            sessions: self.shards.sum(|shard| &shard.sessions),
            response_time: HistogramSnapshot::sum(self.shards.iter().map(|shard| &shard.response_time)),
        }
    }
}

/// Counters of one route, written by one worker.
#[derive(Debug)]
pub struct RouteShard {
    responses: StatusClasses,
    /// TCP and TLS sessions, and upgraded connections.
    pub sessions: Cell,
    response_time: Histogram,
}

impl RouteShard {
    fn new(buckets: &Buckets) -> Self {
        Self { responses: StatusClasses::default(), sessions: Cell::default(), response_time: Histogram::new(buckets) }
    }

    /// Counts a response to a client and how long it took from the end of the request's head to the end of the
    /// response.
    pub fn response(&self, status: u16, took: Duration) {
        self.responses.count(status);
        self.response_time.observe(took);
    }
}

/// A route at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteSnapshot {
    /// Its port.
    pub port: String,
    /// Its name.
    pub route: String,
    /// Responses by class of status.
    pub responses: StatusCounts,
    /// TCP and TLS sessions, and upgraded connections.
    pub sessions: u64,
    /// How long responses took.
    pub response_time: HistogramSnapshot,
}
