//! Listening sockets, one for each worker, and a full answer when there is no port to be had.

use std::{
    fmt, fs, io,
    net::{IpAddr, SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::holders::{Holder, Use, holders_of};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why a port could not be opened.
#[derive(Debug)]
pub struct ListenError {
    /// Where.
    pub address: String,
    /// What the kernel said.
    pub cause: io::Error,
    /// Who has it.
    pub holders: Vec<Holder>,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause, holders } = self;
        match cause.kind() {
            io::ErrorKind::AddrInUse if holders.is_empty() => {
                write!(
                    f,
                    "{address} is taken, by a socket that this user can not see; `ss -ltnp` as root tells by whom"
                )
            }
            io::ErrorKind::AddrInUse => {
                let by: Vec<String> = holders.iter().map(ToString::to_string).collect();
                write!(f, "{address} is taken: {}", by.join("; "))?;
                if holders.iter().all(|holder| holder.usage != Use::Listening) {
                    write!(f, "; keep it out of the ephemeral range with net.ipv4.ip_local_reserved_ports")?;
                }
                Ok(())
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "{address}: this user may not listen there; run as root, grant CAP_NET_BIND_SERVICE, or lower \
                 net.ipv4.ip_unprivileged_port_start"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "{address}: no such address on this host; see `ip address`, or allow it with net.ipv4.ip_nonlocal_bind"
            ),
            _ => write!(f, "{address}: {cause}"),
        }
    }
}

impl std::error::Error for ListenError {}

/// One non-blocking socket for each worker on `address`. SO_REUSEPORT lets them share it, and would let a stranger of
/// the same user share it as well, unseen; so whoever else listens there is looked for before and after.
pub fn listen(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, ListenError> {
    let taken = |holders| ListenError { address: address.to_string(), cause: io::ErrorKind::AddrInUse.into(), holders };
    let strangers = listening_strangers(address);
    if !strangers.is_empty() {
        return Err(taken(strangers));
    }
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = open(address).map_err(|cause| {
            let holders = if cause.kind() == io::ErrorKind::AddrInUse { conflicting(address) } else { Vec::new() };
            ListenError { address: address.to_string(), cause, holders }
        })?;
        sockets.push(socket);
    }
    let strangers = listening_strangers(address);
    if strangers.is_empty() { Ok(sockets) } else { Err(taken(strangers)) }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        // One family a socket, whatever net.ipv6.bindv6only says: an IPv6 port is never an IPv4 port by accident.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Other processes that listen where `address` would.
fn listening_strangers(address: SocketAddr) -> Vec<Holder> {
    conflicting(address).into_iter().filter(|holder| holder.usage == Use::Listening).collect()
}

/// Other processes' sockets that keep `address` from being bound, by the kernel's rule: the same address, or a
/// wildcard on either side, within one family; a dual-stack `::` counts for IPv4 too, and is treated as one here
/// because /proc does not tell IPV6_V6ONLY.
fn conflicting(address: SocketAddr) -> Vec<Holder> {
    let meets = |other: IpAddr| match (address.ip(), other) {
        (own, other) if own.is_ipv4() == other.is_ipv4() => {
            own == other || own.is_unspecified() || other.is_unspecified()
        }
        (IpAddr::V4(_), other) => other.is_unspecified() && is_dual_stack(address.port()),
        (IpAddr::V6(_), _) => false,
    };
    holders_of(address.port()).into_iter().filter(|holder| meets(holder.address.ip().to_canonical())).collect()
}

/// Whether the `::` that listens on this port takes IPv4 as well: then plain IPv4 can not be bound without
/// SO_REUSEPORT.
fn is_dual_stack(port: u16) -> bool {
    let probe = || -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from(([0, 0, 0, 0], port)).into())?;
        socket.listen(1)
    };
    probe().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// A Unix socket that only this user may connect to. A socket file that nobody listens on any more is replaced;
/// anything else in its place is an error.
pub fn listen_unix(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |cause| ListenError { address: path.display().to_string(), cause, holders: Vec::new() };
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            let cause = io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is in the way");
            return Err(failed(cause));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(failed(io::Error::other("another process listens on this socket")));
        }
        fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_this_process_may_open_it_again() {
        let first = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let address = first[0].local_addr().unwrap();
        assert_eq!(listen(address, 3).unwrap().len(), 3);
    }

    #[test]
    fn an_address_of_another_host_says_so() {
        let error = listen("192.0.2.1:80".parse().unwrap(), 1).unwrap_err();
        assert!(error.to_string().contains("no such address on this host"), "{error}");
    }
}
