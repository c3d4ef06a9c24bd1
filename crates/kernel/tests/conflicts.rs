//! The rule for two sockets on one port, by which configurations are checked, against the running kernel
//! (ports-catalogue 2.2).

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

use portcullis_config::bind_conflict::{Binding, Family, conflicts};
use socket2::{Domain, Socket, Type};

/// Addresses as binders mean them; for IPv4 the family means nothing.
const BINDERS: [(&str, Family); 8] = [
    ("0.0.0.0", Family::V6Only),
    ("127.0.0.1", Family::V6Only),
    ("127.0.0.2", Family::V6Only),
    ("::", Family::Dual),
    ("::", Family::V6Only),
    ("::1", Family::V6Only),
    ("::1", Family::Dual),
    ("::ffff:127.0.0.1", Family::Dual),
];

/// Which of the two permissive options both sockets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Options {
    Plain,
    ReuseAddress,
    ReusePort,
}

fn listen(binding: Binding, options: Options) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(binding.address), Type::STREAM, None)?;
    socket.set_reuse_address(options == Options::ReuseAddress)?;
    socket.set_reuse_port(options == Options::ReusePort)?;
    if binding.address.is_ipv6() {
        socket.set_only_v6(binding.family == Family::V6Only)?;
    }
    socket.bind(&binding.address.into())?;
    socket.listen(1)?;
    Ok(socket)
}

fn at((ip, family): (&str, Family), port: u16) -> Binding {
    Binding { address: SocketAddr::new(ip.parse().unwrap(), port), family }
}

/// Whether this host speaks IPv6 at all; one that does not has nothing to say about half of the cases.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// A port that nobody holds on any address, and that no outbound connection will take.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + (std::process::id() % 8000) as u16;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed);
        if listen(at(("::", Family::Dual), port), Options::Plain).is_ok() {
            return port;
        }
    }
}

#[test]
fn the_rule_is_what_the_running_kernel_does() {
    if !has_ipv6() {
        return;
    }
    for first in BINDERS {
        for second in BINDERS {
            for options in [Options::Plain, Options::ReuseAddress, Options::ReusePort] {
                let port = free_port();
                let (first, second) = (at(first, port), at(second, port));
                let _held = listen(first, options).unwrap();
                let result = listen(second, options);
                // With SO_REUSEPORT on both, and one user, everything goes: that is why duplicates must be looked for.
                let expected = conflicts(first, second) && options != Options::ReusePort;
                assert_eq!(result.is_err(), expected, "{first:?} then {second:?} with {options:?}: {result:?}");
                assert!(result.map_or_else(|error| error.kind() == io::ErrorKind::AddrInUse, |_| true));
            }
        }
    }
}
