//! Whether what routes ask of callers can be proven, and is proven where nobody listens in.

use super::{Check, Index, index::describe, tls::asks};
use crate::{
    declared::{Allow, ClaimTest, ListenAddress, Port, Protocol, Requirements, Route},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Span,
};

/// A route that asks who calls while nobody can prove it.
pub(super) struct NoIdentityProvider;

impl Check for NoIdentityProvider {
    fn rule(&self) -> RuleId {
        RuleId::NoIdentityProvider
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let identity = &index.declared.identity;
        if !identity.providers.is_empty() || !identity.unreadable.is_empty() || index.declared.unreadable.sections {
            return;
        }
        for (route, port) in index.routes_by_port() {
            let Some((word, span)) = asked(route) else { continue };
            if word == "workloads" && asks_clients(port) {
                continue;
            }
            let message = format!("route {} asks for {word}, and nobody passes", describe(route));
            let finding = Finding::new(self.rule(), span, message)
                .label("no provider is declared that could prove it")
                .help("add one: `identity: { providers: { staff: { local: true } } }`, or `oidc: URL` for your own");
            findings.push(finding);
        }
    }
}

/// Credentials that travel in clear text.
pub(super) struct IdentityInClear;

impl Check for IdentityInClear {
    fn rule(&self) -> RuleId {
        RuleId::IdentityInClear
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (route, port) in index.routes_by_port() {
            let is_plain = matches!(port.protocol.as_deref(), Some(Protocol::Http | Protocol::Tcp));
            let is_local = match &port.listen.value {
                ListenAddress::Tcp(address) => address.ip().is_loopback(),
                ListenAddress::Unix(_) => true,
            };
            let Some((word, span)) = asked(route).filter(|_| is_plain && !is_local && port.redirect.is_none()) else {
                continue;
            };
            if port.plaintext.is_some() {
                continue;
            }
            let message = format!(
                "route {} asks for {word} on port `{}`, where tokens and cookies travel in clear text",
                describe(route),
                *port.name
            );
            let finding = Finding::new(self.rule(), span, message)
                .related(port.listen.span, "not on loopback, and without TLS")
                .help(
                    "make it `protocol: https`; where TLS ends in front of it, say `plaintext: accepted` on the port",
                );
            findings.push(finding);
        }
    }
}

/// A claim that no provider is asked for.
pub(super) struct UnknownClaim;

impl Check for UnknownClaim {
    fn rule(&self) -> RuleId {
        RuleId::UnknownClaim
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let identity = &index.declared.identity;
        let known = |name: &str| {
            identity.providers.iter().any(|provider| provider.claims.further.iter().any(|claim| claim.value == name))
        };
        if identity.providers.is_empty() || !identity.unreadable.is_empty() {
            return;
        }
        for route in &index.declared.routes {
            for test in claims(route).filter(|test| !known(&test.name)) {
                let message = format!("no provider is asked for the claim `{}`, so nobody has it", *test.name);
                let finding = Finding::new(self.rule(), test.name.span, message)
                    .help(format!("add `claims: [{}]` to the provider that makes it", *test.name));
                findings.push(finding);
            }
        }
    }
}

/// What a route asks of who calls, by its first word, with its place.
pub(super) fn asked(route: &Route) -> Option<(&'static str, Span)> {
    let of_allow = match route.allow.as_ref().map(|allow| (&allow.value, allow.span)) {
        Some((Allow::Authenticated, span)) => Some(("proof of identity", span)),
        Some((Allow::Only(requirements), _)) => asked_by(requirements),
        _ => None,
    };
    let condition = route.matches.groups.first().map(|group| ("groups", group.span));
    let claim = route.matches.claims.first().map(|claim| ("claims", claim.name.span));
    of_allow.or(condition).or(claim)
}

fn asked_by(requirements: &Requirements) -> Option<(&'static str, Span)> {
    let lists = [
        ("users", &requirements.users),
        ("groups", &requirements.groups),
        ("domains", &requirements.domains),
        ("workloads", &requirements.workloads),
    ];
    let listed = lists.into_iter().find_map(|(word, list)| Some((word, list.first()?.span)));
    let claim = requirements.claims.first().map(|claim| ("claims", claim.name.span));
    listed.or(claim).or_else(|| Some(("a grant", requirements.grant.as_ref()?.span)))
}

fn claims(route: &Route) -> impl Iterator<Item = &ClaimTest> {
    let allowed = match route.allow.as_deref() {
        Some(Allow::Only(requirements)) => requirements.claims.as_slice(),
        _ => &[],
    };
    allowed.iter().chain(&route.deny.claims).chain(&route.matches.claims)
}

fn asks_clients(port: &Port) -> bool {
    !port.passes_through() && port.clients.as_ref().is_some_and(asks)
}
