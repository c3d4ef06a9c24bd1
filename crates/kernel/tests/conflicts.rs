//! The rule for two sockets on one port, by which configurations are checked and ports handed out, against the running
//! kernel (ports-catalogue 2.2): every pair of addresses, with every pair of options, over both protocols, whatever the
//! first socket does, and of two users where this one may become another.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    fs::{self, File},
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
    sync::atomic::{AtomicU16, Ordering},
    thread,
};

use portcullis_config::{
    bind_conflict::{Binding, Family, Sharing, Socket, State, meet, refuses},
    declared::Transport,
};
use proptest::prelude::*;
use rustix::{
    process::{Uid, geteuid},
    thread::set_thread_res_uid,
};
use socket2::{Domain, Type};

/// Addresses as binders mean them; for IPv4 the family means nothing.
const BINDERS: [(&str, Family); 10] = [
    ("0.0.0.0", Family::V6Only),
    ("127.0.0.1", Family::V6Only),
    ("127.0.0.2", Family::V6Only),
    ("127.0.0.6", Family::V6Only),
    ("::", Family::Dual),
    ("::", Family::V6Only),
    ("::1", Family::V6Only),
    ("::1", Family::Dual),
    ("::ffff:127.0.0.1", Family::Dual),
    ("::ffff:0.0.0.0", Family::Dual),
];

const SHARINGS: [Sharing; 4] = [
    Sharing { reuse_address: false, reuse_port: false },
    Sharing { reuse_address: true, reuse_port: false },
    Sharing { reuse_address: false, reuse_port: true },
    Sharing { reuse_address: true, reuse_port: true },
];

const NOBODY: u32 = 65_534;

/// A socket of this description, as far as it comes without a peer.
fn open(wanted: &Socket) -> io::Result<socket2::Socket> {
    let address = wanted.binding.address;
    let kind = if wanted.transport == Transport::Tcp { Type::STREAM } else { Type::DGRAM };
    let create = move || socket2::Socket::new(Domain::for_address(address), kind, None);
    let socket = if wanted.user == own_user() { create()? } else { as_user(wanted.user, create)? };
    socket.set_reuse_address(wanted.sharing.reuse_address)?;
    socket.set_reuse_port(wanted.sharing.reuse_port)?;
    if address.is_ipv6() {
        socket.set_only_v6(wanted.binding.family == Family::V6Only)?;
    }
    socket.bind(&address.into())?;
    if wanted.state == State::Listening {
        socket.listen(1)?;
    }
    Ok(socket)
}

fn own_user() -> u32 {
    geteuid().as_raw()
}

/// Does something as another user, on a thread of its own: the kernel keeps identities by thread.
fn as_user<T: Send>(user: u32, job: impl FnOnce() -> T + Send) -> T {
    let become_user = move || {
        let user = Uid::from_raw(user);
        set_thread_res_uid(user, user, user).unwrap();
        job()
    };
    thread::scope(|scope| scope.spawn(become_user).join().unwrap())
}

fn at((ip, family): (&str, Family), port: u16) -> Binding {
    Binding { address: SocketAddr::new(ip.parse().unwrap(), port), family }
}

fn socket(transport: Transport, binding: Binding, sharing: Sharing, state: State) -> Socket {
    Socket { transport, binding, sharing, state, user: own_user() }
}

/// Whether this host speaks IPv6 at all; one that does not has nothing to say about half of the cases.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// A port that nobody holds on any address, in either protocol, that no outbound connection will take, and that no
/// other test of this workspace takes while this is held.
struct FreePort {
    number: u16,
    _lock: File,
}

impl FreePort {
    fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
        fs::create_dir_all(&directory).unwrap();
        let start = std::process::id().wrapping_mul(97);
        loop {
            let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into());
            let number = 10_000 + (next % 22_000) as u16;
            let lock = File::create(directory.join(number.to_string())).unwrap();
            let is_free = |transport| {
                let binding = at(("::", Family::Dual), number);
                open(&socket(transport, binding, SHARINGS[0], State::Bound)).is_ok()
            };
            if lock.try_lock().is_ok() && is_free(Transport::Tcp) && is_free(Transport::Udp) {
                return Self { number, _lock: lock };
            }
        }
    }
}

/// Asks rule and kernel about `second` while `first` is there.
#[track_caller]
fn compare(first: &Socket, second: &Socket) {
    let result = open(second);
    assert_eq!(result.is_err(), refuses(first, second), "{first:?} then {second:?}: {result:?}");
    assert!(result.map_or_else(|error| error.kind() == io::ErrorKind::AddrInUse, |_| true));
}

fn every_pair(users: (u32, u32)) {
    if !has_ipv6() {
        return;
    }
    for (transport, state) in
        [(Transport::Tcp, State::Bound), (Transport::Tcp, State::Listening), (Transport::Udp, State::Bound)]
    {
        for (one, other) in BINDERS.iter().flat_map(|one| BINDERS.iter().map(move |other| (*one, *other))) {
            let free = FreePort::new();
            let port = free.number;
            for (held, wanted) in SHARINGS.iter().flat_map(|held| SHARINGS.iter().map(move |wanted| (*held, *wanted))) {
                let first = Socket { user: users.0, ..socket(transport, at(one, port), held, state) };
                let _held = open(&first).unwrap();
                let next = if transport == Transport::Tcp { State::Listening } else { State::Bound };
                compare(&first, &Socket { user: users.1, ..socket(transport, at(other, port), wanted, next) });
            }
        }
    }
}

