//! What ended, by class of status.

use std::collections::BTreeMap;

use super::cell::{Cell, Shards};

/// Requests and sessions that ended, by the class of the response's status: `1xx` to `5xx`, `other` beyond, and `none`
/// for sessions and for requests that ended without a response.
pub type StatusCounts = BTreeMap<&'static str, u64>;

/// Names of the classes, in the order of the cells.
const CLASSES: [&str; 7] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// One counter for each class.
#[derive(Debug, Default)]
pub(super) struct StatusClasses([Cell; CLASSES.len()]);

impl StatusClasses {
    pub(super) fn count(&self, status: Option<u16>) {
        let class = match status {
            None => 0,
            Some(status @ 100..600) => usize::from(status / 100),
            Some(_) => CLASSES.len() - 1,
        };
        self.0[class].add(1);
    }

    /// Sums each class over all shards.
    pub(super) fn sum<T>(shards: &Shards<T>, classes: impl Fn(&T) -> &Self) -> StatusCounts {
        CLASSES.iter().enumerate().map(|(class, name)| (*name, shards.sum(|shard| &classes(shard).0[class]))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_belongs_to_one_class() {
        let shards = Shards::new(1, StatusClasses::default);
        for status in [0, 99, 100, 199, 200, 302, 404, 599, 600, u16::MAX] {
            shards[0].count(Some(status));
        }
        shards[0].count(None);
        let counts = StatusClasses::sum(&shards, |shard| shard);
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [("1xx", 2), ("2xx", 1), ("3xx", 1), ("4xx", 1), ("5xx", 1), ("none", 1), ("other", 4)]
        );
    }
}
