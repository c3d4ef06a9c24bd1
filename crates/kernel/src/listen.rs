//! Listening sockets, one for each worker, and a full answer when there is no port to be had.

mod error;
mod outage;
mod unix;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use error::ListenError;
pub use outage::Outage;
pub use unix::{listen_unix, rehearse_unix};

use crate::{
    addresses::local_addresses,
    holders::{Holder, Use, strangers_on, who_listens},
};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// One non-blocking listening socket for each worker on `address`; with port 0 all on the one that the kernel chose.
///
/// The sockets share the address by SO_REUSEPORT, which would let a stranger of the same user share it as well,
/// unseen, or let us join one that is already there. So the first socket is bound without it, which the kernel refuses
/// if anybody at all holds the address, and opens it to its siblings only afterwards. A stranger that joins in between
/// is looked for at the end.
///
/// Sockets of this process are no strangers: a reload may open a port again that it is about to close.
pub fn listen(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, ListenError> {
    let first = match open(address, Sharing::AfterBind) {
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse && is_ours(address.port()) => {
            open(address, Sharing::FromTheStart)
        }
        result => result,
    };
    let first = first.map_err(|cause| explain(address, cause))?;
    let address = first.local_addr().map_err(|cause| explain(address, cause))?;
    let mut sockets = vec![first];
    while sockets.len() < workers {
        sockets.push(open(address, Sharing::FromTheStart).map_err(|cause| explain(address, cause))?);
    }
    let joined: Vec<Holder> = strangers_on(address.port())
        .into_iter()
        .filter(|holder| holder.usage.listens() && meets(address.ip(), holder.address.ip()))
        .map(sharing)
        .collect();
    if joined.is_empty() { Ok(sockets) } else { Err(ListenError::Taken { address, holders: joined }) }
}

/// Whether [`listen`] would get `address` now. Binds for a moment, and listens at no time.
pub fn rehearse(address: SocketAddr) -> Result<(), ListenError> {
    bind(address, Sharing::AfterBind).map(|_| ()).map_err(|cause| explain(address, cause))
}

/// A connection that waits at a non-blocking listening socket, as a non-blocking one; `None` if none does.
///
/// For whoever is about to close the socket, which would reset those that wait. Asks the kernel itself: what an event
/// loop knows of the socket may be old.
pub fn accept_waiting(listener: impl AsFd) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    loop {
        return match SockRef::from(&listener).accept() {
            Ok((socket, peer)) => {
                socket.set_nonblocking(true)?;
                Ok(peer.as_socket().map(|peer| (socket.into(), peer)))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                // It was reset while it waited; there may be others.
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => continue,
                _ => Err(error),
            },
        };
    }
}

/// From when on other sockets of the same user may bind to the address as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    FromTheStart,
    AfterBind,
}

fn open(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = bind(address, sharing)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a process before this one, still in TIME_WAIT, do not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::FromTheStart)?;
    if address.is_ipv6() {
        // One family a socket, whatever net.ipv6.bindv6only says: an IPv6 port is never an IPv4 port by accident.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket)
}

/// Whether this process itself listens on `port`.
fn is_ours(port: u16) -> bool {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    port != 0 && who_listens(port).iter().any(|holder| holder.process.as_ref().is_some_and(|held| held.pid == own))
}

pub(crate) fn explain(address: SocketAddr, cause: io::Error) -> ListenError {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            let mut holders = conflicting(address);
            // Where sharing would have worked, everybody who listens there shares.
            if bind(address, Sharing::FromTheStart).is_ok() {
                holders = holders.into_iter().map(sharing).collect();
            }
            ListenError::Taken { address, holders }
        }
        io::ErrorKind::PermissionDenied => ListenError::Forbidden { address },
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address, local: local_addresses() },
        _ => ListenError::Failed { place: address.to_string(), cause },
    }
}

fn sharing(holder: Holder) -> Holder {
    Holder { usage: if holder.usage.listens() { Use::Sharing } else { holder.usage }, ..holder }
}

/// Sockets, not of this process, that keep `address` from being bound, once the kernel has said that there are some.
fn conflicting(address: SocketAddr) -> Vec<Holder> {
    let strangers = strangers_on(address.port());
    let (certain, rest): (Vec<Holder>, Vec<Holder>) =
        strangers.into_iter().partition(|holder| meets(address.ip(), holder.address.ip()));
    if !certain.is_empty() || address.is_ipv6() {
        return certain;
    }
    // An IPv6 wildcard that takes IPv4 as well. The kernel's table does not tell which do, but nobody else is left.
    rest.into_iter().filter(|holder| holder.address.is_ipv6() && holder.address.ip().is_unspecified()).collect()
}

/// The kernel's rule within one family, to which our own sockets keep: the same address, or a wildcard on either side.
fn meets(own: IpAddr, other: IpAddr) -> bool {
    let other = other.to_canonical();
    own.is_ipv4() == other.is_ipv4() && (own == other || own.is_unspecified() || other.is_unspecified())
}
