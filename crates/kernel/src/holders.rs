//! Who holds a port: what a person would find with `ss -tanp`, in words.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::SocketAddr,
};

use procfs::process::Process;

use crate::{
    processes,
    table::{self, Entry, Protocol, State, Wanted},
};

/// What somebody does with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Use {
    /// Listens on it.
    Listening,
    /// Listens on it with SO_REUSEPORT: another socket of the same user can join and is then given a part of the
    /// connections, without anybody being told.
    Sharing,
    /// Has bound it and does not listen yet.
    Bound,
    /// Uses it as the local port of a connection with this peer.
    Connected(SocketAddr),
    /// Used it for a connection with this peer that has ended; the kernel keeps it for a minute (TIME_WAIT).
    Ended(SocketAddr),
}

impl Use {
    /// Whether connections are accepted on it.
    pub fn listens(self) -> bool {
        matches!(self, Self::Listening | Self::Sharing)
    }
}

/// A socket that holds a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// What it does.
    pub usage: Use,
    /// Its local address.
    pub address: SocketAddr,
    /// Process, if there is one and this user may see it.
    pub process: Option<HoldingProcess>,
    /// Owner of the socket: user name, or `uid N`.
    pub user: String,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldingProcess {
    /// Process id; of several that share the socket, the lowest.
    pub pid: i32,
    /// Its command name.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { usage, address, process, user } = self;
        if let Use::Ended(peer) = usage {
            return write!(f, "{address} was used for a connection with {peer} until less than a minute ago");
        }
        match process {
            Some(HoldingProcess { pid, command }) => write!(f, "{command} (pid {pid}, user {user})")?,
            None => write!(f, "a process of user {user} (root can see which)")?,
        }
        match usage {
            Use::Listening => write!(f, " listens on {address}"),
            Use::Sharing => write!(f, " listens on {address} with SO_REUSEPORT"),
            Use::Bound => write!(f, " has bound {address} and does not listen"),
            Use::Connected(peer) | Use::Ended(peer) => write!(f, " uses {address} for a connection with {peer}"),
        }
    }
}

/// Every socket in this network namespace that holds `port`, listeners first. Connections that a listener has accepted
/// are not counted: they come and go with it.
pub fn who_holds(port: u16) -> Vec<Holder> {
    without_accepted(described(tcp(Wanted::All, |entry| entry.local.port() == port && holds(entry.state))))
}

/// Every socket in this network namespace that listens on `port`, whatever its address.
pub fn who_listens(port: u16) -> Vec<Holder> {
    described(tcp(Wanted::Listening, |entry| entry.local.port() == port))
}

/// Every socket that listens, in this network namespace.
pub fn listeners() -> Vec<Holder> {
    described(tcp(Wanted::Listening, |_| true))
}

