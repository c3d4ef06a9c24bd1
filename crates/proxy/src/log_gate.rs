//! Waiting for the access log, on ports that require it.
//!
//! When the log takes records again, those who wait go on a few at a time: each of them is a record to come, and all
//! at once would fill the log before the first of those was written.

use std::{cell::Cell, io, time::Duration};

use portcullis_observe::Termination;
use tokio::sync::Notify;

use crate::{deadline::Deadline, visit::Ended, worker::Worker};

/// Those of one worker who wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    waiting: Cell<u32>,
    turns: Notify,
}

/// Let go on at one tick: with 20 ticks a second, some 2500 a second on each worker.
const AT_ONCE: u32 = 128;

/// How often somebody who waits looks whether its client is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl LogQueue {
    /// Lets the next few go on. Called at each tick while the log takes records.
    pub(crate) fn release(&self) {
        for _ in 0..self.waiting.get().min(AT_ONCE) {
            self.turns.notify_one();
        }
    }
}

/// Waits for the log `within` that time, and for as long as the client is there. Leaves the deadline cleared.
pub(crate) async fn wait(
    worker: &Worker,
    deadline: &Deadline,
    within: Duration,
    is_gone: impl Fn() -> Option<Ended>,
) -> Result<(), Ended> {
    let queue = &worker.log_queue;
    queue.waiting.set(queue.waiting.get() + 1);
    let result = wait_in_turn(worker, deadline, within, is_gone).await;
    queue.waiting.set(queue.waiting.get() - 1);
    deadline.clear();
    result
}

async fn wait_in_turn(
    worker: &Worker,
    deadline: &Deadline,
    within: Duration,
    is_gone: impl Fn() -> Option<Ended>,
) -> Result<(), Ended> {
    let mut left = within;
    while !worker.can_log() {
        if let Some(ended) = is_gone() {
            return Err(ended);
        }
        if left.is_zero() {
            let detail = "the port requires its log, which took no record in time";
            return Err(Ended::because(Termination::LogUnavailable, detail));
        }
        let step = left.min(LOOK_EVERY);
        deadline.set(step);
        let turn = async {
            worker.log_queue.turns.notified().await;
            Ok(())
        };
        match deadline.race(turn).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => left -= step,
            Err(_) => return Err(Termination::Shutdown.into()),
        }
    }
    Ok(())
}
