//! The thread that writes what workers offer: many records in one transaction, one signature for all of them.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    AuditError, AuditLog, AuditRecord, Damage, Event, Head, Moment, NotRecorded, Recorder,
    chain::Appended,
    recorder::{Entry, Shared},
};

/// Records in one transaction at most.
const BATCH: usize = 4096;
/// How long records gather when nobody waits for them: at most fifty transactions a second, however many there are.
const GATHER: Duration = Duration::from_millis(20);
/// After the store failed, until it is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// How often old records are looked for.
const CUT_EVERY: Duration = Duration::from_hours(1);
/// Records of other processes that are copied at once.
const COPIED_AT_ONCE: u32 = 512;
/// The writer looks around this often although nothing wakes it.
const IDLE: Duration = Duration::from_mins(10);

/// How records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Records that may wait to be written. Default 65,536.
    pub queue: usize,
    /// How long records are kept; `None`, the default: for ever.
    pub retention: Option<Duration>,
    /// Where records go beside the store, one JSON text in a line, exactly as they are kept. Default: nowhere.
    pub copy: Option<Destination>,
    /// A file to which the signed heads that are kept are appended. On another machine, or where the store's user may
    /// only append, it shows also that the end of the log was removed together with its signatures. Default: none.
    pub heads: Option<PathBuf>,
}

/// Where a copy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, made with mode 0600. It is opened for each batch, so that it may be rotated at any time.
    File(PathBuf),
}

impl Default for Settings {
    fn default() -> Self {
        Self { queue: 65_536, retention: None, copy: None, heads: None }
    }
}

/// The thread. Dropping it lets it write what was accepted and waits for it.
#[derive(Debug)]
pub struct AuditWriter {
    recorder: Recorder,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<u64>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl AuditWriter {
    /// Opens the log in a store and starts to write to it.
    pub fn start(store: &Path, settings: Settings) -> Result<Self, AuditError> {
        let mut log = AuditLog::open(store)?;
        let copied = log.last()?;
        let shared = Arc::new(Shared::default());
        let (recorder, entries) = Recorder::new(settings.queue, Arc::clone(&shared));
        let writing = Writing {
            log,
            settings,
            entries,
            shared: Arc::clone(&shared),
            pending: Vec::new(),
            refused: 0,
            next_cut: None,
            copied,
        };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || writing.run());
        let thread = thread.map_err(|cause| AuditError::File { path: store.to_path_buf(), cause })?;
        Ok(Self { recorder, shared, thread: Some(thread) })
    }

    /// What workers get.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Takes no more, writes what was accepted, signs, and ends. Returns how many records the store did not take.
    pub fn stop(mut self) -> u64 {
        self.end()
    }

    fn end(&mut self) -> u64 {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.wake(true);
        self.thread.take().map_or(0, |thread| thread.join().unwrap_or(0))
    }
}

impl Drop for AuditWriter {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread has.
struct Writing {
    log: AuditLog,
    settings: Settings,
    entries: Receiver<Entry>,
    shared: Arc<Shared>,
    /// Accepted, and not on the disk.
    pending: Vec<Entry>,
    /// How many were refused when the store last took records.
    refused: u64,
    /// When old records are looked for.
    next_cut: Option<Instant>,
    /// The last record that was copied.
    copied: u64,
}

impl Writing {
    /// Until it is stopped. Returns how many records were lost.
    fn run(mut self) -> u64 {
        self.shared.writer_is_this_thread();
        loop {
            // Read first: whoever asks to stop has offered everything before.
            let is_stopping = self.shared.is_stopping.load(Ordering::SeqCst);
            self.take();
            if self.pending.is_empty() && self.shared.failing_since().is_none() {
                if is_stopping {
                    self.seal();
                    return 0;
                }
                self.cut_if_due();
                self.wait();
                continue;
            }
            let is_awaited = self.pending.iter().any(|entry| entry.waiter.is_some());
            if !is_stopping && !is_awaited && self.pending.len() < BATCH {
                self.shared.gather(GATHER);
                self.take();
            }
            if let Err(error) = self.write() {
                self.fail(&error);
                if is_stopping {
                    return (self.pending.len() + self.entries.try_iter().count()) as u64;
                }
                thread::park_timeout(RETRY);
            }
        }
    }

