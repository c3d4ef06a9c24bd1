//! The access log: workers append to buffers of their own, one thread writes.
//!
//! A worker formats each record into its own buffer and hands the buffer over when it is full or when the worker's
//! tick says so; that is one short lock for some seventy records. What waits for the writer thread is bounded. Past
//! the bound ordinary records are dropped and counted; required ones (ports with `log: required`) are kept, and the
//! [`AccessGate`] tells those ports to wait with new traffic. So a stuck pipe or a full disk never blocks a worker.

mod drain;
mod queue;
mod signals;
mod sink;
mod writer;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

pub use signals::AccessGate;
pub use writer::LogWriter;

use queue::Shared;
use sink::Sink;

/// Where the log goes and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Where to.
    pub target: Target,
    /// In which form.
    pub format: Format,
    /// Bytes that may wait for the writer thread, all workers together. Ordinary records may fill three quarters of
    /// it; the rest is for required ones. Each worker holds up to 64 KiB besides.
    pub buffer_bytes: u64,
}

impl Default for AccessLogSettings {
    /// JSON to stdout, 8 MiB of buffer.
    fn default() -> Self {
        Self { target: Target::Stdout, format: Format::Json, buffer_bytes: 8 << 20 }
    }
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nowhere. Ports that require a log take no traffic.
    Off,
    /// Standard output.
    Stdout,
    /// A file (or FIFO), made if it is missing, appended to.
    File(PathBuf),
}

/// The form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// One JSON object on each line.
    Json,
    /// One aligned line for people.
    Text,
}

/// Why the log could not be opened, changed or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessLogError {
    /// The file cannot be opened for appending.
    #[error("cannot open the access log {}: {source}; check that the directory exists and may be written", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Standard output cannot be used.
    #[error("cannot write the access log to standard output: {0}; name a file instead, or `off`")]
    Stdout(io::Error),
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the access log: {0}")]
    Thread(io::Error),
    /// The sink did not take what was left in time; it is lost.
    #[error("the access log did not take its last {records} records in time; they are lost")]
    NotFlushed {
        /// How many.
        records: u64,
    },
}

/// The open access log. Dropping it lets the writer thread write what it has and end.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    target: Mutex<Target>,
}

impl AccessLog {
    /// Opens the target and starts the thread that writes to it.
    pub fn open(settings: AccessLogSettings) -> Result<Self, AccessLogError> {
        let sink = Sink::open(&settings.target)?;
        let shared = Arc::new(Shared::new(&settings));
        let drain = drain::Drain::new(Arc::clone(&shared), sink);
        thread::Builder::new().name("access-log".into()).spawn(move || drain.run()).map_err(AccessLogError::Thread)?;
        Ok(Self { shared, target: settings.target.into() })
    }

    /// A writer for one worker.
    pub fn writer(&self) -> LogWriter {
        LogWriter::new(Arc::clone(&self.shared))
    }

    /// Tells ports with `log: required` whether they may take traffic.
    pub fn gate(&self) -> AccessGate {
        AccessGate::new(Arc::clone(&self.shared))
    }

    /// Opens the file anew, after a rotation. If that fails, the log goes on into the old one.
    pub fn reopen(&self) -> Result<(), AccessLogError> {
        let target = self.lock_target();
        if matches!(*target, Target::File(_)) {
            self.shared.switch(Sink::open(&target)?);
        }
        Ok(())
    }

    /// Takes on new settings; what was already recorded goes to the old target, or, where that does not take it, to
    /// the new one. If the new target cannot be opened, everything stays as it was.
    pub fn reconfigure(&self, settings: AccessLogSettings) -> Result<(), AccessLogError> {
        let mut target = self.lock_target();
        // An unchanged target keeps its open file: reopening is for rotation only. Switched off, the old sink stays
        // open for the records that workers still hold.
        if *target != settings.target && settings.target != Target::Off {
            self.shared.switch(Sink::open(&settings.target)?);
        }
        self.shared.apply(&settings);
        *target = settings.target;
        Ok(())
    }

    /// Records lost so far.
    pub fn dropped(&self) -> Dropped {
        self.shared.counters.dropped()
    }

    /// Whether the sink takes what it is given.
    pub fn state(&self) -> SinkState {
        self.shared.state()
    }

    /// Writes what was handed over (workers flush first, or drop their writers) and ends the thread; waits `within`
    /// for that and no longer.
    pub fn close(&self, within: Duration) -> Result<(), AccessLogError> {
        match self.shared.close_and_wait(within) {
            0 => Ok(()),
            records => Err(AccessLogError::NotFlushed { records }),
        }
    }

    /// What the metrics show.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    fn lock_target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Records lost, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// The sink was slower than the traffic and the buffer was full.
    pub sink_full: u64,
    /// The sink did not work, or was already closed.
    pub write_error: u64,
}

/// Whether the sink works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkState {
    /// It takes what it is given, or was not asked yet.
    Working,
    /// It refuses (disk full, say). What waits is tried again and again.
    Failing,
    /// It is a pipe that nobody reads any more. Ordinary records are dropped; what waits is tried again, in case that
    /// somebody does.
    Unread,
    /// There is none, or it was closed.
    Off,
}

/// What the metrics show of a log.
#[derive(Debug)]
pub(crate) struct Watch(Arc<Shared>);

impl Watch {
    pub(crate) fn written(&self) -> u64 {
        self.0.counters.written.load(Relaxed)
    }

    pub(crate) fn dropped(&self) -> Dropped {
        self.0.counters.dropped()
    }

    pub(crate) fn state(&self) -> SinkState {
        self.0.state()
    }
}

/// Written by the writer thread, and by workers that drop a batch: rare events, so that sharing costs nothing.
#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    sink_full: AtomicU64,
    write_error: AtomicU64,
}

impl Counters {
    fn dropped(&self) -> Dropped {
        Dropped { sink_full: self.sink_full.load(Relaxed), write_error: self.write_error.load(Relaxed) }
    }
}
