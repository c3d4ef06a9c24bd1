//! The listening sockets of a plan, and the difference between those of two plans.

use std::{
    collections::HashSet,
    fs, io, net,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
};

use portcullis_config::declared::ListenAddress;
use portcullis_kernel::listen::{ListenError, listen, listen_unix};
use portcullis_plan::{Plan, PortPlan};
use portcullis_proxy::PortSockets;

/// Who serves a socket. A port that changes sides keeps its address and gets a new socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Data,
    Control,
}

type Key = (ListenAddress, Side);

/// A socket that the control plane serves.
#[derive(Debug)]
pub(crate) enum ControlSocket {
    Tcp(net::TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; goes away with it, so that the next start finds no trace.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it; then there is nothing left to do.
        let _ = fs::remove_file(&self.0);
    }
}

/// Ports of the control plane that come and go with a plan.
#[derive(Debug, Default)]
pub(crate) struct ControlChange {
    pub(crate) opened: Vec<(ListenAddress, ControlSocket)>,
    pub(crate) closed: Vec<ListenAddress>,
}

/// What changes between two plans: which sockets to open, and which to close.
#[derive(Debug)]
pub(crate) struct Difference {
    opened: Vec<Key>,
    closed: Vec<Key>,
}

impl Difference {
    /// From nothing, or from the plan that runs, to the next.
    pub(crate) fn between(old: Option<&Plan>, new: &Plan) -> Self {
        let keys = |plan: &Plan| -> Vec<Key> { plan.ports.iter().map(|port| key(port)).collect() };
        let (before, after) = (old.map(keys).unwrap_or_default(), keys(new));
        let not_in = |keys: &[Key], others: &[Key]| -> Vec<Key> {
            let others: HashSet<&Key> = others.iter().collect();
            keys.iter().filter(|key| !others.contains(key)).cloned().collect()
        };
        Self { opened: not_in(&after, &before), closed: not_in(&before, &after) }
    }

    /// Addresses that are new.
    pub(crate) fn opened(&self) -> Vec<String> {
        self.opened.iter().map(|(address, _)| address_text(address)).collect()
    }

    /// Addresses that are gone.
    pub(crate) fn closed(&self) -> Vec<String> {
        self.closed.iter().map(|(address, _)| address_text(address)).collect()
    }

    /// Opens all that is new, or nothing: on an error what was already opened is closed again. All errors are
    /// collected, so that one attempt tells every port that is taken. Blocks for a moment.
    pub(crate) fn open(self, workers: usize) -> Result<Sockets, Vec<ListenError>> {
        let mut sockets = Sockets::default();
        let mut errors = Vec::new();
        for (address, side) in self.opened {
            if let Err(error) = sockets.open(&address, side, workers) {
                errors.push(error);
            }
        }
        for (address, side) in self.closed {
            match side {
                Side::Data => sockets.data_closed.push(address),
                Side::Control => sockets.control.closed.push(address),
            }
        }
        if errors.is_empty() { Ok(sockets) } else { Err(errors) }
    }
}

/// Sockets that were opened, and addresses to be closed, by who serves them.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) data: Vec<PortSockets>,
    pub(crate) data_closed: Vec<ListenAddress>,
    pub(crate) control: ControlChange,
}

impl Sockets {
    fn open(&mut self, address: &ListenAddress, side: Side, workers: usize) -> Result<(), ListenError> {
        match (address, side) {
            (ListenAddress::Tcp(at), Side::Data) => self.data.push((address.clone(), listen(*at, workers)?)),
            (ListenAddress::Tcp(at), Side::Control) => {
                let sockets = listen(*at, 1)?.into_iter().map(|socket| (address.clone(), ControlSocket::Tcp(socket)));
                self.control.opened.extend(sockets);
            }
            (ListenAddress::Unix(path), Side::Control) => {
                let socket = ControlSocket::Unix(listen_unix(path)?, SocketFile(path.clone()));
                self.control.opened.push((address.clone(), socket));
            }
            (ListenAddress::Unix(path), Side::Data) => return Err(unix_data_port(path)),
        }
        Ok(())
    }
}

/// How people write the address.
pub(crate) fn address_text(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn key(port: &PortPlan) -> Key {
    (port.listen.clone(), if port.is_data_port() { Side::Data } else { Side::Control })
}

/// The checks refuse it with its place; this is for whoever comes around them.
fn unix_data_port(path: &Path) -> ListenError {
    let why = "only admin and metrics ports may listen on a Unix socket";
    let cause = io::Error::new(io::ErrorKind::Unsupported, why);
    ListenError::Failed { place: path.display().to_string(), cause }
}
