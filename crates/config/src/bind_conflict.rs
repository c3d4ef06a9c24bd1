//! Whether the kernel lets two sockets have the same port at the same time (Linux; measured, see the tests).
//!
//! Two questions, one after the other. Do the two bindings [`meet`]: is there an address that both would take? Then
//! [`refuses`]: do the options of both sockets, and what the first one does, allow it all the same?
//!
//! Portcullis sets `IPV6_V6ONLY` on every IPv6 socket that it opens, so `[::]:443` and `0.0.0.0:443` are two ports
//! that do not meet. The rule takes the option as an attribute all the same: other programs open `::` for both
//! families, and what they hold is judged by the same function.

use std::net::{IpAddr, SocketAddr};

use crate::declared::Transport;

/// Whether an IPv6 socket also takes IPv4 traffic. Means nothing for an IPv4 socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `IPV6_V6ONLY` is set: how Portcullis binds.
    V6Only,
    /// `IPV6_V6ONLY` is not set: `::` is also `0.0.0.0`. A socket that is bound to a specific IPv6 address loses the
    /// option; one that connects without having been bound keeps it.
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

/// The options by which a socket agrees to share its port. Nothing is shared unless both sides agree in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sharing {
    /// `SO_REUSEADDR`
    pub reuse_address: bool,
    /// `SO_REUSEPORT`
    pub reuse_port: bool,
}

/// What a socket does with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Bound, and no more; all that a UDP socket needs.
    Bound,
    /// Listens.
    Listening,
    /// Is the local end of a connection, accepted or outbound.
    Connected,
    /// Was the local end of a connection; TIME_WAIT, for a minute.
    Ended,
}

/// A socket that has a port, or wants one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Its protocol; each has ports of its own.
    pub transport: Transport,
    /// Its address.
    pub binding: Binding,
    /// Its options.
    pub sharing: Sharing,
    /// What it does; of one that wants a port, what it is about to do.
    pub state: State,
    /// User id of its owner.
    pub user: u32,
}

impl Socket {
    /// An IPv6 connection of a socket for both families has an IPv4 address in the kernel's books all the same
    /// (`LOOPBACK4_IPV6`), and so it meets the IPv4 wildcard.
    fn shadows_ipv4(&self, other: &Self) -> bool {
        let is_connection = matches!(self.state, State::Connected | State::Ended);
        let (SocketAddr::V6(own), SocketAddr::V4(other)) = (self.binding.address, other.binding.address) else {
            return false;
        };
        is_connection
            && self.binding.family == Family::Dual
            && own.ip().to_ipv4_mapped().is_none()
            && own.port() == other.port()
            && other.ip().is_unspecified()
    }
}

/// Whether there is an address that both bindings would take. Symmetric. Without options on both sides, the second bind
/// fails with `EADDRINUSE` exactly if they meet.
pub fn meet(a: Binding, b: Binding) -> bool {
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

/// Whether the kernel refuses the port to `second` while `first` has it. Not symmetric: what `first` does counts.
///
/// Where several have it, one that refuses is enough, with an exception that is the kernel's own: if another of them
/// shares the port by `SO_REUSEPORT`, it may not look at the one that refuses.
pub fn refuses(first: &Socket, second: &Socket) -> bool {
    if first.transport != second.transport || !meet(first.binding, second.binding) && !first.shadows_ipv4(second) {
        return false;
    }
    let is_listener = first.transport == Transport::Tcp && first.state == State::Listening;
    if first.sharing.reuse_address && second.sharing.reuse_address && !is_listener {
        return false;
    }
    // What is left of a connection has no owner any more who could be another one.
    let same_user = first.user == second.user || first.state == State::Ended;
    !(first.sharing.reuse_port && second.sharing.reuse_port && same_user)
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
    use proptest::prelude::*;

    use State::{Bound, Connected, Ended, Listening};
    use Transport::{Tcp, Udp};

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

    #[test]
    fn the_rule_is_the_measured_matrix() {
        for (row, line) in MATRIX.iter().enumerate() {
            for (column, cell) in line.bytes().enumerate().skip(row) {
                let (first, second) = (binding(ADDRESSES[row], 8443), binding(ADDRESSES[column], 8443));
                assert_eq!(meet(first, second), cell == b'x', "{first:?} {second:?}");
                assert_eq!(meet(second, first), cell == b'x', "{second:?} {first:?}");
            }
        }
    }

    #[test]
    fn link_local_addresses_of_two_interfaces_do_not_meet() {
        let on = |interface: u32| {
            let address = format!("[fe80::1%{interface}]:80").parse().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            Binding::ours(address)
        };
        assert!(meet(on(1), on(1)));
        assert!(!meet(on(1), on(2)));
    }

    #[test]
    fn options_count_only_if_both_sockets_have_them() {
        let plain = Sharing::default();
        let address = Sharing { reuse_address: true, ..plain };
        let port = Sharing { reuse_port: true, ..plain };
        let both = Sharing { reuse_address: true, reuse_port: true };
        let socket = |transport, sharing, state, user| Socket {
            transport,
            binding: Binding::ours(SocketAddr::from(([127, 0, 0, 1], 3000))),
            sharing,
            state,
            user,
        };
        for (transport, first, state, second, user, refused) in [
            (Tcp, plain, Listening, plain, 0, true),
            (Tcp, address, Listening, address, 0, true),
            (Tcp, address, Bound, address, 0, false),
            (Tcp, address, Bound, address, 1, false),
            (Tcp, address, Connected, address, 0, false),
            (Tcp, plain, Connected, address, 0, true),
            (Tcp, address, Ended, address, 0, false),
            (Tcp, port, Listening, port, 0, false),
            (Tcp, port, Listening, port, 1, true),
            (Tcp, port, Ended, port, 1, false),
            (Tcp, address, Listening, port, 0, true),
            (Tcp, both, Listening, port, 0, false),
            (Tcp, both, Listening, address, 0, true),
            (Udp, plain, Bound, plain, 0, true),
            (Udp, address, Bound, address, 1, false),
            (Udp, port, Bound, port, 0, false),
            (Udp, port, Bound, port, 1, true),
            (Udp, address, Bound, port, 0, true),
        ] {
            let (held, wanted) = (socket(transport, first, state, 0), socket(transport, second, Listening, user));
            assert_eq!(refuses(&held, &wanted), refused, "{held:?} {wanted:?}");
        }
        let udp = socket(Udp, plain, Bound, 0);
        assert!(!refuses(&socket(Tcp, plain, Listening, 0), &udp), "each protocol has ports of its own");
    }

    proptest! {
        #[test]
        fn the_rule_is_symmetric(a: SocketAddr, b: IpAddr, first in any::<bool>(), second in any::<bool>()) {
            let family = |dual| if dual { Family::Dual } else { Family::V6Only };
            let a = Binding { address: a, family: family(first) };
            let b = Binding { address: SocketAddr::new(b, a.address.port()), family: family(second) };
            prop_assert_eq!(meet(a, b), meet(b, a));
        }
    }
}
