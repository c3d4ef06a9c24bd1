//! Sets of IP addresses, as networks write them.
//!
//! Every rule about "open to whom" asks here, so that a network is never compared as text: `1.0.0.0/0` is everything,
//! and so are `0.0.0.0/1` and `128.0.0.0/1` together. IPv4-mapped IPv6 networks count as IPv4.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

mod intervals;

use intervals::Intervals;

/// A set of addresses of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Networks {
    v4: Intervals,
    v6: Intervals,
}

/// How many can come from a set of addresses, the fewest first. The tiers of every rule about exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breadth {
    /// Empty, or only addresses from which nothing ever comes (`0.0.0.0/8`, multicast, unassigned IPv6).
    Nobody,
    /// The host itself.
    Loopback,
    /// Private networks that hold fewer than 65,536 addresses together (IPv6: less than a /48).
    NarrowPrivate,
    /// Named public addresses: no network wider than a /30 (IPv6: a /64, one link).
    PublicHosts,
    /// A private /16 (IPv6: /48) or more.
    WidePrivate,
    /// Public networks, less than [`Breadth::Internet`].
    Public,
    /// A quarter of all public addresses of one family or more: whoever writes that means everybody, whichever
    /// addresses are spared.
    Internet,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// What stands before the slash.
    #[error("`{0}` is not an IP address")]
    Address(String),
    /// What stands behind the slash.
    #[error("`{0}` is not a prefix length of this address family")]
    Prefix(String),
}

impl Networks {
    /// Every address of both families.
    pub fn everyone() -> Self {
        Self { v4: Intervals::one(0, MAX_V4), v6: Intervals::one(0, u128::MAX) }
    }

    /// `address`, `address/length` or `address/netmask` (IPv4); host bits are masked away.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.trim(), None),
        };
        let parsed: IpAddr = address.parse().map_err(|_| Malformed::Address(address.to_owned()))?;
        let width = if parsed.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(text) => prefix_length(text, width).ok_or_else(|| Malformed::Prefix(text.to_owned()))?,
        };
        Ok(Self::network(parsed, length))
    }

    /// The network of an address; a length beyond the family's width is taken as that width.
    pub fn network(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(address) => {
                let (first, last) = block(u128::from(address.to_bits()), length.min(32), 32);
                Self { v4: Intervals::one(first, last), v6: Intervals::default() }
            }
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) if length >= 96 => Self::network(mapped.into(), length - 96),
                _ => {
                    let (first, last) = block(address.to_bits(), length.min(128), 128);
                    Self { v4: Intervals::default(), v6: Intervals::one(first, last) }
                }
            },
        }
    }

    /// All addresses from `first` to `last`; empty if they are of two families or the wrong way round.
    pub fn range(first: IpAddr, last: IpAddr) -> Self {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                Self { v4: Intervals::one(first.to_bits().into(), last.to_bits().into()), v6: Intervals::default() }
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                Self { v4: Intervals::default(), v6: Intervals::one(first.to_bits(), last.to_bits()) }
            }
            _ => Self::default(),
        }
    }

    /// Adds all addresses of another set.
    pub fn add(&mut self, other: &Self) {
        self.v4.add(&other.v4);
        self.v6.add(&other.v6);
    }

    /// The addresses that are not in the other set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { v4: self.v4.without(&other.v4), v6: self.v6.without(&other.v6) }
    }

    /// The addresses that are in both sets.
    #[must_use]
    pub fn common_with(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Whether an address is in the set; an IPv4-mapped one counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contains(address.to_bits().into()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }

    /// Whether every address of the other set is in this one.
    pub fn covers(&self, other: &Self) -> bool {
        other.without(self).is_empty()
    }

    /// Whether there is no address in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The fewest networks that make up the set, ascending, IPv4 first.
    pub fn to_networks(&self) -> Vec<IpNet> {
        let v4 = self.v4.blocks(32).map(|(first, length)| {
            IpNet::new_assert(Ipv4Addr::from_bits(u32::try_from(first).unwrap_or(u32::MAX)).into(), length)
        });
        let v6 =
            self.v6.blocks(128).map(|(first, length)| IpNet::new_assert(Ipv6Addr::from_bits(first).into(), length));
        v4.chain(v6).collect()
    }

    /// How many can come from here.
    pub fn breadth(&self) -> Breadth {
        let public = self.public();
        let private = self.common_with(&private());
        if public.v4.size() >= QUARTER_V4 || public.v6.size() >= QUARTER_V6 {
            Breadth::Internet
        } else if public.v4.blocks(32).any(|(_, length)| length < 30)
            || public.v6.blocks(128).any(|(_, length)| length < 64)
        {
            Breadth::Public
        } else if private.v4.size() >= 1 << 16 || private.v6.size() >= 1 << 80 {
            Breadth::WidePrivate
        } else if !public.is_empty() {
            Breadth::PublicHosts
        } else if !private.is_empty() {
            Breadth::NarrowPrivate
        } else if !self.common_with(&loopback()).is_empty() {
            Breadth::Loopback
        } else {
            Breadth::Nobody
        }
    }

    /// The part that the internet routes to. Addresses reserved for documentation count, since they stand for such.
    #[must_use]
    pub fn public(&self) -> Self {
        self.common_with(&routed()).without(&private()).without(&loopback())
    }

    /// Number of IPv4 addresses.
    pub fn size_v4(&self) -> u64 {
        self.v4.size() as u64
    }
}