    /// Takes what waits, as far as it fits into a transaction. Those that do not wait in the queue until the store works
    /// again, and then the queue is full.
    fn take(&mut self) {
        self.shared.is_urgent.store(false, Ordering::SeqCst);
        while self.pending.len() < BATCH {
            match self.entries.try_recv() {
                Ok(mut entry) => {
                    entry.record.bound();
                    self.pending.push(entry);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn wait(&mut self) {
        let Self { shared, entries, pending, next_cut, .. } = self;
        let until_cut = next_cut.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
        shared.sleep(until_cut.min(IDLE), || match entries.try_recv() {
            Ok(mut entry) => {
                entry.record.bound();
                pending.push(entry);
                true
            }
            Err(_) => false,
        });
    }

    /// Writes what is pending. What the store does not take stays pending.
    fn write(&mut self) -> Result<(), AuditError> {
        let resumed = self.shared.failing_since().map(|since| self.resumed(since));
        let waiting: Vec<_> = self.pending.iter_mut().map(|entry| entry.waiter.take()).collect();
        let mut records: Vec<AuditRecord> = self.pending.drain(..).map(|entry| entry.record).collect();
        records.extend(resumed);
        let appended = match self.log.append_bounded(&records) {
            Ok(appended) => appended,
            Err(error) => {
                self.keep_pending(records, waiting);
                return Err(error.into());
            }
        };
        self.shared.works();
        self.refused = self.shared.refused();
        self.shared.written(waiting.len() as u64);
        // The first texts may be what the log says of itself.
        let first = appended.head.id + 1 - records.len() as u64;
        for (waiter, id) in waiting.into_iter().zip(first..) {
            if let Some(waiter) = waiter {
                let _ = waiter.send(Ok(id));
            }
        }
        self.copy(&appended);
        Ok(())
    }

    /// What was refused meanwhile is not lost without a trace.
    fn resumed(&self, since: Moment) -> AuditRecord {
        let refused = self.shared.refused().saturating_sub(self.refused);
        let reason = format!("the store took no records since {since}; {refused} were refused");
        AuditRecord { reason: Some(reason.into()), first: Some(since), ..AuditRecord::new(Event::AuditResumed) }
    }

    /// After a failure: whoever waits is told, and what they wait for is dropped, since it will be refused.
    fn keep_pending(&mut self, records: Vec<AuditRecord>, waiting: Vec<Option<Waiter>>) {
        for (record, waiter) in records.into_iter().zip(waiting) {
            match waiter {
                Some(waiter) => {
                    let _ = waiter.send(Err(NotRecorded));
                    self.shared.dropped(1);
                }
                None => self.pending.push(Entry { record, waiter: None }),
            }
        }
    }

    fn fail(&self, error: &AuditError) {
        self.shared.fails(error.to_string());
    }

    /// Has the signature of the newest record stay, here and elsewhere.
    fn seal(&mut self) {
        match self.log.keep_head() {
            Ok(Some(head)) => self.copy_head(&head),
            Ok(None) => {}
            Err(error) => self.shared.complain(error.to_string()),
        }
    }

    fn copy(&mut self, appended: &Appended) {
        if self.settings.copy.is_some() {
            let first = appended.head.id + 1 - appended.lines.len() as u64;
            self.copy_of_others(first);
            self.copy_lines(&appended.lines);
        }
        self.copied = appended.head.id;
        if appended.is_kept {
            self.copy_head(&appended.head);
        }
    }

    /// Other processes write to the log, too: what they did since the last copy goes first.
    fn copy_of_others(&mut self, first: u64) {
        while self.copied + 1 < first {
            match self.log.lines(self.copied + 1..first, COPIED_AT_ONCE) {
                Ok(lines) if lines.is_empty() => return,
                Ok(lines) => {
                    self.copied = lines.last().map_or(self.copied, |(id, _)| *id);
                    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
                    self.copy_lines(&lines);
                }
                Err(error) => return self.shared.complain(error.to_string()),
            }
        }
    }

    fn copy_lines(&self, lines: &[String]) {
        let text = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
        match &self.settings.copy {
            Some(Destination::Stdout) => {
                self.copied(Path::new("standard output"), io::stdout().lock().write_all(text.as_bytes()));
            }
            Some(Destination::File(path)) => self.copied(path, append(path, &text)),
            None => {}
        }
    }

    fn copy_head(&self, head: &Head) {
        if let Some(path) = &self.settings.heads {
            self.copied(path, append(path, &(head.line() + "\n")));
        }
    }

    /// A copy that fails is told and stops nothing: the store has the record.
    fn copied(&self, place: &Path, result: io::Result<()>) {
        if let Err(cause) = result {
            self.shared.complain(format!("the copy of the audit in {}: {cause}", place.display()));
        }
    }

    fn cut_if_due(&mut self) {
        let Some(retention) = self.settings.retention else { return };
        let now = Instant::now();
        if self.next_cut.is_some_and(|at| now < at) {
            return;
        }
        self.next_cut = Some(now + CUT_EVERY);
        if let Err(error) = self.log.cut(Moment::now().before(retention), Damage::Stays, None) {
            self.shared.complain(format!("old audit records stay: {error}"));
        }
    }
}

type Waiter = tokio::sync::oneshot::Sender<Result<u64, NotRecorded>>;

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}
