//! Services and endpoints.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use portcullis_balance::{Address, EjectPolicy, EndpointKey, Group, Member, Policy};
use portcullis_config::{
    declared::{Balance, Eject, EndpointAddress, HealthProbe as Probe, Service, ServiceProtocol, Verify},
    defaults,
    finding::Finding,
    rule::RuleId,
    span::Spanned,
};
use portcullis_tls::{client, material};
use rustls::pki_types::ServerName;

use super::{Compiler, said};
use crate::{EndpointPlan, EndpointTls, HealthPlan, HealthProbe, ResolvedName, ServicePlan, ServiceTimeouts};

pub(super) fn compile(compiler: &mut Compiler<'_>, control: &[SocketAddr]) -> Vec<Arc<ServicePlan>> {
    let declared = compiler.declared;
    declared
        .services
        .iter()
        .enumerate()
        .map(|(index, service)| Arc::new(one(compiler, index, service, control)))
        .collect()
}

fn one(compiler: &mut Compiler<'_>, index: usize, service: &Service, control: &[SocketAddr]) -> ServicePlan {
    let defaults = &compiler.declared.defaults;
    let policy = match said(service.balance.or(defaults.balance), defaults::BALANCE) {
        Balance::RoundRobin => Policy::RoundRobin,
        Balance::LeastRequests => Policy::LeastRequests,
    };
    let retries = service.retries.as_ref().or(defaults.retries.as_ref());
    let (retry_attempts, budget) = retries.map_or((None, None), |retries| (retries.attempts, retries.budget));
    let eject = eject(service.eject.as_ref().or(defaults.eject.as_ref()));
    let tls = tls(compiler, service);
    let (endpoints, members) = endpoints(compiler, service, tls.as_ref(), control);
    ServicePlan {
        name: service.name.as_str().into(),
        index,
        protocol: said(service.protocol, defaults::SERVICE_PROTOCOL),
        group: Group::new(members, policy),
        endpoints,
        health: health(service),
        eject,
        timeouts: timeouts(compiler, service),
        retry_attempts: said(retry_attempts, defaults::RETRY_ATTEMPTS),
        retry_budget_percent: said(budget, defaults::RETRY_BUDGET).0,
        proxy_protocol: service.proxy_protocol.map(|version| version.value),
        idle_connections: said(service.idle_connections, defaults::IDLE_CONNECTIONS) as usize,
        resolve: said(service.resolve, defaults::RESOLVE),
        metrics: compiler.registries.metrics.service(&service.name),
    }
}

fn eject(declared: Option<&Spanned<Eject>>) -> Option<EjectPolicy> {
    let (failures, duration) = match declared.map(|eject| &eject.value) {
        Some(Eject::Off) => return None,
        Some(Eject::After { failures, duration }) => (*failures, *duration),
        None => (None, None),
    };
    Some(EjectPolicy {
        failures: said(failures, defaults::EJECT_FAILURES).max(1),
        duration_ms: said(duration, defaults::EJECT_DURATION).as_millis() as u64,
    })
}

fn timeouts(compiler: &Compiler<'_>, service: &Service) -> ServiceTimeouts {
    let (own, common) = (&service.timeouts, &compiler.declared.defaults.service_timeouts);
    let idle = own.idle.or(common.idle);
    ServiceTimeouts {
        connect: said(own.connect.or(common.connect), defaults::CONNECT_TIMEOUT),
        response: said(own.response.or(common.response), defaults::RESPONSE_TIMEOUT),
        idle: said(idle, defaults::BODY_IDLE_TIMEOUT),
        session_idle: said(idle, defaults::SESSION_IDLE_TIMEOUT),
        half_close: said(own.half_close.or(common.half_close), defaults::HALF_CLOSE_TIMEOUT),
        keep_alive: said(own.keep_alive.or(common.keep_alive), defaults::SERVICE_KEEP_ALIVE),
    }
}

fn health(service: &Service) -> Option<HealthPlan> {
    let health = &service.health.as_ref()?.value;
    let probe = match &health.probe {
        Probe::Tcp => HealthProbe::Tcp,
        Probe::Tls => HealthProbe::Tls,
        Probe::Http { path, host, status } => HealthProbe::Http {
            path: path.value.clone(),
            host: host.as_ref().map_or(&service.name.value, |host| &host.value).clone(),
            status: if status.is_empty() {
                vec![(defaults::HEALTH_STATUS.first, defaults::HEALTH_STATUS.last)]
            } else {
                status.iter().map(|span| (span.first, span.last)).collect()
            },
        },
    };
    Some(HealthPlan {
        probe,
        every: said(health.every, defaults::HEALTH_EVERY),
        timeout: said(health.timeout, defaults::HEALTH_TIMEOUT),
        rise: said(health.rise, defaults::HEALTH_RISE).max(1),
        fall: said(health.fall, defaults::HEALTH_FALL).max(1),
    })
}

/// TLS of a service: what its endpoints share, and a digest of everything that shapes a connection.
struct SharedTls {
    config: Arc<rustls::ClientConfig>,
    name: Option<String>,
    form: u64,
}

