//! The sockets of one worker: who is accepted, and under which plan.

use std::{
    cell::RefCell,
    io, net,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_config::declared::ListenAddress;
use portcullis_kernel::listen::{Outage, accept_waiting};
use portcullis_plan::PortPlan;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_local},
};

use crate::{
    admission::PortGate,
    flow,
    worker::{LocalPlan, Worker},
};

/// A socket that is being served.
#[derive(Debug)]
pub(crate) struct Listening {
    address: ListenAddress,
    door: Rc<Door>,
    task: JoinHandle<()>,
}

/// Where connections come in.
#[derive(Debug)]
struct Door {
    worker: Rc<Worker>,
    listener: TcpListener,
    terms: RefCell<Terms>,
}

/// Under what new connections come. Port and plan change together or not at all.
#[derive(Debug, Clone)]
struct Terms {
    plan: Rc<LocalPlan>,
    port: Arc<PortPlan>,
    gate: Arc<PortGate>,
}

impl Listening {
    /// Begins to accept under the worker's plan, which has this port.
    pub(crate) fn open(worker: &Rc<Worker>, address: ListenAddress, socket: net::TcpListener) -> io::Result<Self> {
        let terms = Terms::of(worker, &address).ok_or_else(|| io::Error::other("a socket of no port"))?;
        let listener = TcpListener::from_std(socket)?;
        let door = Rc::new(Door { worker: Rc::clone(worker), listener, terms: RefCell::new(terms) });
        let task = spawn_local(accept_all(Rc::clone(&door)));
        Ok(Self { address, door, task })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Goes over to the worker's plan; false if that has no such port.
    pub(crate) fn follow_plan(&self) -> bool {
        let Some(terms) = Terms::of(&self.door.worker, &self.address) else { return false };
        self.door.terms.replace(terms);
        true
    }

    /// Stops accepting. Whoever waits in the queue already is still served, under the plan that had the port: closing
    /// would reset them.
    pub(crate) fn close(self) {
        self.task.abort();
        loop {
            let welcomed = accept_waiting(&self.door.listener).and_then(|waiting| {
                let Some((stream, peer)) = waiting else { return Ok(false) };
                self.door.welcome(TcpStream::from_std(stream)?, peer);
                Ok(true)
            });
            match welcomed {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let port = Arc::clone(&self.door.terms.borrow().port);
                    tracing::warn!(port = &*port.name, %error, "connections that waited at a closing port are lost");
                    return;
                }
            }
        }
    }
}

impl Terms {
    fn of(worker: &Rc<Worker>, address: &ListenAddress) -> Option<Self> {
        let plan = worker.plan();
        let port = Arc::clone(plan.plan.port_at(address).filter(|port| port.is_data_port())?);
        Some(Self { plan, port, gate: worker.admission.gate(address) })
    }
}

impl Door {
    /// Starts one connection.
    fn welcome(&self, stream: TcpStream, peer: net::SocketAddr) {
        let _ = stream.set_nodelay(true);
        // The terms go along: the task first runs later, and other ones may be current by then.
        let Terms { plan, port, gate } = self.terms.borrow().clone();
        let open = self.worker.count_open();
        let worker = Rc::clone(&self.worker);
        spawn_local(async move {
            flow::connection(worker, plan, port, gate, stream, peer).await;
            drop(open);
        });
    }
}

async fn accept_all(door: Rc<Door>) {
    let mut outage = Outage::default();
    loop {
        let accepted = tokio::select! {
            accepted = door.listener.accept() => accepted,
            () = passed(outage.over_at()) => {
                let port = Arc::clone(&door.terms.borrow().port);
                tracing::info!(port = &*port.name, failed = outage.end(), "connections are accepted again");
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => door.welcome(stream, peer),
            // Out of descriptors or memory: the queue holds them until there is room again.
            Err(error) => {
                if outage.failed(Instant::now()) {
                    let port = Arc::clone(&door.terms.borrow().port);
                    tracing::warn!(port = &*port.name, %error, "connections can not be accepted, and wait until there is room");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Comes with that moment; without one, never.
async fn passed(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
