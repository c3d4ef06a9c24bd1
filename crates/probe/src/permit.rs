//! Which addresses may be spoken to: those of this host, and those that the caller names. A [`Target`] can be made in no
//! other way, and nothing but a target is ever dialled.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use portcullis_kernel::{
    addresses::{is_local, local_addresses},
    namespace::Namespace,
};

/// An address that may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(SocketAddr);

impl Target {
    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// Addresses that may be spoken to.
#[derive(Debug, Clone, Default)]
pub struct Permit {
    /// Of this host, in this namespace and in those that the run looks into.
    here: BTreeSet<IpAddr>,
    /// Named by the caller.
    named: BTreeSet<IpAddr>,
}

impl Permit {
    /// This host's addresses, in every one of these namespaces, and those that were named.
    pub fn new(namespaces: &[Namespace], named: &[IpAddr]) -> Self {
        let mut here = local_addresses();
        for namespace in namespaces {
            here.extend(namespace.run(local_addresses).unwrap_or_default());
        }
        Self { here, named: named.iter().map(IpAddr::to_canonical).collect() }
    }

    /// The address as a target, if it may be one.
    pub fn target(&self, address: SocketAddr) -> Option<Target> {
        let ip = address.ip().to_canonical();
        let is_allowed = self.here.contains(&ip) || self.named.contains(&ip) || (is_local(ip) && !ip.is_unspecified());
        is_allowed.then_some(Target(address))
    }

    /// Whether the caller named addresses.
    pub fn names_any(&self) -> bool {
        !self.named.is_empty()
    }

    /// Those that the caller named.
    pub fn named(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.named.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_and_what_was_named_may_be_spoken_to() {
        let permit = Permit::new(&[], &["203.0.113.7".parse().unwrap()]);
        for (address, is_allowed) in [
            ("127.0.0.1:80", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("203.0.113.7:443", true),
            ("[::ffff:203.0.113.7]:443", true),
            ("203.0.113.8:443", false),
            ("8.8.8.8:53", false),
            ("[2001:db8::1]:80", false),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
        ] {
            assert_eq!(permit.target(address.parse().unwrap()).is_some(), is_allowed, "{address}");
        }
    }
}