/// `10.0.0.0/8, fd00::/8`; a long set ends in the number of networks that are left out.
impl fmt::Display for Networks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        let networks = self.to_networks();
        if networks.is_empty() {
            return formatter.write_str("nobody");
        }
        for (index, network) in networks.iter().take(SHOWN).enumerate() {
            write!(formatter, "{}{network}", if index > 0 { ", " } else { "" })?;
        }
        match networks.len() - networks.len().min(SHOWN) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

impl FromIterator<Self> for Networks {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        let (v4, v6): (Vec<Intervals>, Vec<Intervals>) = sets.into_iter().map(|set| (set.v4, set.v6)).unzip();
        Self { v4: Intervals::union(v4), v6: Intervals::union(v6) }
    }
}

const MAX_V4: u128 = u32::MAX as u128;
/// 220 of the 256 networks of /8 are routed and public.
const QUARTER_V4: u128 = 55 << 24;
/// A quarter of 2000::/3, the only part of IPv6 that is routed.
const QUARTER_V6: u128 = 1 << (128 - 5);

/// What can be a source on the internet at all.
fn routed() -> Networks {
    Networks {
        v4: Intervals::one(0x0100_0000, 0xdfff_ffff), // 1.0.0.0 to 223.255.255.255
        v6: Intervals::one(0x2000 << 112, (0x4000 << 112) - 1),
    }
}

/// RFC 1918, RFC 6598 and link-local; RFC 4193 and link-local.
fn private() -> Networks {
    const V4: [([u8; 4], u8); 5] = [
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
    ];
    const V6: [(u128, u8); 2] = [(0xfc00 << 112, 7), (0xfe80 << 112, 10)];
    let v4 = V4.map(|(octets, length)| Networks::network(octets.into(), length));
    let v6 = V6.map(|(bits, length)| Networks::network(Ipv6Addr::from_bits(bits).into(), length));
    v4.into_iter().chain(v6).collect()
}

fn loopback() -> Networks {
    [Networks::network(Ipv4Addr::LOCALHOST.into(), 8), Networks::network(Ipv6Addr::LOCALHOST.into(), 128)]
        .into_iter()
        .collect()
}

/// `24` or, as HAProxy and others accept it for IPv4, `255.255.255.0`.
fn prefix_length(text: &str, width: u8) -> Option<u8> {
    if let Ok(mask) = text.parse::<Ipv4Addr>()
        && width == 32
    {
        let length = mask.to_bits().leading_ones();
        return (mask.to_bits().count_ones() == length).then_some(length as u8);
    }
    // `parse` alone would accept a plus sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|length| digits && *length <= width)
}

