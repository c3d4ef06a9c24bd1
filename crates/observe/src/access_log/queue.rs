//! What workers and the writer thread share: the bounded queue of batches and the gate for required traffic.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{AccessLogSettings, Counters, Format, SinkState, Target, sink::Sink};

/// Lines of one worker, all formatted.
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
    Always,
}

impl Batch {
    pub(super) fn new(kept: Kept, bytes: Vec<u8>) -> Self {
        Self { kept, bytes, records: 0 }
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
    queue: Mutex<Queue>,
    /// Wakes the writer thread.
    work: Condvar,
    /// Wakes whoever waits for the end.
    ended: Condvar,
    pub(super) gate: Gate,
    format: AtomicU8,
    off: AtomicBool,
    pub(super) counters: Arc<Counters>,
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
    /// Written batches' buffers, to be filled again.
    spare: Vec<Vec<u8>>,
    sink: SinkState,
    is_closing: bool,
    has_ended: bool,
}

/// Spare buffers that are kept: enough for a burst of all workers, not a second queue.
const SPARES: usize = 64;

impl Queue {
    /// Ordinary records leave a quarter to the required ones, so that no flood of them can close the gate.
    fn has_room_for(&self, batch: &Batch) -> bool {
        batch.kept == Kept::Always || self.waiting_bytes + batch.bytes.len() as u64 <= self.limit_bytes / 4 * 3
    }

    fn should_gate_open(&self, now_open: bool) -> bool {
        // Opens lower than it closes, so that it does not flap; both lie above what ordinary records can fill.
        let bound = if now_open { self.limit_bytes } else { self.limit_bytes / 8 * 7 };
        self.sink == SinkState::Working && !self.is_closing && self.waiting_bytes < bound.max(1)
    }
}

impl Shared {
    pub(super) fn new(settings: &AccessLogSettings) -> Self {
        let sink = if settings.target == Target::Off { SinkState::Off } else { SinkState::Working };
        let queue = Queue {
            entries: VecDeque::new(),
            waiting_bytes: 0,
            waiting_records: 0,
            limit_bytes: settings.buffer_bytes,
            spare: Vec::new(),
            sink,
            is_closing: false,
            has_ended: false,
        };
        Self {
            queue: Mutex::new(queue),
            work: Condvar::new(),
            ended: Condvar::new(),
            gate: Gate { open: AtomicBool::new(sink == SinkState::Working), opened: Notify::new() },
            format: AtomicU8::new(settings.format as u8),
            off: AtomicBool::new(settings.target == Target::Off),
            counters: Arc::default(),
        }
    }

    pub(super) fn is_off(&self) -> bool {
        self.off.load(Relaxed)
    }

    pub(super) fn format(&self) -> Format {
        if self.format.load(Relaxed) == Format::Json as u8 { Format::Json } else { Format::Text }
    }

    pub(super) fn state(&self) -> SinkState {
        self.lock().sink
    }

    /// Takes the lines of a batch and leaves an empty one. Drops and counts them if there is no room.
    pub(super) fn hand_over(&self, batch: &mut Batch) {
        let mut queue = self.lock();
        if queue.has_ended || !queue.has_room_for(batch) {
            self.count_dropped(&queue, batch.records);
            batch.bytes.clear();
            batch.records = 0;
            return;
        }
        let empty = queue.spare.pop().unwrap_or_else(|| Vec::with_capacity(batch.bytes.capacity()));
        let full = Batch {
            kept: batch.kept,
            bytes: mem::replace(&mut batch.bytes, empty),
            records: mem::take(&mut batch.records),
        };
        queue.waiting_bytes += full.bytes.len() as u64;
        queue.waiting_records += full.records;
        queue.entries.push_back(Entry::Write(full));
        self.update_gate(&queue);
        drop(queue);
        self.work.notify_one();
    }

    /// Gives the writer thread another sink, after all that waits.
    pub(super) fn switch(&self, sink: Sink) {
        self.lock().entries.push_back(Entry::Switch(sink));
        self.work.notify_one();
    }

    pub(super) fn apply(&self, settings: &AccessLogSettings) {
        let is_off = settings.target == Target::Off;
        self.format.store(settings.format as u8, Relaxed);
        self.off.store(is_off, Relaxed);
        let mut queue = self.lock();
        queue.limit_bytes = settings.buffer_bytes;
        match (is_off, queue.sink) {
            (true, _) => queue.sink = SinkState::Off,
            (false, SinkState::Off) => queue.sink = SinkState::Working,
            (false, _) => {}
        }
        self.update_gate(&queue);
    }

    /// Ends the writer thread once everything is written.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.is_closing = true;
        self.update_gate(&queue);
        drop(queue);
        self.work.notify_one();
    }

