//! `GET /v1/config`: what was declared, with what was assumed, without what is secret.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use ipnet::IpNet;
use portcullis_config::{
    declared::{
        self, Allow, ClaimTest, Deny, EndpointAddress, HeaderEdits, HostPattern, PathPattern, ValuePattern, Verify,
        Word,
    },
    sources::Sources,
    span::Spanned,
};
use portcullis_observe::access_log::{Format, Target};
use portcullis_plan::{HealthPlan, HealthProbe, PortPlan, ServicePlan};

use crate::{
    Publisher, Running,
    answers::{
        CertificateNames, EffectiveConfiguration, EffectiveHealth, EffectivePort, EffectiveRoute, EffectiveService,
        EffectiveTls,
    },
    sockets::address_text,
};

/// The running configuration with every default filled in and every secret left out.
#[utoipa::path(get, path = "/v1/config", responses((status = 200, body = EffectiveConfiguration)))]
pub(super) async fn configuration(State(publisher): State<Arc<Publisher>>) -> Json<EffectiveConfiguration> {
    let workers = publisher.registries().endpoints.workers();
    Json(describe(&publisher.running(), workers))
}

fn describe(running: &Running, workers: usize) -> EffectiveConfiguration {
    let Running { plan, declared, sources, .. } = running;
    EffectiveConfiguration {
        files: sources.paths().map(|path| path.display().to_string()).collect(),
        workers,
        connections: plan.connections,
        drain_ms: ms(plan.drain),
        access_log: match &plan.access_log.target {
            Target::Stdout => "stdout".to_owned(),
            Target::Off => "off".to_owned(),
            Target::File(path) => path.display().to_string(),
        },
        access_log_format: match plan.access_log.format {
            Format::Json => "json",
            Format::Text => "text",
        }
        .to_owned(),
        log_level: plan.log_level.word().to_owned(),
        admin_token: plan.admin_token.is_some(),
        ports: plan.ports.iter().zip(&declared.ports).map(|(plan, said)| port(plan, said)).collect(),
        services: plan.services.iter().zip(&declared.services).map(|(plan, said)| service(plan, said)).collect(),
        routes: declared.routes.iter().map(|said| route(said, sources)).collect(),
    }
}

fn port(plan: &PortPlan, said: &declared::Port) -> EffectivePort {
    let (limits, timeouts) = (&plan.limits, &plan.timeouts);
    EffectivePort {
        name: plan.name.to_string(),
        listen: address_text(&plan.listen),
        role: plan.role_name().to_owned(),
        protocol: plan.protocol.name().to_owned(),
        from: blocks(&said.from),
        deny: blocks(&said.deny),
        proxy_protocol_from: said.proxy_protocol.as_ref().map(|proxy| blocks(&proxy.from)).unwrap_or_default(),
        tls: plan.protocol.terminated().map(|terminated| EffectiveTls {
            client_certificate: terminated.clients.word().to_owned(),
            certificates: terminated
                .certificates
                .iter()
                .map(|certificate| CertificateNames { names: certificate.names.clone() })
                .collect(),
        }),
        redirect_https: plan.redirect_https,
        log: plan.log.word().to_owned(),
        accepted_wildcard: plan.accepted_wildcard.clone(),
        connections: limits.connections,
        connections_per_source: limits.connections_per_source,
        head_bytes: limits.head_bytes,
        headers: limits.headers,
        target_bytes: limits.target_bytes,
        body_bytes: limits.body_bytes,
        minimum_rate: limits.minimum_rate,
        handshake_ms: ms(timeouts.handshake),
        head_ms: ms(timeouts.head),
        keep_alive_ms: ms(timeouts.keep_alive),
    }
}

fn service(plan: &ServicePlan, said: &declared::Service) -> EffectiveService {
    let timeouts = &plan.timeouts;
    EffectiveService {
        name: plan.name.to_string(),
        protocol: plan.protocol.word().to_owned(),
        ports: said.ports.map(|ports| ports.to_string()),
        range: said.range.as_ref().map(|range| range.value.clone()),
        endpoints: said.endpoints.iter().map(|endpoint| address(&endpoint.address)).collect(),
        balance: plan.group.policy().name().to_owned(),
        health: plan.health.as_ref().map(health),
        eject_failures: plan.eject.map(|eject| eject.failures),
        eject_ms: plan.eject.map(|eject| eject.duration_ms),
        tls: match said.tls.as_ref().map(|tls| tls.verify.value) {
            None => "off",
            Some(Verify::Off) => "unverified",
            Some(Verify::System | Verify::Ca) => "verified",
        }
        .to_owned(),
        proxy_protocol: plan.proxy_protocol.map(|version| version.word().to_owned()),
        retry_attempts: plan.retry_attempts,
        retry_budget_percent: plan.retry_budget_percent,
        idle_connections: plan.idle_connections,
        resolve_ms: ms(plan.resolve),
        connect_ms: ms(timeouts.connect),
        response_ms: ms(timeouts.response),
        idle_ms: ms(timeouts.idle),
        session_idle_ms: ms(timeouts.session_idle),
        half_close_ms: ms(timeouts.half_close),
        keep_alive_ms: ms(timeouts.keep_alive),
    }
}

fn health(plan: &HealthPlan) -> EffectiveHealth {
    let (probe, status) = match &plan.probe {
        HealthProbe::Tcp => ("tcp".to_owned(), Vec::new()),
        HealthProbe::Tls => ("tls".to_owned(), Vec::new()),
        HealthProbe::Http { path, status, .. } => (
            format!("GET {path}"),
            status
                .iter()
                .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
                .collect(),
        ),
    };
    EffectiveHealth {
        probe,
        status,
        every_ms: ms(plan.every),
        timeout_ms: ms(plan.timeout),
        rise: plan.rise,
        fall: plan.fall,
    }
}

