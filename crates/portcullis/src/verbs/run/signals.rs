//! Steering by signals.

use std::{io, sync::Arc};

use portcullis_control::{Phase, Publisher, answers::Cause};
use portcullis_kernel::limits::FILE_TOO_LARGE;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::verdict::Verdict;

/// The signals that mean something to us.
#[derive(Debug)]
pub(super) struct Signals {
    hangup: Signal,
    user1: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// A write past the largest size that a file may have (`ulimit -f`) would end the process. As long as somebody
    /// listens to this signal, the write just fails, and is told of like any other.
    _file_too_large: Signal,
}

impl Signals {
    /// From here on signals come to us. Needs a runtime around it.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    /// Does what signals ask for, until the process is drained or told twice to stop.
    pub(super) async fn steer(self, publisher: &Arc<Publisher>) -> Verdict {
        let Self { mut hangup, mut user1, mut terminate, mut interrupt, _file_too_large } = self;
        loop {
            tokio::select! {
                () = publisher.drained() => return Verdict::Fine,
                _ = user1.recv() => publisher.reopen_logs(),
                _ = hangup.recv() => {
                    publisher.reopen_logs();
                    let publisher = Arc::clone(publisher);
                    // Aside: resolving names may take a while, and nobody should wait to stop us.
                    tokio::spawn(async move { publisher.reload(Cause::Signal).await });
                }
                () = async { tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} } } => {
                    if stop(publisher) == Urgency::AtOnce {
                        return Verdict::Impossible;
                    }
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Open connections may end first.
    Graceful,
    /// Asked a second time.
    AtOnce,
}

fn stop(publisher: &Arc<Publisher>) -> Urgency {
    if publisher.phase() == Phase::Serving {
        publisher.drain();
        return Urgency::Graceful;
    }
    let open = publisher.open_connections();
    tracing::warn!(open, "asked to stop a second time; what is still open is cut off");
    Urgency::AtOnce
}
