//! What workers have of the audit: a queue that never makes them wait, and whether it can be relied on.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::Thread,
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{AuditRecord, Moment};

/// Gives records to the writer. Cheap to clone; each worker has its own.
#[derive(Clone)]
pub struct Recorder {
    queue: SyncSender<Entry>,
    shared: Arc<Shared>,
}

/// What became of a record that was offered.
#[must_use = "traffic that requires audit is refused if its record was not taken"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It will be written, also if the store fails for a while; it is lost only if the process is killed before.
    Accepted,
    /// The queue is full, or the writer has stopped: it was dropped, and counted.
    Full,
}

/// A record was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit does not take records")]
pub struct NotRecorded;

/// A record that is on its way, and whose being written is told.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<u64, NotRecorded>>);

/// How it stands with the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditStatus {
    /// Whether the store takes records.
    pub can_take: bool,
    /// Since when it does not.
    pub failing_since: Option<Moment>,
    /// Records that wait.
    pub queued: u64,
    /// Records that are on the disk, since the start.
    pub written: u64,
    /// Records that were not taken, since the start.
    pub refused: u64,
}

/// What is queued: a record, and who waits for it.
pub(crate) struct Entry {
    pub(crate) record: AuditRecord,
    pub(crate) waiter: Option<oneshot::Sender<Result<u64, NotRecorded>>>,
}

/// What workers and the writer tell each other.
#[derive(Default)]
pub(crate) struct Shared {
    /// Whether the writer sleeps until it is woken, and not only for a moment.
    is_idle: AtomicBool,
    /// Whether somebody waits for the next records to be written.
    pub(crate) is_urgent: AtomicBool,
    pub(crate) is_stopping: AtomicBool,
    accepted: AtomicU64,
    settled: AtomicU64,
    refused: AtomicU64,
    written: AtomicU64,
    /// Microseconds since the Unix epoch; 0: the store takes records.
    failing_since: AtomicU64,
    error: Mutex<Option<String>>,
    writer: OnceLock<Thread>,
}

impl Recorder {
    pub(crate) fn new(capacity: usize, shared: Arc<Shared>) -> (Self, Receiver<Entry>) {
        let (queue, entries) = sync_channel(capacity);
        (Self { queue, shared }, entries)
    }

    /// Offers a record. Never waits.
    pub fn try_record(&self, record: AuditRecord) -> Offer {
        self.offer(Entry { record, waiter: None })
    }

    /// Offers a record and tells when it is on the disk. It is written soon, not with the next batch; if the store
    /// does not take it, it is dropped: whoever waits for it refuses what it is about.
    pub fn record(&self, record: AuditRecord) -> Result<Receipt, NotRecorded> {
        let (waiter, receipt) = oneshot::channel();
        if !self.can_take() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(NotRecorded);
        }
        match self.offer(Entry { record, waiter: Some(waiter) }) {
            Offer::Accepted => Ok(Receipt(receipt)),
            Offer::Full => Err(NotRecorded),
        }
    }

    /// Whether the store takes records: to be asked before something that requires audit is let in.
    pub fn can_take(&self) -> bool {
        self.shared.failing_since.load(Ordering::Relaxed) == 0 && !self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// For the admin API and metrics.
    pub fn status(&self) -> AuditStatus {
        let shared = &self.shared;
        let failing = shared.failing_since.load(Ordering::Relaxed);
        AuditStatus {
            can_take: self.can_take(),
            failing_since: (failing > 0).then(|| Moment::from_micros(failing.cast_signed())),
            queued: shared.accepted.load(Ordering::Relaxed).saturating_sub(shared.settled.load(Ordering::Relaxed)),
            written: shared.written.load(Ordering::Relaxed),
            refused: shared.refused.load(Ordering::Relaxed),
        }
    }

    /// What went wrong last: with the store while it fails, with a copy otherwise.
    pub fn last_error(&self) -> Option<String> {
        self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn offer(&self, entry: Entry) -> Offer {
        let is_urgent = entry.waiter.is_some();
        if self.shared.is_stopping.load(Ordering::Relaxed) {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Offer::Full;
        }
        match self.queue.try_send(entry) {
            Ok(()) => {
                self.shared.accepted.fetch_add(1, Ordering::Relaxed);
                self.shared.wake(is_urgent);
                Offer::Accepted
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                // A store that fails is tried again in its own time.
                self.shared.wake(self.can_take());
                Offer::Full
            }
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Recorder").field(&self.status()).finish()
    }
}

impl Receipt {
    /// Waits until the record is on the disk. Returns its number.
    pub async fn written(self) -> Result<u64, NotRecorded> {
        self.0.await.unwrap_or(Err(NotRecorded))
    }

    /// The same for threads that may block.
    pub fn wait(self) -> Result<u64, NotRecorded> {
        self.0.blocking_recv().unwrap_or(Err(NotRecorded))
    }
}

impl Shared {
    /// Wakes the writer, if it does not come by itself within a moment.
    pub(crate) fn wake(&self, is_urgent: bool) {
        if is_urgent {
            self.is_urgent.store(true, Ordering::SeqCst);
        }
        // Sequentially consistent with `sleep`: either the writer sees the record, or this sees that it sleeps.
        if (is_urgent || self.is_idle.load(Ordering::SeqCst))
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Has this thread woken by `wake`.
    pub(crate) fn writer_is_this_thread(&self) {
        let _ = self.writer.set(std::thread::current());
    }

    /// Sleeps until woken, unless `look` finds something after all.
    pub(crate) fn sleep(&self, longest: Duration, look: impl FnOnce() -> bool) {
        self.is_idle.store(true, Ordering::SeqCst);
        if !look() && !self.is_stopping.load(Ordering::SeqCst) {
            std::thread::park_timeout(longest);
        }
        self.is_idle.store(false, Ordering::SeqCst);
    }

    /// Lets records gather, unless somebody waits.
    pub(crate) fn gather(&self, longest: Duration) {
        if !self.is_urgent.load(Ordering::SeqCst) && !self.is_stopping.load(Ordering::SeqCst) {
            std::thread::park_timeout(longest);
        }
    }

    /// Counts records that are on the disk.
    pub(crate) fn written(&self, count: u64) {
        self.written.fetch_add(count, Ordering::Relaxed);
        self.settled.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts records that were dropped after they had been taken.
    pub(crate) fn dropped(&self, count: u64) {
        self.refused.fetch_add(count, Ordering::Relaxed);
        self.settled.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The store does not take records.
    pub(crate) fn fails(&self, error: String) {
        let now = Moment::now().micros().cast_unsigned();
        let _ = self.failing_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.complain(error);
    }

    /// It does again. Returns since when it did not.
    pub(crate) fn works(&self) {
        if self.failing_since.swap(0, Ordering::Relaxed) > 0 {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    pub(crate) fn failing_since(&self) -> Option<Moment> {
        let since = self.failing_since.load(Ordering::Relaxed);
        (since > 0).then(|| Moment::from_micros(since.cast_signed()))
    }

    /// Keeps what went wrong for whoever asks.
    pub(crate) fn complain(&self, error: String) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}
