//! Counters of a port.

use std::{array, collections::BTreeMap};

use serde::Serialize;

use super::cell::{Cell, Shards};
use crate::Termination;

/// Counters of one port.
#[derive(Debug)]
pub struct PortMetrics {
    pub(super) name: Box<str>,
    pub(super) role: Box<str>,
    pub(super) shards: Shards<PortShard>,
}

impl PortMetrics {
    pub(super) fn new(name: &str, role: &str, workers: usize) -> Self {
        Self { name: name.into(), role: role.into(), shards: Shards::new(workers, PortShard::new) }
    }

    /// The counters of one worker. Panics if there are fewer workers than the registry was told of.
    pub fn shard(&self, worker: usize) -> &PortShard {
        &self.shards[worker]
    }

    /// All workers together, now.
    pub fn snapshot(&self) -> PortSnapshot {
        let sum = |counter: fn(&PortShard) -> &Cell| self.shards.sum(counter);
        let terminations = Termination::ALL
            .iter()
            .map(|&termination| (termination, self.shards.sum(|shard| &shard.terminations[termination.index()])))
            .filter(|(_, count)| *count > 0)
            .collect();
        // Closed first: a connection that opens in between must not make the difference negative.
        let closed = sum(|shard| &shard.closed);
        let connections = sum(|shard| &shard.connections);
        PortSnapshot {
            port: self.name.to_string(),
            role: self.role.to_string(),
            connections,
            active: connections.saturating_sub(closed),
            requests: sum(|shard| &shard.requests),
            bytes_received: sum(|shard| &shard.bytes_received),
            bytes_sent: sum(|shard| &shard.bytes_sent),
            tls_handshakes: sum(|shard| &shard.tls_handshakes),
            tls_resumed: sum(|shard| &shard.tls_resumed),
            terminations,
        }
    }
}

/// Counters of one port, written by one worker.
#[derive(Debug)]
pub struct PortShard {
    /// Connections accepted, refused ones included.
    pub connections: Cell,
    /// Connections that ended.
    pub closed: Cell,
    /// Requests, malformed ones included.
    pub requests: Cell,
    /// Bytes from clients, TLS excluded.
    pub bytes_received: Cell,
    /// Bytes to clients, TLS excluded.
    pub bytes_sent: Cell,
    /// TLS handshakes that succeeded, resumed ones included.
    pub tls_handshakes: Cell,
    /// TLS handshakes that resumed an earlier session.
    pub tls_resumed: Cell,
    terminations: [Cell; Termination::COUNT],
}

impl PortShard {
    fn new() -> Self {
        Self {
            connections: Cell::default(),
            closed: Cell::default(),
            requests: Cell::default(),
            bytes_received: Cell::default(),
            bytes_sent: Cell::default(),
            tls_handshakes: Cell::default(),
            tls_resumed: Cell::default(),
            terminations: array::from_fn(|_| Cell::default()),
        }
    }

    /// Counts why a request or session ended: once for each access record.
    pub fn ended(&self, termination: Termination) {
        self.terminations[termination.index()].add(1);
    }
}

/// A port at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortSnapshot {
    /// Its name.
    pub port: String,
    /// Its role.
    pub role: String,
    /// Connections accepted so far.
    pub connections: u64,
    /// Connections open now.
    pub active: u64,
    /// Requests so far.
    pub requests: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// TLS handshakes that succeeded.
    pub tls_handshakes: u64,
    /// Of these, resumed sessions.
    pub tls_resumed: u64,
    /// Ends of requests and sessions; reasons that never occurred are left out.
    pub terminations: BTreeMap<Termination, u64>,
}
