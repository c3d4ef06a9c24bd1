//! Counters with one writer each.

use std::{
    ops::Index,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A counter that exactly one worker writes and anyone may read.
///
/// With a single writer, a plain load and store add without the `lock` prefix that `fetch_add` pays for; with two
/// writers, additions would get lost.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds. Only the worker that owns the shard may call this.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// The sum of what was added.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One shard for each worker, each on cache lines of its own (two, since the hardware fetches them in pairs).
#[derive(Debug)]
pub(super) struct Shards<T>(Box<[Padded<T>]>);

#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Shards<T> {
    pub(super) fn new(workers: usize, shard: impl Fn() -> T) -> Self {
        Self((0..workers).map(|_| Padded(shard())).collect())
    }

    /// Sums one counter over all shards.
    pub(super) fn sum(&self, counter: impl Fn(&T) -> &Cell) -> u64 {
        self.iter().map(|shard| counter(shard).get()).fold(0, u64::wrapping_add)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

impl<T> Index<usize> for Shards<T> {
    type Output = T;

    fn index(&self, worker: usize) -> &T {
        &self.0[worker].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_lie_on_cache_lines_of_their_own_and_add_up() {
        let shards = Shards::new(3, Cell::default);
        for worker in 0..3 {
            shards[worker].add(worker as u64 + 1);
        }
        assert_eq!(shards.sum(|cell| cell), 6);
        let distance = (&raw const shards[1]).addr() - (&raw const shards[0]).addr();
        assert_eq!(distance, 128);
    }
}
