//! What runs now, what it was made from, and what of it waits for the next start.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use portcullis_balance::EndpointState;
use portcullis_config::{
    declared::{Audit, Declared, LogTarget},
    finding::Finding,
    sources::Sources,
};
use portcullis_plan::Plan;

use crate::Candidate;

/// What runs now, with what it was made from.
#[derive(Debug, Clone)]
pub struct Running {
    /// The plan.
    pub plan: Arc<Plan>,
    /// What was declared.
    pub declared: Arc<Declared>,
    /// The texts it was read from.
    pub sources: Arc<Sources>,
    /// What was found in it that does not keep it from running.
    pub warnings: Arc<[Finding]>,
    /// When reading its files began: what changed later is not in it.
    pub read_at: SystemTime,
    /// Since when it runs.
    pub since: SystemTime,
}

impl Running {
    /// The first plan, or the one after `before`.
    pub(crate) fn new(candidate: Candidate, before: Option<&Plan>) -> Self {
        let generation = before.map_or(0, |plan| plan.generation) + 1;
        Self {
            plan: Arc::new(Plan { generation, ..candidate.plan }),
            declared: candidate.declared,
            sources: candidate.sources,
            warnings: candidate.warnings.into(),
            read_at: candidate.read_at,
            since: SystemTime::now(),
        }
    }
}

/// Files of a configuration, also of one that was rejected: its repair is what one waits for.
#[derive(Debug, Clone)]
pub(crate) struct FilesRead {
    pub(crate) paths: Vec<PathBuf>,
    /// When reading them began.
    pub(crate) at: SystemTime,
}

impl FilesRead {
    /// The main file, includes, and the files of secrets.
    pub(crate) fn of(declared: Option<&Declared>, sources: &Sources, at: SystemTime) -> Self {
        let secrets = declared.into_iter().flat_map(|declared| declared.sources.iter().cloned());
        let mut paths: Vec<PathBuf> = sources.paths().map(Path::to_path_buf).chain(secrets).collect();
        paths.sort_unstable();
        paths.dedup();
        Self { paths, at }
    }
}

/// Settings that are read once, at the start.
#[derive(Debug)]
pub(crate) struct ReadOnce {
    workers: Option<usize>,
    buckets: Vec<Duration>,
    audit: Option<AuditPlaces>,
}

/// `copy`, `heads`, `retention`.
type AuditPlaces = (Option<LogTarget>, Option<PathBuf>, Option<Duration>);

impl ReadOnce {
    pub(crate) fn of(declared: &Declared) -> Self {
        Self {
            workers: declared.workers.map(|workers| workers.value),
            buckets: declared.metrics.buckets.iter().map(|bound| bound.value).collect(),
            audit: declared.audit.as_deref().map(audit_places),
        }
    }

    /// What waits for the next start.
    pub(crate) fn notes(&self, declared: &Declared) -> Vec<String> {
        let now = Self::of(declared);
        // An audit that begins with a reload begins as that says.
        let is_other_audit = self.audit.is_some() && now.audit.is_some() && self.audit != now.audit;
        let changed = [
            ("workers", self.workers != now.workers),
            ("metrics.buckets", self.buckets != now.buckets),
            ("audit", is_other_audit),
        ];
        let changed = changed.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(setting, _)| format!("`{setting}` has changed and takes effect with the next start")).collect()
    }
}

fn audit_places(audit: &Audit) -> AuditPlaces {
    let Audit { copy, heads, retention } = audit;
    let copy = copy.as_ref().map(|copy| copy.value.clone());
    (copy, heads.as_ref().map(|heads| heads.value.clone()), retention.map(|retention| retention.value))
}

/// Endpoints of a plan that is about to run, which may have been named by an earlier one: their connections are pooled.
pub(crate) fn revive(plan: &Plan) {
    for endpoint in plan.services.iter().flat_map(|service| &service.endpoints) {
        endpoint.state.revive();
    }
}

/// Endpoints that the new plan does not name: their connections are not pooled again.
pub(crate) fn retire(old: &Plan, new: &Plan) {
    let endpoints = |plan: &Plan| -> Vec<Arc<EndpointState>> {
        let endpoints = plan.services.iter().flat_map(|service| &service.endpoints);
        endpoints.map(|endpoint| Arc::clone(&endpoint.state)).collect()
    };
    let stay: HashSet<usize> = endpoints(new).iter().map(|state| Arc::as_ptr(state).addr()).collect();
    for gone in endpoints(old).iter().filter(|state| !stay.contains(&Arc::as_ptr(state).addr())) {
        gone.retire();
    }
}
