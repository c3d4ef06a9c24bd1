//! The grants that hold, as the data plane asks for them.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use portcullis_audit::Moment;
use portcullis_store::grants::GrantRow;
use tokio::sync::broadcast;

use crate::{Clerk, Grant, GrantError, State, Step};

/// How often other processes' changes, and what is over, are looked for. What was revoked elsewhere is cut within
/// this time.
const LOOK: Duration = Duration::from_millis(300);
/// Steps that may wait for a slow listener.
const STEPS: usize = 256;

/// The grants that hold. Asking is cheap and takes no lock; steps go through [`Grants::with_clerk`].
#[derive(Debug)]
pub struct Grants {
    /// By service.
    active: ArcSwap<HashMap<Box<str>, Vec<Arc<Grant>>>>,
    office: Mutex<Office>,
    steps: broadcast::Sender<Step>,
}

#[derive(Debug)]
struct Office {
    clerk: Clerk,
    /// The last change that the table has.
    seen: i64,
}

impl Grants {
    /// Reads the grants of a store. Blocks as the store does.
    pub fn open(store: &Path) -> Result<Self, GrantError> {
        let office = Mutex::new(Office { clerk: Clerk::open(store)?, seen: 0 });
        let grants = Self { active: ArcSwap::default(), office, steps: broadcast::channel(STEPS).0 };
        // What was done before is no news.
        grants.take_over()?;
        Ok(grants)
    }

    /// The grant that lets a principal, by provider and subject, reach a service now.
    pub fn active(&self, provider: &str, subject: &str, service: &str) -> Option<Arc<Grant>> {
        let active = self.active.load();
        let now = Moment::now();
        let is_theirs =
            |grant: &&Arc<Grant>| *grant.subject == *subject && *grant.provider == *provider && grant.holds(now);
        // Of several, the one that lasts longest.
        active.get(service)?.iter().filter(is_theirs).max_by_key(|grant| grant.expires).cloned()
    }

    /// Has the clerk take a step, and everybody here know of it at once. Blocks as the store does.
    pub fn with_clerk(&self, work: impl FnOnce(&mut Clerk) -> Result<Step, GrantError>) -> Result<Step, GrantError> {
        let step = work(&mut self.office().clerk)?;
        self.refresh()?;
        Ok(step)
    }

    /// The newest grants, whatever became of them; at most so many. Blocks as the store does.
    pub fn list(&self, limit: u32) -> Result<Vec<crate::GrantView>, GrantError> {
        self.office().clerk.list(limit)
    }

    /// Steps that are taken, here or by other processes, for whoever is to be told. One who is too slow misses the oldest.
    pub fn steps(&self) -> broadcast::Receiver<Step> {
        self.steps.subscribe()
    }

    /// Takes over what other processes did and ends what is over, until it is dropped. Runs on the control plane.
    pub async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let grants = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || grants.look()).await;
            match looked {
                Ok(Err(error)) => tracing::warn!(%error, "grants can not be read; those that hold end with their time"),
                Err(_) => return,
                Ok(Ok(())) => {}
            }
        }
    }

    /// One look at the store. Blocks as it does.
    pub fn look(&self) -> Result<(), GrantError> {
        self.office().clerk.end_expired()?;
        self.refresh()
    }

    fn tell(&self, step: Step) {
        if step.event == portcullis_audit::Event::BreakGlass {
            tracing::warn!(grant = step.grant.id, "{}", step.text);
        } else {
            tracing::info!(grant = step.grant.id, "{}", step.text);
        }
        // Nobody may be listening.
        let _ = self.steps.send(step);
    }

    /// Takes over what was written since the last time, and tells of it.
    fn refresh(&self) -> Result<(), GrantError> {
        for row in self.take_over()? {
            self.tell(Step::of(row));
        }
        Ok(())
    }

    fn take_over(&self) -> Result<Vec<GrantRow>, GrantError> {
        let mut office = self.office();
        let seen = office.seen;
        let changes = office.clerk.after(seen)?;
        let Some((last, _)) = changes.last() else { return Ok(Vec::new()) };
        office.seen = *last;
        let now = Moment::now();
        let mut active = HashMap::clone(&self.active.load());
        for (_, row) in &changes {
            apply(&mut active, row, now);
        }
        for grants in active.values_mut() {
            grants.retain(|grant| grant.holds(now));
        }
        active.retain(|_, grants| !grants.is_empty());
        self.active.store(Arc::new(active));
        Ok(changes.into_iter().map(|(_, row)| row).collect())
    }

    fn office(&self) -> std::sync::MutexGuard<'_, Office> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(active: &mut HashMap<Box<str>, Vec<Arc<Grant>>>, row: &GrantRow, now: Moment) {
    let grants = active.entry(row.service.as_str().into()).or_default();
    let expires = Moment::from_micros(row.expires);
    let holds = row.state == State::Approved.word() && now < expires;
    match grants.iter().position(|grant| *grant.id == *row.id) {
        Some(at) if !holds => grants.remove(at).end(),
        None if holds => {
            let whose = (row.provider.as_str(), row.subject.as_str());
            grants.push(Arc::new(Grant::new(&row.id, whose, &row.service, expires, row.break_glass)));
        }
        _ => {}
    }
}
