//! What workers and the writer thread share: the bounded queue of batches.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{AccessLogSettings, Counters, SinkState, Target, signals::Signals, sink::Sink};

/// Lines of one worker.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) kept: Kept,
    /// Whole lines.
    pub(super) bytes: Vec<u8>,
    /// How many lines.
    pub(super) records: u64,
}

/// How long a batch is kept when the sink does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    WhileThereIsRoom,
    /// Past the bound too, but not past twice the bound.
    UpToTwice,
    Always,
}

impl Batch {
    pub(super) fn new(kept: Kept, capacity: usize) -> Self {
        Self { kept, bytes: Vec::with_capacity(capacity), records: 0 }
    }
}

/// The work of the writer thread, in order.
#[derive(Debug)]
pub(super) enum Entry {
    Write(Batch),
    /// Go on with another sink.
    Switch(Sink),
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) signals: Signals,
    pub(super) counters: Counters,
    queue: Mutex<Queue>,
    /// Wakes the writer thread.
    work: Condvar,
    /// Wakes whoever waits for the end.
    ended: Condvar,
}

#[derive(Debug)]
struct Queue {
    entries: VecDeque<Entry>,
    /// Bytes of all batches that are not written yet, the one at work included.
    waiting_bytes: u64,
    /// Records in them.
    waiting_records: u64,
    /// Bound of `waiting_bytes`; required batches may pass it.
    limit_bytes: u64,
    /// Buffers of batches that were written, to be filled again.
    spare: Vec<Vec<u8>>,
    sink: SinkState,
    life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// Writes what is there, takes no new required traffic.
    Closing,
    /// Writes nothing more; so many records were lost by that.
    Ended {
        lost: u64,
    },
}

/// Spare buffers that are kept: enough for a burst of all workers, and not a second queue.
const SPARES: usize = 64;

/// Buffers that grew beyond this for some giant record are not kept.
const LARGEST_SPARE: usize = 64 * 1024;

/// The side of the workers.
impl Shared {
    pub(super) fn new(settings: &AccessLogSettings) -> Self {
        let queue = Queue {
            entries: VecDeque::new(),
            waiting_bytes: 0,
            waiting_records: 0,
            limit_bytes: settings.buffer_bytes,
            spare: Vec::new(),
            sink: if settings.target == Target::Off { SinkState::Off } else { SinkState::Working },
            life: Life::Open,
        };
        Self {
            signals: Signals::new(settings),
            counters: Counters::default(),
            queue: Mutex::new(queue),
            work: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Takes the lines of a batch and leaves an empty one. Drops and counts them if there is no room.
    pub(super) fn hand_over(&self, batch: &mut Batch) {
        let mut queue = self.lock();
        if let Err(counter) = queue.room_for(batch, &self.counters) {
            counter.fetch_add(mem::take(&mut batch.records), Relaxed);
            batch.bytes.clear();
            return;
        }
        let empty = queue.spare.pop().unwrap_or_else(|| Vec::with_capacity(batch.bytes.capacity()));
        let bytes = mem::replace(&mut batch.bytes, empty);
        let records = mem::take(&mut batch.records);
        queue.waiting_bytes += bytes.len() as u64;
        queue.waiting_records += records;
        queue.entries.push_back(Entry::Write(Batch { kept: batch.kept, bytes, records }));
        self.update_gate(&queue);
        drop(queue);
        self.work.notify_one();
    }
}

/// The side of the control plane.
impl Shared {
    pub(super) fn state(&self) -> SinkState {
        self.lock().sink
    }

    /// Gives the writer thread another sink, after all that waits.
    pub(super) fn switch(&self, sink: Sink) {
        self.lock().entries.push_back(Entry::Switch(sink));
        self.work.notify_one();
    }

    pub(super) fn apply(&self, settings: &AccessLogSettings) {
        self.signals.apply(settings);
        let mut queue = self.lock();
        queue.limit_bytes = settings.buffer_bytes;
        if settings.target == Target::Off {
            queue.sink = SinkState::Off;
        } else if queue.sink == SinkState::Off {
            queue.sink = SinkState::Working;
        }
        self.update_gate(&queue);
    }

    /// Lets the writer thread end once everything is written.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        if queue.life == Life::Open {
            queue.life = Life::Closing;
        }
        self.update_gate(&queue);
        drop(queue);
        self.work.notify_one();
    }

    /// Closes, waits for the end, and says how many records were not written by then.
    pub(super) fn close_and_wait(&self, within: Duration) -> u64 {
        self.close();
        let (mut queue, _) = self
            .ended
            .wait_timeout_while(self.lock(), within, |queue| queue.life == Life::Closing)
            .unwrap_or_else(PoisonError::into_inner);
        let lost = queue.end(&self.counters);
        drop(queue);
        self.work.notify_one();
        lost
    }
}

/// The side of the writer thread.
impl Shared {
    /// The next entry; waits for it. `None`: the end.
    pub(super) fn next(&self) -> Option<Entry> {
        let mut queue = self
            .work
            .wait_while(self.lock(), |queue| queue.entries.is_empty() && queue.life == Life::Open)
            .unwrap_or_else(PoisonError::into_inner);
        let entry = queue.entries.pop_front();
        if entry.is_none() {
            // Under the same lock that saw the queue empty: what is handed over later is counted as lost.
            queue.end(&self.counters);
        }
        entry
    }

