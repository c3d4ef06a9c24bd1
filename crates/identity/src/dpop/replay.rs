//! The memory of proofs.
//!
//! Sixteen shards, each with its own lock, so that workers seldom wait for each other. A shard holds two generations; a
//! generation is filled for as long as a proof counts, and forgotten as a whole when the next one has been filled: each
//! proof is remembered at least that long and at most twice, and nothing is ever searched for what is old.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use crate::jwt::key::sha256;

const SHARDS: usize = 16;

pub(super) struct Replays {
    shards: [Mutex<Shard>; SHARDS],
    /// Proofs in a shard.
    room: usize,
    /// For how long a proof counts, in seconds.
    lifetime: u64,
}

/// Whether a proof was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    First,
    Again,
    /// It can not be remembered, so it must not count.
    NoRoom,
}

#[derive(Default)]
struct Shard {
    /// When `young` was begun, in seconds since 1970.
    begun: u64,
    young: HashSet<u128>,
    old: HashSet<u128>,
}

impl Replays {
    /// `lifetime` in seconds: no proof counts for longer.
    pub(super) fn new(remembered: usize, lifetime: u64) -> Self {
        Self { shards: Default::default(), room: (remembered / SHARDS).max(1), lifetime }
    }

    /// Remembers the proof with this `jti` of this key.
    pub(super) fn see(&self, key: &[u8; 32], id: &str, now: u64) -> Seen {
        // Keys and ids are the client's to choose. Whoever finds two that fall together has only made himself unable to
        // use the second.
        let hash = sha256(&[&key[..], id.as_bytes()].concat());
        let name = u128::from_le_bytes(std::array::from_fn(|place| hash[place]));
        let shard = &self.shards[usize::from(hash[31]) % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.forget(now, self.lifetime);
        if shard.young.contains(&name) || shard.old.contains(&name) {
            return Seen::Again;
        }
        if shard.young.len() + shard.old.len() >= self.room {
            return Seen::NoRoom;
        }
        shard.young.insert(name);
        Seen::First
    }
}

impl Shard {
    fn forget(&mut self, now: u64, lifetime: u64) {
        let age = now.saturating_sub(self.begun);
        if age < lifetime {
            return;
        }
        self.old = if age < 2 * lifetime { std::mem::take(&mut self.young) } else { HashSet::new() };
        self.young = HashSet::new();
        self.begun = now;
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Replays").field("room", &self.room).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_remembered_for_as_long_as_it_counts_and_then_forgotten() {
        let replays = Replays::new(1 << 10, 10);
        for start in [1_000, 1_001, 1_009, 1_010, 1_500] {
            let id = start.to_string();
            assert_eq!(replays.see(&[1; 32], &id, start), Seen::First);
            for later in [0, 1, 9] {
                assert_eq!(replays.see(&[1; 32], &id, start + later), Seen::Again, "{start} + {later}");
            }
        }
        assert_eq!(replays.see(&[2; 32], "1500", 1_500), Seen::First, "another key, another proof");
        assert_eq!(replays.see(&[1; 32], "1500", 1_520), Seen::First, "forgotten after twice the time");
    }

    #[test]
    fn where_there_is_no_room_the_newest_is_refused_until_there_is() {
        let replays = Replays::new(SHARDS, 10);
        let seen: Vec<_> = (0..1000).map(|id| replays.see(&[1; 32], &id.to_string(), 1_000)).collect();
        assert_eq!(seen.iter().filter(|seen| **seen == Seen::First).count(), SHARDS);
        assert!(!seen.contains(&Seen::Again));
        assert_eq!(replays.see(&[1; 32], "new", 1_020), Seen::First);
    }
}
