//! What is open: the sockets of a network namespace with their owners, and an honest account of what this user could
//! not see. The join of the kernel's table with `/proc`, as `ss -tulpne` shows it, as data.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt, fs, io,
    net::SocketAddr,
};

use crate::{
    namespace::{Namespace, NamespaceError},
    processes,
    table::{self, Entry, Wanted},
};
pub use crate::{
    processes::SocketProcess,
    table::{Protocol, State},
};

/// The sockets of one namespace.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// By protocol, port and address.
    pub sockets: Vec<OpenSocket>,
    /// What is not in it, and why.
    pub unseen: Vec<Unseen>,
}

/// A socket that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSocket {
    /// What carries the bytes.
    pub protocol: Protocol,
    /// What it is there for.
    pub state: State,
    /// Its local address and port.
    pub address: SocketAddr,
    /// The other side of a connection.
    pub peer: Option<SocketAddr>,
    /// Which families it takes.
    pub families: Families,
    /// Owner of the socket.
    pub uid: u32,
    /// The owner's name, or `uid N`.
    pub user: String,
    /// Its number; 0 for one that no process has open.
    pub inode: u64,
    /// The processes that have it open, by process id; empty where this user may not know.
    pub processes: Vec<SocketProcess>,
    /// Connections that wait to be accepted, of a TCP socket that listens.
    pub backlog: Option<Backlog>,
    /// Other sockets that listen on the same address and port, by SO_REUSEPORT: the kernel spreads connections over
    /// all of them. Always none for a socket that does not listen.
    pub sharers: usize,
}

/// Which families a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Families {
    /// An IPv4 socket.
    V4,
    /// An IPv6 socket that keeps to IPv6.
    V6,
    /// An IPv6 socket that takes IPv4 as well.
    Both,
    /// An IPv6 socket of which the kernel did not tell.
    V6AndPerhapsV4,
}

/// The queue of a socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backlog {
    /// Connections that wait to be accepted.
    pub waiting: u32,
    /// How many may wait; not known where the table was read without netlink.
    pub limit: Option<u32>,
}

/// Something that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// The processes of some sockets belong to other users.
    Owners {
        /// Of how many sockets.
        sockets: usize,
    },
    /// The sockets of a protocol could not be read.
    Table {
        /// Which.
        protocol: Protocol,
        /// Why.
        cause: String,
    },
    /// A namespace could not be entered; what `/proc` tells of it was read instead, which leaves out backlogs and
    /// which IPv6 sockets take IPv4.
    Details {
        /// Why.
        cause: String,
    },
    /// A namespace could not be looked at at all.
    Namespace {
        /// Why.
        cause: String,
    },
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owners { sockets } => {
                let of = if *sockets == 1 {
                    "the process of 1 socket".to_owned()
                } else {
                    format!("the processes of {sockets} sockets")
                };
                write!(f, "{of}: of another user, which root sees, or of another PID namespace")
            }
            Self::Table { protocol, cause } => write!(f, "the {} sockets: {cause}", protocol.word()),
            Self::Details { cause } => write!(f, "backlogs, and which IPv6 sockets take IPv4: {cause}"),
            Self::Namespace { cause } => f.write_str(cause),
        }
    }
}

/// Sockets that take what comes: TCP sockets that listen, UDP sockets without a peer.
pub fn listeners(namespace: &Namespace) -> Inventory {
    take(namespace, Wanted::Listening)
}

/// What tells one listener from another: a new one on the same address has another number.
pub type Mark = (Protocol, SocketAddr, u64);

/// The listeners of a namespace without their owners: one question to the kernel, cheap enough to be asked several times a
/// second. None of a namespace that can not be looked at.
pub fn marks(namespace: &Namespace) -> Vec<Mark> {
    let tables = read(namespace, Wanted::Listening, &mut Vec::new());
    let entries = tables.into_iter().filter_map(|(_, table)| table.ok()).flatten();
    entries.map(|entry| (entry.protocol, entry.local, entry.inode)).collect()
}

/// Every socket in whatever state.
pub fn sockets(namespace: &Namespace) -> Inventory {
    take(namespace, Wanted::All)
}

