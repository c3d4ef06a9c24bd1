//! From where an address can be reached. Derived from the address, never guessed from a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Only from this host.
    Loopback,
    /// From networks that the internet does not route to: RFC 1918, RFC 4193, RFC 6598 and link-local addresses.
    Private,
    /// From anywhere. A wildcard address has this scope, because it takes what any interface brings.
    Public,
}

impl Scope {
    /// The scope of an address. IPv4-mapped IPv6 addresses have that of the IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Public => "public",
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [first, second, ..] = address.octets();
        let is_shared = first == 100 && (64..128).contains(&second); // RFC 6598
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_private() || address.is_link_local() || is_shared {
            Self::Private
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_unique_local() || address.is_unicast_link_local() {
            Self::Private
        } else {
            Self::Public
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_follow_from_addresses() {
        for (address, expected) in [
            ("127.0.0.1", Scope::Loopback),
            ("127.8.9.10", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("10.1.2.3", Scope::Private),
            ("172.16.0.1", Scope::Private),
            ("172.32.0.1", Scope::Public),
            ("192.168.0.1", Scope::Private),
            ("169.254.0.1", Scope::Private),
            ("100.64.0.1", Scope::Private),
            ("100.128.0.1", Scope::Public),
            ("fd00::1", Scope::Private),
            ("fe80::1", Scope::Private),
            ("0.0.0.0", Scope::Public),
            ("::", Scope::Public),
            ("203.0.113.7", Scope::Public),
            ("2001:db8::1", Scope::Public),
        ] {
            assert_eq!(address.parse().map(Scope::of), Ok(expected), "{address}");
        }
    }
}
