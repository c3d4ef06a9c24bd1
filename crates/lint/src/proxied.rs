//! What the configuration of another proxy does, in the words that Portcullis has for it: for those who want the same.
//!
//! Whatever a configuration says that has no word here is told in [`Proxied::left`], with its place. Where something
//! that keeps callers out cannot be said, the route behind it is [`Allow::Closed`].

use ipnet::IpNet;

use crate::{
    estate::{Address, Guard},
    inputs::Span,
};

/// What one or more configurations do.
#[derive(Debug, Default)]
pub struct Proxied {
    /// Where they listen.
    pub ports: Vec<Port>,
    /// To whom they pass on.
    pub services: Vec<Service>,
    /// What is passed to whom; no two of one port match the same.
    pub routes: Vec<Route>,
    /// What could not be carried over, and what a person should think about.
    pub left: Vec<Left>,
}

impl Proxied {
    /// Adds all that another does.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.ports.extend(other.ports);
        self.services.extend(other.services);
        self.routes.extend(other.routes);
        self.left.extend(other.left);
    }
}

impl Proxied {
    /// A redirect leads to the port that has TLS, in whichever part it stands.
    pub(crate) fn settle_redirects(&mut self, any: &str) {
        let with_tls = self.ports.iter().find(|port| !port.certificates.is_empty()).map(|port| port.key.clone());
        for port in self.ports.iter_mut().filter(|port| port.redirect.as_deref() == Some(any)) {
            if with_tls.is_none() {
                let text = "it redirects to https, and no port with TLS is in the files".to_owned();
                self.left.push(Left { place: port.place, text });
            }
            port.redirect.clone_from(&with_tls);
        }
        // What such a port would be asked for, its redirect answers.
        let redirected: Vec<&String> =
            self.ports.iter().filter(|port| port.redirect.is_some()).map(|port| &port.key).collect();
        for route in &mut self.routes {
            route.ports.retain(|key| !redirected.contains(&key));
        }
        self.routes.retain(|route| !route.ports.is_empty());
    }
}

/// Something for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The value that it is about.
    pub place: Span,
    /// Lower case, no full stop.
    pub text: String,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Bytes.
    Tcp,
    /// HTTP.
    Http,
    /// TLS that is looked at for its SNI and passed on as it is.
    TlsPassthrough,
}

/// An address that is listened on.
#[derive(Debug, Clone)]
pub struct Port {
    /// Unique among ports.
    pub key: String,
    /// What it would be called.
    pub name: String,
    /// Where.
    pub address: Address,
    /// Its number.
    pub number: u16,
    /// What it speaks, within TLS if there is any.
    pub speaks: Speaks,
    /// Certificates with their keys; none without TLS.
    pub certificates: Vec<(String, String)>,
    /// The authorities whose client certificates are asked for.
    pub clients: Option<String>,
    /// The key of the port to which every request is redirected.
    pub redirect: Option<String>,
    /// Whether clients, or what stands before, send a PROXY header.
    pub takes_proxy_header: bool,
    /// The value that says so.
    pub place: Span,
}

/// Equal servers.
#[derive(Debug, Clone)]
pub struct Service {
    /// Unique among services.
    pub key: String,
    /// What it would be called.
    pub name: String,
    /// What it speaks, within TLS if there is any.
    pub speaks: Speaks,
    /// Whether the one with the fewest requests is next, rather than each in turn.
    pub balance: Balance,
    /// Where they are.
    pub endpoints: Vec<Endpoint>,
    /// How it is found out whether they are well.
    pub health: Option<Health>,
    /// TLS towards them.
    pub tls: Option<Verify>,
    /// The PROXY header that is sent ahead: `v1`, `v2`.
    pub proxy_header: Option<&'static str>,
    /// The value that says so.
    pub place: Span,
}

/// How the next endpoint is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn.
    RoundRobin,
    /// The one with the fewest requests.
    LeastRequests,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, or an address; IPv6 in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its share.
    pub weight: Option<u32>,
}

