//! The control plane as the binary sees it: start, steer, stop.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    DriftLook, Phase, Publisher, Rejection, Start, Watching, certificates, drift, grants, health, identity, names,
    ports, registration, strangers, trail, watch,
};

/// For answers of control ports that are under way at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The running control plane with its own runtime. It holds the data plane as well: when it stops, all stops.
#[derive(Debug)]
pub struct Control {
    runtime: Runtime,
    publisher: Arc<Publisher>,
    ports: JoinHandle<()>,
}

impl Control {
    /// Opens every port, starts the workers and everything that watches over them.
    pub fn start(start: Start, watching: Watching, look: DriftLook) -> Result<Self, Rejection> {
        let runtime = runtime().map_err(Rejection::Workers)?;
        let (publisher, control_sockets) = {
            // Sockets are handed over to the runtime while they are opened.
            let _inside = runtime.enter();
            Publisher::start(start)?
        };
        let ports = runtime.spawn(ports::serve(Arc::clone(&publisher), control_sockets));
        runtime.spawn(health::run(publisher.watch_running()));
        runtime.spawn(certificates::watch_expiry(publisher.watch_running(), Arc::clone(publisher.registries())));
        runtime.spawn(registration::keep(publisher.watch_running(), publisher.path().to_owned()));
        runtime.spawn(watch::run(Arc::clone(&publisher), watching));
        runtime.spawn(strangers::watch(Arc::clone(&publisher)));
        runtime.spawn(drift::watch(Arc::clone(&publisher), look));
        runtime.spawn(names::follow(Arc::clone(&publisher)));
        runtime.spawn(identity::keep(publisher.watch_running()));
        runtime.spawn(grants::keep(publisher.watch_running(), Arc::clone(&publisher.registries().metrics)));
        runtime.spawn(trail::watch(publisher.trail(), Arc::clone(&publisher.registries().metrics)));
        Ok(Self { runtime, publisher, ports })
    }

    /// What is published, and by whom it is steered.
    pub fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// Runs a future on the runtime of the control plane, and waits for it.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Ends everything, whatever is still open; access records that wait are written.
    pub fn stop(self) {
        let Self { runtime, publisher, ports } = self;
        if publisher.phase() == Phase::Drained {
            // Nobody is cut off in the middle of an answer that takes its time, unless it takes too much.
            let _ = runtime.block_on(async { timeout(LAST_ANSWERS, ports).await });
        }
        // Its tasks hold the publisher; they go first.
        runtime.shutdown_timeout(Duration::from_secs(1));
        if let Some(publisher) = Arc::into_inner(publisher) {
            publisher.stop();
        } else {
            tracing::warn!("a task of the control plane did not end; workers end with the process");
        }
    }
}

/// Two threads: one may be busy with a scrape while the other answers the operator.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).thread_name("control").enable_io().enable_time().build()
}
