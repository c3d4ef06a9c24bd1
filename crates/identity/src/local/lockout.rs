//! Slowing down who guesses, in constant memory.
//!
//! Attempts are counted in a count-min sketch: a fixed number of counters, of which each name and each source has a few,
//! picked by a keyed hash. Two that share a counter can only slow each other; nobody can push a counter out.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};

/// How one kind of thing is slowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Attempts without any delay.
    pub(super) free: u32,
    /// The longest delay. Each attempt past the free ones doubles it, from one second.
    longest: Duration,
}

/// For an account the longest delay is short: a stranger who guesses must not lock its owner out for long.
pub(super) const ACCOUNT: Policy = Policy { free: 5, longest: Duration::from_mins(1) };
/// Many people may share a source.
const SOURCE: Policy = Policy { free: 20, longest: Duration::from_mins(15) };

/// After so long without an attempt, half of them are forgotten.
const HALVED: Duration = Duration::from_mins(15);

const ROWS: usize = 2;
const WIDTH: usize = 4096;

/// Attempts of the recent past.
#[derive(Debug, Default)]
pub(super) struct Lockout {
    accounts: Sketch,
    sources: Sketch,
}

#[derive(Debug)]
struct Sketch {
    keys: [RandomState; ROWS],
    counters: Box<[Counter]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    attempts: u32,
    /// Since the beginning of the lockout.
    last: Duration,
}

impl Lockout {
    /// Counts an attempt, or says how long to wait. `now` is any clock that only grows.
    pub(super) fn attempt(&mut self, account: &str, source: Option<IpAddr>, now: Duration) -> Result<(), Duration> {
        let source = source.map(network);
        let account_wait = self.accounts.wait(&account, ACCOUNT, now);
        let source_wait = source.map_or(Duration::ZERO, |source| self.sources.wait(&source, SOURCE, now));
        let wait = account_wait.max(source_wait);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.accounts.count(&account, now);
        if let Some(source) = source {
            self.sources.count(&source, now);
        }
        Ok(())
    }

    /// The attempt was right. The account starts anew; the source gets back this one attempt alone, so that nobody can
    /// guess at others' accounts between logins to their own.
    pub(super) fn forgive(&mut self, account: &str, source: Option<IpAddr>) {
        self.accounts.change(&account, |counter| counter.attempts = 0);
        if let Some(source) = source.map(network) {
            self.sources.change(&source, |counter| counter.attempts = counter.attempts.saturating_sub(1));
        }
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self { keys: Default::default(), counters: vec![Counter::default(); ROWS * WIDTH].into() }
    }
}

impl Sketch {
    fn wait(&self, key: &impl std::hash::Hash, policy: Policy, now: Duration) -> Duration {
        let waits = self.places(key).map(|place| self.counters[place].wait(policy, now));
        waits.into_iter().min().unwrap_or_default()
    }

    fn count(&mut self, key: &impl std::hash::Hash, now: Duration) {
        self.change(key, |counter| {
            counter.attempts = counter.at(now).saturating_add(1);
            counter.last = now;
        });
    }

    fn change(&mut self, key: &impl std::hash::Hash, change: impl Fn(&mut Counter)) {
        for place in self.places(key) {
            change(&mut self.counters[place]);
        }
    }

    fn places(&self, key: &impl std::hash::Hash) -> [usize; ROWS] {
        std::array::from_fn(|row| row * WIDTH + (self.keys[row].hash_one(key) as usize) % WIDTH)
    }
}

impl Counter {
    /// Attempts that are not forgotten.
    fn at(self, now: Duration) -> u32 {
        let halvings = now.saturating_sub(self.last).as_secs() / HALVED.as_secs();
        self.attempts.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    fn wait(self, policy: Policy, now: Duration) -> Duration {
        let past_free = self.at(now).saturating_sub(policy.free);
        if past_free == 0 {
            return Duration::ZERO;
        }
        let delay = Duration::from_secs(1_u64.checked_shl(past_free - 1).unwrap_or(u64::MAX)).min(policy.longest);
        (self.last + delay).saturating_sub(now)
    }
}

/// What one sender can be taken to own: an IPv4 address, an IPv6 /64.
fn network(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64 | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_of_an_account_double_up_to_a_minute_and_are_forgotten_by_halves() {
        let mut lockout = Lockout::default();
        for _ in 0..ACCOUNT.free {
            assert_eq!(lockout.attempt("alice", None, ZERO), Ok(()));
        }
        let mut now = ZERO;
        assert_eq!(lockout.attempt("alice", None, now), Ok(()), "the first that has a delay after it");
        for delay in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(lockout.attempt("alice", None, now), Err(secs(delay)));
            now += secs(delay);
            assert_eq!(lockout.attempt("alice", None, now), Ok(()));
        }
        assert_eq!(lockout.attempt("bob", None, now), Ok(()));
        assert_eq!(lockout.attempt("alice", None, now + 2 * HALVED), Ok(()));
        lockout.forgive("alice", None);
        for _ in 0..=ACCOUNT.free {
            assert_eq!(lockout.attempt("alice", None, now), Ok(()));
        }
    }

    #[test]
    fn a_source_that_tries_many_names_is_slowed_even_if_it_logs_in_to_its_own_between() {
        let mut lockout = Lockout::default();
        let source = Some("192.0.2.7".parse().unwrap());
        let mut slowed = false;
        for number in 0..100 {
            slowed |= lockout.attempt(&format!("user{number}"), source, ZERO).is_err();
            if lockout.attempt("own", source, ZERO).is_ok() {
                lockout.forgive("own", source);
            }
        }
        assert!(slowed);
        assert_eq!(lockout.attempt("alice", Some("192.0.2.8".parse().unwrap()), ZERO), Ok(()));
    }

    #[test]
    fn an_ipv6_source_is_its_network_and_a_mapped_address_is_its_ipv4_one() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
    }
}
