//! Routes into tables, one for each port.

use std::{collections::HashMap, sync::Arc};

use ipnet::IpNet;
use portcullis_config::{
    declared::{self, HostPattern, PathPattern, Route, ValuePattern},
    defaults,
    finding::Finding,
    rule::RuleId,
    span::{Span, Spanned},
};
use regex::bytes::Regex;

use super::{Compiler, access, audit};
use crate::{
    Access, Action, AddressSet, ClaimTest, Conditions, HeaderEdits, PathRewrite, Redirect, Respond, RoutePlan,
    RouteTable, ServicePlan, ValueTest, table::HostTest,
};

/// Tables by the name of their port.
pub(super) fn compile<'a>(
    compiler: &mut Compiler<'a>,
    services: &HashMap<&str, Arc<ServicePlan>>,
    access: &access::Accesses,
) -> HashMap<&'a str, RouteTable> {
    let declared = compiler.declared;
    let is_session: HashMap<&str, bool> = declared
        .ports
        .iter()
        .map(|port| {
            let protocol = port.protocol.map(|protocol| protocol.value);
            let sessions = matches!(protocol, Some(declared::Protocol::Tcp | declared::Protocol::Tls));
            (port.name.as_str(), sessions)
        })
        .collect();
    let mut tables: HashMap<&str, RouteTable> = HashMap::new();
    for (number, route) in (0..).zip(&declared.routes) {
        for port in &route.ports {
            let access = access.of(route, number, port);
            let by_sni = is_session.get(port.as_str()).copied().unwrap_or(false);
            if let Some((host, regex, plan)) = one(compiler, route, (port, access), services, by_sni) {
                let path = route.matches.path.as_ref().map(|path| (&path.value, regex));
                tables.entry(port.as_str()).or_default().insert(&host, path, Arc::new(plan));
            }
        }
    }
    tables
}

/// The name that logs and maps call a route by, and the pattern that it matches.
pub(super) fn name(route: &Route, port: &str) -> (String, String) {
    let host = match route.matches.host.as_ref().or(route.matches.sni.as_ref()).map(|host| &host.value) {
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Suffix(suffix)) => format!("*.{suffix}"),
        Some(HostPattern::Any) | None => "*".to_owned(),
    };
    let path = match route.matches.path.as_ref().map(|path| &path.value) {
        Some(PathPattern::Exact(path)) => path.clone(),
        Some(PathPattern::Prefix(prefix)) => format!("{}/*", prefix.trim_end_matches('/')),
        Some(PathPattern::Regex(regex)) => format!("~{regex}"),
        None => String::new(),
    };
    let pattern = format!("{host}{path}");
    let name = route.name.as_ref().map_or_else(|| format!("{port}/{pattern}"), |name| name.value.clone());
    (name, pattern)
}

fn one(
    compiler: &mut Compiler<'_>,
    route: &Route,
    (port, access): (&str, Access),
    services: &HashMap<&str, Arc<ServicePlan>>,
    by_sni: bool,
) -> Option<(HostPattern, Option<Regex>, RoutePlan)> {
    let matches = &route.matches;
    let (name, pattern) = name(route, port);
    let regex = match matches.path.as_ref().map(|path| (&path.value, path.span)) {
        Some((PathPattern::Regex(regex), span)) => Some(anchored(compiler, regex, span)?),
        _ => None,
    };
    let action = action(route.action.as_ref()?, services)?;
    // Where no Host is spoken, the SNI stands in its place.
    let host = if by_sni { matches.sni.as_ref() } else { matches.host.as_ref() };
    let host = host.map_or(HostPattern::Any, |host| host.value.clone());
    let conditions = Conditions {
        sni: matches.sni.as_ref().filter(|_| !by_sni).map(|sni| HostTest(sni.value.clone())),
        methods: matches.methods.iter().map(|method| method.as_bytes().into()).collect(),
        headers: tests(compiler, &matches.headers)?.into_iter().map(|(name, test)| (name.into(), test)).collect(),
        query: tests(compiler, &matches.query)?
            .into_iter()
            .map(|(name, test)| (name.as_bytes().into(), test))
            .collect(),
        from: addresses(&matches.from),
        groups: matches.groups.iter().map(|group| group.as_str().into()).collect(),
        claims: matches
            .claims
            .iter()
            .map(|test| ClaimTest {
                name: test.name.as_str().into(),
                values: test.values.iter().map(|value| value.as_str().into()).collect(),
            })
            .collect(),
    };
    let plan = RoutePlan {
        metrics: compiler.registries.metrics.route(port, &name),
        name: name.into(),
        pattern,
        conditions,
        audit: audit::of_route(compiler.declared, route, port, &access),
        access,
        tell: route.tell.iter().map(|(name, claim)| (name.as_bytes().into(), claim.value.clone())).collect(),
        passes_credentials: route.pass_credentials.is_some_and(|pass| pass.value),
        action,
        rewrite_path: route.rewrite.path.as_ref().map(|to| PathRewrite {
            matched_prefix: match matches.path.as_ref().map(|path| &path.value) {
                Some(PathPattern::Prefix(prefix)) => Some(prefix.trim_end_matches('/').len()),
                Some(PathPattern::Exact(_) | PathPattern::Regex(_)) => None,
                None => Some(0),
            },
            replacement: to.as_bytes().into(),
        }),
        rewrite_host: route.rewrite.host.as_ref().map(|host| host.as_bytes().into()),
        request_headers: request_edits(compiler.declared, &route.request_headers),
        response_headers: edits(&route.response_headers),
    };
    Some((host, regex, plan))
}