#[test]
fn the_rule_is_what_the_running_kernel_does() {
    every_pair((own_user(), own_user()));
}

#[test]
fn the_rule_is_what_the_running_kernel_does_for_two_users() {
    // Only root may become somebody else.
    if own_user() == 0 {
        every_pair((own_user(), NOBODY));
        every_pair((NOBODY, own_user()));
    }
}

/// A connection whose local port is `local`, with what has to stay open for it.
struct Connection {
    _listener: TcpListener,
    accepted: std::net::TcpStream,
    client: socket2::Socket,
    local: SocketAddr,
}

impl Connection {
    /// From an address of the loopback, with these options, to somebody who listens on another port. The kernel chooses
    /// the local port, and takes one that another connection has left in TIME_WAIT; the rule is about one at a time.
    fn from(client: (&str, Family), sharing: Sharing) -> Self {
        let made = (0..1000).map(|_| Self::one_from(client, sharing));
        made.into_iter().find(|made| holders(made.local.port()) == 1).unwrap()
    }

    fn one_from((ip, family): (&str, Family), sharing: Sharing) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let client = socket2::Socket::new(Domain::for_address(listener.local_addr().unwrap()), Type::STREAM, None);
        let client = client.unwrap();
        client.set_reuse_address(sharing.reuse_address).unwrap();
        client.set_reuse_port(sharing.reuse_port).unwrap();
        if ip.is_ipv6() {
            client.set_only_v6(family == Family::V6Only).unwrap();
        }
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        let local = client.local_addr().unwrap().as_socket().unwrap();
        Self { accepted: listener.accept().unwrap().0, _listener: listener, client, local }
    }

    /// Closes it from this side first, which leaves the local port in TIME_WAIT.
    fn end(self) -> Option<Self> {
        drop(self.client);
        drop(self.accepted);
        None
    }
}

/// Sockets of any state and family with this local port.
fn holders(port: u16) -> usize {
    let ends = format!(":{port:04X}");
    let is_local = |line: &&str| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&ends));
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap());
    tables.iter().map(|table| table.lines().filter(is_local).count()).sum()
}

#[test]
fn the_rule_is_what_the_running_kernel_does_with_ports_of_connections() {
    if !has_ipv6() {
        return;
    }
    let clients = [("127.0.0.1", Family::V6Only), ("::1", Family::V6Only), ("::1", Family::Dual)];
    for (client, held) in clients.iter().flat_map(|client| SHARINGS.map(|held| (*client, held))) {
        for state in [State::Connected, State::Ended] {
            let connection = Connection::from(client, held);
            let local = connection.local;
            let first = socket(Transport::Tcp, Binding { address: local, family: client.1 }, held, state);
            let open = if state == State::Connected { Some(connection) } else { connection.end() };
            for (binder, wanted) in BINDERS.iter().flat_map(|binder| SHARINGS.map(|wanted| (*binder, wanted))) {
                compare(&first, &socket(Transport::Tcp, at(binder, local.port()), wanted, State::Listening));
            }
            drop(open);
        }
    }
}

fn any_socket() -> impl Strategy<Value = (usize, usize, bool, bool)> {
    (0..BINDERS.len(), 0..SHARINGS.len(), any::<bool>(), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// More than two: the port is refused if any of those who have it refuses it. Where one of them shares it by
    /// SO_REUSEPORT the kernel may overlook the others: over UDP it stops looking there, over TCP it remembers for each
    /// port the last socket that shared it so (`fastreuseport`).
    #[test]
    fn one_that_refuses_is_enough(held in prop::collection::vec(any_socket(), 1..4), wanted in any_socket()) {
        prop_assume!(has_ipv6());
        let free = FreePort::new();
        let port = free.number;
        let describe = |(binder, sharing, listens, tcp): (usize, usize, bool, bool)| {
            let transport = if tcp { Transport::Tcp } else { Transport::Udp };
            let state = if listens && tcp { State::Listening } else { State::Bound };
            socket(transport, at(BINDERS[binder], port), SHARINGS[sharing], state)
        };
        let mut open_sockets: Vec<(Socket, socket2::Socket)> = Vec::new();
        for next in held.into_iter().chain([wanted]).map(describe) {
            let expected = open_sockets.iter().any(|(first, _)| refuses(first, &next));
            let may_overlook = open_sockets.iter().any(|(first, _)| {
                first.transport == next.transport
                    && first.sharing.reuse_port
                    && next.sharing.reuse_port
                    && meet(first.binding, next.binding)
            });
            let result = open(&next);
            let is_as_expected = result.is_err() == expected || may_overlook && result.is_ok();
            prop_assert!(is_as_expected, "{:?} after {:?}: {:?}", next, open_sockets, result);
            open_sockets.extend(result.ok().map(|socket| (next, socket)));
        }
    }
}
