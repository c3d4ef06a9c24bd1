//! Whether a route can do what it says on the port that it names, and says who may pass.

use super::{Check, Index, index::describe, tls::asks};
use crate::{
    declared::{Action, Allow, PathPattern, Port, Protocol, Route, ServiceProtocol, Word},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Span,
    tunnels,
};

/// A route from a port of the control plane.
pub(super) struct RouteOnControlPort;

impl Check for RouteOnControlPort {
    fn rule(&self) -> RuleId {
        RuleId::RouteOnControlPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for route in &index.declared.routes {
            for name in &route.ports {
                let Some(port) = index.port(name).filter(|port| !port.is_data_port()) else { continue };
                let message = format!("`{}` is an {} port, from which no route leads", **name, port.role.word());
                let message = message.replace("an metrics", "a metrics");
                let finding = Finding::new(self.rule(), name.span, message)
                    .label("expected a public or internal port")
                    .related(port.role.span, "its role");
                findings.push(finding);
            }
        }
    }
}

/// A condition or action that the port's protocol cannot see or do.
pub(super) struct RouteProtocol;

impl Check for RouteProtocol {
    fn rule(&self) -> RuleId {
        RuleId::RouteProtocol
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (route, port) in index.routes_by_port().filter(|(_, port)| port.is_data_port()) {
            let Some(protocol) = &port.protocol else { continue };
            let word = protocol.word();
            let mut report = |key: &str, span: Span, help: Option<&str>| {
                let message = format!("`{key}` on port `{}`, which speaks {word}", *port.name);
                let mut finding = Finding::new(self.rule(), span, message)
                    .label(format!("{word} has no such thing"))
                    .related(protocol.span, "the port's protocol");
                finding.help = help.map(str::to_owned);
                findings.push(finding);
            };
            let speaks_http = matches!(protocol.value, Protocol::Http | Protocol::Https);
            if !speaks_http {
                let help = (protocol.value == Protocol::Tls).then_some("on a tls port write `sni`");
                for (key, span) in http_only(route) {
                    report(key, span, help.filter(|_| key == "host"));
                }
            }
            if let Some(sni) = &route.matches.sni
                && matches!(protocol.value, Protocol::Tcp | Protocol::Http)
            {
                report("sni", sni.span, (protocol.value == Protocol::Http).then_some("write `host`"));
            }
        }
    }
}

