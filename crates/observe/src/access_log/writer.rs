//! The side of a worker: format, buffer, hand over.

use std::sync::Arc;

use super::{
    AccessGate, Format,
    queue::{Batch, Kept, Shared},
};
use crate::record::{AccessRecord, TimestampCache};

/// A batch is handed over once it is this long: long enough that a lock for each does not show, short enough to stay
/// in the first-level caches.
const BATCH_BYTES: usize = 32 * 1024;

/// So much is reserved, for the record that makes a batch full.
const BUFFER_BYTES: usize = 40 * 1024;

/// Writes records for one worker. Dropping it flushes it.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
    clock: TimestampCache,
    ordinary: Batch,
    required: Batch,
    refused: Batch,
}

impl LogWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            clock: TimestampCache::new(),
            ordinary: Batch::new(Kept::WhileThereIsRoom, BUFFER_BYTES),
            required: Batch::new(Kept::Always, BUFFER_BYTES),
            // Seldom used, so nothing is reserved.
            refused: Batch::new(Kept::UpToTwice, 0),
        }
    }

    /// Records. Dropped, and counted, where the sink does not keep up.
    pub fn write(&mut self, record: &AccessRecord<'_>) {
        if self.shared.signals.is_off() {
            return;
        }
        append(record, self.shared.signals.format(), &mut self.ordinary, &mut self.clock);
        if self.ordinary.bytes.len() >= BATCH_BYTES {
            self.shared.hand_over(&mut self.ordinary);
        }
    }

    /// Records for a port with `log: required`: never dropped while the process lives. Such ports ask the gate before
    /// they take traffic; what was already under way is kept past the bound, so the excess is at most one record for
    /// each request in flight.
    pub fn write_required(&mut self, record: &AccessRecord<'_>) {
        append(record, self.shared.signals.format(), &mut self.required, &mut self.clock);
        if self.required.bytes.len() >= BATCH_BYTES {
            self.shared.hand_over(&mut self.required);
        }
    }

    /// Records what a port with `log: required` has turned away. Nothing waited for this, so nothing else bounds it: kept
    /// up to twice the bound of the buffer, then dropped, and counted.
    pub fn write_refused(&mut self, record: &AccessRecord<'_>) {
        append(record, self.shared.signals.format(), &mut self.refused, &mut self.clock);
        if self.refused.bytes.len() >= BATCH_BYTES {
            self.shared.hand_over(&mut self.refused);
        }
    }

    /// Whether ports with `log: required` may take traffic: one load.
    pub fn can_accept(&self) -> bool {
        self.shared.signals.is_open()
    }

    /// The gate to wait at when they may not, which does not borrow the writer.
    pub fn gate(&self) -> AccessGate {
        AccessGate::new(Arc::clone(&self.shared))
    }

    /// Hands over whatever is buffered. The worker's tick calls this about every 100 ms: no record is older than that
    /// when it reaches the writer thread.
    pub fn flush(&mut self) {
        for batch in [&mut self.ordinary, &mut self.required, &mut self.refused] {
            if !batch.bytes.is_empty() {
                self.shared.hand_over(batch);
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

fn append(record: &AccessRecord<'_>, format: Format, batch: &mut Batch, clock: &mut TimestampCache) {
    match format {
        Format::Json => record.append_json(&mut batch.bytes, clock),
        Format::Text => record.append_text(&mut batch.bytes, clock),
    }
    batch.records += 1;
}
