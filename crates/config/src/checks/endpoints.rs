//! Whether the endpoints of a service are what it says, and not the proxy itself.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{Check, Index};
use crate::{
    declared::{Endpoint, EndpointAddress, ListenAddress, Port, PortSpan, Service, Word},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Spanned,
};

/// An endpoint that is a public or internal port of this proxy.
pub(super) struct EndpointIsOwnPort;

impl Check for EndpointIsOwnPort {
    fn rule(&self) -> RuleId {
        RuleId::EndpointIsOwnPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (service, endpoint, port) in own_ports(index).into_iter().filter(|(.., port)| port.is_data_port()) {
            let message = format!(
                "endpoint {} of service `{}` is port `{}` of this proxy",
                endpoint.address, *service.name, *port.name
            );
            let finding = Finding::new(self.rule(), endpoint.span, message)
                .label("traffic would run in a circle")
                .related(port.listen.span, "listens here")
                .help("write the address of the service itself");
            findings.push(finding);
        }
    }
}

/// An endpoint that is an admin or metrics port of this proxy.
pub(super) struct EndpointIsControlPort;

impl Check for EndpointIsControlPort {
    fn rule(&self) -> RuleId {
        RuleId::EndpointIsControlPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (service, endpoint, port) in own_ports(index).into_iter().filter(|(.., port)| !port.is_data_port()) {
            let message = format!(
                "endpoint {} of service `{}` is {} port `{}` of this proxy",
                endpoint.address,
                *service.name,
                port.role.word(),
                *port.name
            );
            let finding = Finding::new(self.rule(), endpoint.span, message)
                .label("the control plane must not be reachable through the data plane")
                .related(port.listen.span, "listens here")
                .help("remove the endpoint; who may use that port connects to it directly");
            findings.push(finding);
        }
    }
}

/// An endpoint that names no host.
pub(super) struct EndpointWildcard;

impl Check for EndpointWildcard {
    fn rule(&self) -> RuleId {
        RuleId::EndpointWildcard
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            for endpoint in &service.endpoints {
                let EndpointAddress::Tcp(address) = &endpoint.address else { continue };
                if !address.ip().to_canonical().is_unspecified() {
                    continue;
                }
                let message = format!("endpoint {address} of service `{}` is a wildcard address", *service.name);
                let finding = Finding::new(self.rule(), endpoint.span, message)
                    .label("names no host")
                    .help(format!("for this host write `127.0.0.1:{}`", address.port()));
                findings.push(finding);
            }
        }
    }
}

/// An endpoint on a port that the service does not listen on.
pub(super) struct EndpointPortMismatch;

impl Check for EndpointPortMismatch {
    fn rule(&self) -> RuleId {
        RuleId::EndpointPortMismatch
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let Some(ports) = service.ports else { continue };
            for endpoint in &service.endpoints {
                let Some(port) = port_of(&endpoint.address).filter(|port| !ports.contains(*port)) else { continue };
                let message = format!(
                    "endpoint {} is not an internal port of `{}` (declared {})",
                    endpoint.address, *service.name, *ports
                );
                let wanted = widen(*ports, port);
                let finding = Finding::new(self.rule(), endpoint.span, message)
                    .label(format!("expected port {}", *ports))
                    .related(ports.span, "the internal ports")
                    .help(format!("correct the endpoint, or declare what the service listens on: `ports: {wanted}`"));
                findings.push(finding);
            }
        }
    }
}

/// One endpoint twice in a service.
pub(super) struct DuplicateEndpoint;

impl Check for DuplicateEndpoint {
    fn rule(&self) -> RuleId {
        RuleId::DuplicateEndpoint
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let mut seen: HashMap<EndpointAddress, &Spanned<Endpoint>> = HashMap::new();
            for endpoint in &service.endpoints {
                if let Some(first) = seen.get(&canonical(&endpoint.address)) {
                    let message =
                        format!("endpoint {} of service `{}` is given twice", endpoint.address, *service.name);
                    let finding = Finding::new(self.rule(), endpoint.span, message)
                        .related(first.span, "first given here")
                        .help("for a larger share write `{ address: ..., weight: 2 }`");
                    findings.push(finding);
                } else {
                    seen.insert(canonical(&endpoint.address), endpoint);
                }
            }
        }
    }
}

