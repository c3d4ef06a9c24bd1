//! The workers as the control plane sees them: start, apply, drain, stop.

use std::{io, sync::Arc, thread};

use portcullis_config::declared::ListenAddress;
use portcullis_observe::AccessLog;
use portcullis_plan::Plan;
use tokio::sync::{mpsc, oneshot};

use crate::{
    admission::Admission,
    worker::{Command, Worker},
};

/// Listening sockets of one port, one for each worker.
pub type PortSockets = (ListenAddress, Vec<std::net::TcpListener>);

/// What the data plane is started with.
#[derive(Debug)]
pub struct Start<'a> {
    /// Number of threads.
    pub workers: usize,
    /// The first plan.
    pub plan: Arc<Plan>,
    /// Sockets of its data ports.
    pub sockets: Vec<PortSockets>,
    /// Where records go.
    pub access_log: &'a AccessLog,
}

/// A change from one plan to the next.
#[derive(Debug)]
pub struct Change {
    /// The next plan.
    pub plan: Arc<Plan>,
    /// Sockets of ports that are new in it.
    pub opened: Vec<PortSockets>,
    /// Addresses that it no longer has.
    pub closed: Vec<ListenAddress>,
}

/// The running workers.
#[derive(Debug)]
pub struct DataPlane {
    workers: Vec<Handle>,
    admission: Arc<Admission>,
}

#[derive(Debug)]
struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    thread: thread::JoinHandle<()>,
}

impl DataPlane {
    /// Starts one thread for each worker.
    pub fn start(start: Start<'_>) -> io::Result<Self> {
        let admission = Admission::new();
        let mut sockets = deal(start.sockets, start.workers).into_iter();
        let mut workers = Vec::with_capacity(start.workers);
        for index in 0..start.workers {
            let (commands, receiver) = mpsc::unbounded_channel();
            let (plan, writer, admission) =
                (Arc::clone(&start.plan), start.access_log.writer(), Arc::clone(&admission));
            let sockets = sockets.next().unwrap_or_default();
            let run = move || {
                if let Err(error) = Worker::new(index, plan, writer, admission).run(sockets, receiver) {
                    tracing::error!(worker = index, %error, "worker ended");
                }
            };
            let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(run)?;
            workers.push(Handle { commands, thread });
        }
        Ok(Self { workers, admission })
    }

    /// Goes over to the next plan; returns when every worker has.
    pub async fn apply(&self, change: Change) {
        let mut sockets = deal(change.opened, self.workers.len()).into_iter();
        let mut waiting = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, is_done) = oneshot::channel();
            let command = Command::Apply {
                plan: Arc::clone(&change.plan),
                opened: sockets.next().unwrap_or_default(),
                closed: change.closed.clone(),
                done,
            };
            if worker.commands.send(command).is_ok() {
                waiting.push(is_done);
            }
        }
        for is_done in waiting {
            // A worker that has ended will not answer.
            let _ = is_done.await;
        }
    }

    /// Closes the listening sockets; open connections end after their current exchange, sessions go on.
    pub fn drain(&self) {
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Drain);
        }
    }

    /// Client connections open now.
    pub fn open_connections(&self) -> u64 {
        u64::from(self.admission.open())
    }

    /// Ends the workers, whatever is still open.
    pub fn stop(self) {
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Stop);
        }
        for worker in self.workers {
            let _ = worker.thread.join();
        }
    }
}

/// From sockets by port to sockets by worker.
fn deal(ports: Vec<PortSockets>, workers: usize) -> Vec<Vec<(ListenAddress, std::net::TcpListener)>> {
    let mut dealt: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    for (address, sockets) in ports {
        for (hand, socket) in dealt.iter_mut().zip(sockets) {
            hand.push((address.clone(), socket));
        }
    }
    dealt
}
