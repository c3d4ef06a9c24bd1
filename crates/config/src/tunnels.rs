//! Routes that carry bytes through a port that speaks HTTP: where they are found, and what they cannot say.
//!
//! A route from an `http` or `https` port to a service that speaks something else is asked for by a path of its own, as
//! `portcullis connect` asks: the path is the service's name, so nobody has to invent one.

use std::collections::HashSet;

use crate::{
    declared::{Action, Declared, PathPattern, Port, Protocol, Route, ServiceProtocol},
    span::{Span, Spanned},
};

/// Beneath this lie the services that are reached by a connection inside of HTTP (a well-known place, RFC 8615).
pub const PREFIX: &str = "/.well-known/portcullis/connect/";

/// Gives each such route its path. One with ports that do not speak HTTP as well is left as it is, and is a finding.
pub(crate) fn place(declared: &mut Declared) {
    let speak_http: HashSet<&str> =
        declared.ports.iter().filter(|port| speaks_http(port)).map(|port| port.name.as_str()).collect();
    let take_bytes: HashSet<&str> = declared
        .services
        .iter()
        .filter(|service| service.protocol.is_some_and(|protocol| protocol.value != ServiceProtocol::Http))
        .map(|service| service.name.as_str())
        .collect();
    let path = |route: &Route| {
        let action = route.action.as_ref()?;
        let Action::Service(service) = &action.value else { return None };
        let is_tunnel = take_bytes.contains(service.as_str())
            && !route.ports.is_empty()
            && route.ports.iter().all(|port| speak_http.contains(port.as_str()))
            && route.matches.path.is_none();
        is_tunnel.then(|| Spanned::new(PathPattern::Exact(format!("{PREFIX}{service}")), action.span))
    };
    let paths: Vec<_> = declared.routes.iter().map(path).collect();
    for (route, path) in declared.routes.iter_mut().zip(paths).filter(|(_, path)| path.is_some()) {
        route.matches.path = path;
    }
}

fn speaks_http(port: &Port) -> bool {
    matches!(port.protocol.as_deref(), Some(Protocol::Http | Protocol::Https))
}

/// Whether a route has the path of a connection to this service.
pub(crate) fn is_placed(route: &Route, service: &str) -> bool {
    let Some(PathPattern::Exact(path)) = route.matches.path.as_deref() else { return false };
    path.strip_prefix(PREFIX) == Some(service)
}

/// What such a route says that bytes have no use for: the request that asks for them is made by `portcullis connect`.
pub(crate) fn useless(route: &Route) -> Vec<(&'static str, Span)> {
    let matches = &route.matches;
    let edits = |key, edits: &crate::declared::HeaderEdits| {
        let names = edits.set.iter().chain(&edits.append).map(|(name, _)| name).chain(&edits.remove);
        names.map(|name| (key, name.span)).next()
    };
    [
        matches.methods.first().map(|method| ("methods", method.span)),
        matches.headers.first().map(|(name, _)| ("headers", name.span)),
        matches.query.first().map(|(name, _)| ("query", name.span)),
        route.tell.first().map(|(name, _)| ("tell", name.span)),
        route.pass_credentials.as_ref().map(|pass| ("pass-credentials", pass.span)),
        route.rewrite.path.as_ref().or(route.rewrite.host.as_ref()).map(|rewrite| ("rewrite", rewrite.span)),
        edits("request-headers", &route.request_headers),
        edits("response-headers", &route.response_headers),
    ]
    .into_iter()
    .flatten()
    .collect()
}
