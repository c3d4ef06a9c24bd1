//! The ports that the control plane serves itself: admin and metrics. They share no socket and no task with the data
//! plane.

mod connection;
mod recorder;
mod room;

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use portcullis_config::declared::{ListenAddress, Role};
use portcullis_kernel::listen::Outage;
use portcullis_plan::{Plan, PortPlan};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, watch},
};

use crate::{
    AbortOnDrop, Publisher,
    admin::{admin_routes, metrics_routes},
    sockets::{ControlChange, ControlSocket, SocketFile, address_text},
};
use connection::Arrival;
use recorder::Recorder;
use room::Room;

/// What every control port shares.
#[derive(Debug)]
struct Shared {
    publisher: Arc<Publisher>,
    recorder: Recorder,
    admin: Router,
    metrics: Router,
}

impl Shared {
    /// What a port of this role serves; a data port serves nothing here.
    fn routes(&self, role: Role) -> Option<Router> {
        match role {
            Role::Admin => Some(self.admin.clone()),
            Role::Metrics => Some(self.metrics.clone()),
            Role::Public | Role::Internal => None,
        }
    }

    /// The plan that runs, and the port that listens here under it.
    fn port(&self, listen: &ListenAddress) -> Option<(Arc<Plan>, Arc<PortPlan>)> {
        let running = self.publisher.running();
        let port = running.plan.port_at(listen)?;
        Some((Arc::clone(&running.plan), Arc::clone(port)))
    }
}

/// Opens and closes control ports as plans come; ends when the process is drained and the last answer is out.
pub(crate) async fn serve(publisher: Arc<Publisher>, mut changes: mpsc::UnboundedReceiver<ControlChange>) {
    let shared = Arc::new(Shared {
        recorder: Recorder::new(publisher.access_log()),
        admin: admin_routes(Arc::clone(&publisher)),
        metrics: metrics_routes(Arc::clone(&publisher)),
        publisher,
    });
    let mut open: HashMap<ListenAddress, Listening> = HashMap::new();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = shared.publisher.drained() => None,
        };
        let Some(change) = change else { break };
        for address in change.closed {
            // Connections end by themselves after their current request; nobody waits for them.
            open.remove(&address);
        }
        for (address, socket) in change.opened {
            match Listening::start(&shared, address.clone(), socket) {
                Ok(listening) => {
                    open.insert(address, listening);
                }
                Err(error) => tracing::error!(listen = address_text(&address), %error, "a control port is not served"),
            }
        }
    }
    // Whoever asked for the end gets an answer before it comes.
    for listening in open.into_values() {
        listening.end().await;
    }
}

/// A control port that is open.
#[derive(Debug)]
struct Listening {
    accepting: AbortOnDrop,
    /// Connections end after their current request when it is gone or says so.
    closing: watch::Sender<bool>,
    _file: Option<SocketFile>,
}

impl Listening {
    fn start(shared: &Arc<Shared>, address: ListenAddress, socket: ControlSocket) -> io::Result<Self> {
        let (closing, closed) = watch::channel(false);
        let port = ControlPort { shared: Arc::clone(shared), address, room: Room::new(), closed };
        let (door, file) = match socket {
            ControlSocket::Tcp(socket) => (Door::Tcp(TcpListener::from_std(socket)?), None),
            ControlSocket::Unix(socket, file) => (Door::Unix(UnixListener::from_std(socket)?), Some(file)),
        };
        Ok(Self { accepting: AbortOnDrop(tokio::spawn(port.accept(door))), closing, _file: file })
    }

    /// Stops accepting and waits for the connections.
    async fn end(self) {
        drop(self.accepting);
        self.closing.send_replace(true);
        self.closing.closed().await;
    }
}

/// Where connections come in.
#[derive(Debug)]
enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    async fn accept(&self) -> io::Result<Arrival> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, source)| Arrival::Tcp(stream, source)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Arrival::Unix(stream)),
        }
    }
}

/// One control port and its accept loop.
#[derive(Debug, Clone)]
struct ControlPort {
    shared: Arc<Shared>,
    address: ListenAddress,
    room: Room,
    closed: watch::Receiver<bool>,
}

impl ControlPort {
    async fn accept(self, door: Door) {
        let mut outage = Outage::default();
        loop {
            self.log_is_ready().await;
            let accepted = tokio::select! {
                accepted = door.accept() => accepted,
                () = passed(outage.over_at()) => {
                    let failed = outage.end();
                    tracing::info!(listen = address_text(&self.address), failed, "connections are accepted again");
                    continue;
                }
            };
            match accepted {
                Ok(arrival) => self.welcome(arrival),
                Err(error) => self.pause(&error, &mut outage).await,
            }
        }
    }

    /// Where the port requires a log, nobody is let in while it can not take records.
    async fn log_is_ready(&self) {
        if let Some((_, port)) = self.shared.port(&self.address) {
            self.shared.recorder.ready(&port).await;
        }
    }

    fn welcome(&self, arrival: Arrival) {
        tokio::spawn(connection::serve(self.clone(), arrival));
    }

    /// Out of descriptors or memory: the queue holds them until there is room again.
    async fn pause(&self, error: &io::Error, outage: &mut Outage) {
        if outage.failed(Instant::now()) {
            let listen = address_text(&self.address);
            tracing::warn!(listen, %error, "connections can not be accepted, and wait until there is room");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Comes with that moment; without one, never.
async fn passed(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
