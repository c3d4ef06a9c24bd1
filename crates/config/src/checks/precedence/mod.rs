//! Which of two routes takes a request, and routes that never take one.
//!
//! The rule: the most specific host wins (exact, then the longest `*.` suffix, then any), then the most specific path
//! (exact, then regular expressions in file order, then the longest prefix), then the route with more further
//! conditions (sni, methods, headers, query, from, groups, claims). On a `tls` port the SNI stands for the host.

mod ambiguous;
mod disjoint;
mod shadowed;

use crate::declared::{HostPattern, PathPattern, Port, Protocol, Route};

pub(super) use ambiguous::AmbiguousRoutes;
pub(super) use shadowed::ShadowedRoute;

/// What routes are first told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Slot<'d> {
    port: &'d str,
    host: Host<'d>,
    path: Path<'d>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Host<'d> {
    Exact(&'d str),
    Suffix(&'d str),
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Path<'d> {
    Exact(&'d str),
    Regex(&'d str),
    /// `/` is every path.
    Prefix(&'d str),
}

impl<'d> Slot<'d> {
    fn of(route: &'d Route, port: &'d Port) -> Self {
        let matches = &route.matches;
        let host = if is_by_sni(port) { matches.sni.as_deref() } else { matches.host.as_deref() };
        let host = match host {
            Some(HostPattern::Exact(name)) => Host::Exact(name),
            Some(HostPattern::Suffix(suffix)) => Host::Suffix(suffix),
            Some(HostPattern::Any) | None => Host::Any,
        };
        let path = match matches.path.as_deref() {
            Some(PathPattern::Exact(path)) => Path::Exact(path),
            Some(PathPattern::Regex(regex)) => Path::Regex(regex),
            Some(PathPattern::Prefix(prefix)) => Path::Prefix(prefix),
            None => Path::Prefix("/"),
        };
        Self { port: &port.name, host, path }
    }
}

/// Whether the SNI stands for the host.
fn is_by_sni(port: &Port) -> bool {
    port.protocol.as_deref() == Some(&Protocol::Tls)
}

/// Number of conditions beyond port, host and path.
fn further_conditions(route: &Route, port: &Port) -> usize {
    let matches = &route.matches;
    usize::from(matches.sni.is_some() && !is_by_sni(port))
        + usize::from(!matches.methods.is_empty())
        + matches.headers.len()
        + matches.query.len()
        + usize::from(!matches.from.is_empty())
        + usize::from(!matches.groups.is_empty())
        + matches.claims.len()
}
