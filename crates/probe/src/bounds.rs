//! The bounds of a run: time, connections, bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How much a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For one connection, from its beginning to the last byte of its answer.
    pub each: Duration,
    /// For all of it.
    pub whole: Duration,
    /// Connections in all.
    pub connections: u64,
    /// Connections at one time.
    pub at_once: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { each: Duration::from_secs(2), whole: Duration::from_mins(1), connections: 5_000, at_once: 32 }
    }
}

/// Ends a run from another thread: it opens no connection any more, and what is left of it is unknown.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the run.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn was_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that are read from one connection. An answer that matters has said what it is long before.
pub(crate) const BYTES: usize = 32 * 1024;

/// What is left of the bounds.
#[derive(Debug)]
pub struct Budget {
    bounds: Bounds,
    began: Instant,
    opened: AtomicU64,
    stop: Stop,
}

impl Budget {
    /// All of it, from now on, until somebody stops it.
    pub fn new(bounds: Bounds, stop: Stop) -> Self {
        Self { bounds, began: Instant::now(), opened: AtomicU64::new(0), stop }
    }

    /// The bounds themselves.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Connections that were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed).min(self.bounds.connections)
    }

    /// Takes one connection; how long it may last, or why there is none left.
    pub(crate) fn take(&self) -> Result<Duration, &'static str> {
        if self.stop.was_asked_for() {
            return Err("the run was ended");
        }
        let left = self.bounds.whole.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Err("the time of this run is over; see --deadline");
        }
        if self.opened.fetch_add(1, Ordering::Relaxed) >= self.bounds.connections {
            return Err("this run has opened as many connections as it may; see --connections");
        }
        Ok(left.min(self.bounds.each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bounds_nothing_is_opened() {
        let budget = Budget::new(Bounds { connections: 2, ..Bounds::default() }, Stop::default());
        assert!(budget.take().is_ok() && budget.take().is_ok());
        assert!(budget.take().is_err_and(|why| why.contains("--connections")));
        assert_eq!(budget.opened(), 2);
        let budget = Budget::new(Bounds { whole: Duration::ZERO, ..Bounds::default() }, Stop::default());
        assert!(budget.take().is_err_and(|why| why.contains("--deadline")));
        let stop = Stop::default();
        let budget = Budget::new(Bounds::default(), stop.clone());
        assert!(budget.take().is_ok());
        stop.now();
        assert_eq!(budget.take(), Err("the run was ended"));
    }
}