/// What a route says that only HTTP has.
fn http_only(route: &Route) -> Vec<(&'static str, Span)> {
    let matches = &route.matches;
    let action = route.action.as_ref().and_then(|action| match action.value {
        Action::Service(_) => None,
        Action::Redirect { .. } => Some(("redirect", action.span)),
        Action::Respond { .. } => Some(("respond", action.span)),
    });
    let edits = |key, edits: &crate::declared::HeaderEdits| {
        let names = edits.set.iter().chain(&edits.append).map(|(name, _)| name).chain(&edits.remove);
        names.map(|name| (key, name.span)).next()
    };
    [
        matches.host.as_ref().map(|host| ("host", host.span)),
        matches.path.as_ref().map(|path| ("path", path.span)),
        matches.methods.first().map(|method| ("methods", method.span)),
        matches.headers.first().map(|(name, _)| ("headers", name.span)),
        matches.query.first().map(|(name, _)| ("query", name.span)),
        matches.groups.first().map(|group| ("groups", group.span)),
        matches.claims.first().map(|claim| ("claims", claim.name.span)),
        route.authenticate.first().map(|provider| ("authenticate", provider.span)),
        route.tell.first().map(|(name, _)| ("tell", name.span)),
        route.pass_credentials.as_ref().map(|pass| ("pass-credentials", pass.span)),
        action,
        route.rewrite.path.as_ref().or(route.rewrite.host.as_ref()).map(|rewrite| ("rewrite", rewrite.span)),
        edits("request-headers", &route.request_headers),
        edits("response-headers", &route.response_headers),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// HTTP sent to a service that speaks something else.
pub(super) struct ServiceProtocolMismatch;

impl Check for ServiceProtocolMismatch {
    fn rule(&self) -> RuleId {
        RuleId::ServiceProtocol
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (route, port) in index.routes_by_port() {
            let speaks_http = matches!(port.protocol.as_deref(), Some(Protocol::Http | Protocol::Https));
            let (Some(service), Some(action)) = (index.service_of(route), &route.action) else { continue };
            let Some(protocol) = service.protocol.filter(|protocol| protocol.value != ServiceProtocol::Http) else {
                continue;
            };
            if !speaks_http {
                continue;
            }
            if tunnels::is_placed(route, &service.name) {
                for (key, span) in tunnels::useless(route) {
                    let message = format!("`{key}` on a route that carries bytes to service `{}`", *service.name);
                    let finding = Finding::new(self.rule(), span, message)
                        .related(protocol.span, "the service's protocol")
                        .label("only `host`, `from`, `groups`, `claims` and who may pass mean something here");
                    findings.push(finding);
                }
                continue;
            }
            let message = format!(
                "port `{}` sends HTTP to service `{}`, which speaks {}",
                *port.name,
                *service.name,
                protocol.word()
            );
            let finding = Finding::new(self.rule(), action.span, message)
                .related(protocol.span, "the service's protocol")
                .help("route to it from ports with `protocol: tcp` or `tls`; or, for `portcullis connect`, from ports with `http` or `https` alone and without a `path`");
            findings.push(finding);
        }
    }
}

/// A route that does not say who may pass.
pub(super) struct RouteWithoutAllow;

impl Check for RouteWithoutAllow {
    fn rule(&self) -> RuleId {
        RuleId::RouteWithoutAllow
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for route in &index.declared.routes {
            let is_redirect = matches!(route.action.as_deref(), Some(Action::Redirect { .. }));
            if route.allow.is_some() || is_redirect {
                continue;
            }
            let message = format!("route {} does not say who may pass", describe(route));
            let finding = Finding::new(self.rule(), route.span, message).help(
                "add `allow: anyone`, or who may: `allow: { from: [10.0.0.0/8] }`, `allow: { certificates: [shop.internal] }`",
            );
            findings.push(finding);
        }
    }
}

/// `allow.certificates` where clients never show one.
pub(super) struct CertificateNotAsked;

impl Check for CertificateNotAsked {
    fn rule(&self) -> RuleId {
        RuleId::CertificateNotAsked
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (route, port) in index.routes_by_port().filter(|(_, port)| port.is_data_port()) {
            let Some(Allow::Only(requirements)) = route.allow.as_deref() else { continue };
            let Some(name) = requirements.certificates.first() else { continue };
            if !asks_clients(port) {
                let message = format!("port `{}` asks clients for no certificate, so nobody would pass", *port.name);
                let finding = Finding::new(self.rule(), name.span, message)
                    .related(port.name.span, "declared here")
                    .help("add `clients: { certificate: required, ca: FILE }` to the port");
                findings.push(finding);
            }
        }
    }
}

fn asks_clients(port: &Port) -> bool {
    !port.passes_through() && port.clients.as_ref().is_some_and(asks)
}

/// A rewrite that has nothing to work on.
pub(super) struct UnusableRewrite;

impl Check for UnusableRewrite {
    fn rule(&self) -> RuleId {
        RuleId::Rewrite
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for route in &index.declared.routes {
            let Some(span) = route.rewrite.path.as_ref().or(route.rewrite.host.as_ref()).map(|text| text.span) else {
                continue;
            };
            let forwards = matches!(route.action.as_deref(), None | Some(Action::Service(_)));
            if !forwards {
                let message = "a rewrite on a route that forwards nothing".to_owned();
                findings.push(Finding::new(self.rule(), span, message).help("remove `rewrite`"));
                continue;
            }
            if let (Some(replacement), Some(path)) = (&route.rewrite.path, &route.matches.path)
                && matches!(path.value, PathPattern::Regex(_))
            {
                let message = "`path-prefix` replaces a matched prefix, and a regular expression has none".to_owned();
                let finding = Finding::new(self.rule(), replacement.span, message)
                    .related(path.span, "matched by a regular expression")
                    .help("match with `prefix`, or leave the path as it is");
                findings.push(finding);
            }
        }
    }
}
