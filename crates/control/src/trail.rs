//! The audit while the process runs: started with the first plan that records decisions, stopped after the workers.
//!
//! Invariant: a plan that records decisions is not published before its log is open; whether the store takes records
//! is said in the program's own log and in the metrics.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portcullis_audit::{AuditError, AuditStatus, AuditWriter, Recorder};
use portcullis_observe::metrics::{self, AuditNumbers};
use portcullis_plan::Plan;
use portcullis_store::default_place;

/// How often it is looked whether the store takes records.
const LOOK: Duration = Duration::from_millis(500);

/// The audit of this process.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    writer: Mutex<Option<AuditWriter>>,
}

/// Why decisions can not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// Nobody says where the store is.
    #[error("no place for the store is known; set PORTCULLIS_STORE to a file")]
    NoPlace,
    /// The log can not be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Trail {
    /// Gives the plan what takes its records, if it records any. Blocks as the store does.
    pub(crate) fn supply(&self, plan: &mut Plan) -> Result<(), TrailError> {
        let Some(audit) = &mut plan.audit else { return Ok(()) };
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_none() {
            *writer = Some(AuditWriter::start(&place()?, audit.settings.clone())?);
        }
        audit.recorder = writer.as_ref().map(AuditWriter::recorder);
        Ok(())
    }

    /// Writes what was accepted, and ends. What the store does not take is lost, and said to be.
    pub(crate) fn stop(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lost = writer.map_or(0, AuditWriter::stop);
        if lost > 0 {
            tracing::error!(lost, "the audit ends without records that the store did not take");
        }
    }

    fn recorder(&self) -> Option<Recorder> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(AuditWriter::recorder)
    }
}

/// Tells in the metrics how the audit fares, and in the log when that changes.
pub(crate) async fn watch(trail: Arc<Trail>, metrics: Arc<metrics::Registry>) {
    let mut told = Told::default();
    loop {
        if let Some(recorder) = trail.recorder() {
            let status = recorder.status();
            metrics.process().set_audit(numbers(&status));
            told.follow(&status, recorder.last_error());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What was said last.
#[derive(Debug, Default)]
struct Told {
    is_failing: bool,
    refused: u64,
    error: Option<String>,
}

impl Told {
    fn follow(&mut self, status: &AuditStatus, error: Option<String>) {
        let is_failing = status.failing_since.is_some();
        let (refused, why) = (status.refused, error.clone().unwrap_or_default());
        match (self.is_failing, is_failing) {
            (false, true) => tracing::error!(
                queued = status.queued,
                "the audit takes no records, and what requires them is refused: {why}"
            ),
            (true, false) => tracing::info!(refused, "the audit takes records again"),
            _ if error.is_some() && error != self.error && !is_failing => tracing::warn!("{why}"),
            _ => {}
        }
        if refused > self.refused && !is_failing {
            let dropped = refused - self.refused;
            tracing::warn!(dropped, "the audit has dropped records: more come than the store takes");
        }
        (self.is_failing, self.refused, self.error) = (is_failing, refused, error);
    }
}

fn numbers(status: &AuditStatus) -> AuditNumbers {
    AuditNumbers {
        written: status.written,
        refused: status.refused,
        queued: status.queued,
        takes_records: status.can_take,
    }
}

fn place() -> Result<PathBuf, TrailError> {
    default_place().ok_or(TrailError::NoPlace)
}
