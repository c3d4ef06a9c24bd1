//! Timeouts of one worker: one coarse tick instead of a timer for each wait.
//!
//! A proxy sets several deadlines for each request and almost none of them passes. Setting one here is a store into a
//! slot; the tick looks through all slots every [`TICK`] and wakes those whose time has come. Ten thousand
//! connections cost some ten microseconds a tick; a timer wheel would cost more than that in every single request.
//! The price is precision: a deadline passes up to one tick late.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::clock;

/// How often deadlines are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// All deadlines of a worker.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    now_ms: Cell<u64>,
    /// The worker ends: every wait ends now.
    is_over: Cell<bool>,
}

#[derive(Debug)]
struct Slot {
    /// `u64::MAX`: not set.
    at_ms: u64,
    /// Nothing is under way: the wait may end early when its port goes, or the process does.
    is_idle: bool,
    waker: Option<Waker>,
}

const NEVER: u64 = u64::MAX;

impl Deadlines {
    /// The time of the last tick, milliseconds of [`clock::now_ms`].
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Wakes every task whose deadline has passed.
    pub(crate) fn tick(&self) {
        let now = clock::now_ms();
        self.now_ms.set(now);
        for slot in self.slots.borrow_mut().iter_mut() {
            if slot.at_ms <= now
                && let Some(waker) = slot.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Ends every wait, now and from now on, with `ConnectionAborted`.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
        for slot in self.slots.borrow_mut().iter_mut() {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// Wakes every idle wait, so that it looks again whether it may go on ([`Deadline::race_while`]).
    pub(crate) fn wake_idle(&self) {
        for slot in self.slots.borrow_mut().iter_mut().filter(|slot| slot.is_idle) {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// A new deadline, not set.
    pub(crate) fn deadline(self: &Rc<Self>) -> Deadline {
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut slots = self.slots.borrow_mut();
            slots.push(Slot { at_ms: NEVER, is_idle: false, waker: None });
            (slots.len() - 1) as u32
        });
        Deadline { owner: Rc::clone(self), index }
    }
}

/// One deadline, which may be set again and again. One task waits for it at a time.
#[derive(Debug)]
pub(crate) struct Deadline {
    owner: Rc<Deadlines>,
    index: u32,
}

impl Deadline {
    /// Passes after `duration` from now.
    pub(crate) fn set(&self, duration: Duration) {
        self.set_ms(self.owner.now_ms().saturating_add(clock::millis(duration)), false);
    }

    /// As [`Self::set`], for a wait that a drain or a reload may cut short.
    pub(crate) fn set_idle(&self, duration: Duration) {
        self.set_ms(self.owner.now_ms().saturating_add(clock::millis(duration)), true);
    }

    /// Never passes until it is set again.
    pub(crate) fn clear(&self) {
        self.set_ms(NEVER, false);
    }

    fn set_ms(&self, at_ms: u64, is_idle: bool) {
        if let Some(slot) = self.owner.slots.borrow_mut().get_mut(self.index as usize) {
            slot.at_ms = at_ms;
            slot.is_idle = is_idle;
        }
    }

    /// The worker's time at the last tick.
    pub(crate) fn now_ms(&self) -> u64 {
        self.owner.now_ms()
    }

    /// Ready with `TimedOut` once it has passed, with `ConnectionAborted` once the worker ends.
    pub(crate) fn poll_passed(&self, context: &mut Context<'_>) -> Poll<io::Error> {
        let mut slots = self.owner.slots.borrow_mut();
        let Some(slot) = slots.get_mut(self.index as usize) else { return Poll::Pending };
        if self.owner.is_over.get() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        if slot.at_ms <= self.owner.now_ms() {
            return Poll::Ready(io::ErrorKind::TimedOut.into());
        }
        if slot.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            slot.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Waits for `operation`, or for this deadline to pass.
    pub(crate) async fn race<T>(&self, operation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut operation = std::pin::pin!(operation);
        std::future::poll_fn(|context| match operation.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_passed(context).map(Err),
        })
        .await
    }

    /// As [`Self::race`], but ends with `TimedOut` as soon as `may_wait` says no and the operation is not ready.
    /// `may_wait` is asked whenever the task is woken, also by [`Deadlines::wake_idle`].
    pub(crate) async fn race_while<T>(
        &self,
        may_wait: impl Fn() -> bool,
        operation: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut operation = std::pin::pin!(operation);
        std::future::poll_fn(|context| match operation.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending if !may_wait() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => self.poll_passed(context).map(Err),
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(slot) = self.owner.slots.borrow_mut().get_mut(self.index as usize) {
            *slot = Slot { at_ms: NEVER, is_idle: false, waker: None };
        }
        self.owner.free.borrow_mut().push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_passes_wakes_its_task_and_can_be_set_again() {
        let deadlines = Rc::new(Deadlines::default());
        deadlines.tick();
        let deadline = deadlines.deadline();
        deadline.set(Duration::from_millis(1));
        let forever = std::future::pending::<io::Result<()>>();
        let ticking = async {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                deadlines.tick();
            }
        };
        tokio::select! {
            result = deadline.race(forever) => assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut),
            () = ticking => {}
        }
        deadline.clear();
        deadlines.tick();
        assert!(deadline.race(std::future::ready(Ok(()))).await.is_ok());
    }

    #[test]
    fn slots_are_used_again() {
        let deadlines = Rc::new(Deadlines::default());
        drop(deadlines.deadline());
        let first = deadlines.deadline();
        let second = deadlines.deadline();
        assert_ne!(first.index, second.index);
        assert_eq!(deadlines.slots.borrow().len(), 2);
    }
}