/// A service whose endpoints are all taken out of balancing.
pub(super) struct NoWeight;

impl Check for NoWeight {
    fn rule(&self) -> RuleId {
        RuleId::NoWeight
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let is_out = |endpoint: &Spanned<Endpoint>| endpoint.weight.is_some_and(|weight| *weight == 0);
            if !service.endpoints.is_empty() && service.endpoints.iter().all(is_out) {
                let message = format!("every endpoint of service `{}` has weight 0", *service.name);
                let finding = Finding::new(self.rule(), service.endpoints[0].span, message)
                    .label("nothing is left to balance over")
                    .help("give at least one endpoint a weight of 1 or more");
                findings.push(finding);
            }
        }
    }
}

/// Every endpoint that is a port of this proxy, with that port.
fn own_ports<'d>(index: &Index<'d>) -> Vec<(&'d Service, &'d Spanned<Endpoint>, &'d Port)> {
    let mut by_number: HashMap<u16, Vec<(SocketAddr, &Port)>> = HashMap::new();
    let mut by_path = HashMap::new();
    let mut own_addresses = HashSet::new();
    for port in &index.declared.ports {
        match &port.listen.value {
            ListenAddress::Tcp(address) => {
                by_number.entry(address.port()).or_default().push((*address, port));
                own_addresses.insert(address.ip());
            }
            ListenAddress::Unix(path) => {
                by_path.insert(path.as_path(), port);
            }
        }
    }
    let own_port = |endpoint: &Endpoint| match &endpoint.address {
        EndpointAddress::Unix(path) => by_path.get(path.as_path()).copied(),
        address => {
            let ports = by_number.get(&port_of(address)?)?;
            let destinations = destinations(address);
            ports
                .iter()
                .find(|(listen, _)| destinations.iter().any(|to| reaches(*to, listen.ip(), &own_addresses)))
                .map(|(_, port)| *port)
        }
    };
    index
        .declared
        .services
        .iter()
        .flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)))
        .filter_map(|(service, endpoint)| Some((service, endpoint, own_port(endpoint)?)))
        .collect()
}

/// The addresses that an endpoint is sure to stand for. Other names are resolved when the plan is made.
fn destinations(address: &EndpointAddress) -> Vec<IpAddr> {
    match address {
        EndpointAddress::Tcp(address) => vec![address.ip().to_canonical()],
        // RFC 6761 6.3: these names are always the loopback.
        EndpointAddress::Name { host, .. } if host == "localhost" || host.ends_with(".localhost") => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        EndpointAddress::Name { .. } | EndpointAddress::Unix(_) => Vec::new(),
    }
}

/// Whether a connection to `destination` arrives at a socket on `listen` of this host.
fn reaches(destination: IpAddr, listen: IpAddr, own_addresses: &HashSet<IpAddr>) -> bool {
    // Connecting to a wildcard address means the loopback on Linux.
    let destination = match destination {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    if !listen.is_unspecified() {
        return listen == destination;
    }
    listen.is_ipv4() == destination.is_ipv4() && (destination.is_loopback() || own_addresses.contains(&destination))
}

fn port_of(address: &EndpointAddress) -> Option<u16> {
    match address {
        EndpointAddress::Tcp(address) => Some(address.port()),
        EndpointAddress::Name { port, .. } => Some(*port),
        EndpointAddress::Unix(_) => None,
    }
}

fn canonical(address: &EndpointAddress) -> EndpointAddress {
    match address {
        EndpointAddress::Tcp(address) => {
            EndpointAddress::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
        }
        other => other.clone(),
    }
}

/// The span with one more port in it, if that is near; otherwise the port alone.
fn widen(ports: PortSpan, port: u16) -> PortSpan {
    const NEAR: u16 = 16;
    let widened = PortSpan { first: ports.first.min(port), last: ports.last.max(port) };
    if widened.last - widened.first < NEAR.max(ports.last - ports.first + 2) { widened } else { PortSpan::single(port) }
}
