//! The writer thread: takes batches in order, writes them, and tries again where the sink refuses.

use std::{io, sync::Arc, time::Duration};

use super::{
    SinkState,
    queue::{Entry, Interrupt, Shared},
    sink::Sink,
};

/// First and longest pause after a refused write. Short enough that required traffic goes on soon after somebody made
/// room on the disk.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The writer thread. While the sink refuses, the batch at hand is what it is tried with; so a sink that works again
/// is noticed also when no traffic comes.
pub(super) struct Drain {
    shared: Arc<Shared>,
    sink: Sink,
    /// Until the sink is tried again; `None` while it works.
    pause: Option<Duration>,
}

impl Drain {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink) -> Self {
        Self { shared, sink, pause: None }
    }

    pub(super) fn run(mut self) {
        while let Some(entry) = self.shared.next() {
            match entry {
                Entry::Switch(sink) => self.sink = sink,
                Entry::Write(batch) if matches!(self.sink, Sink::Off) => self.shared.discarded(&batch),
                Entry::Write(batch) => match self.write(&batch.bytes) {
                    Outcome::Written => self.shared.written(batch),
                    Outcome::GivenUp => break,
                },
            }
        }
        self.shared.end();
    }

    /// Writes all of some lines, however often that must be tried.
    fn write(&mut self, lines: &[u8]) -> Outcome {
        let mut done = 0;
        while done < lines.len() {
            let interrupt = match self.sink.write(&lines[done..]) {
                Ok(written) if written > 0 => {
                    done += written;
                    self.accepted();
                    continue;
                }
                Ok(_) => self.refused(&io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The sink has already waited.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.shared.interrupt(),
                Err(error) => self.refused(&error),
            };
            match interrupt {
                Interrupt::TryAgain => {}
                Interrupt::End => return Outcome::GivenUp,
                Interrupt::Switch(sink) => {
                    self.sink = sink;
                    // A line that the old sink has only in part is written whole to the new one.
                    done = lines[..done].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                }
            }
        }
        Outcome::Written
    }

    fn refused(&mut self, error: &io::Error) -> Interrupt {
        let is_unread = error.kind() == io::ErrorKind::BrokenPipe;
        let state = if is_unread { SinkState::Unread } else { SinkState::Failing };
        if self.shared.report(state) {
            if is_unread {
                tracing::info!("nobody reads the access log any more; its records are dropped and counted");
            } else {
                tracing::error!(%error, "cannot write the access log; ports with `log: required` wait until it works");
            }
        }
        let pause = self.pause.map_or(PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        self.shared.pause(pause)
    }

    fn accepted(&mut self) {
        if self.pause.take().is_some() && self.shared.report(SinkState::Working) {
            tracing::info!("the access log works again");
        }
    }
}

enum Outcome {
    Written,
    /// The log was closed before that.
    GivenUp,
}
