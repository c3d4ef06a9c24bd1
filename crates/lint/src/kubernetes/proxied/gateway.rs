//! Gateways of the Gateway API and the routes that hang on them.

use super::{Backend, Carrying, is_plain};
use crate::{
    inputs::{Span, Spanned},
    kubernetes::model::{
        Declared, Filter, Gateway, GatewayListener, Parent, Route as Hung, RouteBackend, RouteMatch, RouteRule,
    },
    proxied::{Action, Allow, Match, PathMatch, Route, Speaks},
};

impl<'c> Carrying<'c> {
    /// Opens what a Gateway listens on.
    pub(super) fn gateway(&mut self, gateway: &'c Declared<Gateway>) {
        for listener in &gateway.spec.listeners {
            self.listener(listener);
        }
    }

    /// The key of the port of a listener.
    fn listener(&mut self, listener: &GatewayListener) -> Option<(String, Speaks)> {
        let place = listener.port.span;
        let protocol = listener.protocol.as_ref().map_or("", |protocol| protocol.as_str());
        let speaks = match protocol {
            "HTTP" | "HTTPS" => Speaks::Http,
            "TLS" if listener.passes_through => Speaks::TlsPassthrough,
            "TLS" | "TCP" => Speaks::Tcp,
            other => {
                let text = format!("a listener that speaks `{other}` is not carried over: Portcullis passes on TCP");
                self.left(place, text);
                return None;
            }
        };
        let Some(number) = listener.port.number() else {
            self.left(place, "a listener is not carried over: its number is not known".to_owned());
            return None;
        };
        let needs_secret = protocol == "HTTPS" || protocol == "TLS" && !listener.passes_through;
        if needs_secret && listener.secrets.is_empty() {
            self.left(place, "a listener is not carried over: it names no certificate".to_owned());
            return None;
        }
        let secrets = if needs_secret { listener.secrets.as_slice() } else { &[] };
        Some((self.port(number, speaks, secrets, place)?, speaks))
    }

    /// Adds what a route does on each listener that it hangs on.
    pub(super) fn route(&mut self, route: &'c Declared<Hung>) {
        let kind = route.meta.kind.as_str();
        if !matches!(kind, "HTTPRoute" | "TLSRoute" | "TCPRoute") {
            let text = format!("{} is not carried over: Portcullis routes HTTP/1, TLS and TCP", route.meta.title());
            return self.left(route.meta.anchor(), text);
        }
        let cluster = self.cluster;
        let mut hangs = false;
        for gateway in cluster.gateways_of(route) {
            let is_asked = |listener: &&GatewayListener| {
                route.spec.parents.iter().any(|parent| parent.name == gateway.meta.name && is_for(parent, listener))
            };
            for listener in gateway.spec.listeners.iter().filter(is_asked) {
                hangs = true;
                if let Some((key, speaks)) = self.listener(listener) {
                    self.on(route, listener, &key, speaks);
                }
            }
        }
        if !hangs {
            let text =
                format!("{} is not carried over: the Gateway that it hangs on is not in the files", route.meta.title());
            self.left(route.meta.anchor(), text);
        }
    }

    fn on(&mut self, route: &Declared<Hung>, listener: &GatewayListener, key: &str, speaks: Speaks) {
        let of_listener = only_host(listener.hostname.as_ref());
        let hosts: Vec<Match> = match route.spec.hostnames.as_slice() {
            [] => vec![of_listener],
            hosts => hosts.iter().filter_map(|host| of_listener.and(&only_host(Some(host)))).collect(),
        };
        let is_http = speaks == Speaks::Http;
        for rule in &route.spec.rules {
            for matches in self.matches(rule, is_http) {
                for host in &hosts {
                    let Some(both) = host.and(&matches) else { continue };
                    if let Some(carried) = self.rule(route, rule, key, speaks, both) {
                        self.add(carried);
                    }
                }
            }
        }
    }

