//! The process clock: milliseconds since the first time anyone asked.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

static START: OnceLock<Instant> = OnceLock::new();

/// Milliseconds since the process began to look at the clock; never goes back. The same clock is used for endpoint
/// ejection by workers and for their standing by the control plane.
pub fn now_ms() -> u64 {
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// Whole milliseconds, rounded up, so that a short timeout is not none.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
