//! The running plan and how it is replaced: validated whole, then published, or not at all.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use portcullis_config::declared::LogLevel;
use portcullis_observe::{AccessLog, metrics::ReloadOutcome};
use portcullis_plan::{Names, Registries};
use portcullis_proxy::{Change, DataPlane, Start as StartWorkers};
use tokio::{
    runtime::Handle,
    sync::{Mutex as Turn, mpsc, watch},
};

use crate::{
    Candidate, Phase, Reading, Rejection,
    answers::{Cause, Outcome, ReloadReport},
    drift::Drift,
    grants::Office,
    identity, names,
    running::{FilesRead, ReadOnce, Running, retire, revive},
    sockets::{ControlChange, Difference},
    strangers::Strangers,
    trail::Trail,
};

/// Sets the level of the program's own log.
pub type LogLevels = Box<dyn Fn(LogLevel) + Send + Sync>;

/// What the first plan is started with.
pub struct Start {
    /// The file, for reloads.
    pub path: PathBuf,
    /// The first plan.
    pub candidate: Candidate,
    /// State that outlives plans; the candidate was compiled with it.
    pub registries: Registries,
    /// Follows `log.level` of every plan.
    pub log_levels: LogLevels,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Holds the running plan, publishes the next one, and drains. There is one for each process.
pub struct Publisher {
    path: PathBuf,
    registries: Arc<Registries>,
    access_log: AccessLog,
    data_plane: DataPlane,
    running: watch::Sender<Arc<Running>>,
    phase: watch::Sender<Phase>,
    control_sockets: mpsc::UnboundedSender<ControlChange>,
    /// Reloads come one after the other.
    turn: Turn<()>,
    attempt: Mutex<Attempt>,
    log_levels: LogLevels,
    read_once: ReadOnce,
    strangers: Strangers,
    drift: Drift,
    trail: Arc<Trail>,
    office: Arc<Office>,
    started: Instant,
}

/// The last reload, successful or not.
#[derive(Debug)]
struct Attempt {
    report: Option<Arc<ReloadReport>>,
    files: FilesRead,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Opens every port of the first plan and starts the workers. The sockets of the control plane are sent to the
    /// receiver, as are those of later plans.
    pub(crate) fn start(start: Start) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<ControlChange>), Rejection> {
        let Start { path, mut candidate, registries, log_levels } = start;
        let workers = registries.endpoints.workers();
        let access_log = AccessLog::open(candidate.plan.access_log.clone()).map_err(Rejection::AccessLog)?;
        let trail = Arc::new(Trail::default());
        let office = Arc::new(Office::default());
        trail.supply(&mut candidate.plan).map_err(Rejection::Audit)?;
        office.supply(&mut candidate.plan).map_err(Rejection::Grants)?;
        Handle::current().block_on(identity::open(&candidate.plan, &registries)).map_err(Rejection::Identity)?;
        let sockets = Difference::between(None, &candidate.plan).open(workers).map_err(Rejection::Listen)?;
        let files = FilesRead::of(Some(&candidate.declared), &candidate.sources, candidate.read_at);
        let read_once = ReadOnce::of(&candidate.declared);
        registries.names.learned(Arc::clone(&candidate.names));
        let running = Running::new(candidate, None);
        let plan = Arc::clone(&running.plan);
        let data_plane =
            DataPlane::start(StartWorkers { workers, plan, sockets: sockets.data, access_log: &access_log })
                .map_err(Rejection::Workers)?;
        let (control_sockets, receiver) = mpsc::unbounded_channel();
        // The receiver is alive: it is returned below.
        let _ = control_sockets.send(sockets.control);
        registries.metrics.process().watch_access_log(&access_log);
        registries.metrics.process().set_plan_generation(running.plan.generation);
        let publisher = Self {
            path,
            registries: Arc::new(registries),
            access_log,
            data_plane,
            running: watch::Sender::new(Arc::new(running)),
            phase: watch::Sender::new(Phase::Serving),
            control_sockets,
            turn: Turn::new(()),
            attempt: Mutex::new(Attempt { report: None, files }),
            log_levels,
            read_once,
            strangers: Strangers::default(),
            drift: Drift::default(),
            trail,
            office,
            started: Instant::now(),
        };
        Ok((Arc::new(publisher), receiver))
    }