    /// Closes, waits for the end, and says how many records were not written by then.
    pub(super) fn close_and_wait(&self, within: Duration) -> u64 {
        self.close();
        let (mut queue, _) = self
            .ended
            .wait_timeout_while(self.lock(), within, |queue| !queue.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        queue.has_ended = true;
        queue.entries.clear();
        let lost = mem::take(&mut queue.waiting_records);
        self.counters.write_error.fetch_add(lost, Relaxed);
        drop(queue);
        self.work.notify_one();
        lost
    }

    fn count_dropped(&self, queue: &Queue, records: u64) {
        let reason = match queue.sink {
            SinkState::Working if !queue.has_ended => &self.counters.sink_full,
            _ => &self.counters.write_error,
        };
        reason.fetch_add(records, Relaxed);
    }

    fn update_gate(&self, queue: &Queue) {
        let was_open = self.gate.is_open();
        let is_open = queue.should_gate_open(was_open);
        if is_open != was_open {
            self.gate.open.store(is_open, Relaxed);
        }
        if is_open && !was_open {
            self.gate.opened.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer thread's side.
impl Shared {
    /// The next entry; waits for it. `None`: closed, and nothing is left.
    pub(super) fn next(&self) -> Option<Entry> {
        let mut queue = self
            .work
            .wait_while(self.lock(), |queue| queue.entries.is_empty() && !queue.is_closing && !queue.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        queue.entries.pop_front()
    }

    /// A batch is written whole: its room and its buffer are free again.
    pub(super) fn written(&self, mut batch: Batch) {
        self.counters.written.fetch_add(batch.records, Relaxed);
        let mut queue = self.lock();
        Self::release(&mut queue, &batch);
        if queue.spare.len() < SPARES {
            batch.bytes.clear();
            queue.spare.push(batch.bytes);
        }
        self.update_gate(&queue);
    }

    /// A batch has nowhere to go.
    pub(super) fn discarded(&self, batch: &Batch) {
        self.counters.write_error.fetch_add(batch.records, Relaxed);
        let mut queue = self.lock();
        Self::release(&mut queue, batch);
        self.update_gate(&queue);
    }

    fn release(queue: &mut Queue, batch: &Batch) {
        queue.waiting_bytes = queue.waiting_bytes.saturating_sub(batch.bytes.len() as u64);
        queue.waiting_records = queue.waiting_records.saturating_sub(batch.records);
    }

    /// The sink works, or does not; says whether that is news.
    pub(super) fn report(&self, state: SinkState) -> bool {
        let mut queue = self.lock();
        let is_news = queue.sink != SinkState::Off && queue.sink != state;
        if is_news {
            queue.sink = state;
            self.update_gate(&queue);
        }
        is_news
    }

    /// Waits until it is time to try again, another sink is there, or the log was closed for good.
    pub(super) fn pause(&self, at_most: Duration) -> Interrupt {
        let should_wait = |queue: &mut Queue| !queue.has_ended && queue.switch_place().is_none();
        let (mut queue, _) =
            self.work.wait_timeout_while(self.lock(), at_most, should_wait).unwrap_or_else(PoisonError::into_inner);
        if queue.has_ended {
            return Interrupt::Ended;
        }
        match queue.switch_place().and_then(|place| queue.entries.remove(place)) {
            Some(Entry::Switch(sink)) => Interrupt::Switch(sink),
            _ => Interrupt::TryAgain,
        }
    }

    /// The thread is done.
    pub(super) fn end(&self) {
        let mut queue = self.lock();
        queue.has_ended = true;
        queue.sink = SinkState::Off;
        self.update_gate(&queue);
        drop(queue);
        self.ended.notify_all();
    }
}

impl Queue {
    /// The newest sink that waits: older ones are overtaken.
    fn switch_place(&self) -> Option<usize> {
        self.entries.iter().rposition(|entry| matches!(entry, Entry::Switch(_)))
    }
}

/// Why a pause ended.
#[derive(Debug)]
pub(super) enum Interrupt {
    TryAgain,
    /// Overtakes what waits: the old sink does not take it.
    Switch(Sink),
    Ended,
}

/// Open while required records find room. Workers read it for each connection or request; it is written only when
/// it changes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Gate {
    open: AtomicBool,
    opened: Notify,
}

impl Gate {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }
}

/// Tells ports with `log: required` whether their records would find room. Where the sink does not work, they wait.
#[derive(Debug, Clone)]
pub struct AccessGate {
    shared: Arc<Shared>,
}

impl AccessGate {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether new traffic may be taken now.
    pub fn is_open(&self) -> bool {
        self.shared.gate.is_open()
    }

    /// Waits until new traffic may be taken. Safe to drop and call again.
    pub async fn opened(&self) {
        let gate = &self.shared.gate;
        while !gate.is_open() {
            let mut opened = std::pin::pin!(gate.opened.notified());
            // Enlisted before looking again: an opening in between is not missed.
            opened.as_mut().enable();
            if gate.is_open() {
                return;
            }
            opened.await;
        }
    }
}
