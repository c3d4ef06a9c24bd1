//! The life of one check: try, conclude, tell, wait.

use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_balance::{Address, Checked};
use portcullis_kernel::refused::{ProcessIdentity, identify, nobody_listens};
use portcullis_observe::metrics::{CheckOutcome, Health};
use portcullis_plan::Plan;
use portcullis_proxy::clock;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    Bounds, Target,
    probe::{Failure, probe},
    streak::Streak,
};
use crate::Running;

/// Checks one endpoint until the task is aborted. The first check is made at once, the second after a random part of
/// the interval, so that checks that began together do not stay together.
pub(super) async fn run(target: Arc<Target>, running: watch::Receiver<Arc<Running>>, bounds: Arc<Bounds>) {
    target.metrics.set_health(health(target.state.checked()));
    let mut memory = Memory::default();
    let mut pause = target.plan.every.mul_f64(random());
    loop {
        let result = once(&target, &running, &bounds).await;
        memory.take(&target, &running, &bounds, result).await;
        sleep(pause).await;
        pause = target.plan.every.mul_f64(0.9 + 0.2 * random());
    }
}

async fn once(target: &Target, running: &watch::Receiver<Arc<Running>>, bounds: &Bounds) -> Result<(), Failure> {
    // Closed only if the process ends, and then nobody reads the result.
    let _place = bounds.checks.acquire().await;
    // Those of the plan that runs now: a port may have become a control port since the check began.
    let control = running.borrow().plan.control_addresses.clone();
    timeout(target.plan.timeout, probe(target, &control)).await.unwrap_or(Err(Failure::Timeout))
}

/// What a check knows from earlier ones.
#[derive(Debug, Default)]
struct Memory {
    streak: Streak,
    /// The last failure in words, and when it was explained.
    failure: Option<(String, Instant)>,
    /// The process that was last seen behind the endpoint while it was up.
    process: Option<ProcessIdentity>,
    /// When that was last looked for since the endpoint came up, and whether it was found.
    looked: Option<(Instant, bool)>,
}

impl Memory {
    /// Whether the reason is to be looked for again, of an endpoint that is down already. Looking is slow.
    fn is_due(&self, words: &str) -> bool {
        self.failure.as_ref().is_none_or(|(last, at)| last != words || at.elapsed() >= EXPLAIN_AGAIN)
    }

    async fn take(
        &mut self,
        target: &Target,
        running: &watch::Receiver<Arc<Running>>,
        bounds: &Bounds,
        result: Result<(), Failure>,
    ) {
        let outcome = if result.is_ok() { CheckOutcome::Passed } else { CheckOutcome::Failed };
        target.metrics.checked(outcome);
        let before = target.state.checked();
        let concluded = self.streak.add(result.is_ok(), before, &target.plan);
        match result {
            Ok(()) => {
                self.failure = None;
                target.state.reached(clock::now_ms());
                if concluded == Some(Checked::Up) {
                    conclude_up(target, before);
                    self.looked = None;
                } else if before == Checked::Down {
                    let (passed, rise) = (self.streak.passed(), target.plan.rise);
                    let reason = format!("it answers again: {passed} of {rise} checks in a row have passed");
                    target.state.conclude(Checked::Down, Some(reason));
                }
                // Looking is slow: once for each time that it comes up, not with every check. Whoever is not found
                // may have been on the way out, and another may serve by now.
                if self.looked.is_none_or(|(at, found)| !found && at.elapsed() >= LOOK_AGAIN) {
                    let seen = process_behind(target, bounds).await;
                    self.looked = Some((Instant::now(), seen.is_some()));
                    self.process = seen.or(self.process.take());
                }
            }
            Err(failure) => {
                let words = failure.to_string();
                tracing::debug!(service = &*target.service, endpoint = &*target.label, "check failed: {words}");
                let is_down = concluded.unwrap_or(before) == Checked::Down;
                if is_down && (concluded.is_some() || self.is_due(&words)) {
                    let siblings = siblings(target, &running.borrow().plan);
                    let reason = explain(&failure, self.process.clone(), siblings, bounds).await;
                    conclude_down(target, reason);
                    self.failure = Some((words, Instant::now()));
                }
            }
        }
    }
}

/// A reason is looked for again after so long: a service that was started on the wrong port shows up by then.
const EXPLAIN_AGAIN: Duration = Duration::from_secs(5);
/// The process behind an endpoint, where it was not found, is looked for again after so long: it may belong to
/// another user and stay invisible for good.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

fn conclude_up(target: &Target, before: Checked) {
    target.state.conclude(Checked::Up, None);
    target.metrics.set_health(Health::Up);
    let (service, endpoint) = (&*target.service, &*target.label);
    if before == Checked::Down {
        tracing::info!(service, endpoint, "endpoint is up again");
    } else {
        tracing::debug!(service, endpoint, "endpoint is up");
    }
}

fn conclude_down(target: &Target, reason: String) {
    if target.state.checked() == Checked::Down && target.state.reason().is_some_and(|before| *before == reason) {
        return;
    }
    tracing::warn!(service = &*target.service, endpoint = &*target.label, reason, "endpoint is down");
    target.state.conclude(Checked::Down, Some(reason));
    target.metrics.set_health(Health::Down);
}

/// A port at which nobody listens is told together with those at which the same service does.
async fn explain(
    failure: &Failure,
    last_known: Option<ProcessIdentity>,
    siblings: Vec<SocketAddr>,
    bounds: &Bounds,
) -> String {
    let Failure::Refused(address) = *failure else { return failure.to_string() };
    let _turn = bounds.lookups.acquire().await;
    let explained = spawn_blocking(move || nobody_listens(address, last_known.as_ref(), &siblings).to_string());
    explained.await.unwrap_or_else(|_| failure.to_string())
}

/// The other endpoints of the service.
fn siblings(target: &Target, plan: &Plan) -> Vec<SocketAddr> {
    let service = plan.services.iter().find(|service| service.name == target.service);
    let endpoints = service.map(|service| service.endpoints.as_slice()).unwrap_or_default();
    let others = endpoints.iter().filter(|endpoint| !Arc::ptr_eq(&endpoint.state, &target.state));
    others
        .filter_map(|endpoint| match endpoint.state.address() {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        })
        .collect()
}

/// The process that serves this endpoint, if it runs on this host and can be seen.
async fn process_behind(target: &Target, bounds: &Bounds) -> Option<ProcessIdentity> {
    let address = match target.state.address() {
        Address::Tcp(address) => *address,
        Address::Unix(_) => return None,
    };
    let _turn = bounds.lookups.acquire().await;
    spawn_blocking(move || identify(address)).await.ok().flatten()
}

fn health(checked: Checked) -> Health {
    match checked {
        Checked::Unchecked => Health::Unchecked,
        Checked::Up => Health::Up,
        Checked::Down => Health::Down,
    }
}

/// Evenly from 0 to 1. Good enough for spreading checks, and for nothing else: `RandomState` is seeded by the kernel.
fn random() -> f64 {
    (RandomState::new().hash_one(0_u8) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread() {
        let drawn: Vec<f64> = (0..1000).map(|_| random()).collect();
        assert!(drawn.iter().all(|value| (0.0..1.0).contains(value)));
        let mean = drawn.iter().sum::<f64>() / 1000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
        assert!(Duration::from_secs(2).mul_f64(0.9 + 0.2 * drawn[0]) >= Duration::from_millis(1800));
    }
}
