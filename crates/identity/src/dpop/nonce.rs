//! Nonces that need no memory: a time, and a seal that only this process can make (RFC 9449 8).

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, error::Unspecified, hmac, rand::SystemRandom};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A new nonce each half minute; one is accepted for at least two and a half and at most three.
const STEP: u64 = 30;
const STEPS: u64 = 6;
const SEAL_BYTES: usize = 16;

pub(super) struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// With a key of its own, which dies with the process: clients of a restarted proxy are told a fresh nonce.
    pub(super) fn new() -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key })
    }

    pub(super) fn fresh(&self, now: u64) -> Box<str> {
        let step = (now / STEP).to_be_bytes();
        let seal = hmac::sign(&self.key, &step);
        BASE64_URL_SAFE_NO_PAD.encode([&step[..], &seal.as_ref()[..SEAL_BYTES]].concat()).into()
    }

    pub(super) fn is_current(&self, nonce: &str, now: u64) -> bool {
        // Longer than any of ours: not worth decoding.
        let Some(bytes) = Some(nonce).filter(|nonce| nonce.len() <= 64) else { return false };
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(bytes) else { return false };
        let Some((step, seal)) = bytes.split_first_chunk::<8>() else { return false };
        let expected = hmac::sign(&self.key, step);
        let is_ours = verify_slices_are_equal(seal, &expected.as_ref()[..SEAL_BYTES]).is_ok();
        let age = (now / STEP).checked_sub(u64::from_be_bytes(*step));
        is_ours && age.is_some_and(|age| age < STEPS)
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_for_a_while_and_only_where_it_was_made() {
        let (ours, others) = (Nonces::new().unwrap(), Nonces::new().unwrap());
        let nonce = ours.fresh(1_000_000);
        assert!(ours.is_current(&nonce, 1_000_000));
        assert!(ours.is_current(&nonce, 1_000_000 + 150));
        assert!(!ours.is_current(&nonce, 1_000_000 + 181));
        assert!(!ours.is_current(&nonce, 999_000), "from the future");
        assert!(!others.is_current(&nonce, 1_000_000));
        for foreign in ["", "AAAA", &"A".repeat(65), &"A".repeat(32)] {
            assert!(!ours.is_current(foreign, 1_000_000), "{foreign}");
        }
    }
}
