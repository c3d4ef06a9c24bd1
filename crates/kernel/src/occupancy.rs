//! Whether anybody has a port, and having it.
//!
//! The test is binding: the kernel's tables leave out what other users may not see, and are old when they are read.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::{
    holders::{Use, who_holds},
    inventory::Protocol,
    listen::{BACKLOG, ListenError, explain},
};

/// What binding says about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// Nobody has it, on any address of either family: it can be used in whatever form.
    Vacant,
    /// All that is there are connections of a server that listens no more, open or ended (TIME_WAIT). Another server can
    /// have the number if it sets `SO_REUSEADDR`, as servers do for this reason.
    Passing,
    /// Somebody has it, on some address: listening, bound, or as the local port of an outbound connection.
    Taken,
    /// This user may not bind it, so that it cannot be known.
    Forbidden,
}

/// What a socket that is held is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It listens; to be handed over to a program that takes it.
    Listening,
    /// It keeps others away until a program binds the same address itself, which succeeds if that program sets
    /// `SO_REUSEADDR` or `SO_REUSEPORT`, as nearly all servers do: the kernel lets a socket that does not listen share.
    Bound,
}

/// Whether anybody has `port`, in the network namespace of this thread.
pub fn occupancy(protocol: Protocol, port: u16) -> io::Result<Occupancy> {
    match bind_everywhere(protocol, port, Reuse::Refused) {
        Ok(()) => Ok(Occupancy::Vacant),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Occupancy::Forbidden),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_passing = protocol == Protocol::Tcp
                && bind_everywhere(protocol, port, Reuse::Allowed).is_ok()
                // A socket that is bound and allows reuse would let us in as well.
                && !who_holds(port).iter().any(|holder| holder.usage == Use::Bound);
            Ok(if is_passing { Occupancy::Passing } else { Occupancy::Taken })
        }
        Err(error) => Err(error),
    }
}

/// Whether `SO_REUSEADDR` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Refused,
    Allowed,
}

/// Binds the number for both families at once, so that whoever has it on any address stands in the way, and lets it go.
fn bind_everywhere(protocol: Protocol, port: u16, reuse: Reuse) -> io::Result<()> {
    let bind = |address: SocketAddr| -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), kind(protocol), None)?;
        socket.set_reuse_address(reuse == Reuse::Allowed)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())
    };
    match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if is_without_ipv6(&error) => bind((Ipv4Addr::UNSPECIFIED, port).into()),
        result => result,
    }
}

/// The host has no IPv6 at all, or it was turned off (`net.ipv6.conf.all.disable_ipv6`).
fn is_without_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// A socket that has `address`, in the network namespace of this thread, from now until it is closed. It is blocking, as
/// programs expect that are handed one. A UDP socket is bound in either form.
pub fn hold(protocol: Protocol, address: SocketAddr, form: Form) -> Result<OwnedFd, ListenError> {
    try_hold(protocol, address, form).map_err(|cause| explain(address, cause))
}

fn try_hold(protocol: Protocol, address: SocketAddr, form: Form) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), kind(protocol), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if protocol == Protocol::Tcp {
        // Connections of an earlier process on the port, still in TIME_WAIT, do not matter to a server.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    match (protocol, form) {
        (Protocol::Tcp, Form::Listening) => socket.listen(BACKLOG)?,
        // After binding: before it, we could have joined somebody who shares the port.
        (_, Form::Bound) => socket.set_reuse_port(true)?,
        (Protocol::Udp, Form::Listening) => {}
    }
    Ok(socket.into())
}

fn kind(protocol: Protocol) -> Type {
    match protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn of(port: u16) -> Occupancy {
        occupancy(Protocol::Tcp, port).unwrap()
    }

    #[test]
    fn a_port_is_taken_whatever_somebody_does_with_it_and_on_whatever_address() {
        let mut addresses = vec!["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0"];
        if TcpListener::bind("[::1]:0").is_ok() {
            addresses.extend(["[::1]:0", "[::]:0"]);
        }
        for address in addresses {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            assert_eq!(of(port), Occupancy::Taken, "{address}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let local = client.local_addr().unwrap().port();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(of(local), Occupancy::Taken, "an outbound connection has it");
        drop(client);
        drop(accepted);
        assert_eq!(of(local), Occupancy::Taken, "TIME_WAIT");
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(occupancy(Protocol::Udp, datagrams.local_addr().unwrap().port()).unwrap(), Occupancy::Taken);
    }

    #[test]
    fn connections_of_a_server_that_is_gone_are_passing() {
        let held = hold(Protocol::Tcp, "127.0.0.1:0".parse().unwrap(), Form::Listening).unwrap();
        let listener = TcpListener::from(held);
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(of(address.port()), Occupancy::Taken);
        drop(listener);
        assert_eq!(of(address.port()), Occupancy::Passing, "a connection is still open");
        drop(accepted);
        // Whoever closes first is left in TIME_WAIT.
        assert_eq!(io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        drop(client);
        assert_eq!(of(address.port()), Occupancy::Passing);
        let _again = hold(Protocol::Tcp, address, Form::Listening).unwrap();
    }

    #[test]
    fn what_is_held_is_taken_and_what_is_let_go_is_vacant() {
        for form in [Form::Listening, Form::Bound] {
            let held = hold(Protocol::Tcp, "127.0.0.1:0".parse().unwrap(), form).unwrap();
            let socket = Socket::from(held);
            let address = socket.local_addr().unwrap().as_socket().unwrap();
            assert_eq!(of(address.port()), Occupancy::Taken);
            assert_eq!(TcpStream::connect(address).is_ok(), form == Form::Listening);
            let again = hold(Protocol::Tcp, address, Form::Listening);
            assert_eq!(again.is_ok(), form == Form::Bound, "{again:?}");
        }
    }

    #[test]
    fn a_bound_socket_lets_in_whoever_shares_and_keeps_out_whoever_does_not() {
        let held = Socket::from(hold(Protocol::Tcp, "127.0.0.1:0".parse().unwrap(), Form::Bound).unwrap());
        let address = held.local_addr().unwrap();
        let listens = |prepare: &dyn Fn(&Socket)| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            prepare(&socket);
            socket.bind(&address).and_then(|()| socket.listen(1)).is_ok()
        };
        assert!(listens(&|socket| socket.set_reuse_address(true).unwrap()));
        assert!(listens(&|socket| socket.set_reuse_port(true).unwrap()));
        assert!(!listens(&|_| ()));
        // The kernel gives a port that was bound by number to no outbound connection.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_ne!(client.local_addr().unwrap().port(), address.as_socket().unwrap().port());
    }
}
