//! Whether somebody else shares our ports.
//!
//! Ports are opened so that nobody shares them at that moment; but with SO_REUSEPORT any process of the same user can
//! join later, and is then given a part of the connections without anybody being told. So we look.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portcullis_config::declared::ListenAddress;
use portcullis_kernel::holders::{Holder, strangers_beside};
use portcullis_observe::metrics::PortStrangers;
use portcullis_plan::Plan;
use tokio::{task::spawn_blocking, time::sleep};

use crate::{Phase, Publisher};

const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Who shares our ports, as far as the last look found.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<Arc<[Stranger]>>);

/// Somebody who is given connections of a port of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    /// Name of the port.
    pub(crate) port: Arc<str>,
    pub(crate) holder: Holder,
}

impl Strangers {
    /// Those who share the port of this name, in words.
    pub(crate) fn at(&self, port: &str) -> Vec<String> {
        self.known().iter().filter(|stranger| *stranger.port == *port).map(|found| found.holder.to_string()).collect()
    }

    fn known(&self) -> Arc<[Stranger]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what was found, and tells of what is new in it and what is gone.
    fn found(&self, now: Vec<Stranger>) {
        let before = self.known();
        for Stranger { port, holder } in now.iter().filter(|stranger| !before.contains(stranger)) {
            tracing::warn!(port = &**port, "somebody shares the port and gets a part of its connections: {holder}");
        }
        for Stranger { port, holder } in before.iter().filter(|stranger| !now.contains(stranger)) {
            tracing::info!(port = &**port, "no longer shared: {holder}");
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now.into();
    }
}

/// Looks every ten seconds, until the process drains and its ports are closed.
pub(crate) async fn watch(publisher: Arc<Publisher>) {
    loop {
        sleep(LOOK_EVERY).await;
        if publisher.phase() != Phase::Serving {
            return;
        }
        let plan = Arc::clone(&publisher.running().plan);
        let looked_at = Arc::clone(&plan);
        // Reads tables of the kernel, which takes a moment on a host with many sockets.
        let Ok(found) = spawn_blocking(move || look(&looked_at)).await else { continue };
        let counts = plan.ports.iter().filter(|port| matches!(port.listen, ListenAddress::Tcp(_))).map(|port| {
            let sockets = found.iter().filter(|stranger| stranger.port == port.name).count() as u64;
            PortStrangers { port: port.name.to_string(), sockets }
        });
        publisher.registries().metrics.process().set_strangers(counts.collect());
        publisher.strangers().found(found);
    }
}

fn look(plan: &Plan) -> Vec<Stranger> {
    let ports: Vec<(SocketAddr, &Arc<str>)> = plan
        .ports
        .iter()
        .filter_map(|port| match &port.listen {
            ListenAddress::Tcp(address) => Some((*address, &port.name)),
            ListenAddress::Unix(_) => None,
        })
        .collect();
    let addresses: Vec<SocketAddr> = ports.iter().map(|(address, _)| *address).collect();
    let mut seen = strangers_beside(&addresses);
    if !seen.is_empty() {
        // A socket of ours that was opened or closed in the middle of the look is a stranger only once.
        let again = strangers_beside(&addresses);
        seen.retain(|stranger| again.contains(stranger));
    }
    let name_of = |own: SocketAddr| ports.iter().find(|(address, _)| *address == own).map(|(_, name)| Arc::clone(name));
    seen.into_iter().filter_map(|(own, holder)| Some(Stranger { port: name_of(own)?, holder })).collect()
}
