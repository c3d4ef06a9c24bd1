//! Latency histograms with a fixed set of bounds.

use std::{array, sync::Arc, time::Duration};

use serde::Serialize;

use super::cell::Cell;

/// Upper bounds of the buckets: one set for the whole process, so that histograms can be added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Nanoseconds, ascending, at most [`Buckets::MAX`].
    bounds: Arc<[u64]>,
}

impl Buckets {
    /// So many bounds fit into a histogram.
    pub const MAX: usize = 24;

    /// Checks the bounds: at least one, at most [`Self::MAX`], each above the one before and above zero.
    pub fn new(bounds: &[Duration]) -> Result<Self, BucketsError> {
        match bounds.len() {
            0 => return Err(BucketsError::None),
            count @ 1..=Self::MAX => count,
            count => return Err(BucketsError::TooMany(count)),
        };
        let mut below = Duration::ZERO;
        for &bound in bounds {
            if bound <= below {
                return Err(BucketsError::NotAscending { bound, below });
            }
            below = bound;
        }
        Ok(Self { bounds: bounds.iter().copied().map(nanoseconds).collect() })
    }

    /// The bounds.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = Duration> {
        self.bounds.iter().map(|&bound| Duration::from_nanos(bound))
    }
}

impl Default for Buckets {
    /// From 100 microseconds to a minute, in steps of about 2.5.
    fn default() -> Self {
        const MICROSECONDS: [u64; 18] = [
            100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
            5_000_000, 10_000_000, 30_000_000, 60_000_000,
        ];
        Self { bounds: MICROSECONDS.iter().map(|bound| bound * 1000).collect() }
    }
}

/// Why a set of bounds cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketsError {
    /// There are none.
    #[error("no bucket bounds; name at least one")]
    None,
    /// There are more than fit.
    #[error("{0} bucket bounds; {max} fit, leave some out", max = Buckets::MAX)]
    TooMany(usize),
    /// One is not above the one before.
    #[error("bucket bound {bound:?} is not above {below:?}; bounds ascend from above zero")]
    NotAscending {
        /// The bound.
        bound: Duration,
        /// The one before, or zero.
        below: Duration,
    },
}

/// How often something took how long. One worker writes it.
#[derive(Debug)]
pub struct Histogram {
    bounds: Arc<[u64]>,
    /// One for each bound, then one for all that is longer; the rest is not used. An array in place and not a box:
    /// boxes of two workers could share a cache line.
    counts: [Cell; Buckets::MAX + 1],
    /// Microseconds: as nanoseconds, 10,000 requests at a time would fill 64 bits within weeks.
    sum_us: Cell,
}

impl Histogram {
    pub(super) fn new(buckets: &Buckets) -> Self {
        Self {
            bounds: Arc::clone(&buckets.bounds),
            counts: array::from_fn(|_| Cell::default()),
            sum_us: Cell::default(),
        }
    }

    /// Counts something that took this long. A bound belongs to the bucket below it, as Prometheus has it.
    pub fn observe(&self, took: Duration) {
        let took = nanoseconds(took);
        let bucket = self.bounds.partition_point(|&bound| bound < took);
        self.counts[bucket].add(1);
        // Rounded: always rounding down would lose half a microsecond of each request.
        self.sum_us.add(took.saturating_add(500) / 1000);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A histogram at one moment, over all workers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistogramSnapshot {
    /// How many were observed.
    pub count: u64,
    /// Seconds that all of them took together.
    pub sum_seconds: f64,
    /// Upper bound in seconds, and how many lie in that bucket (not in those below). Longer ones are only in `count`.
    pub buckets: Vec<(f64, u64)>,
}

impl HistogramSnapshot {
    pub(super) fn sum<'a>(shards: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut counts = [0_u64; Buckets::MAX + 1];
        let mut sum_us = 0_u64;
        let mut bounds: &[u64] = &[];
        for shard in shards {
            bounds = &shard.bounds;
            sum_us = sum_us.wrapping_add(shard.sum_us.get());
            for (count, cell) in counts.iter_mut().zip(&shard.counts) {
                *count += cell.get();
            }
        }
        Self {
            // From the buckets and not from a counter of its own: so the two always agree, in the middle of writes too.
            count: counts.iter().sum(),
            sum_seconds: sum_us as f64 / 1e6,
            buckets: bounds.iter().map(|&bound| bound as f64 / 1e9).zip(counts).collect(),
        }
    }

    /// Seconds within which this share (0 to 1) of all observations lie, on a straight line within the bucket.
    /// `None` without observations. What lies beyond the last bound is taken to lie at it.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * self.count as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for &(upper, count) in &self.buckets {
            let count = count as f64;
            if count > 0.0 && below + count >= rank {
                return Some(lower + (upper - lower) * (rank - below).max(0.0) / count);
            }
            (below, lower) = (below + count, upper);
        }
        Some(lower)
    }

    /// All buckets as the exposition wants them: with the last, unbounded one.
    pub(super) fn with_infinity(&self) -> Vec<(f64, u64)> {
        let bounded: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        self.buckets.iter().copied().chain([(f64::INFINITY, self.count - bounded)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(bounds: &[u64]) -> Result<Buckets, BucketsError> {
        Buckets::new(&bounds.iter().copied().map(Duration::from_millis).collect::<Vec<_>>())
    }

    #[test]
    fn an_observation_falls_into_the_first_bucket_that_reaches_it() {
        let histogram = Histogram::new(&millis(&[1, 10, 100]).unwrap());
        for micros in [0, 999, 1000, 1001, 10_000, 99_999, 100_001, 5_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let snapshot = HistogramSnapshot::sum([&histogram].into_iter());
        assert_eq!(snapshot.buckets, [(0.001, 3), (0.01, 2), (0.1, 1)]);
        assert_eq!(snapshot.count, 8);
        assert!((snapshot.sum_seconds - 5.213).abs() < 1e-9);
        assert_eq!(snapshot.with_infinity().last(), Some(&(f64::INFINITY, 2)));
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused() {
        assert_eq!(millis(&[]).unwrap_err(), BucketsError::None);
        assert_eq!(millis(&(1..26).collect::<Vec<_>>()).unwrap_err(), BucketsError::TooMany(25));
        assert!(millis(&(1..25).collect::<Vec<_>>()).is_ok());
        for bounds in [&[0, 1][..], &[5, 5], &[5, 4]] {
            assert!(matches!(millis(bounds), Err(BucketsError::NotAscending { .. })), "{bounds:?}");
        }
        assert!(Buckets::new(&Buckets::default().bounds().collect::<Vec<_>>()).is_ok());
    }

    #[test]
    fn quantiles_lie_on_a_line_within_their_bucket() {
        let histogram = Histogram::new(&millis(&[10, 20]).unwrap());
        assert_eq!(HistogramSnapshot::sum([&histogram].into_iter()).quantile(0.5), None);
        for _ in 0..10 {
            histogram.observe(Duration::from_millis(15));
        }
        let snapshot = HistogramSnapshot::sum([&histogram].into_iter());
        assert!((snapshot.quantile(0.5).unwrap() - 0.015).abs() < 1e-9);
        histogram.observe(Duration::from_secs(9));
        assert_eq!(HistogramSnapshot::sum([&histogram].into_iter()).quantile(1.0), Some(0.02));
    }

    #[test]
    fn the_longest_duration_does_not_overflow() {
        let histogram = Histogram::new(&Buckets::default());
        histogram.observe(Duration::MAX);
        assert_eq!(HistogramSnapshot::sum([&histogram].into_iter()).count, 1);
    }
}
