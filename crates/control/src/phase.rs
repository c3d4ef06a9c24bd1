//! Where the process stands between its start and its end.

use std::time::Instant;

/// Where the process stands. It only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Ports are open and traffic flows.
    Serving,
    /// Data ports are closed; what is open may end until `deadline`.
    Draining {
        /// When it ends, whatever is still open.
        deadline: Instant,
    },
    /// Nothing is left to wait for; the process may end.
    Drained,
}
