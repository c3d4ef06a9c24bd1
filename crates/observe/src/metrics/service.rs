//! Counters of a service.

use std::time::Duration;

use serde::Serialize;

use super::{
    Buckets, Histogram, HistogramSnapshot,
    cell::{Cell, Shards},
    status::{StatusClasses, StatusCounts},
};

/// Counters of one service.
#[derive(Debug)]
pub struct ServiceMetrics {
    pub(super) name: Box<str>,
    pub(super) shards: Shards<ServiceShard>,
}

impl ServiceMetrics {
    pub(super) fn new(name: &str, workers: usize, buckets: &Buckets) -> Self {
        Self { name: name.into(), shards: Shards::new(workers, || ServiceShard::new(buckets)) }
    }

    /// The counters of one worker. Panics if there are fewer workers than the registry was told of.
    pub fn shard(&self, worker: usize) -> &ServiceShard {
        &self.shards[worker]
    }

    /// All workers together, now.
    pub fn snapshot(&self) -> ServiceSnapshot {
        ServiceSnapshot {
            service: self.name.to_string(),
            finished: StatusClasses::sum(&self.shards, |shard| &shard.finished),
            retries: self.shards.sum(|shard| &shard.retries),
            no_endpoint: self.shards.sum(|shard| &shard.no_endpoint),
            response_time: HistogramSnapshot::sum(self.shards.iter().map(|shard| &shard.response_time)),
        }
    }
}

/// Counters of one service, written by one worker.
#[derive(Debug)]
pub struct ServiceShard {
    finished: StatusClasses,
    /// Attempts after the first.
    pub retries: Cell,
    /// Requests and sessions for which no endpoint was available.
    pub no_endpoint: Cell,
    response_time: Histogram,
}

impl ServiceShard {
    fn new(buckets: &Buckets) -> Self {
        Self {
            finished: StatusClasses::default(),
            retries: Cell::default(),
            no_endpoint: Cell::default(),
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

/// A service at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceSnapshot {
    /// Its name.
    pub service: String,
    /// Requests and sessions that ended, by class of status.
    pub finished: StatusCounts,
    /// Attempts after the first.
    pub retries: u64,
    /// Requests and sessions for which no endpoint was available.
    pub no_endpoint: u64,
    /// How long answers took.
    pub response_time: HistogramSnapshot,
}
