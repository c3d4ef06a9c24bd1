//! What is declared, in the terms that every artefact needs: who may come to which socket, and where services are.

use std::net::SocketAddr;

use ipnet::IpNet;
use portcullis_config::{
    declared::{Allow, Declared, EndpointAddress, ListenAddress, Port, Protocol, Role, Route, Service},
    scope::Scope,
};

/// A TCP socket of the proxy.
pub(crate) struct Open<'d> {
    pub(crate) port: &'d Port,
    pub(crate) address: SocketAddr,
    pub(crate) scope: Scope,
    /// Who may come; empty for everybody that the address lets come.
    pub(crate) from: Vec<IpNet>,
    pub(crate) deny: Vec<IpNet>,
}

/// The TCP sockets of the proxy, in the order of the file.
pub(crate) fn open(declared: &Declared) -> Vec<Open<'_>> {
    let open = |port: &'_ Port| match port.listen.value {
        ListenAddress::Tcp(address) => {
            Some((address, port.from.iter().map(|f| f.value).collect(), port.deny.iter().map(|f| f.value).collect()))
        }
        ListenAddress::Unix(_) => None,
    };
    let ports = declared.ports.iter();
    ports
        .filter_map(|port| {
            let (address, from, deny) = open(port)?;
            Some(Open { port, address, scope: Scope::of(address.ip()), from, deny })
        })
        .collect()
}

impl Open<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.port.name.value
    }

    /// Whether it serves traffic of others, and is not the proxy's own admin or metrics port.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.port.role.value, Role::Public | Role::Internal)
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.port.protocol.map_or(Protocol::Http, |protocol| protocol.value)
    }
}

/// The routes of a port, in the order of the file.
pub(crate) fn routes<'d>(declared: &'d Declared, port: &str) -> Vec<&'d Route> {
    declared.routes.iter().filter(|route| route.ports.iter().any(|own| own.value == port)).collect()
}

/// Host and port of each TCP endpoint, with its weight.
pub(crate) fn endpoints(service: &Service) -> Vec<(String, u16, u32)> {
    let endpoint = |endpoint: &portcullis_config::declared::Endpoint| {
        let weight = endpoint.weight.map_or(1, |weight| weight.value);
        match &endpoint.address {
            EndpointAddress::Tcp(address) => Some((address.ip().to_string(), address.port(), weight)),
            EndpointAddress::Name { host, port } => Some((host.clone(), *port, weight)),
            EndpointAddress::Unix(_) => None,
        }
    };
    service.endpoints.iter().filter_map(|said| endpoint(&said.value)).collect()
}

/// The internal ports of a service, the first to the last.
pub(crate) fn internal_ports(service: &Service) -> Option<(u16, u16)> {
    service.ports.map(|ports| (ports.value.first, ports.value.last))
}

/// Sources that a route asks for; `Err` with what it asks for that only Portcullis can judge.
pub(crate) fn sources(route: &Route) -> Result<Vec<IpNet>, String> {
    let matches = &route.matches;
    if !matches.groups.is_empty() || !matches.claims.is_empty() || route.deny.asks_identity() {
        return Err("groups or claims of the caller".to_owned());
    }
    match route.allow.as_ref().map(|allow| &allow.value) {
        Some(Allow::Authenticated) => Err("proof of identity".to_owned()),
        Some(Allow::Only(asked)) if asked.asks_identity() => Err("users, groups, workloads or claims".to_owned()),
        Some(Allow::Only(asked)) if !asked.certificates.is_empty() => Err("names on client certificates".to_owned()),
        Some(Allow::Only(asked)) if asked.time.is_some() => Err("a time of day".to_owned()),
        Some(Allow::Only(asked)) => Ok(asked.from.iter().map(|source| source.value).collect()),
        Some(Allow::Anyone) | None => Ok(Vec::new()),
    }
}
