//! Which route takes a request: the precedence rule, compiled.
//!
//! The rule, in one sentence: the most specific host wins (exact, then the longest `*.` suffix, then any), then the
//! most specific path (exact, then regular expressions in file order, then the longest prefix), then the route with
//! more further conditions.
//!
//! Cost: one hash look-up for the host and one for each of its labels and path segments, whatever the number of
//! routes; only regular expressions and further conditions are tried one by one, within one host and path.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use portcullis_config::declared::{HostPattern, PathPattern};
use portcullis_identity::ProviderId;
use regex::bytes::Regex;

use crate::{Access, RoutePlan, Traffic, route::reads_as};

/// The routes of one port.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, HostRoutes>,
    /// Keyed by what follows `*.`.
    suffixes: HashMap<Box<str>, HostRoutes>,
    any: HostRoutes,
    /// Names of headers that some route's conditions ask for, lower case.
    asked_headers: Vec<Box<str>>,
    /// Who may prove who calls, for routes that are for certain callers only.
    providers: Vec<ProviderId>,
    asks_for_identity: bool,
    /// Who may prove who calls, for any of its routes.
    asked: Vec<ProviderId>,
}

/// Routes of one host pattern. Each list is ordered by [`crate::Conditions::count`], most first.
#[derive(Debug, Default)]
struct HostRoutes {
    exact: HashMap<Box<[u8]>, Vec<Arc<RoutePlan>>>,
    regexes: Vec<(Regex, Vec<Arc<RoutePlan>>)>,
    prefixes: HashMap<Box<[u8]>, Vec<Arc<RoutePlan>>>,
    /// Lengths that occur in `prefixes`, so that only those are looked up.
    prefix_lengths: BTreeSet<usize>,
}

/// A host pattern as a condition on the SNI.
#[derive(Debug, Clone)]
pub struct HostTest(pub HostPattern);

impl HostTest {
    /// Whether `name` (lower case) matches.
    pub fn holds(&self, name: &str) -> bool {
        match &self.0 {
            HostPattern::Any => true,
            HostPattern::Exact(exact) => exact == name,
            HostPattern::Suffix(suffix) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }
}

impl RouteTable {
    /// Adds a route; routes may come in any order, except that regular expressions keep the one they come in.
    pub(crate) fn insert(
        &mut self,
        host: &HostPattern,
        path: Option<(&PathPattern, Option<Regex>)>,
        route: Arc<RoutePlan>,
    ) {
        for (name, _) in &route.conditions.headers {
            if !self.asked_headers.contains(name) {
                self.asked_headers.push(name.clone());
            }
        }
        self.asks_for_identity |= route.conditions.asks_identity();
        if let Access::Judged { providers, asks_identity, .. } = &route.access {
            if route.conditions.asks_identity() {
                join(&mut self.providers, providers);
            }
            if *asks_identity {
                join(&mut self.asked, providers);
            }
        }
        let routes = match host {
            HostPattern::Exact(name) => self.exact.entry(name.as_str().into()).or_default(),
            HostPattern::Suffix(suffix) => self.suffixes.entry(suffix.as_str().into()).or_default(),
            HostPattern::Any => &mut self.any,
        };
        let list = match path {
            Some((PathPattern::Exact(path), _)) => routes.exact.entry(path.as_bytes().into()).or_default(),
            Some((PathPattern::Regex(_), Some(regex))) => routes.regex_list(regex),
            Some((PathPattern::Prefix(prefix), _)) => routes.prefix_list(prefix.trim_end_matches('/').as_bytes()),
            Some((PathPattern::Regex(_), None)) | None => routes.prefix_list(b""),
        };
        let at = list.partition_point(|other| other.conditions.count() >= route.conditions.count());
        list.insert(at, route);
    }

    /// The route that takes this traffic.
    pub fn find(&self, traffic: &Traffic<'_>) -> Option<&Arc<RoutePlan>> {
        self.exact
            .get(traffic.host)
            .and_then(|routes| routes.find(traffic))
            .or_else(|| self.find_by_suffix(traffic))
            .or_else(|| self.any.find(traffic))
    }

    /// Whether a service may take a header of this name for one that decides about routes, though it is not: a line
    /// of it must not go on, whichever route is taken (see [`reads_as`]).
    pub fn is_disguised(&self, name: &[u8]) -> bool {
        let is_meant = |asked: &str| reads_as(name, asked.as_bytes()) && !name.eq_ignore_ascii_case(asked.as_bytes());
        self.asked_headers.iter().any(|asked| is_meant(asked))
    }