/// Addresses on which a process listens, in its own network namespace; empty if there is no such process or this user
/// may not look into it.
pub fn listening_ports_of(pid: i32) -> Vec<SocketAddr> {
    let Ok(process) = Process::new(pid) else { return Vec::new() };
    let own: HashSet<u64> = processes::sockets_of(&process).collect();
    let entries = table::read_of(pid, Protocol::Tcp, Wanted::Listening).unwrap_or_default();
    let mut addresses: Vec<SocketAddr> =
        entries.iter().filter(|entry| own.contains(&entry.inode)).map(|entry| entry.local).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Holders of `port` that are not sockets of this process.
pub(crate) fn strangers_on(port: u16) -> Vec<Holder> {
    let own = processes::own();
    let is_strange = |entry: &Entry| entry.local.port() == port && holds(entry.state) && !own.contains(&entry.inode);
    without_accepted(described(tcp(Wanted::All, is_strange)))
}

/// Listening sockets, not of this process, that are given connections meant for one of `own`: those that joined it by
/// SO_REUSEPORT, and those on a single address where `own` is a wildcard. With each comes what it takes from.
pub fn strangers_beside(own: &[SocketAddr]) -> Vec<(SocketAddr, Holder)> {
    let takes_from = |address: SocketAddr| own.iter().copied().find(|own| takes(address, *own));
    let mut entries = tcp(Wanted::Listening, |entry| takes_from(entry.local).is_some());
    if entries.is_empty() {
        return Vec::new();
    }
    let ours = processes::own();
    entries.retain(|entry| !ours.contains(&entry.inode));
    described(entries)
        .into_iter()
        .filter_map(|holder| Some((takes_from(holder.address)?, Holder { usage: Use::Sharing, ..holder })))
        .collect()
}

/// Whether a listener on `address` is given connections that one on `own` would get. Our own IPv6 sockets take no IPv4.
fn takes(address: SocketAddr, own: SocketAddr) -> bool {
    address.port() == own.port()
        && (address.ip() == own.ip() || (own.ip().is_unspecified() && own.is_ipv4() == address.is_ipv4()))
}

/// TCP sockets in the network namespace of this thread; none where the kernel shows none.
fn tcp(wanted: Wanted, is_meant: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let mut entries = table::read(Protocol::Tcp, wanted).unwrap_or_default();
    entries.retain(is_meant);
    entries
}

/// States in which a socket can keep others from binding.
fn holds(state: State) -> bool {
    state != State::Arriving
}

fn described(entries: Vec<Entry>) -> Vec<Holder> {
    if entries.is_empty() {
        return Vec::new();
    }
    // The kernel does not tell SO_REUSEPORT, but two sockets can listen on one address in no other way.
    let mut listening: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.state == State::Listening) {
        *listening.entry(entry.local).or_default() += 1;
    }
    let owners = processes::owners(&entries.iter().map(|entry| entry.inode).filter(|inode| *inode != 0).collect());
    let mut found: Vec<Holder> = entries
        .into_iter()
        .map(|entry| Holder {
            usage: match entry.state {
                State::Listening if listening.get(&entry.local).is_some_and(|count| *count > 1) => Use::Sharing,
                State::Listening => Use::Listening,
                State::Bound => Use::Bound,
                State::Ended => Use::Ended(entry.remote),
                State::Connected | State::Arriving => Use::Connected(entry.remote),
            },
            address: entry.local,
            process: owners
                .get(&entry.inode)
                .and_then(|pids| pids.first())
                .map(|&pid| HoldingProcess { pid, command: processes::command(pid) }),
            user: processes::user_name(entry.uid),
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn without_accepted(mut holders: Vec<Holder>) -> Vec<Holder> {
    let listening: Vec<SocketAddr> =
        holders.iter().filter(|holder| holder.usage.listens()).map(|holder| holder.address).collect();
    holders
        .retain(|holder| holder.usage.listens() || !listening.iter().any(|listener| covers(*listener, holder.address)));
    holders
}

/// Whether a listener on `listener` would be reached through `address`. A wildcard IPv6 listener counts for IPv4 too,
/// because most take both and the kernel's table does not tell which do not.
pub(crate) fn covers(listener: SocketAddr, address: SocketAddr) -> bool {
    let (own, asked) = (listener.ip(), address.ip().to_canonical());
    let is_wildcard = own.is_unspecified() && (own.is_ipv6() || asked.is_ipv4());
    listener.port() == address.port() && (own.to_canonical() == asked || is_wildcard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn own_pid() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn a_listener_is_found_with_process_and_user() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = who_listens(address.port());
        let [holder] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((holder.address, holder.usage), (address, Use::Listening));
        assert_eq!(holder.process.as_ref().map(|process| process.pid), Some(own_pid()));
        let said = holder.to_string();
        assert!(said.contains(&format!("(pid {}, user ", own_pid())) && said.contains(&address.to_string()), "{said}");
        assert!(listening_ports_of(own_pid()).contains(&address));
        assert!(listeners().contains(holder));
        assert_eq!(strangers_on(address.port()), []);
    }

    #[test]
    fn accepted_connections_are_not_holders_and_outbound_ones_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(who_holds(address.port()).iter().all(|holder| holder.usage == Use::Listening));
        let local = client.local_addr().unwrap();
        // Other tests' connections may have used the same local port towards other peers: only this one counts.
        assert!(who_holds(local.port()).iter().any(|holder| holder.usage == Use::Connected(address)));
        let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let held = bound.local_addr().unwrap().as_socket().unwrap();
        // Kernels before 6.9 do not tell of sockets that are bound alone.
        assert!(who_holds(held.port()).iter().filter(|holder| holder.address == held).all(|h| h.usage == Use::Bound));
        // The side that closes first is left in TIME_WAIT, without a process.
        drop(client);
        drop(accepted);
        let held = who_holds(local.port());
        let ended = held.iter().find(|holder| holder.usage == Use::Ended(address));
        assert!(ended.is_some_and(|holder| holder.process.is_none()), "{held:?}");
    }

    #[test]
    fn a_listener_takes_from_its_own_address_and_from_a_wildcard() {
        for (address, own, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:81", "127.0.0.1:80", false),
            ("127.0.0.2:80", "127.0.0.1:80", false),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", false),
            ("[::1]:80", "[::]:80", true),
            ("[::1]:80", "0.0.0.0:80", false),
            ("127.0.0.1:80", "[::]:80", false),
        ] {
            assert_eq!(takes(address.parse().unwrap(), own.parse().unwrap()), expected, "{address} {own}");
        }
    }

    #[test]
    fn a_listener_covers_the_addresses_through_which_it_is_reached() {
        for (listener, address, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.2:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::]:80", "[::1]:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::1]:80", "127.0.0.1:80", false),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
        ] {
            assert_eq!(covers(listener.parse().unwrap(), address.parse().unwrap()), expected, "{listener} {address}");
        }
    }
}
