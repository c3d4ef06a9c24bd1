//! The kernel's table of sockets: one reader of it for everything that asks what listens, what holds and what is open.
//!
//! Asked by netlink (`sock_diag(7)`), which tells more than `/proc/net` and filters by state before anything is
//! written; `/proc/net` serves where the kernel has no `sock_diag`, and for namespaces that may be looked at and not
//! entered. Neither needs a privilege.

mod netlink;
mod proc_net;

use std::{io, net::SocketAddr, path::Path};

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP, which has no listening state: a socket without a peer takes what comes.
    Udp,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What a socket is there for, as far as its state tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Takes what comes: a TCP socket that listens, a UDP socket without a peer.
    Listening,
    /// Holds its port and neither listens nor is connected. Linux tells since 6.9, and by netlink alone.
    Bound,
    /// Of a connection, in whatever state but those below.
    Connected,
    /// Half of a handshake; belongs to the listener.
    Arriving,
    /// Of a connection that has ended; the kernel keeps its port for a minute (TIME_WAIT).
    Ended,
}

/// States to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Sockets that take what comes.
    Listening,
    /// All of them.
    All,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) protocol: Protocol,
    pub(crate) state: State,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) uid: u32,
    /// 0 for sockets that no process has open any more, or not yet.
    pub(crate) inode: u64,
    /// Bytes that wait to be read; of a listener, connections that wait to be accepted.
    pub(crate) receive_queue: u32,
    /// Most connections that may wait; of listeners, and by netlink alone.
    pub(crate) backlog: Option<u32>,
    /// Whether an IPv6 socket keeps to IPv6; told of listeners, and by netlink alone.
    pub(crate) v6_only: Option<bool>,
}

/// Sockets of both families in the network namespace of this thread.
pub(crate) fn read(protocol: Protocol, wanted: Wanted) -> io::Result<Vec<Entry>> {
    netlink::read(protocol, wanted).or_else(|_| proc_net::read(Path::new("/proc/thread-self/net"), protocol, wanted))
}

/// Sockets in the network namespace of another process, without entering it.
pub(crate) fn read_of(pid: i32, protocol: Protocol, wanted: Wanted) -> io::Result<Vec<Entry>> {
    proc_net::read(&Path::new("/proc").join(pid.to_string()).join("net"), protocol, wanted)
}

/// The state of a socket by the kernel's number (`include/net/tcp_states.h`).
fn state(protocol: Protocol, number: u8) -> State {
    match (protocol, number) {
        (Protocol::Tcp, 10) | (Protocol::Udp, 7) => State::Listening,
        (Protocol::Tcp, 7 | 13) => State::Bound,
        (Protocol::Tcp, 3 | 12) => State::Arriving,
        (Protocol::Tcp, 6) => State::Ended,
        _ => State::Connected,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream, UdpSocket},
        path::Path,
    };

    use super::*;

    type Reader = fn(Protocol, Wanted) -> io::Result<Vec<Entry>>;
    const READERS: [(&str, Reader); 2] = [
        ("netlink", netlink::read),
        ("/proc", |protocol, wanted| proc_net::read(Path::new("/proc/self/net"), protocol, wanted)),
    ];

    #[test]
    fn both_readers_find_listeners_connections_and_datagram_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.local_addr().unwrap();
        let client = TcpStream::connect(listening).unwrap();
        let datagrams = UdpSocket::bind("[::1]:0").unwrap();
        for (name, read) in READERS {
            let tcp = read(Protocol::Tcp, Wanted::All).unwrap();
            let found = |state: State, local: SocketAddr| {
                tcp.iter().any(|e| e.state == state && e.local == local && e.inode != 0)
            };
            assert!(found(State::Listening, listening), "{name}");
            assert!(found(State::Connected, client.local_addr().unwrap()), "{name}");
            let listeners = read(Protocol::Tcp, Wanted::Listening).unwrap();
            assert!(listeners.iter().all(|entry| entry.state == State::Listening), "{name}: {listeners:?}");
            let waiting = listeners.iter().find(|entry| entry.local == listening).unwrap();
            assert_eq!(waiting.receive_queue, 1, "{name}: the connection has not been accepted");
            let udp = read(Protocol::Udp, Wanted::Listening).unwrap();
            assert!(udp.iter().any(|entry| entry.local == datagrams.local_addr().unwrap()), "{name}: {udp:?}");
        }
    }

    #[test]
    fn netlink_tells_backlog_and_families() {
        for (only, address) in [(true, "[::]:0"), (false, "[::]:0")] {
            let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
            socket.set_only_v6(only).unwrap();
            socket.bind(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
            socket.listen(7).unwrap();
            let local = socket.local_addr().unwrap().as_socket().unwrap();
            let listeners = netlink::read(Protocol::Tcp, Wanted::Listening).unwrap();
            let found = listeners.iter().find(|entry| entry.local == local).unwrap();
            assert_eq!((found.v6_only, found.backlog), (Some(only), Some(7)));
        }
    }
}
