//! The declaration as a probe sees it: which addresses of this host should be listened on, and by whom.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, ToSocketAddrs},
};

use portcullis_config::{
    declared::{Declared, EndpointAddress, Ignored, ListenAddress, Port, Service, Space, Transport},
    sources::Sources,
    span::Span,
};
use portcullis_kernel::{
    addresses::is_local,
    inventory::{OpenSocket, Protocol},
};

use crate::outcome::Place;

/// What is declared, resolved as far as a probe needs it.
#[derive(Debug)]
pub struct Estate<'a> {
    /// The declaration itself.
    pub declared: &'a Declared,
    sources: &'a Sources,
    /// TCP ports of the proxy, in the order of the file.
    pub ports: Vec<OwnPort<'a>>,
    /// Endpoints over TCP, in the order of the file.
    pub endpoints: Vec<ServiceEndpoint<'a>>,
    /// Endpoints whose name does not resolve, with the reason.
    pub unresolved: Vec<(&'a Service, String, Span)>,
}

/// A TCP port of the proxy.
#[derive(Debug, Clone, Copy)]
pub struct OwnPort<'a> {
    /// As declared.
    pub port: &'a Port,
    /// Where it listens.
    pub address: SocketAddr,
}

/// An endpoint over TCP.
#[derive(Debug, Clone, Copy)]
pub struct ServiceEndpoint<'a> {
    /// Its service.
    pub service: &'a Service,
    /// Where it is.
    pub address: SocketAddr,
    /// In which port space that is.
    pub seat: Seat<'a>,
    /// Where the file says it.
    pub span: Span,
}

/// Where an endpoint is, as seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat<'a> {
    /// An address of this host, in this network namespace.
    Here,
    /// A network namespace of this host, by its name.
    Namespace(&'a str),
    /// Another host.
    Elsewhere,
}

impl<'a> Seat<'a> {
    fn of(service: &'a Service, address: SocketAddr) -> Self {
        match service.space.as_ref().map(|space| &space.value) {
            Some(Space::Namespace(name)) => Self::Namespace(name),
            Some(Space::Host) | None if is_local(address.ip()) => Self::Here,
            Some(Space::Remote(_) | Space::Host) | None => Self::Elsewhere,
        }
    }
}

impl<'a> Estate<'a> {
    /// Resolves the names of endpoints.
    pub fn new(declared: &'a Declared, sources: &'a Sources) -> Self {
        let ports = declared.ports.iter().filter_map(|port| match port.listen.value {
            ListenAddress::Tcp(address) => Some(OwnPort { port, address }),
            ListenAddress::Unix(_) => None,
        });
        let (mut endpoints, mut unresolved) = (Vec::new(), Vec::new());
        for service in &declared.services {
            for endpoint in &service.endpoints {
                let addresses = match &endpoint.address {
                    EndpointAddress::Tcp(address) => vec![*address],
                    EndpointAddress::Unix(_) => continue,
                    EndpointAddress::Name { host, port } => match (host.as_str(), *port).to_socket_addrs() {
                        Ok(addresses) => addresses.collect(),
                        Err(error) => {
                            unresolved.push((service, format!("{host} does not resolve: {error}"), endpoint.span));
                            continue;
                        }
                    },
                };
                endpoints.extend(addresses.into_iter().map(|address| ServiceEndpoint {
                    service,
                    address,
                    seat: Seat::of(service, address),
                    span: endpoint.span,
                }));
            }
        }
        endpoints.dedup_by_key(|endpoint| (endpoint.service.name.value.clone(), endpoint.address));
        Self { declared, sources, ports: ports.collect(), endpoints, unresolved }
    }

    /// Names of the network namespaces in which services have their ports.
    pub fn namespaces(&self) -> BTreeSet<&'a str> {
        let named = |endpoint: &ServiceEndpoint<'a>| match endpoint.seat {
            Seat::Namespace(name) => Some(name),
            Seat::Here | Seat::Elsewhere => None,
        };
        self.endpoints.iter().filter_map(named).collect()
    }

    /// A place for reports.
    pub fn place(&self, span: Span) -> Option<Place> {
        let position = self.sources.position(span);
        let file = self.sources.path(span.file).display().to_string();
        Some(Place { file, line: position.line, column: position.column })
    }

    /// The entry by which the file leaves this listener alone.
    pub fn ignored(&self, socket: &OpenSocket) -> Option<&'a Ignored> {
        let entries = self.declared.probe.ignore.iter().map(|entry| &entry.value);
        entries.into_iter().find(|entry| {
            let is_carried = entry.protocol.is_none_or(|transport| transport.value == transport_of(socket.protocol));
            let is_there = entry.address.is_none_or(|address| address.value == socket.address.ip());
            entry.port.value == socket.address.port() && is_there && is_carried
        })
    }
}

fn transport_of(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    }
}

impl OwnPort<'_> {
    /// How reports call it.
    pub fn title(&self) -> String {
        format!("port `{}` ({})", self.port.name.value, self.address)
    }
}

impl ServiceEndpoint<'_> {
    /// How reports call it.
    pub fn title(&self) -> String {
        let space = match self.seat {
            Seat::Namespace(name) => format!(" in namespace {name}"),
            Seat::Here | Seat::Elsewhere => String::new(),
        };
        format!("endpoint {} of service `{}`{space}", self.address, self.service.name.value)
    }
}
