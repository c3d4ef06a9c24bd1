//! What is to be tried: every declared port and endpoint at every address.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use portcullis_config::{
    declared::{
        Action, HealthProbe, HostPattern, Matches, Port, Protocol as PortProtocol, Role, Route, Service,
        ServiceProtocol,
    },
    scope::Scope,
    span::Spanned,
};
use portcullis_kernel::addresses::local_addresses;

use super::{Attempt, Curiosity};
use crate::{
    estate::{Estate, OwnPort, Seat, ServiceEndpoint},
    outcome::Place,
    permit::{Permit, Target},
    wire::{Expected, PROXY_LOCAL, Protocol},
};

/// One thing to try, and what must come of it.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) title: String,
    pub(crate) place: Option<Place>,
    pub(crate) must: Must,
    pub(crate) attempt: Attempt,
}

/// What it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A port of the proxy, which has sources that it lets in.
    Port(&'a Port),
    /// An endpoint of a service, which lets everybody in.
    Endpoint,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Must {
    /// It must be open to whom it lets in.
    Open,
    /// It may be open to whom it lets in, and to nobody else.
    OpenOrNot,
    /// It must not be open.
    Closed,
    /// It should not be open: a service is to be reached through the proxy.
    Beside,
}

/// From this host itself, or from wherever the caller stands, if the caller named addresses.
pub(super) fn from_here<'a>(estate: &'a Estate<'a>, permit: &Permit) -> Vec<Case<'a>> {
    let addresses = addresses(permit);
    let mut cases = Vec::new();
    for port in &estate.ports {
        for address in reachable_through(port.address, &addresses) {
            cases.extend(of_port(estate, port, address, Must::Open, permit));
        }
        for address in others(port.address, &addresses) {
            if !is_expected_at(estate, address) {
                cases.extend(of_port(estate, port, address, Must::Closed, permit));
            }
        }
    }
    for endpoint in &estate.endpoints {
        let is_asked_for =
            if permit.names_any() { addresses.contains(&endpoint.address.ip()) } else { endpoint.seat == Seat::Here };
        if is_asked_for {
            cases.extend(of_endpoint(estate, endpoint, endpoint.address, Must::Open, permit));
        }
        if endpoint.seat != Seat::Here {
            continue;
        }
        for address in others(endpoint.address, &addresses) {
            let is_twin =
                Scope::of(address.ip()) == Scope::Loopback && Scope::of(endpoint.address.ip()) == Scope::Loopback;
            if !is_twin && !is_expected_at(estate, address) {
                cases.extend(of_endpoint(estate, endpoint, address, Must::Closed, permit));
            }
        }
    }
    first_what_must_be_open(cases)
}

/// From another network namespace of this host: its way leads over the addresses that are not loopback.
pub(super) fn from_elsewhere<'a>(estate: &'a Estate<'a>, permit: &Permit) -> Vec<Case<'a>> {
    let addresses: Vec<IpAddr> = addresses(permit).into_iter().filter(|address| !address.is_loopback()).collect();
    let mut cases = Vec::new();
    for port in &estate.ports {
        let must = if port.port.role.value == Role::Public { Must::Open } else { Must::OpenOrNot };
        for address in reachable_through(port.address, &addresses).filter(|address| !address.ip().is_loopback()) {
            cases.extend(of_port(estate, port, address, must, permit));
        }
        for address in others(port.address, &addresses) {
            if !is_expected_at(estate, address) {
                cases.extend(of_port(estate, port, address, Must::Closed, permit));
            }
        }
    }
    for endpoint in estate.endpoints.iter().filter(|endpoint| endpoint.seat == Seat::Here) {
        if !endpoint.address.ip().is_loopback() {
            cases.extend(of_endpoint(estate, endpoint, endpoint.address, Must::Beside, permit));
        }
        for address in others(endpoint.address, &addresses) {
            if !is_expected_at(estate, address) {
                cases.extend(of_endpoint(estate, endpoint, address, Must::Closed, permit));
            }
        }
    }
    first_what_must_be_open(cases)
}

/// From inside the network namespace in which services have their ports.
pub(super) fn inside<'a>(estate: &'a Estate<'a>, namespace: &str, permit: &Permit) -> Vec<Case<'a>> {
    let endpoints = estate.endpoints.iter().filter(|endpoint| endpoint.seat == Seat::Namespace(namespace));
    endpoints.filter_map(|endpoint| of_endpoint(estate, endpoint, endpoint.address, Must::Open, permit)).collect()
}

/// The addresses to try: those of this host, or those that the caller named.
fn addresses(permit: &Permit) -> Vec<IpAddr> {
    if permit.names_any() {
        return permit.named().collect();
    }
    local_addresses().into_iter().filter(|address| is_usable(*address)).collect()
}

/// Where the bounds are too narrow for all, what must be open is worth more.
fn first_what_must_be_open(mut cases: Vec<Case<'_>>) -> Vec<Case<'_>> {
    cases.sort_by_key(|case| case.must != Must::Open);
    cases
}

/// A link-local address is another one on each interface.
fn is_usable(address: IpAddr) -> bool {
    !matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The addresses through which a port is reached that listens on `bound`: itself, or all of its family for a wildcard.
pub(crate) fn reachable_through(bound: SocketAddr, addresses: &[IpAddr]) -> impl Iterator<Item = SocketAddr> {
    let is_meant = move |address: &&IpAddr| {
        let is_family = address.is_ipv4() == bound.is_ipv4();
        is_family && (bound.ip().is_unspecified() || bound.ip() == **address)
    };
    let mut through: Vec<IpAddr> = addresses.iter().filter(is_meant).copied().collect();
    // 127.0.0.9 is an address of this host too, though no interface says so.
    let is_unlisted = !bound.ip().is_unspecified() && bound.ip().is_loopback() && !through.contains(&bound.ip());
    if is_unlisted && addresses.iter().any(IpAddr::is_loopback) {
        through.push(bound.ip());
    }
    through.into_iter().map(move |address| SocketAddr::new(address, bound.port()))
}

/// All other addresses, of either family.
fn others(bound: SocketAddr, addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let through: Vec<SocketAddr> = reachable_through(bound, addresses).collect();
    let all = addresses.iter().map(|address| SocketAddr::new(*address, bound.port()));
    all.filter(|address| !through.contains(address) && address.ip() != bound.ip()).collect()
}

/// Whether something else is declared there.
fn is_expected_at(estate: &Estate<'_>, address: SocketAddr) -> bool {
    let takes = |bound: SocketAddr| {
        bound.port() == address.port()
            && bound.is_ipv4() == address.is_ipv4()
            && (bound.ip() == address.ip() || bound.ip().is_unspecified())
    };
    estate.ports.iter().any(|port| takes(port.address))
        || estate.endpoints.iter().any(|endpoint| endpoint.seat == Seat::Here && takes(endpoint.address))
}

fn of_port<'a>(
    estate: &'a Estate<'a>,
    port: &OwnPort<'a>,
    address: SocketAddr,
    must: Must,
    permit: &Permit,
) -> Option<Case<'a>> {
    let target = permit.target(address)?;
    let announces = |source: &Spanned<IpNet>| source.value.contains(&address.ip());
    let sends_header = port.port.proxy_protocol.as_ref().is_some_and(|proxy| proxy.value.from.iter().any(announces));
    let expected = Expected {
        protocol: protocol_of_port(estate, port.port),
        host: estate.declared.routes.iter().find_map(|route| host_of(route, port.port)),
        path: "/".to_owned(),
        ahead: sends_header.then_some(PROXY_LOCAL),
    };
    Some(Case {
        subject: Subject::Port(port.port),
        title: port.title(),
        place: estate.place(port.port.listen.span),
        must,
        attempt: Attempt { target, expected, curiosity: Curiosity::None },
    })
}

fn of_endpoint<'a>(
    estate: &'a Estate<'a>,
    endpoint: &ServiceEndpoint<'a>,
    address: SocketAddr,
    must: Must,
    permit: &Permit,
) -> Option<Case<'a>> {
    let target: Target = permit.target(address)?;
    let service = endpoint.service;
    let expected = Expected {
        protocol: protocol_of_service(service),
        host: service.tls.as_ref().and_then(|tls| tls.value.name.as_ref()).map(|name| name.value.clone()),
        path: health_path(service).unwrap_or_else(|| "/".to_owned()),
        ahead: service.proxy_protocol.is_some().then_some(PROXY_LOCAL),
    };
    Some(Case {
        subject: Subject::Endpoint,
        title: endpoint.title(),
        place: estate.place(endpoint.span),
        must,
        attempt: Attempt { target, expected, curiosity: Curiosity::TryOthers },
    })
}