fn anchored(compiler: &mut Compiler<'_>, regex: &str, span: Span) -> Option<Regex> {
    // Size limits keep a hostile or careless expression from taking the memory of the proxy.
    let built = regex::bytes::RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(1 << 20).build();
    built
        .map_err(|error| {
            compiler.findings.push(Finding::new(RuleId::BadRegex, span, format!("regular expression: {error}")));
        })
        .ok()
}

fn tests<'a>(
    compiler: &mut Compiler<'_>,
    patterns: &'a [(Spanned<String>, Spanned<ValuePattern>)],
) -> Option<Vec<(&'a str, ValueTest)>> {
    patterns
        .iter()
        .map(|(name, pattern)| {
            let test = match &pattern.value {
                ValuePattern::Present => ValueTest::Present,
                ValuePattern::Exact(value) => ValueTest::Exact(value.as_bytes().into()),
                ValuePattern::Regex(regex) => ValueTest::Regex(anchored(compiler, regex, pattern.span)?),
            };
            Some((name.as_str(), test))
        })
        .collect()
}

pub(super) fn addresses(blocks: &[Spanned<IpNet>]) -> Option<AddressSet> {
    (!blocks.is_empty()).then(|| AddressSet::new(blocks.iter().map(|block| &block.value)))
}

fn action(declared: &Spanned<declared::Action>, services: &HashMap<&str, Arc<ServicePlan>>) -> Option<Action> {
    Some(match &declared.value {
        declared::Action::Service(name) => Action::Forward(Arc::clone(services.get(name.as_str())?)),
        declared::Action::Redirect { to, status } => Action::Redirect(redirect(to, *status)),
        declared::Action::Respond { status, body, content_type } => Action::Respond(Respond {
            status: *status,
            body: body.as_bytes().into(),
            content_type: content_type.as_str().into(),
        }),
    })
}

/// `https://host/path`, `https://host` (path and query are kept) or `/path` (the host is kept).
fn redirect(to: &str, status: u16) -> Redirect {
    let authority_end =
        to.find("://").map_or(0, |scheme| to[scheme + 3..].find('/').map_or(to.len(), |at| scheme + 3 + at));
    let (base, path) = to.split_at(authority_end);
    Redirect { status, base: base.into(), path: (!path.is_empty()).then(|| path.into()) }
}

/// What a route says of who calls, it says alone: lines of the client that claim it go, also where the route appends.
fn request_edits(file: &declared::Declared, said: &declared::HeaderEdits) -> HeaderEdits {
    let mut edits = edits(said);
    let claims = edits.append.iter().map(|(name, _)| name).filter(|name| is_identity_claim(name)).cloned();
    edits.remove = edits.remove.iter().cloned().chain(claims).chain(asserted(file)).collect();
    edits
}

/// Headers in which services believe what this proxy says of callers, whichever route says it: a client never says it
/// there, on open routes neither (invariant 3).
fn asserted(file: &declared::Declared) -> Vec<Box<[u8]>> {
    if file.identity.providers.is_empty() {
        return Vec::new();
    }
    let assertion =
        file.identity.assertion.header.as_ref().map_or(defaults::ASSERTION_HEADER, |header| header.as_str());
    let told = file.routes.iter().flat_map(|route| &route.tell).map(|(name, _)| name.as_str());
    let names: std::collections::BTreeSet<&str> = told.chain([assertion]).collect();
    names.into_iter().map(|name| name.as_bytes().into()).collect()
}

/// Names in which services are commonly told who calls, by gateways and identity-aware proxies. Lower case.
fn is_identity_claim(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 12] = [
        b"remote-user",
        b"x-remote-user",
        b"x-remote-group",
        b"x-user",
        b"x-email",
        b"x-groups",
        b"x-roles",
        b"x-principal",
        b"x-subject",
        b"x-client-cert",
        b"x-ms-client-principal",
        b"authorization",
    ];
    const FAMILIES: [&[u8]; 13] = [
        b"x-user-",
        b"x-auth-",
        b"x-authenticated-",
        b"x-webauth-",
        b"x-remote-extra-",
        b"x-ssl-client-",
        b"ssl-client-",
        b"x-client-cert-",
        b"x-goog-authenticated-user-",
        b"x-ms-client-principal-",
        b"x-amzn-oidc-",
        b"x-portcullis-",
        b"impersonate-",
    ];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

fn edits(declared: &declared::HeaderEdits) -> HeaderEdits {
    let pairs = |pairs: &[(Spanned<String>, Spanned<String>)]| {
        pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect()
    };
    HeaderEdits {
        set: pairs(&declared.set),
        append: pairs(&declared.append),
        remove: declared.remove.iter().map(|name| name.as_bytes().into()).collect(),
    }
}
