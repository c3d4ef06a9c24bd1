//! Whether what is open on this machine is what is declared, while the proxy runs.
//!
//! What is looked at and how it is judged is not known here: the binary brings the look, which is that of
//! `portcullis probe`. Here it is decided when, and what is told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use portcullis_observe::metrics::{DriftCount, Drifted};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{Phase, Publisher, Running, answers::DriftReport, answers::unix_seconds};

/// Between two looks. A look that has nothing new to see costs one question to the kernel.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks at the machine: what is not as declared. It may block, and is asked again and again.
pub type DriftLook = Box<dyn FnMut(&Running) -> DriftSeen + Send>;

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriftSeen {
    /// What is not as declared.
    pub drifts: Vec<DriftReport>,
    /// Every check that was made, by its id: those that found nothing are counted too.
    pub checks: Vec<&'static str>,
}

/// What is not as declared, as far as the last look found.
#[derive(Debug, Default)]
pub(crate) struct Drift(Mutex<Arc<[DriftReport]>>);

impl Drift {
    pub(crate) fn known(&self) -> Arc<[DriftReport]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what was found, and tells of what is new in it and what is gone.
    fn found(&self, now: Vec<DriftReport>) {
        let before = self.known();
        let is_in = |list: &[DriftReport], one: &DriftReport| list.iter().any(|other| other.is_about_same(one));
        for DriftReport { check, subject, message, severity, .. } in now.iter().filter(|drift| !is_in(&before, drift)) {
            if severity == "error" {
                tracing::warn!(check, "not as declared: {subject}: {message}");
            } else {
                tracing::info!(check, "not as declared: {subject}: {message}");
            }
        }
        for DriftReport { check, subject, .. } in before.iter().filter(|drift| !is_in(&now, drift)) {
            tracing::info!(check, "as declared again: {subject}");
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now.into();
    }
}

/// Looks every few seconds, until the process drains and its ports are closed.
pub(crate) async fn watch(publisher: Arc<Publisher>, mut look: DriftLook) {
    loop {
        sleep(LOOK_EVERY).await;
        if publisher.phase() != Phase::Serving {
            return;
        }
        let running = publisher.running();
        let looked = spawn_blocking(move || {
            let seen = look(&running);
            (look, seen)
        });
        let Ok((same, seen)) = looked.await else {
            tracing::error!("the look for drift broke off; there is none until the next start");
            return;
        };
        look = same;
        publisher.registries().metrics.process().set_drift(counted(&seen));
        publisher.drift().found(seen.drifts);
    }
}

fn counted(seen: &DriftSeen) -> Drifted {
    let mut counts: BTreeMap<&str, u64> = seen.checks.iter().map(|check| (*check, 0)).collect();
    for drift in &seen.drifts {
        if let Some(count) = counts.get_mut(drift.check.as_str()) {
            *count += 1;
        }
    }
    let counts = counts.into_iter().map(|(check, subjects)| DriftCount { check: check.to_owned(), subjects });
    Drifted { counts: counts.collect(), looked: unix_seconds(SystemTime::now()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_that_find_nothing_are_counted_as_none() {
        let drift = |check: &str| DriftReport {
            check: check.to_owned(),
            severity: "error".to_owned(),
            subject: "port `web`".to_owned(),
            message: String::new(),
            fix: None,
            place: None,
        };
        let seen = DriftSeen {
            drifts: vec![drift("dead-endpoint"), drift("dead-endpoint")],
            checks: vec!["dead-endpoint", "dead-port"],
        };
        let counts: Vec<_> = counted(&seen).counts.into_iter().map(|count| (count.check, count.subjects)).collect();
        assert_eq!(counts, [("dead-endpoint".to_owned(), 2), ("dead-port".to_owned(), 0)]);
    }
}