    /// Reads the file again and publishes what it says, if all of it is right. Never breaks off half-way: whoever
    /// asked may go away.
    pub async fn reload(self: &Arc<Self>, cause: Cause) -> Arc<ReloadReport> {
        let publisher = Arc::clone(self);
        let attempt = tokio::spawn(async move {
            let _turn = publisher.turn.lock().await;
            let (path, registries) = (publisher.path.clone(), Arc::clone(&publisher.registries));
            // Files are read and names resolved: that blocks, and may take a while.
            let compiled = tokio::task::spawn_blocking(move || {
                let reading = Reading::of(&path);
                let files = FilesRead::of(reading.declared.as_ref(), &reading.sources, reading.read_at);
                (reading.compile(&registries), Some(files))
            });
            let (candidate, files) = compiled.await.unwrap_or((Err(Rejection::Internal), None));
            publisher.conclude(cause, candidate, files).await
        });
        match attempt.await {
            Ok(report) => report,
            Err(error) => {
                tracing::error!(%error, "a reload broke off");
                self.remember(ReloadReport::rejected(cause, self.generation(), &Rejection::Internal), None)
            }
        }
    }

    /// Loads certificates, keys and CAs of the running configuration again, and publishes what is valid. The file
    /// itself is not read: an edit that nobody asked to load stays an edit.
    pub(crate) async fn renew(self: &Arc<Self>) -> Arc<ReloadReport> {
        let _turn = self.turn.lock().await;
        self.compile_again(Cause::Certificates, self.registries.names.known()).await
    }

    /// Remembers where names lead now, and publishes it if that is somewhere else.
    pub(crate) async fn follow_names(self: &Arc<Self>, found: Names) {
        let _turn = self.turn.lock().await;
        let before = self.registries.names.known();
        let now = Arc::new(before.with(&found));
        self.registries.names.learned(Arc::clone(&now));
        names::tell(&before, &now);
        if !now.leads_as(&before) {
            self.compile_again(Cause::Names, now).await;
        }
    }

    /// Publishes what runs once more, with what has changed around it. The turn is the caller's.
    async fn compile_again(&self, cause: Cause, names: Arc<Names>) -> Arc<ReloadReport> {
        let (running, registries) = (self.running(), Arc::clone(&self.registries));
        let compiled = tokio::task::spawn_blocking(move || Candidate::again(&running, &registries, names));
        let candidate = compiled.await.unwrap_or(Err(Rejection::Internal));
        self.conclude(cause, candidate, None).await
    }

    async fn conclude(
        &self,
        cause: Cause,
        candidate: Result<Candidate, Rejection>,
        files: Option<FilesRead>,
    ) -> Arc<ReloadReport> {
        let published = match candidate {
            Ok(candidate) => self.publish(cause, candidate).await,
            Err(rejection) => Err(rejection),
        };
        // What nobody holds any more, whether it was part of the plan before or of one that was rejected.
        self.registries.endpoints.sweep();
        let process = self.registries.metrics.process();
        let report = match published {
            Ok(report) => {
                process.reloaded(ReloadOutcome::Succeeded);
                process.set_plan_generation(report.generation);
                tracing::info!(%cause, generation = report.generation, "{}", report.summary());
                report
            }
            Err(rejection) => {
                process.reloaded(ReloadOutcome::Failed);
                let report = ReloadReport::rejected(cause, self.generation(), &rejection);
                tracing::error!(%cause, "reload rejected, everything goes on as before: {}", report.report);
                report
            }
        };
        self.remember(report, files)
    }

    /// Binds all new ports first; if any fails nothing changes, and those just bound are closed again.
    async fn publish(&self, cause: Cause, mut candidate: Candidate) -> Result<ReloadReport, Rejection> {
        if self.phase() != Phase::Serving {
            return Err(Rejection::Draining);
        }
        let old = self.running();
        let notes = self.read_once.notes(&candidate.declared);
        let (trail, office) = (Arc::clone(&self.trail), Arc::clone(&self.office));
        let supply = move || {
            trail.supply(&mut candidate.plan).map_err(Rejection::Audit)?;
            office.supply(&mut candidate.plan).map_err(Rejection::Grants)?;
            Ok(candidate)
        };
        let candidate = tokio::task::spawn_blocking(supply).await.map_err(|_| Rejection::Internal)??;
        identity::open(&candidate.plan, &self.registries).await.map_err(Rejection::Identity)?;
        let difference = Difference::between(Some(&old.plan), &candidate.plan);
        let (opened, closed) = (difference.opened(), difference.closed());
        let workers = self.registries.endpoints.workers();
        let sockets = tokio::task::spawn_blocking(move || difference.open(workers))
            .await
            .map_err(|_| Rejection::Internal)?
            .map_err(Rejection::Listen)?;
        self.access_log.reconfigure(candidate.plan.access_log.clone()).map_err(Rejection::AccessLog)?;

        // From here on nothing fails.
        self.registries.names.learned(Arc::clone(&candidate.names));
        let running = Arc::new(Running::new(candidate, Some(&old.plan)));
        let plan = Arc::clone(&running.plan);
        (self.log_levels)(plan.log_level);
        revive(&plan);
        let change = Change { plan: Arc::clone(&plan), opened: sockets.data, closed: sockets.data_closed };
        self.data_plane.apply(change).await;
        let report = ReloadReport::applied(cause, &running, opened, closed, notes);
        self.running.send_replace(running);
        // Nobody listens any more only while the runtime ends.
        let _ = self.control_sockets.send(sockets.control);
        retire(&old.plan, &plan);
        Ok(report)
    }

