//! The id by which a request is found in every log that it passed.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

use serde::{Serialize, Serializer};

/// Identifies one request or session: 128 bits, written as 32 hex digits (the form of a W3C trace id). Unique, not
/// secret: it authorises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    /// The 32 hex digits, without allocating.
    pub fn hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0.to_be_bytes()) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        hex
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Source of ids, one for each worker.
#[derive(Debug, Clone)]
pub struct RequestIds {
    /// Drawn once from the system's randomness; keeps workers and processes apart.
    high: u64,
    /// State of a SplitMix64 sequence, which visits every value once before it repeats.
    low: u64,
}

impl RequestIds {
    /// A new, randomly placed sequence.
    pub fn new() -> Self {
        // `RandomState` is seeded by the kernel for each process and varied for each instance.
        let random = || RandomState::new().hash_one(0_u8);
        Self { high: random() | 1, low: random() }
    }

    /// The next id. Never zero.
    pub fn next_id(&mut self) -> RequestId {
        self.low = self.low.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.low;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        RequestId(u128::from(self.high) << 64 | u128::from(mixed))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_what_display_writes() {
        for id in [RequestId(0), RequestId(0xab), RequestId(u128::MAX), RequestIds::new().next_id()] {
            assert_eq!(id.hex(), id.to_string().as_bytes());
        }
    }

    #[test]
    fn sources_do_not_repeat_themselves_or_each_other() {
        let (mut one, mut other) = (RequestIds::new(), RequestIds::new());
        let ids: std::collections::HashSet<_> =
            (0..1000).flat_map(|_| [one.next_id(), other.next_id()]).map(|id| id.0).collect();
        assert_eq!(ids.len(), 2000);
    }
}