/// How often a connection was dropped because the queue of a listener was full, since the namespace exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overflows {
    /// `ListenOverflows`: the queue was full when a handshake was complete.
    pub overflows: u64,
    /// `ListenDrops`: dropped for any reason, overflows among them.
    pub drops: u64,
}

/// Of all listeners of this namespace together; the kernel does not count each by itself.
pub fn overflows(namespace: &Namespace) -> Result<Overflows, NamespaceError> {
    namespace.run(|| parse_overflows(&fs::read_to_string("/proc/thread-self/net/netstat").unwrap_or_default()))
}

/// A line of names and a line of numbers, both beginning with `TcpExt:`.
fn parse_overflows(text: &str) -> Overflows {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let counter = |wanted: &str| {
        let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
        pairs.find(|(name, _)| *name == wanted).and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    };
    Overflows { overflows: counter("ListenOverflows"), drops: counter("ListenDrops") }
}

fn take(namespace: &Namespace, wanted: Wanted) -> Inventory {
    let mut unseen = Vec::new();
    let mut entries = Vec::new();
    for (protocol, result) in read(namespace, wanted, &mut unseen) {
        match result {
            Ok(found) => entries.extend(found),
            Err(cause) => unseen.push(Unseen::Table { protocol, cause: cause.to_string() }),
        }
    }
    let sockets = describe(entries);
    // Half a handshake and the remains of a connection have no process; neither has a socket of the kernel itself.
    let ownerless = sockets.iter().filter(|socket| socket.inode != 0 && socket.processes.is_empty()).count();
    if ownerless > 0 {
        unseen.push(Unseen::Owners { sockets: ownerless });
    }
    Inventory { sockets, unseen }
}

type Tables = Vec<(Protocol, io::Result<Vec<Entry>>)>;

fn read(namespace: &Namespace, wanted: Wanted, unseen: &mut Vec<Unseen>) -> Tables {
    let entered = namespace.run(|| Protocol::ALL.map(|protocol| (protocol, table::read(protocol, wanted))));
    let refused = match entered {
        Ok(tables) => return tables.into(),
        Err(refused) => refused,
    };
    let Some(pid) = namespace.process() else {
        unseen.push(Unseen::Namespace { cause: refused.to_string() });
        return Vec::new();
    };
    unseen.push(Unseen::Details { cause: refused.to_string() });
    Protocol::ALL.map(|protocol| (protocol, table::read_of(pid, protocol, wanted))).into()
}

fn describe(entries: Vec<Entry>) -> Vec<OpenSocket> {
    let inodes: HashSet<u64> = entries.iter().map(|entry| entry.inode).filter(|inode| *inode != 0).collect();
    let owners = processes::owners(&inodes);
    let mut known: HashMap<i32, SocketProcess> = HashMap::new();
    let mut users: HashMap<u32, String> = HashMap::new();
    let mut at_place: BTreeMap<(Protocol, SocketAddr), usize> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.state == State::Listening) {
        *at_place.entry((entry.protocol, entry.local)).or_default() += 1;
    }
    let mut sockets: Vec<OpenSocket> = entries
        .into_iter()
        .map(|entry| OpenSocket {
            protocol: entry.protocol,
            state: entry.state,
            address: entry.local,
            peer: (entry.remote.port() != 0).then_some(entry.remote),
            families: families(&entry),
            uid: entry.uid,
            user: users.entry(entry.uid).or_insert_with_key(|uid| processes::user_name(*uid)).clone(),
            inode: entry.inode,
            processes: owners
                .get(&entry.inode)
                .into_iter()
                .flatten()
                .map(|pid| known.entry(*pid).or_insert_with_key(|pid| SocketProcess::of(*pid)).clone())
                .collect(),
            backlog: (entry.protocol == Protocol::Tcp && entry.state == State::Listening)
                .then_some(Backlog { waiting: entry.receive_queue, limit: entry.backlog }),
            sharers: match entry.state {
                State::Listening => at_place.get(&(entry.protocol, entry.local)).map_or(0, |count| count - 1),
                _ => 0,
            },
        })
        .collect();
    sockets.sort_by_key(|socket| (socket.protocol, socket.address.port(), socket.address, socket.state, socket.inode));
    sockets
}