/// What a port speaks. Bytes that are handed on are what the service behind speaks, if it is one.
pub(crate) fn protocol_of_port(estate: &Estate<'_>, port: &Port) -> Protocol {
    match port.protocol.map(|protocol| protocol.value) {
        Some(PortProtocol::Tcp) => protocol_behind(estate, port).unwrap_or(Protocol::Tcp),
        Some(PortProtocol::Tls) => Protocol::Tls,
        Some(PortProtocol::Https) => Protocol::Https,
        // Control ports speak HTTP, within TLS if they have a certificate.
        None if port.tls.is_some() => Protocol::Https,
        Some(PortProtocol::Http) | None => Protocol::Http,
    }
}

/// What all services behind a port speak, if they speak the same.
fn protocol_behind(estate: &Estate<'_>, port: &Port) -> Option<Protocol> {
    let of_port = |route: &&Route| route.ports.iter().any(|name| name.value == port.name.value);
    let mut protocols = estate.declared.routes.iter().filter(of_port).map(|route| {
        let Some(Action::Service(name)) = route.action.as_ref().map(|action| &action.value) else { return None };
        estate.declared.services.iter().find(|service| service.name.value == *name).map(protocol_of_service)
    });
    let first = protocols.next()??;
    protocols.all(|other| other == Some(first)).then_some(first)
}

fn protocol_of_service(service: &Service) -> Protocol {
    let is_tls = service.tls.is_some();
    match service.protocol.map_or(ServiceProtocol::Http, |protocol| protocol.value) {
        ServiceProtocol::Http if is_tls => Protocol::Https,
        ServiceProtocol::Http => Protocol::Http,
        _ if is_tls => Protocol::Tls,
        ServiceProtocol::Tcp => Protocol::Tcp,
        ServiceProtocol::Postgres => Protocol::Postgres,
        ServiceProtocol::Redis => Protocol::Redis,
        ServiceProtocol::Ssh => Protocol::Ssh,
    }
}

fn health_path(service: &Service) -> Option<String> {
    match &service.health.as_ref()?.value.probe {
        HealthProbe::Http { path, .. } => Some(path.value.clone()),
        HealthProbe::Tcp | HealthProbe::Tls => None,
    }
}

/// A host that a route of this port takes.
pub(crate) fn host_of(route: &Route, port: &Port) -> Option<String> {
    let is_of_port = route.ports.iter().any(|name| name.value == port.name.value);
    let Matches { sni, host, .. } = &route.matches;
    let pattern = host.as_ref().or(sni.as_ref()).filter(|_| is_of_port)?;
    match &pattern.value {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Suffix(suffix) => Some(format!("portcullis-probe.{suffix}")),
        HostPattern::Any => None,
    }
}