    /// Whether a service may take a header of this name for one that decides about routes: what is told behind the body
    /// under such a name is something that no route has seen.
    pub fn may_read_as_asked(&self, name: &[u8]) -> bool {
        self.asked_headers.iter().any(|asked| reads_as(name, asked.as_bytes()))
    }

    /// Whether conditions ask for headers at all.
    pub fn asks_for_headers(&self) -> bool {
        !self.asked_headers.is_empty()
    }

    /// Whether some route is for certain callers only, so that who calls must be known before a route is found.
    pub fn asks_for_identity(&self) -> bool {
        self.asks_for_identity
    }

    /// Who may prove who calls before a route is found.
    pub fn providers(&self) -> &[ProviderId] {
        &self.providers
    }

    /// Who may prove who calls, for any of its routes.
    pub fn asked(&self) -> &[ProviderId] {
        &self.asked
    }

    /// Whether any route is for this host (lower case).
    pub fn serves(&self, host: &str) -> bool {
        let is_under = |dot: usize| dot > 0 && self.suffixes.contains_key(&host[dot + 1..]);
        !self.any.is_empty() || self.exact.contains_key(host) || host.match_indices('.').any(|(dot, _)| is_under(dot))
    }

    /// Every route, in no order that means anything: for lists, never for finding one.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<RoutePlan>> {
        self.exact.values().chain(self.suffixes.values()).chain([&self.any]).flat_map(HostRoutes::routes)
    }

    fn find_by_suffix(&self, traffic: &Traffic<'_>) -> Option<&Arc<RoutePlan>> {
        if self.suffixes.is_empty() {
            return None;
        }
        let mut rest = traffic.host;
        while let Some(dot) = rest.find('.') {
            // A name that begins with a dot has no label before it.
            let has_label = dot > 0;
            rest = &rest[dot + 1..];
            if has_label && let Some(route) = self.suffixes.get(rest).and_then(|routes| routes.find(traffic)) {
                return Some(route);
            }
        }
        None
    }
}

/// Adds those that are not there yet.
fn join(all: &mut Vec<ProviderId>, more: &[ProviderId]) {
    let new: Vec<_> = more.iter().filter(|id| !all.contains(id)).copied().collect();
    all.extend(new);
}

impl HostRoutes {
    fn regex_list(&mut self, regex: Regex) -> &mut Vec<Arc<RoutePlan>> {
        let at = self.regexes.iter().position(|(known, _)| known.as_str() == regex.as_str());
        let at = at.unwrap_or_else(|| {
            self.regexes.push((regex, Vec::new()));
            self.regexes.len() - 1
        });
        &mut self.regexes[at].1
    }

    fn prefix_list(&mut self, prefix: &[u8]) -> &mut Vec<Arc<RoutePlan>> {
        self.prefix_lengths.insert(prefix.len());
        self.prefixes.entry(prefix.into()).or_default()
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.regexes.is_empty() && self.prefixes.is_empty()
    }

    fn routes(&self) -> impl Iterator<Item = &Arc<RoutePlan>> {
        let by_regex = self.regexes.iter().map(|(_, routes)| routes);
        self.exact.values().chain(by_regex).chain(self.prefixes.values()).flatten()
    }

    fn find(&self, traffic: &Traffic<'_>) -> Option<&Arc<RoutePlan>> {
        let first = |list: &'_ Vec<Arc<RoutePlan>>| -> Option<usize> {
            list.iter().position(|route| route.conditions.hold(traffic))
        };
        if let Some(list) = self.exact.get(traffic.path)
            && let Some(at) = first(list)
        {
            return list.get(at);
        }
        for (regex, list) in &self.regexes {
            if regex.is_match(traffic.path)
                && let Some(at) = first(list)
            {
                return list.get(at);
            }
        }
        for &length in self.prefix_lengths.iter().rev() {
            let on_border = length <= traffic.path.len()
                && (length == 0 || length == traffic.path.len() || traffic.path[length] == b'/');
            if on_border
                && let Some(list) = self.prefixes.get(&traffic.path[..length])
                && let Some(at) = first(list)
            {
                return list.get(at);
            }
        }
        None
    }
}
