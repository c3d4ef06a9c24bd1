//! The hosts that the routes of a port name.

use std::collections::HashSet;

use portcullis_config::declared::{HostPattern, PathPattern, Route};

/// Hosts by which a port is known. A port that redirects to another one asks for them: where it sends a client, the
/// client's own `Host` says, and a name that nobody chose must not end up in an answer that a cache may keep.
#[derive(Debug, Default)]
pub struct KnownHosts {
    /// A route takes every host, whatever the path: the operator has said that all are served.
    takes_all: bool,
    exact: HashSet<Box<str>>,
    /// What follows `*.`.
    suffixes: HashSet<Box<str>>,
}

impl KnownHosts {
    /// Of the port of this name.
    pub(crate) fn of(port: &str, routes: &[Route]) -> Self {
        let mut known = Self::default();
        let leads_from = |route: &&Route| route.ports.iter().any(|name| name.value == port);
        for matches in routes.iter().filter(leads_from).map(|route| &route.matches) {
            match matches.host.as_ref().map(|host| &host.value) {
                Some(HostPattern::Exact(name)) => {
                    known.exact.insert(name.as_str().into());
                }
                Some(HostPattern::Suffix(suffix)) => {
                    known.suffixes.insert(suffix.as_str().into());
                }
                None | Some(HostPattern::Any) => {
                    let path = matches.path.as_ref().map(|path| &path.value);
                    known.takes_all |= path.is_none_or(|path| *path == PathPattern::Prefix("/".to_owned()));
                }
            }
        }
        known
    }

    /// Whether the host (lower case, no port) is one of them. Where no route names a host, or one takes all of them,
    /// every host is.
    pub fn admit(&self, host: &str) -> bool {
        if self.takes_all || self.exact.is_empty() && self.suffixes.is_empty() {
            return true;
        }
        let is_beneath = |at: usize| at > 0 && self.suffixes.contains(&host[at + 1..]);
        self.exact.contains(host) || host.match_indices('.').any(|(at, _)| is_beneath(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(exact: &[&str], suffixes: &[&str]) -> KnownHosts {
        let set = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        KnownHosts { takes_all: false, exact: set(exact), suffixes: set(suffixes) }
    }

    #[test]
    fn a_host_is_known_by_its_name_or_by_what_it_lies_beneath() {
        let hosts = known(&["shop.test"], &["apps.test"]);
        for (host, expected) in [
            ("shop.test", true),
            ("a.apps.test", true),
            ("a.b.apps.test", true),
            ("apps.test", false),
            (".apps.test", false),
            ("xapps.test", false),
            ("evil.test", false),
            ("shop.test.evil.test", false),
            ("", false),
        ] {
            assert_eq!(hosts.admit(host), expected, "{host}");
        }
        assert!(known(&[], &[]).admit("anything.test"));
        assert!(KnownHosts { takes_all: true, ..known(&["shop.test"], &[]) }.admit("anything.test"));
    }
}