    /// What a rule matches; what cannot be said is told.
    fn matches(&mut self, rule: &RouteRule, is_http: bool) -> Vec<Match> {
        if rule.matches.is_empty() || !is_http {
            return vec![Match::default()];
        }
        let said = |one: &RouteMatch| {
            let path = one.path.as_ref().map_or("/", |path| path.as_str());
            match one.kind.as_deref() {
                _ if one.asks_more => Err("it asks for headers, a method or a query".to_owned()),
                Some("Exact") if is_plain(path) => Ok(PathMatch::Exact(path.to_owned())),
                None | Some("PathPrefix") if is_plain(path) => Ok(PathMatch::prefix(path)),
                _ => Err(format!("`{path}` is a pattern")),
            }
        };
        let mut matches = Vec::new();
        for one in &rule.matches {
            match said(one) {
                Ok(path) => matches.push(Match { path, ..Match::default() }),
                Err(why) => self.left(one.span, format!("this match is not carried over: {why}")),
            }
        }
        matches
    }

    fn rule(&mut self, of: &Declared<Hung>, rule: &RouteRule, key: &str, speaks: Speaks, on: Match) -> Option<Route> {
        let place = rule.span;
        let redirect = rule.filters.iter().find(|filter| matches!(filter, Filter::Redirect { .. }));
        let action = match redirect {
            Some(redirect) => self.redirect(redirect, &on)?,
            None => Action::Service(self.service_of(of, rule, speaks)?),
        };
        let mut route = Route::new(vec![key.to_owned()], on, action, Allow::Anyone, place);
        for filter in &rule.filters {
            self.filter(filter, &mut route)?;
        }
        Some(route)
    }

    /// To https, of a host that is known.
    fn redirect(&mut self, redirect: &Filter, on: &Match) -> Option<Action> {
        let Filter::Redirect { span, scheme, hostname, changes_more, status } = redirect else { return None };
        if scheme.as_deref() != Some("https") || *changes_more {
            self.left(*span, "this redirect is not carried over: it changes more than scheme and host".to_owned());
            return None;
        }
        let host = hostname.as_deref().or(on.host.as_deref().filter(|host| !host.starts_with('*'))).unwrap_or_default();
        Some(Action::Redirect { to: format!("https://{host}"), status: status.unwrap_or(302) })
    }

    fn service_of<'r>(&mut self, of: &Declared<Hung>, rule: &'r RouteRule, speaks: Speaks) -> Option<String> {
        let backend = |backend: &'r RouteBackend| Backend {
            service: &backend.service,
            namespace: backend.namespace.as_deref(),
            port: backend.port.as_ref(),
            weight: backend.weight,
        };
        let backends: Vec<Backend<'_>> = rule.backends.iter().map(backend).collect();
        if backends.is_empty() {
            self.left(rule.span, "this rule is not carried over: no Service is behind it".to_owned());
        }
        self.behind(&backends, &of.meta, speaks, None)
    }

    /// Lets a filter change a route; `None` if without it the route would do something else.
    fn filter(&mut self, filter: &Filter, route: &mut Route) -> Option<()> {
        match filter {
            Filter::Redirect { .. } => {}
            Filter::Rewrite { span, replaces_all: true, .. } => {
                self.left(*span, "this rule is not carried over: it replaces the whole path".to_owned());
                return None;
            }
            Filter::Rewrite { hostname, prefix, .. } => {
                route.host.clone_from(hostname);
                route.path_prefix.clone_from(prefix);
            }
            Filter::Headers { span, is_request, set, does_more } => {
                let headers = if *is_request { &mut route.request_headers } else { &mut route.response_headers };
                headers.extend(set.iter().cloned());
                if *does_more {
                    self.left(*span, "headers that are added or removed here are not carried over".to_owned());
                }
            }
            Filter::Other(kind) if kind.as_str() == "RequestMirror" => self.mirrored(kind.span),
            // An extension of a controller may ask who calls.
            Filter::Other(kind) => {
                route.allow = self.told(Allow::Closed(format!("the filter `{}` stands before it", **kind)), kind.span);
            }
        }
        Some(())
    }

    fn mirrored(&mut self, place: Span) {
        self.left(place, "the copy of requests is not carried over: Portcullis sends each to one service".to_owned());
    }
}

fn is_for(parent: &Parent, listener: &GatewayListener) -> bool {
    let is_named = parent.listener.is_none() || parent.listener.as_deref() == listener.name.as_deref();
    is_named && parent.port.as_ref().is_none_or(|port| port.number() == listener.port.number())
}

fn only_host(host: Option<&Spanned<String>>) -> Match {
    Match { host: host.map(|host| host.to_ascii_lowercase()), ..Match::default() }
}
