//! What the log tells the workers: whether and how to format, and whether required traffic may come.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
};

use tokio::sync::Notify;

use super::{AccessLogSettings, Format, Target, queue::Shared};

/// Read by workers for each record, written only when something changes; so it lies on a cache line of its own and
/// not beside the lock.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Signals {
    is_off: AtomicBool,
    format: AtomicU8,
    is_open: AtomicBool,
    opened: Notify,
}

impl Signals {
    pub(super) fn new(settings: &AccessLogSettings) -> Self {
        let is_off = settings.target == Target::Off;
        Self {
            is_off: AtomicBool::new(is_off),
            format: AtomicU8::new(settings.format as u8),
            is_open: AtomicBool::new(!is_off),
            opened: Notify::new(),
        }
    }

    pub(super) fn apply(&self, settings: &AccessLogSettings) {
        self.format.store(settings.format as u8, Relaxed);
        self.is_off.store(settings.target == Target::Off, Relaxed);
    }

    pub(super) fn is_off(&self) -> bool {
        self.is_off.load(Relaxed)
    }

    pub(super) fn format(&self) -> Format {
        if self.format.load(Relaxed) == Format::Json as u8 { Format::Json } else { Format::Text }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// Opens or closes the gate. Called under the lock of the queue, so that changes come in order.
    pub(super) fn set_open(&self, is_open: bool) {
        let was_open = self.is_open.swap(is_open, Relaxed);
        if is_open && !was_open {
            self.opened.notify_waiters();
        }
    }
}

/// Tells ports with `log: required` whether their records would find room. Where the sink does not work, or there is
/// none, they wait.
#[derive(Debug, Clone)]
pub struct AccessGate {
    shared: Arc<Shared>,
}

impl AccessGate {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether new traffic may be taken now: one load.
    pub fn is_open(&self) -> bool {
        self.shared.signals.is_open()
    }

    /// Waits until new traffic may be taken. May be dropped at any time.
    pub async fn accepts(&self) {
        let signals = &self.shared.signals;
        while !signals.is_open() {
            let mut opened = std::pin::pin!(signals.opened.notified());
            // Enlisted before looking again, so that an opening in between is not missed.
            opened.as_mut().enable();
            if !signals.is_open() {
                opened.await;
            }
        }
    }
}