fn tls(compiler: &mut Compiler<'_>, service: &Service) -> Option<SharedTls> {
    let tls = &service.tls.as_ref()?.value;
    let mut hasher = DefaultHasher::new();
    let verify = match (tls.verify.value, &tls.ca) {
        (Verify::Off, _) => client::Verify::Off,
        (Verify::Ca, Some(ca)) => client::Verify::Roots(compiler.loaded(ca, material::load_roots(ca))?),
        (Verify::System, _) | (Verify::Ca, None) => {
            let place = Spanned::new(PathBuf::from("/etc/ssl/certs"), tls.verify.span);
            client::Verify::Roots(compiler.loaded(&place, material::system_roots())?)
        }
    };
    match &verify {
        client::Verify::Off => 0_u64.hash(&mut hasher),
        client::Verify::Roots(roots) => roots.digest.hash(&mut hasher),
    }
    let certificate = match &tls.certificate {
        Some(files) => Some(compiler.certificate(files)?),
        None => None,
    };
    if let Some(certificate) = &certificate {
        certificate.key.cert.iter().for_each(|der| der.as_ref().hash(&mut hasher));
    }
    let name = tls.name.as_ref().map(|name| name.value.clone());
    name.hash(&mut hasher);
    let speaks_http = said(service.protocol, defaults::SERVICE_PROTOCOL) == ServiceProtocol::Http;
    let alpn: &[&[u8]] = if speaks_http { &[b"http/1.1"] } else { &[] };
    match client::client_config(&verify, certificate.as_deref(), alpn) {
        Ok(config) => Some(SharedTls { config, name, form: hasher.finish() | 1 }),
        Err(error) => {
            let place = service.tls.as_ref().map(|tls| tls.span).unwrap_or_default();
            compiler.findings.push(Finding::new(RuleId::CertificateUnreadable, place, error.to_string()));
            None
        }
    }
}

fn endpoints(
    compiler: &mut Compiler<'_>,
    service: &Service,
    tls: Option<&SharedTls>,
    control: &[SocketAddr],
) -> (Vec<EndpointPlan>, Vec<Member>) {
    let mut plans = Vec::new();
    let mut members = Vec::new();
    for declared in &service.endpoints {
        for (address, host) in resolve(compiler, declared, control) {
            let mut hasher = DefaultHasher::new();
            (tls.map(|tls| tls.form), &host, service.proxy_protocol.map(|version| version.value)).hash(&mut hasher);
            let label = address.to_string();
            let key = EndpointKey { service: service.name.value.clone(), address, form: hasher.finish() };
            let state = compiler.registries.endpoints.endpoint(&key);
            let Some(tls) = endpoint_tls(compiler, declared, tls, &host) else { continue };
            plans.push(EndpointPlan {
                state: Arc::clone(&state),
                authority: host.as_str().into(),
                tls,
                metrics: compiler.registries.metrics.endpoint(&service.name, &label),
                label: label.into(),
            });
            members.push(Member { state, weight: said(declared.weight, defaults::WEIGHT) });
        }
    }
    (plans, members)
}

/// `Some(None)`: no TLS; `None`: TLS that can not be, which was reported.
#[allow(clippy::option_option)] // three real cases, used once
fn endpoint_tls(
    compiler: &mut Compiler<'_>,
    place: &Spanned<portcullis_config::declared::Endpoint>,
    tls: Option<&SharedTls>,
    authority: &str,
) -> Option<Option<EndpointTls>> {
    let Some(tls) = tls else { return Some(None) };
    let host = match authority.rsplit_once(':') {
        Some((host, _)) => host.trim_start_matches('[').trim_end_matches(']'),
        None => authority,
    };
    let wanted = tls.name.clone().unwrap_or_else(|| host.to_owned());
    if let Ok(name) = ServerName::try_from(wanted.clone()) {
        return Some(Some(EndpointTls { config: Arc::clone(&tls.config), name }));
    }
    let message = format!("`{wanted}` is no name that a certificate can be checked against");
    let finding = Finding::new(RuleId::InvalidValue, place.span, message).help("set `tls.name` of the service");
    compiler.findings.push(finding);
    None
}

/// Addresses of an endpoint, each with the `host:port` it is known by.
fn resolve(
    compiler: &mut Compiler<'_>,
    endpoint: &Spanned<portcullis_config::declared::Endpoint>,
    control: &[SocketAddr],
) -> Vec<(Address, String)> {
    let (host, port) = match &endpoint.address {
        EndpointAddress::Tcp(address) => return vec![(Address::Tcp(*address), address.to_string())],
        EndpointAddress::Unix(path) => return vec![(Address::Unix(path.clone()), "localhost".to_owned())],
        EndpointAddress::Name { host, port } => (host, *port),
    };
    let Some(ResolvedName { addresses, failure }) = compiler.names.get(host) else { return Vec::new() };
    match failure {
        Some((why, _)) if addresses.is_empty() => {
            let message = format!("`{host}` does not resolve: {why}");
            let help = "write an address, or a name that this host can resolve";
            compiler.findings.push(Finding::new(RuleId::EndpointUnresolvable, endpoint.span, message).help(help));
        }
        Some((why, _)) => {
            let message = format!("`{host}` does not resolve at the moment: {why}");
            let used: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let help = format!("until it does, its last addresses are used: {}", used.join(", "));
            compiler.findings.push(Finding::new(RuleId::EndpointNameStale, endpoint.span, message).help(help));
        }
        None => {}
    }
    let used: Vec<SocketAddr> = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
    if let Some(own) = used.iter().find(|address| control.contains(address)) {
        let message = format!("`{host}` leads to {own}, an admin or metrics port of this proxy");
        compiler.findings.push(Finding::new(RuleId::EndpointIsControlPort, endpoint.span, message));
        return Vec::new();
    }
    used.into_iter().map(|address| (Address::Tcp(address), format!("{host}:{port}"))).collect()
}
