//! Counters of a route.

use std::time::Duration;

use serde::Serialize;

use super::{
    Buckets, Histogram, HistogramSnapshot,
    cell::Shards,
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
            finished: StatusClasses::sum(&self.shards, |shard| &shard.finished),
            response_time: HistogramSnapshot::sum(self.shards.iter().map(|shard| &shard.response_time)),
        }
    }
}

/// Counters of one route, written by one worker.
#[derive(Debug)]
pub struct RouteShard {
    finished: StatusClasses,
    response_time: Histogram,
}

impl RouteShard {
    fn new(buckets: &Buckets) -> Self {
        Self { finished: StatusClasses::default(), response_time: Histogram::new(buckets) }
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

/// A route at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteSnapshot {
    /// Its port.
    pub port: String,
    /// Its name.
    pub route: String,
    /// Requests and sessions that ended, by class of status.
    pub finished: StatusCounts,
    /// How long responses took.
    pub response_time: HistogramSnapshot,
}
