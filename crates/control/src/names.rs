//! Where host names of endpoints lead: looked up again and again, so that endpoints follow their names without a
//! reload.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use portcullis_config::declared::EndpointAddress;
use portcullis_plan::Names;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{Phase, Publisher, Running};

/// How often it is asked which names are due. No name is due more often.
const TICK: Duration = Duration::from_secs(1);

/// When the names of one plan are due.
#[derive(Debug, Default)]
struct Schedule {
    generation: u64,
    names: BTreeMap<String, Due>,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    every: Duration,
}

/// Follows names until the process drains.
pub(crate) async fn follow(publisher: Arc<Publisher>) {
    let mut schedule = Schedule::default();
    while publisher.phase() == Phase::Serving {
        sleep(TICK).await;
        let running = publisher.running();
        if schedule.generation != running.plan.generation {
            schedule = schedule.next(&running);
        }
        drop(running);
        let due = schedule.due();
        if due.is_empty() {
            continue;
        }
        let known = publisher.registries().names.known();
        let Ok(found) = spawn_blocking(move || Names::look_up(due, &known)).await else { continue };
        publisher.follow_names(found).await;
    }
}

impl Schedule {
    /// For another plan: names that stay keep their turn.
    fn next(&self, Running { plan, declared, .. }: &Running) -> Self {
        let mut names: BTreeMap<String, Due> = BTreeMap::new();
        for (service, planned) in declared.services.iter().zip(&plan.services) {
            let every = planned.resolve;
            for endpoint in &service.endpoints {
                let EndpointAddress::Name { host, .. } = &endpoint.address else { continue };
                let at = self.names.get(host).map_or_else(|| Instant::now() + every, |due| due.at);
                let due = names.entry(host.clone()).or_insert(Due { at, every });
                due.every = due.every.min(every);
                due.at = due.at.min(Instant::now() + every);
            }
        }
        Self { generation: plan.generation, names }
    }

    /// Names whose turn it is; the next one is set.
    fn due(&mut self) -> BTreeSet<String> {
        let now = Instant::now();
        let due = self.names.iter_mut().filter(|(_, due)| due.at <= now);
        due.map(|(host, due)| {
            due.at = now + due.every;
            host.clone()
        })
        .collect()
    }
}

/// Says what changed.
pub(crate) fn tell(before: &Names, now: &Names) {
    for (host, name) in now.iter() {
        let Some(was) = before.get(host) else { continue };
        match (&was.failure, &name.failure) {
            (None, Some((why, _))) => {
                tracing::warn!(host, "does not resolve any more ({why}); {} stays in use", list(&name.addresses));
            }
            (Some(_), None) => tracing::info!(host, "resolves again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        if was.addresses != name.addresses {
            tracing::info!(host, "leads to {} and no longer to {}", list(&name.addresses), list(&was.addresses));
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
