//! Idle upstream connections of one worker.

use std::{cell::RefCell, sync::Arc};

use portcullis_balance::EndpointState;

use crate::upstream::Upstream;

/// Idle connections by endpoint slot ([`EndpointState::slot`]); the most recently used is taken first, so that a
/// pool that is larger than needed shrinks from the other end.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    slots: RefCell<Vec<Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    upstream: Upstream,
    expires_ms: u64,
}

impl Pools {
    /// A connection to this endpoint that is still open, as far as the kernel has told us.
    pub(crate) fn take(&self, endpoint: &EndpointState, now_ms: u64) -> Option<Upstream> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(endpoint.slot() as usize)?;
        while let Some(idle) = slot.pop() {
            if idle.expires_ms > now_ms && idle.upstream.is_quiet() {
                return Some(idle.upstream);
            }
        }
        None
    }

    /// Keeps a connection whose last response is complete. At `most` are kept; the oldest gives way.
    pub(crate) fn give(&self, upstream: Upstream, now_ms: u64, keep_alive_ms: u64, most: usize) {
        let endpoint: &Arc<EndpointState> = upstream.endpoint();
        if endpoint.is_retired() || most == 0 {
            return;
        }
        let at = endpoint.slot() as usize;
        let mut slots = self.slots.borrow_mut();
        if slots.len() <= at {
            slots.resize_with(at + 1, Vec::new);
        }
        let slot = &mut slots[at];
        if slot.len() >= most {
            slot.remove(0);
        }
        let expires_ms = now_ms.saturating_add(keep_alive_ms);
        slot.push(Idle { upstream, expires_ms });
    }

    /// Closes what has expired, what the endpoint has closed, and what no plan names any more.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for slot in self.slots.borrow_mut().iter_mut() {
            slot.retain(|idle| {
                idle.expires_ms > now_ms && !idle.upstream.endpoint().is_retired() && idle.upstream.is_quiet()
            });
        }
    }

    /// Closes everything.
    pub(crate) fn clear(&self) {
        self.slots.borrow_mut().clear();
    }
}
