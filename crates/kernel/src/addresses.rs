//! The addresses of this host, in the network namespace of the calling thread.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Every address that a socket can be bound to and an interface has, wildcards and whole networks apart.
pub fn local_addresses() -> BTreeSet<IpAddr> {
    let single = |local: &LocalNetwork| (local.prefix == 32).then_some(local.network.into());
    let four = local_networks().iter().filter_map(single).collect::<Vec<IpAddr>>();
    four.into_iter().chain(ipv6_addresses().into_iter().map(IpAddr::from)).collect()
}

/// Whether `address` belongs to this host, so that its listeners can be seen here.
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        address if address.is_loopback() || address.is_unspecified() => true,
        IpAddr::V4(address) => local_networks().iter().any(|local| local.contains(address)),
        IpAddr::V6(address) => ipv6_addresses().contains(&address),
    }
}

/// An entry of the kernel's local table: mostly one address, but 127.0.0.0/8 is local as a whole, and an operator may
/// have made other networks so (`ip route add local`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LocalNetwork {
    network: Ipv4Addr,
    prefix: u32,
}

impl LocalNetwork {
    fn contains(self, address: Ipv4Addr) -> bool {
        let shift = 32_u32.saturating_sub(self.prefix);
        u64::from(address.to_bits()) >> shift == u64::from(self.network.to_bits()) >> shift
    }
}

fn local_networks() -> Vec<LocalNetwork> {
    parse_fib_trie(&fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap_or_default())
}

/// `|-- 127.0.0.0` and below it `/8 host LOCAL`.
fn parse_fib_trie(text: &str) -> Vec<LocalNetwork> {
    let mut network = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            network = address.parse().ok();
        } else if let Some(prefix) = line.strip_prefix('/').and_then(|rest| rest.strip_suffix(" host LOCAL"))
            && let (Some(network), Ok(prefix)) = (network, prefix.parse())
        {
            found.push(LocalNetwork { network, prefix });
        }
    }
    found
}

fn ipv6_addresses() -> Vec<Ipv6Addr> {
    let text = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    text.lines().filter_map(|line| u128::from_str_radix(line.get(..32)?, 16).ok()).map(Ipv6Addr::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_local_is_what_can_be_bound() {
        for address in ["127.0.0.1", "127.99.0.9", "0.0.0.0", "::1", "::ffff:127.0.0.1"] {
            assert!(is_local(address.parse().unwrap()), "{address}");
        }
        for address in ["203.0.113.7", "8.8.8.8", "2001:db8::7"] {
            assert!(!is_local(address.parse().unwrap()), "{address}");
        }
        let addresses = local_addresses();
        assert!(addresses.contains(&IpAddr::from([127, 0, 0, 1])), "{addresses:?}");
        for address in addresses.into_iter().filter(IpAddr::is_ipv4) {
            assert!(is_local(address) && std::net::UdpSocket::bind((address, 0)).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_network_that_is_local_as_a_whole_contains_its_addresses() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /16 host LOCAL\n     |-- 10.9.0.1\n        \
                    /32 host LOCAL\n     |-- 10.9.0.255\n        /32 link BROADCAST\n";
        let networks = parse_fib_trie(trie);
        assert_eq!(networks.len(), 2);
        let is_in = |address: [u8; 4]| networks.iter().any(|network| network.contains(address.into()));
        assert!(is_in([10, 1, 200, 3]) && is_in([10, 9, 0, 1]));
        assert!(!is_in([10, 2, 0, 1]) && !is_in([10, 9, 0, 255]));
        assert!(LocalNetwork { network: Ipv4Addr::UNSPECIFIED, prefix: 0 }.contains([1, 2, 3, 4].into()));
    }
}