/// How it is found out whether servers are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// A connection is enough.
    Tcp,
    /// A GET of this path.
    Http(String),
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Anyone's.
    Off,
    /// Those of the operating system.
    System,
    /// Those of this file.
    Authorities(String),
}

/// What a route matches on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// `shop.example.com`, `*.example.com`; `None` for any.
    pub host: Option<String>,
    /// The path.
    pub path: PathMatch,
    /// Sources that it is for; empty for any.
    pub from: Vec<IpNet>,
}

/// Which paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathMatch {
    /// Any.
    #[default]
    Any,
    /// This one and what is below it; never `/`.
    Prefix(String),
    /// This one.
    Exact(String),
}

/// What happens to what matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It goes to the service of this key.
    Service(String),
    /// It is sent elsewhere.
    Redirect {
        /// `https://host/path`, `https://host` with the path kept, `/path`.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// It is answered.
    Respond {
        /// The status.
        status: u16,
        /// The text.
        body: String,
    },
}

/// Who may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Everyone.
    Anyone,
    /// These sources.
    From(Vec<IpNet>),
    /// Whoever shows a certificate, which the port asks for.
    Certificates,
    /// What keeps callers out has no words here: closed until a person decides. The reason.
    Closed(String),
}

impl Allow {
    /// What a guard lets pass.
    pub(crate) fn of(guard: &Guard) -> Self {
        match guard {
            Guard::Open => Self::Anyone,
            Guard::Sources(sources) if sources.is_empty() => Self::Closed("it lets nobody in".to_owned()),
            Guard::Sources(sources) => Self::From(sources.clone()),
            Guard::Identity(what) if what == "client certificate" => Self::Certificates,
            Guard::Identity(what) => Self::Closed(format!("{what} was asked for")),
            Guard::Unknown => Self::Closed("who may pass could not be read".to_owned()),
        }
    }

    /// Both are asked.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Anyone, other) => other,
            (own, Self::Anyone) => own,
            (Self::Closed(why), _) | (_, Self::Closed(why)) => Self::Closed(why),
            (own, other) if own == other => own,
            _ => Self::Closed("it asks for two things at once".to_owned()),
        }
    }
}

/// What is passed to whom.
#[derive(Debug, Clone)]
pub struct Route {
    /// Keys of the ports from which it takes.
    pub ports: Vec<String>,
    /// On what it matches.
    pub matches: Match,
    /// What happens.
    pub action: Action,
    /// Who may pass.
    pub allow: Allow,
    /// What the matched prefix is replaced by.
    pub path_prefix: Option<String>,
    /// The host that the service sees, if not that of the client.
    pub host: Option<String>,
    /// Headers of the request that are set, with their values.
    pub request_headers: Vec<(String, String)>,
    /// Headers of the response that are set, with their values.
    pub response_headers: Vec<(String, String)>,
    /// The value that says so.
    pub place: Span,
}

impl Route {
    /// One that changes nothing.
    pub(crate) fn new(ports: Vec<String>, matches: Match, action: Action, allow: Allow, place: Span) -> Self {
        Self {
            ports,
            matches,
            action,
            allow,
            path_prefix: None,
            host: None,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            place,
        }
    }
}

impl Match {
    /// What both match; `None` if there is nothing.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let host = match (&self.host, &other.host) {
            (None, host) | (host, None) => host.clone(),
            (Some(ours), Some(theirs)) if covers_host(theirs, ours) => Some(ours.clone()),
            (Some(ours), Some(theirs)) if covers_host(ours, theirs) => Some(theirs.clone()),
            _ => return None,
        };
        let path = self.path.and(&other.path)?;
        let from = match (self.from.is_empty(), other.from.is_empty()) {
            (true, _) => other.from.clone(),
            (_, true) => self.from.clone(),
            _ if self.from == other.from => self.from.clone(),
            _ => return None,
        };
        Some(Self { host, path, from })
    }

    /// By what Portcullis chooses among routes that match: the greater one wins.
    pub(crate) fn rank(&self) -> (u8, usize, u8, usize, bool) {
        let (host, host_length) = match &self.host {
            None => (0, 0),
            Some(host) if host.starts_with("*.") => (1, host.len()),
            Some(host) => (2, host.len()),
        };
        let (path, path_length) = match &self.path {
            PathMatch::Any => (0, 0),
            PathMatch::Prefix(path) => (1, path.len()),
            PathMatch::Exact(path) => (2, path.len()),
        };
        (host, host_length, path, path_length, !self.from.is_empty())
    }
}

