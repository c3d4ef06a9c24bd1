//! A grant that holds, as those that rely on it have it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use portcullis_audit::Moment;
use tokio::sync::Notify;

/// A grant that was approved. Shared by everything that relies on it.
#[derive(Debug)]
pub struct Grant {
    /// Its id: how the audit names it.
    pub id: Box<str>,
    /// Who vouches for whom it is for.
    pub provider: Box<str>,
    /// The provider's name for them.
    pub subject: Box<str>,
    /// To what.
    pub service: Box<str>,
    /// When it ends by itself.
    pub expires: Moment,
    /// Whether nobody approved it.
    pub break_glass: bool,
    /// No other grant of this process has it.
    pub number: u64,
    is_ended: AtomicBool,
    changed: Notify,
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The wall clock may be set while somebody waits, and a machine may sleep: the time is looked at this often.
const LOOK: Duration = Duration::from_secs(30);

impl Grant {
    pub(crate) fn new(id: &str, whose: (&str, &str), service: &str, expires: Moment, break_glass: bool) -> Self {
        Self {
            id: id.into(),
            provider: whose.0.into(),
            subject: whose.1.into(),
            service: service.into(),
            expires,
            break_glass,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            is_ended: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Whether it holds at this moment.
    pub fn holds(&self, now: Moment) -> bool {
        !self.is_ended.load(Ordering::Acquire) && now < self.expires
    }

    /// Waits until it has ended, by its time or because somebody took it back. What rests on it closes then.
    pub async fn ended(&self) {
        loop {
            let changed = self.changed.notified();
            let now = Moment::now();
            if !self.holds(now) {
                return;
            }
            // A timer may fire a little early.
            let left = self.expires.since(now).max(Duration::from_millis(1));
            let _ = tokio::time::timeout(left.min(LOOK), changed).await;
        }
    }

    /// Ends it for everything that relies on it.
    pub(crate) fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }
}
