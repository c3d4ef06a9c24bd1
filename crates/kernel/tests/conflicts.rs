//! The kernel's rule for two sockets on one port, asked of the kernel itself. Checks of configurations rely on it
//! (ports-catalogue 2.2).

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicU16, Ordering},
};

use socket2::{Domain, Socket, Type};

/// An address as a binder means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Binder {
    ip: &'static str,
    /// Whether an IPv6 socket leaves IPv4 alone. Ours always do.
    is_v6only: bool,
}

const BINDERS: [Binder; 6] = [
    Binder { ip: "0.0.0.0", is_v6only: true },
    Binder { ip: "127.0.0.1", is_v6only: true },
    Binder { ip: "127.0.0.2", is_v6only: true },
    Binder { ip: "::", is_v6only: false },
    Binder { ip: "::", is_v6only: true },
    Binder { ip: "::1", is_v6only: true },
];

/// Row: who came first; column: who comes second; in the order of [`BINDERS`].
const CONFLICTS: [[bool; 6]; 6] = {
    const X: bool = true;
    const O: bool = false;
    [
        [X, X, X, X, O, O],
        [X, X, O, X, O, O],
        [X, O, X, X, O, O],
        [X, X, X, X, X, X],
        [O, O, O, X, X, X],
        [O, O, O, X, X, X],
    ]
};

/// Which of the two permissive options both sockets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Options {
    Plain,
    ReuseAddress,
    ReusePort,
}

impl Binder {
    fn address(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip.parse().unwrap(), port)
    }

    fn listen(self, port: u16, options: Options) -> io::Result<Socket> {
        let address = self.address(port);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(options == Options::ReuseAddress)?;
        socket.set_reuse_port(options == Options::ReusePort)?;
        if matches!(address.ip(), IpAddr::V6(_)) {
            socket.set_only_v6(self.is_v6only)?;
        }
        socket.bind(&address.into())?;
        socket.listen(1)?;
        Ok(socket)
    }
}

/// A port that nobody holds on any address, and that no outbound connection will take.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + (std::process::id() % 8000) as u16;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed);
        let everything = Binder { ip: "::", is_v6only: false };
        if everything.listen(port, Options::Plain).is_ok() {
            return port;
        }
    }
}

#[test]
fn the_matrix_is_what_the_running_kernel_does() {
    for (first, row) in BINDERS.into_iter().zip(CONFLICTS) {
        for (second, conflicts) in BINDERS.into_iter().zip(row) {
            for options in [Options::Plain, Options::ReuseAddress, Options::ReusePort] {
                let port = free_port();
                let _held = first.listen(port, options).unwrap();
                let result = second.listen(port, options);
                // With SO_REUSEPORT on both, and one user, everything goes: that is why duplicates must be looked for.
                let expected = conflicts && options != Options::ReusePort;
                assert_eq!(result.is_err(), expected, "{first:?} then {second:?} with {options:?}");
                if let Err(error) = result {
                    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
                }
            }
        }
    }
}