/// Whether every host of the second is one of the first.
fn covers_host(wide: &str, narrow: &str) -> bool {
    wide == narrow || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
}

impl PathMatch {
    /// A prefix as most proxies have it; all paths begin with `/`.
    pub(crate) fn prefix(path: &str) -> Self {
        match path.trim_end_matches('/') {
            "" => Self::Any,
            path => Self::Prefix(path.to_owned()),
        }
    }

    fn and(&self, other: &Self) -> Option<Self> {
        let is_below = |path: &str, prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match (self, other) {
            (Self::Any, path) | (path, Self::Any) => Some(path.clone()),
            (Self::Exact(a), Self::Exact(b)) => (a == b).then(|| self.clone()),
            (Self::Exact(path), Self::Prefix(prefix)) => is_below(path, prefix).then(|| self.clone()),
            (Self::Prefix(prefix), Self::Exact(path)) => is_below(path, prefix).then(|| other.clone()),
            (Self::Prefix(a), Self::Prefix(b)) if is_below(a, b) => Some(self.clone()),
            (Self::Prefix(a), Self::Prefix(b)) => is_below(b, a).then(|| other.clone()),
        }
    }
}

/// More routes than any configuration has; those of a hostile one must not multiply with each other.
const MAX_ROUTES: usize = 2_000;

/// Rules of which the first that matches counts, as routes of which the most specific one does.
pub(crate) fn by_rank(rules: &[Route]) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let is_known = |routes: &[Route], matches: &Match| routes.iter().any(|route| route.matches == *matches);
    for (index, rule) in rules.iter().enumerate() {
        for earlier in &rules[..index] {
            // Where both match, the earlier one is meant, and the later one would be chosen.
            let Some(both) = earlier.matches.and(&rule.matches) else { continue };
            let is_mistaken = rule.matches.rank() > earlier.matches.rank() && earlier.action != rule.action;
            if is_mistaken && !is_known(&routes, &both) && routes.len() < MAX_ROUTES {
                routes.push(Route { matches: both, ..earlier.clone() });
            }
        }
        if !is_known(&routes, &rule.matches) && routes.len() < MAX_ROUTES {
            routes.push(rule.clone());
        }
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::FileId;

    fn rule(host: Option<&str>, path: PathMatch, service: &str) -> Route {
        let matches = Match { host: host.map(str::to_owned), path, from: Vec::new() };
        let place = Span { file: FileId(0), start: 0, end: 0 };
        Route::new(Vec::new(), matches, Action::Service(service.to_owned()), Allow::Anyone, place)
    }

    #[test]
    fn the_first_rule_that_matches_still_counts_where_a_later_one_is_more_specific() {
        let api = PathMatch::prefix("/api/");
        let rules = vec![rule(None, api.clone(), "api"), rule(Some("shop.test"), PathMatch::Any, "shop")];
        let routes = by_rank(&rules);
        let told: Vec<_> =
            routes.iter().map(|route| (&route.matches.host, &route.matches.path, &route.action)).collect();
        let (api_service, shop) = (Action::Service("api".into()), Action::Service("shop".into()));
        let host = Some("shop.test".to_owned());
        assert_eq!(told, [(&None, &api, &api_service), (&host, &api, &api_service), (&host, &PathMatch::Any, &shop)]);
    }

    #[test]
    fn a_rule_behind_one_that_takes_all_of_it_is_never_reached() {
        let rules =
            vec![rule(None, PathMatch::prefix("/a"), "first"), rule(None, PathMatch::Exact("/a/b".into()), "second")];
        let routes = by_rank(&rules);
        assert!(routes.iter().all(|route| route.action == Action::Service("first".into())), "{routes:?}");
    }
}