    /// Closes data ports and lets what is open end, for as long as the plan says. The process ends after that.
    pub fn drain(self: &Arc<Self>) {
        let deadline = Instant::now() + self.running().plan.drain;
        let begins = self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Serving;
            if begins {
                *phase = Phase::Draining { deadline };
            }
            begins
        });
        if begins {
            tracing::info!(open = self.open_connections(), "draining: data ports are closed");
            self.data_plane.drain();
            tokio::spawn(Arc::clone(self).wait_until_drained(deadline));
        }
    }

    async fn wait_until_drained(self: Arc<Self>, deadline: Instant) {
        // Counted in the workers and not announced by them: nothing on their way should wait for a drain.
        while self.open_connections() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        match self.open_connections() {
            0 => tracing::info!("drained"),
            open => tracing::warn!(open, "the time to drain is over; what is still open is cut off"),
        }
        self.phase.send_replace(Phase::Drained);
    }

    /// Opens the access log anew, after a rotation. If that fails the log goes on into the old file.
    pub fn reopen_logs(&self) {
        match self.access_log.reopen() {
            Ok(()) => tracing::info!("access log reopened"),
            Err(error) => tracing::error!("{error}; it goes on into the old file"),
        }
    }

    /// What runs now.
    pub fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running.borrow())
    }

    /// Tells of every new plan.
    pub(crate) fn watch_running(&self) -> watch::Receiver<Arc<Running>> {
        self.running.subscribe()
    }

    /// Where the process stands.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until nothing is left to drain. A drain must have begun, or will.
    pub async fn drained(&self) {
        // The sender is part of `self`, so the wait can not fail.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Drained).await;
    }

    /// State that outlives plans, with the counters.
    pub(crate) fn registries(&self) -> &Arc<Registries> {
        &self.registries
    }

    /// Where records go.
    pub(crate) fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    /// Who shares our ports.
    pub(crate) fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// The audit.
    pub(crate) fn trail(&self) -> Arc<Trail> {
        Arc::clone(&self.trail)
    }

    /// What is not as declared on this machine.
    pub(crate) fn drift(&self) -> &Drift {
        &self.drift
    }

    /// The file that was started with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Since when the process serves.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Client connections on data ports.
    pub fn open_connections(&self) -> u64 {
        self.data_plane.open_connections()
    }

    /// How the last reload ended, if there was one.
    pub(crate) fn last_reload(&self) -> Option<Arc<ReloadReport>> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner).report.clone()
    }

    /// Files whose change is a change of the configuration.
    pub(crate) fn files(&self) -> FilesRead {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner).files.clone()
    }

    /// Ends the workers, whatever is still open, and writes the rest of the access log.
    pub(crate) fn stop(self) {
        self.data_plane.stop();
        self.trail.stop();
        if let Err(error) = self.access_log.close(Duration::from_secs(5)) {
            tracing::error!("{error}");
        }
    }

    fn generation(&self) -> u64 {
        self.running.borrow().plan.generation
    }

    /// `files` are those that were read, if any were.
    fn remember(&self, report: ReloadReport, files: Option<FilesRead>) -> Arc<ReloadReport> {
        let report = Arc::new(report);
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        // Renewed certificates or moved endpoints do not make up for an edit that was rejected: the status goes on showing that.
        let is_open_matter = files.is_none()
            && report.outcome == Outcome::Applied
            && attempt
                .report
                .as_ref()
                .is_some_and(|last| last.outcome == Outcome::Rejected && last.cause.reads_the_file());
        if !is_open_matter {
            attempt.report = Some(Arc::clone(&report));
        }
        attempt.files = files.unwrap_or_else(|| attempt.files.clone());
        report
    }
}
