//! Active health checks: one task for each endpoint that is checked.
//!
//! Checks follow the plan. One whose endpoint and settings stay the same goes on through a reload as if nothing had
//! happened; what it has concluded is kept on the endpoint in any case.

mod check;
mod probe;
mod streak;

use std::{collections::HashMap, sync::Arc};

use portcullis_balance::{Checked, EndpointState};
use portcullis_config::declared::ProxyProtocolOut;
use portcullis_observe::metrics::{EndpointMetrics, Health};
use portcullis_plan::{EndpointPlan, EndpointTls, HealthPlan, Plan, ServicePlan};
use tokio::sync::{Semaphore, watch};

use crate::{AbortOnDrop, Running};

/// What is checked, and how. Only what a check needs: it must not keep a service of an old plan alive.
#[derive(Debug)]
struct Target {
    service: Arc<str>,
    label: Arc<str>,
    authority: Arc<str>,
    state: Arc<EndpointState>,
    metrics: Arc<EndpointMetrics>,
    tls: Option<EndpointTls>,
    proxy_protocol: Option<ProxyProtocolOut>,
    plan: HealthPlan,
}

/// What all checks share.
#[derive(Debug)]
struct Bounds {
    /// Checks under way: a thousand endpoints must not open a thousand connections in the same moment.
    checks: Semaphore,
    /// Walks through `/proc`, which are slow.
    lookups: Semaphore,
}

/// By the place of the endpoint's state in memory: its identity, as long as the check holds it.
type Checks = HashMap<usize, RunningCheck>;

#[derive(Debug)]
struct RunningCheck {
    target: Arc<Target>,
    _task: AbortOnDrop,
}

/// Follows the plan until the process ends.
pub(crate) async fn run(mut running: watch::Receiver<Arc<Running>>) {
    let bounds = Arc::new(Bounds { checks: Semaphore::new(128), lookups: Semaphore::new(1) });
    let mut checks = Checks::new();
    loop {
        let plan = Arc::clone(&running.borrow_and_update().plan);
        checks = follow(&plan, checks, &running, &bounds);
        drop(plan);
        if running.changed().await.is_err() {
            return;
        }
    }
}

/// Checks of the next plan: those that stay are taken over, the others end.
fn follow(plan: &Plan, mut old: Checks, running: &watch::Receiver<Arc<Running>>, bounds: &Arc<Bounds>) -> Checks {
    let mut checks = Checks::new();
    for service in &plan.services {
        for endpoint in &service.endpoints {
            let key = Arc::as_ptr(&endpoint.state).addr();
            let before = old.remove(&key);
            let Some(target) = Target::of(service, endpoint) else {
                endpoint.state.conclude(Checked::Unchecked, None);
                endpoint.metrics.set_health(Health::Unchecked);
                continue;
            };
            let check = match before {
                Some(check) if check.target.plan == target.plan => check,
                _ => {
                    let target = Arc::new(target);
                    let run = check::run(Arc::clone(&target), running.clone(), Arc::clone(bounds));
                    RunningCheck { target, _task: AbortOnDrop(tokio::spawn(run)) }
                }
            };
            checks.insert(key, check);
        }
    }
    checks
}

impl Target {
    /// `None` if the service is not checked.
    fn of(service: &ServicePlan, endpoint: &EndpointPlan) -> Option<Self> {
        Some(Self {
            plan: service.health.clone()?,
            service: Arc::clone(&service.name),
            label: Arc::clone(&endpoint.label),
            authority: Arc::clone(&endpoint.authority),
            state: Arc::clone(&endpoint.state),
            metrics: Arc::clone(&endpoint.metrics),
            tls: endpoint.tls.clone(),
            proxy_protocol: service.proxy_protocol,
        })
    }
}
