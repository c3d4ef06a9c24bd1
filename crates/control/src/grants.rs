//! Grants while the process runs: opened with the first plan that has some, followed in the store, told to a chat.
//!
//! Invariant: a plan that grants access is not published before its grants can be read.

use std::sync::{Arc, Mutex, PoisonError};

use portcullis_audit::Event;
use portcullis_grants::{GrantError, Grants, Settings, Step, Webhook};
use portcullis_observe::metrics;
use portcullis_plan::Plan;
use portcullis_store::default_place;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};

use crate::{Running, task::AbortOnDrop};

/// The grants of this process.
#[derive(Debug, Default)]
pub(crate) struct Office {
    grants: Mutex<Option<Arc<Grants>>>,
}

/// Why nobody can be granted anything.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// Nobody says where the store is.
    #[error("no place for the store is known; set PORTCULLIS_STORE to a file")]
    NoPlace,
    /// The grants can not be read.
    #[error(transparent)]
    Grants(#[from] GrantError),
}

impl Office {
    /// Gives the plan the grants that hold, if it grants any. Blocks as the store does.
    pub(crate) fn supply(&self, plan: &mut Plan) -> Result<(), OfficeError> {
        let Some(planned) = &mut plan.grants else { return Ok(()) };
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        if grants.is_none() {
            let place = default_place().ok_or(OfficeError::NoPlace)?;
            *grants = Some(Arc::new(Grants::open(&place)?));
        }
        planned.active.clone_from(&grants);
        Ok(())
    }
}

/// Follows the grants of each plan for as long as it runs, and tells of their steps.
pub(crate) async fn keep(mut running: watch::Receiver<Arc<Running>>, metrics: Arc<metrics::Registry>) {
    let mut following: Option<AbortOnDrop> = None;
    let mut counting: Option<AbortOnDrop> = None;
    let mut telling: Option<(Arc<Settings>, Option<AbortOnDrop>)> = None;
    loop {
        let plan = Arc::clone(&running.borrow_and_update().plan);
        let planned = plan.grants.as_ref().and_then(|planned| Some((&planned.settings, planned.active.as_ref()?)));
        if let Some((settings, grants)) = planned {
            following.get_or_insert_with(|| AbortOnDrop(tokio::spawn(Arc::clone(grants).keep())));
            counting.get_or_insert_with(|| AbortOnDrop(tokio::spawn(count(grants.steps(), Arc::clone(&metrics)))));
            if telling.as_ref().is_none_or(|(told, _)| told.webhook != settings.webhook) {
                telling = Some((Arc::clone(settings), tell(settings, grants)));
            }
        } else {
            telling = None;
        }
        if running.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the webhook, if there is one.
fn tell(settings: &Settings, grants: &Grants) -> Option<AbortOnDrop> {
    let webhook = Webhook::new(settings.webhook.as_ref()?);
    match webhook {
        Ok(webhook) => Some(AbortOnDrop(tokio::spawn(webhook.run(grants.steps())))),
        Err(error) => {
            tracing::error!(%error, "the webhook of grants can not be used");
            None
        }
    }
}

/// Counts how often somebody took access without approval.
async fn count(mut steps: Receiver<Step>, metrics: Arc<metrics::Registry>) {
    loop {
        match steps.recv().await {
            Ok(step) if step.event == Event::BreakGlass => metrics.process().glass_broken(),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
