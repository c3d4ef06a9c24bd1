//! Long lists of the short form: who is named by one is found by a look-up, however long it is.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

use ipnet::{IpNet, Ipv4Net};

use crate::{
    asked::{Caller, Kind},
    reads::Attributes,
    short::Name,
};

/// A list with the name by which a policy asks for it: `allow from`.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) members: Members,
}

/// Who is named.
#[derive(Debug, Clone)]
pub(crate) enum Members {
    /// Sorted and disjoint.
    Networks(Vec<IpNet>),
    Names(Kind, BTreeSet<Name>),
    Groups(HashSet<Box<str>>),
    Domains(HashSet<Box<str>>),
}

impl Members {
    pub(crate) fn networks(networks: &[IpNet]) -> Self {
        let mut networks = IpNet::aggregate(&networks.iter().map(|network| canonical(*network)).collect());
        networks.sort_unstable_by_key(IpNet::network);
        Self::Networks(networks)
    }

    /// What of a request it takes to say who is named.
    pub(crate) fn reads(&self) -> Attributes {
        match self {
            Self::Networks(_) => Attributes::SOURCE,
            Self::Names(..) | Self::Groups(_) | Self::Domains(_) => Attributes::PRINCIPAL,
        }
    }

    /// Whether it names this sender. `source` is canonical.
    pub(crate) fn name(&self, caller: Option<&Caller>, source: IpAddr) -> bool {
        match (self, caller) {
            (Self::Networks(networks), _) => {
                let after = networks.partition_point(|network| network.network() <= source);
                after.checked_sub(1).is_some_and(|at| networks[at].contains(&source))
            }
            (_, None) => false,
            (Self::Names(kind, names), Some(Caller { identity, .. })) => {
                let is_named = |provider| names.contains(&Name { provider, name: identity.name.clone() });
                identity.kind == *kind && (is_named(None) || is_named(Some(identity.provider.clone())))
            }
            (Self::Groups(groups), Some(caller)) => caller.groups.iter().any(|group| groups.contains(group)),
            (Self::Domains(domains), Some(caller)) => {
                caller.identity.domain().is_some_and(|domain| domains.contains(domain))
            }
        }
    }
}

/// With its host bits cleared, and as IPv4 where it is IPv4 in the clothes of IPv6.
pub(crate) fn canonical(network: IpNet) -> IpNet {
    let network = network.trunc();
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => {
            let mapped = v6.network().to_ipv4_mapped();
            mapped.and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok()).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_names_what_is_in_it() {
        let networks: Vec<IpNet> =
            ["10.0.0.0/8", "10.2.0.0/16", "192.168.1.7/32", "::ffff:203.0.113.0/120", "fd00::/8", "::1/128"]
                .iter()
                .map(|network| network.parse().unwrap())
                .collect();
        let members = Members::networks(&networks);
        for (source, expected) in [
            ("10.255.255.255", true),
            ("10.2.3.4", true),
            ("11.0.0.0", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("203.0.113.9", true),
            ("fd12::1", true),
            ("fe80::1", false),
            ("::1", true),
            ("::", false),
        ] {
            assert_eq!(members.name(None, source.parse().unwrap()), expected, "{source}");
        }
    }
}
