//! Accepting that fails for a while, told when it begins and when it is over: not twenty times a second.

use std::time::{Duration, Instant};

/// So long nothing may fail before it counts as over. A process at its limit of descriptors gets one free now and then,
/// and is at its limit again with the next connection.
const QUIET: Duration = Duration::from_secs(5);

/// Whether connections can be accepted at the moment.
#[derive(Debug, Default)]
pub struct Outage {
    /// Since it began; 0 while there is none.
    failures: u64,
    last: Option<Instant>,
}

impl Outage {
    /// Accepting has failed; whether the outage begins with that.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.last = Some(now);
        self.failures += 1;
        self.failures == 1
    }

    /// When it is over, if nothing fails before; `None` while there is none.
    pub fn over_at(&self) -> Option<Instant> {
        self.last.map(|last| last + QUIET)
    }

    /// It is over; how many times accepting had failed.
    pub fn end(&mut self) -> u64 {
        std::mem::take(self).failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_begins_once_and_is_over_when_nothing_has_failed_for_a_while() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.over_at(), None);
        assert!(outage.failed(start) && !outage.failed(start + Duration::from_secs(1)));
        assert_eq!(outage.over_at(), Some(start + Duration::from_secs(6)));
        assert_eq!(outage.end(), 2);
        assert_eq!(outage.over_at(), None);
        assert!(outage.failed(start), "another one");
    }
}
