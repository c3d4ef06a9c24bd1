//! Sets of addresses, written as CIDR blocks.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Blocks merged into sorted, disjoint, inclusive spans: membership is one binary search, however many were written.
///
/// An IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) is that IPv4 address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl AddressSet {
    /// The union of these blocks.
    pub fn new<'a>(blocks: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for block in blocks {
            match block {
                IpNet::V4(block) => v4.push((block.network().to_bits(), block.broadcast().to_bits())),
                IpNet::V6(block) => match block.network().to_ipv4_mapped() {
                    Some(network) if block.prefix_len() >= 96 => {
                        let host_bits = 128 - u32::from(block.prefix_len());
                        let last = network.to_bits() | u32::MAX.checked_shr(32 - host_bits).unwrap_or(0);
                        v4.push((network.to_bits(), last));
                    }
                    _ => v6.push((block.network().to_bits(), block.broadcast().to_bits())),
                },
            }
        }
        Self { v4: merge(v4, |last| last.checked_add(1)), v6: merge(v6, |last| last.checked_add(1)) }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, Ipv6Addr::to_bits(address)),
        }
    }
}

fn holds<T: Copy + Ord>(spans: &[(T, T)], address: T) -> bool {
    let after = spans.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).is_some_and(|at| address <= spans[at].1)
}

fn merge<T: Copy + Ord>(mut spans: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Box<[(T, T)]> {
    spans.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match merged.last_mut() {
            // `next` is None at the top of the address space: everything after it touches it.
            Some(open) if next(open.1).is_none_or(|touching| first <= touching) => open.1 = open.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(blocks: &[&str]) -> AddressSet {
        let blocks: Vec<IpNet> = blocks.iter().map(|block| block.parse().unwrap()).collect();
        AddressSet::new(&blocks)
    }

    #[test]
    fn membership_is_that_of_the_blocks() {
        let set = set(&["10.0.0.0/8", "192.168.1.7/32", "fd00::/8", "::1/128"]);
        for (address, expected) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("::ffff:10.1.2.3", true),
            ("fd12::1", true),
            ("fe80::1", false),
            ("::1", true),
        ] {
            assert_eq!(set.contains(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn two_halves_are_the_whole_and_the_top_of_the_space_is_reached() {
        let halves = set(&["0.0.0.0/1", "128.0.0.0/1"]);
        assert_eq!(halves, set(&["0.0.0.0/0"]));
        assert!(halves.contains("255.255.255.255".parse().unwrap()));
        assert!(set(&["::ffff:10.0.0.0/104"]).contains("10.9.9.9".parse().unwrap()));
        assert!(set(&["::ffff:0.0.0.0/96"]).contains("203.0.113.9".parse().unwrap()));
        assert!(set(&["::ffff:192.0.2.1/128"]).contains("192.0.2.1".parse().unwrap()));
    }
}