/// First and last address of a network.
fn block(address: u128, length: u8, width: u8) -> (u128, u128) {
    let host_bits = match width - length {
        128 => u128::MAX,
        bits => (1 << bits) - 1,
    };
    (address & !host_bits, address | host_bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn union(texts: &[&str]) -> Networks {
        texts.iter().map(|text| Networks::parse(text).unwrap()).collect()
    }

    #[test]
    fn texts_are_networks_with_the_host_bits_masked() {
        for (text, expected) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("1.0.0.0/0", "0.0.0.0/0"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/255.255.0.0", "10.1.0.0/16"),
            (" 10.1.2.3/32 ", "10.1.2.3/32"),
            ("::/0", "::/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(union(&[text]).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_says_why() {
        for (text, expected) in [
            ("", "`` is not an IP address"),
            ("/0", "`` is not an IP address"),
            ("10.0.0/8", "`10.0.0` is not an IP address"),
            ("010.0.0.1", "`010.0.0.1` is not an IP address"),
            ("10.0.0.0/33", "`33` is not a prefix length of this address family"),
            ("10.0.0.0/+8", "`+8` is not a prefix length of this address family"),
            ("10.0.0.0/", "`` is not a prefix length of this address family"),
            ("10.0.0.0/255.0.255.0", "`255.0.255.0` is not a prefix length of this address family"),
            ("::/129", "`129` is not a prefix length of this address family"),
            ("::/255.0.0.0", "`255.0.0.0` is not a prefix length of this address family"),
        ] {
            assert_eq!(Networks::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn breadth_is_that_of_the_union() {
        for (texts, expected) in [
            (&["0.0.0.0/0"][..], Breadth::Internet),
            (&["1.0.0.0/0"], Breadth::Internet),
            (&["0.0.0.0/1", "128.0.0.0/1"], Breadth::Internet),
            (&["0.0.0.0/1"], Breadth::Internet),
            (&["64.0.0.0/2"], Breadth::Internet),
            (&["::/0"], Breadth::Internet),
            (&["2000::/3"], Breadth::Internet),
            (&["2000::/4", "3000::/4"], Breadth::Internet),
            (&["::/0", "10.0.0.0/24"], Breadth::Internet),
            (&["1.0.0.0/8", "2.0.0.0/7", "4.0.0.0/6", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6"], Breadth::Public),
            (&["128.0.0.0/3"], Breadth::Public),
            (&["203.0.113.0/24"], Breadth::Public),
            (&["203.0.113.0/29", "10.0.0.0/8"], Breadth::Public),
            (&["2001:db8::/32"], Breadth::Public),
            (&["203.0.113.7/32"], Breadth::PublicHosts),
            (&["203.0.113.4/30", "198.51.100.7"], Breadth::PublicHosts),
            (&["2001:db8::/64"], Breadth::PublicHosts),
            (&["10.0.0.0/8"], Breadth::WidePrivate),
            (&["10.0.0.0/17", "10.0.128.0/17"], Breadth::WidePrivate),
            (&["fd00::/8", "203.0.113.7"], Breadth::WidePrivate),
            (&["192.168.1.0/24"], Breadth::NarrowPrivate),
            (&["100.64.0.0/17"], Breadth::NarrowPrivate),
            (&["fe80::1"], Breadth::NarrowPrivate),
            (&["127.0.0.1", "::1"], Breadth::Loopback),
            (&["224.0.0.0/4", "0.0.0.0/8", "255.255.255.255"], Breadth::Nobody),
            (&["ff00::/8", "4000::/2"], Breadth::Nobody),
            (&[], Breadth::Nobody),
        ] {
            assert_eq!(union(texts).breadth(), expected, "{texts:?}");
        }
    }

    #[test]
    fn networks_are_merged_when_shown() {
        for (texts, expected) in [
            (&["0.0.0.0/1", "128.0.0.0/1"][..], "0.0.0.0/0"),
            (&["10.0.1.0/24", "10.0.0.0/24", "10.0.0.7"], "10.0.0.0/23"),
            (&["10.0.1.0/24", "10.0.2.0/24"], "10.0.1.0/24, 10.0.2.0/24"),
            (&["::/0", "0.0.0.0/0"], "0.0.0.0/0, ::/0"),
            (
                &["10.0.0.1", "10.0.0.3", "10.0.0.5", "10.0.0.7", "10.0.0.9"],
                "10.0.0.1/32, 10.0.0.3/32, 10.0.0.5/32, 10.0.0.7/32 and 1 more",
            ),
            (&[], "nobody"),
        ] {
            assert_eq!(union(texts).to_string(), expected, "{texts:?}");
        }
    }

    #[test]
    fn addresses_are_found_in_either_form() {
        let set = union(&["10.0.0.0/8", "2001:db8::/32"]);
        for (address, expected) in
            [("10.9.9.9", true), ("::ffff:10.9.9.9", true), ("11.0.0.0", false), ("2001:db8::1", true), ("::1", false)]
        {
            assert_eq!(set.contains(address.parse().unwrap()), expected, "{address}");
        }
        assert!(Networks::everyone().covers(&set) && !set.covers(&Networks::everyone()));
        let range = Networks::range([10, 0, 0, 1].into(), [10, 0, 0, 4].into());
        assert_eq!(range.to_string(), "10.0.0.1/32, 10.0.0.2/31, 10.0.0.4/32");
        assert!(Networks::range([10, 0, 0, 4].into(), [10, 0, 0, 1].into()).is_empty());
    }

    /// Eight bits of an address as a naive model: which of 256 cells are in the set.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Corner {
        FirstOctet,
        LastOctet,
        FirstByteV6,
        LastByteV6,
    }

    impl Corner {
        fn network(self, cell: u8, length: u8) -> Networks {
            let v6 = |bits: u128, length| Networks::network(Ipv6Addr::from_bits(bits).into(), length);
            match self {
                Self::FirstOctet => Networks::network([cell, 1, 2, 3].into(), length),
                Self::LastOctet => Networks::network([192, 168, 0, cell].into(), 24 + length),
                Self::FirstByteV6 => v6(u128::from(cell) << 120 | 7, length),
                Self::LastByteV6 => v6(0x2001 << 112 | u128::from(cell), 120 + length),
            }
        }

        fn address(self, cell: u8) -> IpAddr {
            match self {
                Self::FirstOctet => [cell, 200, 0, 9].into(),
                Self::LastOctet => [192, 168, 0, cell].into(),
                Self::FirstByteV6 => Ipv6Addr::from_bits(u128::from(cell) << 120 | 9).into(),
                Self::LastByteV6 => Ipv6Addr::from_bits(0x2001 << 112 | u128::from(cell)).into(),
            }
        }
    }

    fn modelled(corner: Corner, blocks: &[(u8, u8)]) -> (Networks, [bool; 256]) {
        let mut cells = [false; 256];
        for (cell, length) in blocks {
            let step = 1_usize << (8 - length);
            let first = usize::from(*cell) / step * step;
            cells[first..first + step].fill(true);
        }
        (blocks.iter().map(|(cell, length)| corner.network(*cell, *length)).collect(), cells)
    }

    proptest! {
        #[test]
        fn sets_behave_as_a_naive_model(
            corner in prop_oneof![
                Just(Corner::FirstOctet), Just(Corner::LastOctet), Just(Corner::FirstByteV6), Just(Corner::LastByteV6),
            ],
            left in prop::collection::vec((any::<u8>(), 0_u8..=8), 0..12),
            right in prop::collection::vec((any::<u8>(), 0_u8..=8), 0..12),
        ) {
            let (left, left_cells) = modelled(corner, &left);
            let (right, right_cells) = modelled(corner, &right);
            let mut both = left.clone();
            both.add(&right);
            for cell in 0..=255_u8 {
                let (in_left, in_right) = (left_cells[usize::from(cell)], right_cells[usize::from(cell)]);
                let address = corner.address(cell);
                prop_assert_eq!(left.contains(address), in_left);
                prop_assert_eq!(both.contains(address), in_left || in_right);
                prop_assert_eq!(left.without(&right).contains(address), in_left && !in_right);
                prop_assert_eq!(left.common_with(&right).contains(address), in_left && in_right);
            }
            let is_within = (0..256).all(|cell| left_cells[cell] || !right_cells[cell]);
            prop_assert_eq!(left.covers(&right), is_within);
            prop_assert_eq!(left.is_empty(), left_cells.iter().all(|cell| !cell));
            prop_assert_eq!(left == right, left_cells == right_cells);
        }

        #[test]
        fn the_networks_of_a_set_make_it_up_again(blocks in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..20)) {
            let set: Networks = blocks.iter().map(|(bits, length)| {
                Networks::network(Ipv4Addr::from_bits(*bits).into(), *length)
            }).collect();
            let networks = set.to_networks();
            let again: Networks = networks.iter().map(|network| Networks::parse(&network.to_string()).unwrap()).collect();
            prop_assert_eq!(&again, &set);
            prop_assert!(networks.len() <= blocks.len());
        }

        #[test]
        fn any_text_is_a_network_or_a_reason(text in "[0-9a-f:./+ -]{0,24}|\\PC{0,12}") {
            let _ = Networks::parse(&text);
        }
    }
}
