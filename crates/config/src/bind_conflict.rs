//! Whether the kernel lets two TCP sockets listen at the same time (Linux, without SO_REUSEPORT across ports).
//!
//! Portcullis sets `IPV6_V6ONLY` on every IPv6 socket that it opens, so `[::]:443` and `0.0.0.0:443` are two ports
//! that do not meet. The rule takes the option as an attribute all the same: other programs open `::` for both
//! families, and what they hold is judged by the same function.

use std::net::{IpAddr, SocketAddr};

/// Whether an IPv6 socket also takes IPv4 traffic. Means nothing for an IPv4 socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `IPV6_V6ONLY` is set: how Portcullis binds.
    V6Only,
    /// `IPV6_V6ONLY` is not set: `::` is also `0.0.0.0`.
    Dual,
}

/// An address as it is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub address: SocketAddr,
    /// Families of an IPv6 socket.
    pub family: Family,
}

impl Binding {
    /// As Portcullis binds it.
    pub fn ours(address: SocketAddr) -> Self {
        Self { address, family: Family::V6Only }
    }
}

/// Whether the second bind would fail with `EADDRINUSE`. Symmetric.
pub fn conflicts(a: Binding, b: Binding) -> bool {
    if a.address.port() != b.address.port() || a.address.port() == 0 {
        return false;
    }
    match (a.effective(), b.effective()) {
        (IpAddr::V4(x), IpAddr::V4(y)) => x == y || x.is_unspecified() || y.is_unspecified(),
        (IpAddr::V6(x), IpAddr::V6(y)) => x.is_unspecified() || y.is_unspecified() || x == y && a.is_on_interface_of(b),
        (IpAddr::V6(x), IpAddr::V4(_)) => x.is_unspecified() && a.family == Family::Dual,
        (IpAddr::V4(_), IpAddr::V6(y)) => y.is_unspecified() && b.family == Family::Dual,
    }
}

impl Binding {
    /// The kernel treats an IPv4-mapped address of a dual socket as the IPv4 address.
    fn effective(self) -> IpAddr {
        match self.family {
            Family::Dual => self.address.ip().to_canonical(),
            Family::V6Only => self.address.ip(),
        }
    }

    /// A link-local address exists once for each interface.
    fn is_on_interface_of(self, other: Self) -> bool {
        let interface = |address| match address {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let (ours, theirs) = (interface(self.address), interface(other.address));
        ours == theirs || ours == 0 || theirs == 0
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;
    use socket2::{Domain, Socket, Type};

    use super::*;

    const ADDRESSES: [(&str, Family); 6] = [
        ("0.0.0.0", Family::Dual),
        ("127.0.0.1", Family::Dual),
        ("127.0.0.2", Family::Dual),
        ("::", Family::Dual),
        ("::", Family::V6Only),
        ("::1", Family::V6Only),
    ];

    /// Measured on Linux 6.18 with bindv6only=0: `x` conflicts, `.` does not. Symmetric, the upper half is listed.
    const MATRIX: [&str; 6] = [
        "xxxx..", //
        " x.x..", //
        "  xx..", //
        "   xxx", //
        "    xx", //
        "     x",
    ];

    fn binding((address, family): (&str, Family), port: u16) -> Binding {
        let address = address.parse::<IpAddr>().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        Binding { address: SocketAddr::new(address, port), family }
    }

    fn listen(binding: Binding) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(binding.address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if binding.address.is_ipv6() {
            socket.set_only_v6(binding.family == Family::V6Only)?;
        }
        socket.bind(&binding.address.into())?;
        socket.listen(1)?;
        Ok(socket)
    }

    #[test]
    fn the_rule_is_the_measured_matrix() {
        for (row, line) in MATRIX.iter().enumerate() {
            for (column, cell) in line.bytes().enumerate().skip(row) {
                let (first, second) = (binding(ADDRESSES[row], 8443), binding(ADDRESSES[column], 8443));
                assert_eq!(conflicts(first, second), cell == b'x', "{first:?} {second:?}");
                assert_eq!(conflicts(second, first), cell == b'x', "{second:?} {first:?}");
            }
        }
    }

    #[test]
    fn the_rule_is_what_this_kernel_does() -> io::Result<()> {
        if listen(binding(ADDRESSES[5], 0)).is_err() {
            return Ok(()); // a host without IPv6 has nothing to say about half of the matrix
        }
        for first in ADDRESSES {
            for second in ADDRESSES {
                // The port is free on all addresses of both families when it is chosen.
                let probe = listen(binding(ADDRESSES[3], 0))?;
                let port = probe.local_addr()?.as_socket().map_or(0, |address| address.port());
                drop(probe);
                let (first, second) = (binding(first, port), binding(second, port));
                let Ok(_held) = listen(first) else { continue }; // taken by another test in between
                let taken = listen(second).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
                assert_eq!(conflicts(first, second), taken, "{first:?} {second:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn link_local_addresses_of_two_interfaces_do_not_meet() {
        let on = |interface: u32| {
            let address = format!("[fe80::1%{interface}]:80").parse().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            Binding::ours(address)
        };
        assert!(conflicts(on(1), on(1)));
        assert!(!conflicts(on(1), on(2)));
    }

    proptest! {
        #[test]
        fn the_rule_is_symmetric(a: SocketAddr, b: IpAddr, first in any::<bool>(), second in any::<bool>()) {
            let family = |dual| if dual { Family::Dual } else { Family::V6Only };
            let a = Binding { address: a, family: family(first) };
            let b = Binding { address: SocketAddr::new(b, a.address.port()), family: family(second) };
            prop_assert_eq!(conflicts(a, b), conflicts(b, a));
        }
    }
}
