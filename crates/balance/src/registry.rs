//! Keeps endpoint state across plans.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::{Address, EndpointState};

/// What makes two endpoints of two plans the same endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndpointKey {
    /// Name of the service.
    pub service: String,
    /// Where it is reached.
    pub address: Address,
    /// Everything that shapes a connection to it besides the address (TLS roots, name, client certificate, PROXY
    /// header), as one digest: a pooled connection must never serve another form.
    pub form: u64,
}

/// Gives the same state for the same key, as long as any plan, pool or request holds it. Control plane only.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    states: HashMap<EndpointKey, Weak<EndpointState>>,
    /// Indexed by slot; a dead entry is a free slot.
    slots: Vec<Weak<EndpointState>>,
}

impl Registry {
    /// For a process with this many workers.
    pub fn new(workers: usize) -> Self {
        Self { workers, known: Mutex::default() }
    }

    /// Number of workers that each state counts for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The state of this endpoint: the one that is known, or a new one.
    pub fn endpoint(&self, key: &EndpointKey) -> Arc<EndpointState> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = known.states.get(key).and_then(Weak::upgrade) {
            return state;
        }
        // A slot is free once nothing holds its state, pooled connections included.
        let slot = known.slots.iter().position(|slot| slot.strong_count() == 0).unwrap_or(known.slots.len());
        let state = Arc::new(EndpointState::new(key.address.clone(), slot as u32, self.workers));
        if slot == known.slots.len() {
            known.slots.push(Arc::downgrade(&state));
        } else {
            known.slots[slot] = Arc::downgrade(&state);
        }
        known.states.insert(key.clone(), Arc::downgrade(&state));
        state
    }

    /// Forgets what nothing holds any more; called after a plan was replaced.
    pub fn sweep(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.states.retain(|_, state| state.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> EndpointKey {
        EndpointKey { service: "shop".into(), address: Address::Tcp(([127, 0, 0, 1], port).into()), form: 0 }
    }

    #[test]
    fn the_same_key_gives_the_same_state_while_it_is_held() {
        let registry = Registry::new(2);
        let first = registry.endpoint(&key(3000));
        assert!(Arc::ptr_eq(&first, &registry.endpoint(&key(3000))));
        assert_ne!(first.slot(), registry.endpoint(&key(3001)).slot());
    }

    #[test]
    fn a_slot_is_not_reused_while_anything_holds_its_state() {
        let registry = Registry::new(1);
        let first = registry.endpoint(&key(3000));
        let second = registry.endpoint(&key(3001));
        assert_eq!((first.slot(), second.slot()), (0, 1));
        drop(first);
        assert_eq!(registry.endpoint(&key(3002)).slot(), 0);
        assert_eq!(registry.endpoint(&key(3001)).slot(), 1);
    }
}