fn families(entry: &Entry) -> Families {
    match (entry.local, entry.v6_only) {
        (SocketAddr::V4(_), _) => Families::V4,
        (SocketAddr::V6(local), Some(false)) if local.ip().is_unspecified() => Families::Both,
        (SocketAddr::V6(local), None) if local.ip().is_unspecified() => Families::V6AndPerhapsV4,
        // On a specific address the option decides nothing.
        (SocketAddr::V6(_), _) => Families::V6,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn listening(address: &str, prepare: impl Fn(&Socket)) -> (Socket, SocketAddr) {
        let address: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        prepare(&socket);
        socket.bind(&address.into()).unwrap();
        socket.listen(5).unwrap();
        let local = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, local)
    }

    fn at(inventory: &Inventory, address: SocketAddr) -> Vec<&OpenSocket> {
        inventory.sockets.iter().filter(|socket| socket.address == address).collect()
    }

    #[test]
    fn a_listener_is_shown_with_process_user_and_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _waits = TcpStream::connect(address).unwrap();
        let inventory = listeners(&Namespace::own());
        let [socket] = at(&inventory, address)[..] else { panic!("{inventory:?}") };
        assert_eq!((socket.protocol, socket.state, socket.families), (Protocol::Tcp, State::Listening, Families::V4));
        let [process] = socket.processes.as_slice() else { panic!("{socket:?}") };
        assert_eq!(process.pid, i32::try_from(std::process::id()).unwrap());
        assert_eq!(process.user, socket.user);
        assert_eq!(socket.backlog.map(|backlog| backlog.waiting), Some(1));
        assert!(socket.backlog.and_then(|backlog| backlog.limit).is_some_and(|limit| limit > 0));
        assert_eq!(socket.sharers, 0);
    }

    #[test]
    fn families_of_an_ipv6_wildcard_are_told() {
        let (_only, v6) = listening("[::]:0", |socket| socket.set_only_v6(true).unwrap());
        let (_both, both) = listening("[::]:0", |socket| socket.set_only_v6(false).unwrap());
        let (_specific, loopback) = listening("[::1]:0", |_| ());
        let inventory = listeners(&Namespace::own());
        for (address, expected) in [(v6, Families::V6), (both, Families::Both), (loopback, Families::V6)] {
            assert_eq!(at(&inventory, address)[0].families, expected, "{address}");
        }
    }

    #[test]
    fn sockets_that_share_an_address_know_how_many_they_are() {
        let reuse = |socket: &Socket| socket.set_reuse_port(true).unwrap();
        let (_first, address) = listening("127.0.0.1:0", reuse);
        let (_second, _) = listening(&address.to_string(), reuse);
        let inventory = listeners(&Namespace::own());
        let found = at(&inventory, address);
        assert_eq!(found.iter().map(|socket| socket.sharers).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_bound_socket_and_a_connection_are_among_all_sockets_only() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let local = client.local_addr().unwrap();
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let held = bound.local_addr().unwrap().as_socket().unwrap();
        let all = sockets(&Namespace::own());
        let connection = at(&all, local)[0];
        assert_eq!((connection.state, connection.peer), (State::Connected, listener.local_addr().ok()));
        // Kernels before 6.9 do not tell.
        assert!(at(&all, held).iter().all(|socket| socket.state == State::Bound && socket.peer.is_none()));
        let waiting = listeners(&Namespace::own());
        assert!(at(&waiting, local).is_empty() && at(&waiting, held).is_empty());
    }

    #[test]
    fn overflows_are_read_by_name() {
        let text =
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: InNoRoutes\nIpExt: 0\n";
        assert_eq!(parse_overflows(text), Overflows { overflows: 22, drops: 333 });
        assert_eq!(parse_overflows("TcpExt: ListenDrops\nTcpExt:\n"), Overflows::default());
        assert!(overflows(&Namespace::own()).is_ok());
    }
}
