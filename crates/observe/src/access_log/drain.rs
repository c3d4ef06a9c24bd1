//! The writer thread: takes batches in order, writes them, and tries again where the sink refuses.

use std::{io, sync::Arc, time::Duration};

use super::{
    SinkState,
    queue::{Batch, Entry, Interrupt, Shared},
    sink::Sink,
};

/// First and longest pause after a refused write. Short enough that required traffic goes on soon after somebody made
/// room on the disk.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Drain {
    shared: Arc<Shared>,
    sink: Sink,
}

impl Drain {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink) -> Self {
        Self { shared, sink }
    }

    pub(super) fn run(mut self) {
        while let Some(entry) = self.shared.next() {
            match entry {
                Entry::Switch(sink) => self.sink = sink,
                Entry::Write(batch) if matches!(self.sink, Sink::Off) => self.shared.discarded(&batch),
                Entry::Write(batch) => {
                    if !self.write(batch) {
                        break;
                    }
                }
            }
        }
        self.shared.end();
    }

    /// Writes all of a batch, however often that must be tried. `false`: the log was closed before that.
    fn write(&mut self, batch: Batch) -> bool {
        let mut done = 0;
        let mut pause = PAUSE;
        while done < batch.bytes.len() {
            let interrupt = match self.sink.write(&batch.bytes[done..]) {
                Ok(0) => self.refused(&io::ErrorKind::WriteZero.into(), &mut pause),
                Ok(written) => {
                    done += written;
                    pause = PAUSE;
                    self.recovered();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The sink has already waited.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.shared.pause(Duration::ZERO),
                Err(error) => self.refused(&error, &mut pause),
            };
            match interrupt {
                Interrupt::TryAgain => {}
                Interrupt::Ended => return false,
                Interrupt::Switch(sink) => {
                    self.sink = sink;
                    // A line that the old sink has only in part is written whole to the new one.
                    done = batch.bytes[..done].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                }
            }
        }
        self.shared.written(batch);
        true
    }

    fn refused(&self, error: &io::Error, pause: &mut Duration) -> Interrupt {
        if self.shared.report(SinkState::Failing) {
            if error.kind() == io::ErrorKind::BrokenPipe {
                tracing::info!("nobody reads the access log any more; its records are dropped and counted");
            } else {
                tracing::error!(%error, "cannot write the access log; ports with `log: required` wait until it works");
            }
        }
        let interrupt = self.shared.pause(*pause);
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        interrupt
    }

    fn recovered(&self) {
        if self.shared.report(SinkState::Working) {
            tracing::info!("the access log works again");
        }
    }
}
