//! Queues of connections that wait to be accepted.

use portcullis_kernel::inventory::{Backlog, Overflows};

use super::{Declaration, Sockets, words};
use crate::{check::Check, outcome::Outcome};

/// A share of the queue from which it is worth a word: one half.
const FULL_FROM: u64 = 2;

pub(super) fn check_queue(place: &Declaration<'_, '_>, sockets: &Sockets<'_>, outcomes: &mut Vec<Outcome>) {
    const TRIED: &str = "read the queue of connections that wait to be accepted";
    let queues = sockets.serving().iter().filter_map(|socket| Some((socket, socket.backlog?)));
    let Some((socket, queue)) = queues.max_by_key(|(_, queue)| queue.waiting) else { return };
    let Backlog { waiting, limit } = queue;
    outcomes.push(match limit {
        None => place.unknown(Check::AcceptQueue, TRIED, format!("{waiting} wait, and the length is not known here")),
        Some(limit) if u64::from(waiting) * FULL_FROM >= u64::from(limit.max(1)) => place
            .fail(
                Check::AcceptQueue,
                TRIED,
                format!("{waiting} of at most {limit} connections wait on {}", words::place(socket)),
            )
            .fix("what listens there does not keep up: look at its load, or give it a longer queue"),
        Some(limit) => place.pass(Check::AcceptQueue, TRIED, format!("{waiting} of at most {limit} connections wait")),
    });
}

pub(super) fn check_overflows(before: Overflows, after: Overflows) -> Outcome {
    const SUBJECT: &str = "all listeners of this host";
    const TRIED: &str = "compared the kernel's counters before and after";
    let during = after.overflows.saturating_sub(before.overflows);
    let since_boot = after.overflows;
    if during > 0 {
        let got = format!("{during} connections were dropped because a queue was full ({since_boot} since boot)");
        return Outcome::fail(Check::QueueOverflow, SUBJECT, TRIED, got)
            .fix("`ss -tln` shows whose Recv-Q is at its Send-Q; see accept-queue");
    }
    Outcome::pass(Check::QueueOverflow, SUBJECT, TRIED, format!("none was dropped meanwhile ({since_boot} since boot)"))
}
