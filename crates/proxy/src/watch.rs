//! Cuts what is under way when the proof that it rests on has ended: a logout, a revoked token, changed claims.
//!
//! Owns: the list of what is under way on one worker, by proof. The tick looks at it a few times each second.
//!
//! Why not [`portcullis_identity::Standing::gone`]: that is a lock and a timer of each request, shared by all workers.
//! Here a request that has to wait costs a slot in a list, and one that has not costs nothing.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
};

use portcullis_observe::Termination;

use crate::{callers::Known, clock, visit::Ended};

/// The proof has ended, and with it what rested on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self::because(Termination::AccessEnded, "the proof of who calls has ended, or its claims have changed")
    }
}

/// What is under way on one worker and rests on a proof.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    slots: RefCell<Vec<Option<Watched>>>,
    free: RefCell<Vec<usize>>,
}

#[derive(Debug)]
struct Watched {
    known: Rc<Known>,
    waker: Waker,
}

impl Watches {
    /// Wakes everything whose proof stands no longer at this moment (seconds since 1970).
    pub(crate) fn look(&self, now: u64) {
        for watched in self.slots.borrow().iter().flatten() {
            if !watched.known.standing.stands(now) {
                watched.waker.wake_by_ref();
            }
        }
    }

    /// Runs `work` to its end, or until the proof that it rests on has ended, if it rests on one.
    pub(crate) async fn while_stands<T>(
        &self,
        known: Option<&Rc<Known>>,
        work: impl Future<Output = T>,
    ) -> Result<T, Gone> {
        let Some(known) = known else { return Ok(work.await) };
        let mut place = Place { watches: self, slot: None };
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            if place.slot.is_some() && !known.standing.stands(clock::unix_seconds()) {
                return Poll::Ready(Err(Gone));
            }
            place.take(known, context.waker());
            Poll::Pending
        })
        .await
    }
}

/// A slot, for as long as something is under way.
struct Place<'a> {
    watches: &'a Watches,
    slot: Option<usize>,
}

impl Place<'_> {
    fn take(&mut self, known: &Rc<Known>, waker: &Waker) {
        let mut slots = self.watches.slots.borrow_mut();
        if let Some(watched) = self.slot.and_then(|at| slots.get_mut(at)) {
            if let Some(watched) = watched.as_mut().filter(|watched| !watched.waker.will_wake(waker)) {
                watched.waker.clone_from(waker);
            }
            return;
        }
        let watched = Some(Watched { known: Rc::clone(known), waker: waker.clone() });
        let free = self.watches.free.borrow_mut().pop();
        let at = free.unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        slots[at] = watched;
        self.slot = Some(at);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(at) = self.slot else { return };
        // What it held may be the last that knows of somebody, and is dropped after the borrow.
        let watched = self.watches.slots.borrow_mut().get_mut(at).and_then(Option::take);
        self.watches.free.borrow_mut().push(at);
        drop(watched);
    }
}