    /// A batch is written whole: its room and its buffer are free again.
    pub(super) fn written(&self, mut batch: Batch) {
        let mut queue = self.lock();
        if queue.is_ended() {
            return; // already counted as lost
        }
        self.counters.written.fetch_add(batch.records, Relaxed);
        queue.release(&batch);
        if queue.spare.len() < SPARES && batch.bytes.capacity() <= LARGEST_SPARE {
            batch.bytes.clear();
            queue.spare.push(batch.bytes);
        }
        self.update_gate(&queue);
    }

    /// A batch has nowhere to go: the log was off from the start.
    pub(super) fn discarded(&self, batch: &Batch) {
        let mut queue = self.lock();
        self.counters.write_error.fetch_add(batch.records, Relaxed);
        queue.release(batch);
    }

    /// The state of the sink has changed. Says whether anyone needs to know: nobody does while the log is off.
    pub(super) fn report(&self, state: SinkState) -> bool {
        let mut queue = self.lock();
        if queue.sink == SinkState::Off || queue.sink == state {
            return false;
        }
        queue.sink = state;
        self.update_gate(&queue);
        true
    }

    /// The sink was slow: whether there is another one, or no time left.
    pub(super) fn interrupt(&self) -> Interrupt {
        let mut queue = self.lock();
        if queue.is_ended() { Interrupt::End } else { queue.overtake() }
    }

    /// The sink refused: waits until it is time to try again, there is another one, or the log is being closed. Then
    /// there is no point in trying again.
    pub(super) fn pause(&self, at_most: Duration) -> Interrupt {
        let nothing_new = |queue: &mut Queue| queue.life == Life::Open && !queue.has_switch();
        let (mut queue, _) =
            self.work.wait_timeout_while(self.lock(), at_most, nothing_new).unwrap_or_else(PoisonError::into_inner);
        match queue.overtake() {
            Interrupt::TryAgain if queue.life != Life::Open => Interrupt::End,
            interrupt => interrupt,
        }
    }

    /// The writer thread is done.
    pub(super) fn end(&self) {
        self.lock().end(&self.counters);
        self.ended.notify_all();
    }
}

impl Shared {
    fn update_gate(&self, queue: &Queue) {
        self.signals.set_open(queue.should_gate_open(self.signals.is_open()));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the writer thread stops trying to write a batch, if it does.
#[derive(Debug)]
pub(super) enum Interrupt {
    TryAgain,
    /// A new sink, which overtakes all that waits: the old one does not take it.
    Switch(Sink),
    End,
}

impl Queue {
    /// Whether a batch may wait here; if not, the counter of the reason.
    fn room_for<'c>(&self, batch: &Batch, counters: &'c Counters) -> Result<(), &'c AtomicU64> {
        if self.is_ended() {
            return Err(&counters.write_error);
        }
        let bound = match batch.kept {
            Kept::Always => return Ok(()),
            Kept::UpToTwice => self.limit_bytes.saturating_mul(2),
            Kept::WhileThereIsRoom if self.sink == SinkState::Unread => return Err(&counters.write_error),
            // Ordinary records leave a quarter to the required ones, so that no flood of them can close the gate.
            Kept::WhileThereIsRoom => self.limit_bytes / 4 * 3,
        };
        // A batch that is alone always fits: a giant record is no reason to lose it.
        if self.waiting_bytes == 0 || self.waiting_bytes + batch.bytes.len() as u64 <= bound {
            return Ok(());
        }
        Err(if self.sink == SinkState::Failing { &counters.write_error } else { &counters.sink_full })
    }

    /// Opens lower than it closes, so that it does not flap; both lie above what ordinary records can fill.
    fn should_gate_open(&self, is_open: bool) -> bool {
        let bound = if is_open { self.limit_bytes } else { self.limit_bytes / 8 * 7 };
        let has_room = self.waiting_bytes == 0 || self.waiting_bytes < bound;
        self.sink == SinkState::Working && self.life == Life::Open && has_room
    }

    fn release(&mut self, batch: &Batch) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(batch.bytes.len() as u64);
        self.waiting_records = self.waiting_records.saturating_sub(batch.records);
    }

    fn has_switch(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Switch(_)))
    }

    /// The newest sink that waits; older ones are forgotten.
    fn overtake(&mut self) -> Interrupt {
        let newest = self.entries.iter().rposition(|entry| matches!(entry, Entry::Switch(_)));
        let Some(Entry::Switch(sink)) = newest.and_then(|place| self.entries.remove(place)) else {
            return Interrupt::TryAgain;
        };
        self.entries.retain(|entry| matches!(entry, Entry::Write(_)));
        Interrupt::Switch(sink)
    }

    fn is_ended(&self) -> bool {
        matches!(self.life, Life::Ended { .. })
    }

    /// Ends it, if it has not ended yet; what still waits is lost. Returns how many records that are.
    fn end(&mut self, counters: &Counters) -> u64 {
        if let Life::Ended { lost } = self.life {
            return lost;
        }
        let lost = mem::take(&mut self.waiting_records);
        counters.write_error.fetch_add(lost, Relaxed);
        self.entries.clear();
        self.waiting_bytes = 0;
        self.sink = SinkState::Off;
        self.life = Life::Ended { lost };
        lost
    }
}