fn route(said: &declared::Route, sources: &Sources) -> EffectiveRoute {
    let position = sources.position(said.span);
    let file = sources.path(said.span.file).display();
    EffectiveRoute {
        name: said.name.as_ref().map(|name| name.value.clone()),
        declared_at: format!("{file}:{}:{}", position.line, position.column),
        ports: said.ports.iter().map(|port| port.value.clone()).collect(),
        matches: matches(&said.matches),
        allow: allow(said.allow.as_ref().map(|allow| &allow.value)),
        deny: deny(&said.deny),
        action: match said.action.as_ref().map(|action| &action.value) {
            Some(declared::Action::Service(name)) => format!("service {name}"),
            Some(declared::Action::Redirect { to, status }) => format!("redirect {status} {to}"),
            Some(declared::Action::Respond { status, .. }) => format!("respond {status}"),
            None => String::new(),
        },
        rewrite_path: said.rewrite.path.as_ref().map(|path| path.value.clone()),
        rewrite_host: said.rewrite.host.as_ref().map(|host| host.value.clone()),
        request_headers: edits(&said.request_headers),
        response_headers: edits(&said.response_headers),
    }
}

fn matches(said: &declared::Matches) -> Vec<String> {
    let host = |what: &str, pattern: &Option<Spanned<HostPattern>>| {
        let pattern = pattern.as_ref()?;
        Some(match &pattern.value {
            HostPattern::Exact(name) => format!("{what} {name}"),
            HostPattern::Suffix(suffix) => format!("{what} *.{suffix}"),
            HostPattern::Any => format!("{what} *"),
        })
    };
    let path = said.path.as_ref().map(|path| match &path.value {
        PathPattern::Exact(path) => format!("path {path}"),
        PathPattern::Prefix(prefix) => format!("path {}/*", prefix.trim_end_matches('/')),
        PathPattern::Regex(regex) => format!("path ~{regex}"),
    });
    [host("sni", &said.sni), host("host", &said.host), path]
        .into_iter()
        .flatten()
        .chain(said.methods.iter().map(|method| format!("method {}", method.value)))
        .chain(said.headers.iter().map(|(name, pattern)| value("header", name, pattern)))
        .chain(said.query.iter().map(|(name, pattern)| value("query", name, pattern)))
        .chain(said.from.iter().map(|block| format!("from {}", block.value)))
        .collect()
}

/// What a value is compared with may be a secret (a shared key in a header), so only the kind of test is told.
fn value(what: &str, name: &str, pattern: &ValuePattern) -> String {
    let test = match pattern {
        ValuePattern::Present => "present",
        ValuePattern::Exact(_) => "exact",
        ValuePattern::Regex(_) => "regex",
    };
    format!("{what} {name} {test}")
}

fn allow(said: Option<&Allow>) -> Vec<String> {
    let list = |what: &str, names: &[Spanned<String>]| -> Vec<String> {
        names.iter().map(|name| format!("{what} {}", name.value)).collect()
    };
    match said {
        None => Vec::new(),
        Some(Allow::Anyone) => vec!["anyone".to_owned()],
        Some(Allow::Authenticated) => vec!["authenticated".to_owned()],
        Some(Allow::Only(asked)) => [
            asked.from.iter().map(|block| format!("from {}", block.value)).collect(),
            list("certificate", &asked.certificates),
            list("user", &asked.users),
            list("group", &asked.groups),
            list("workload", &asked.workloads),
            list("domain", &asked.domains),
            claims(&asked.claims),
            asked.time.iter().map(|_| "at certain times".to_owned()).collect(),
            asked.grant.iter().map(|_| "grant required".to_owned()).collect(),
        ]
        .concat(),
    }
}

fn claims(tests: &[ClaimTest]) -> Vec<String> {
    let values = |test: &ClaimTest| test.values.iter().map(|value| value.as_str()).collect::<Vec<_>>().join("|");
    tests.iter().map(|test| format!("claim {} {}", *test.name, values(test))).collect()
}

fn deny(said: &Deny) -> Vec<String> {
    let list = |what: &str, names: &[Spanned<String>]| -> Vec<String> {
        names.iter().map(|name| format!("{what} {}", name.value)).collect()
    };
    [
        blocks(&said.from),
        list("user", &said.users),
        list("group", &said.groups),
        list("workload", &said.workloads),
        list("domain", &said.domains),
        claims(&said.claims),
    ]
    .concat()
}

fn edits(said: &HeaderEdits) -> Vec<String> {
    let named = |what: &'static str, names: Vec<&Spanned<String>>| -> Vec<String> {
        names.into_iter().map(|name| format!("{what} {}", name.value)).collect()
    };
    [
        named("set", said.set.iter().map(|(name, _)| name).collect()),
        named("append", said.append.iter().map(|(name, _)| name).collect()),
        named("remove", said.remove.iter().collect()),
    ]
    .concat()
}

fn address(said: &EndpointAddress) -> String {
    match said {
        EndpointAddress::Tcp(address) => address.to_string(),
        EndpointAddress::Name { host, port } => format!("{host}:{port}"),
        EndpointAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn blocks(said: &[Spanned<IpNet>]) -> Vec<String> {
    said.iter().map(|block| block.value.to_string()).collect()
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
