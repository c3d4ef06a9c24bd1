//! What `portcullis.yaml` declares, in the words of the estate.

use portcullis_config::{
    bands::{Band, Bands},
    declared::{
        self, Action, Allow, ClientCertificate, Declared, EndpointAddress, HostPattern, ListenAddress, PathPattern,
        Port, Route, Service, ServiceProtocol, Word,
    },
};

use super::Files;
use crate::estate::{
    Address, Assertion, Declaration, Facts, Forward, Guard, Kind, Listener, NumberRange, Owner, PortSpan, Reach, Role,
    Sharing, Space, Target, Transport, UnixSocket, Workload, WorkloadPort,
};

/// Ports are listeners, services are workloads, routes are forwards.
pub(super) fn of(declared: &Declared, files: &mut Files<'_>) -> Facts {
    let mut facts = Facts::default();
    let project = declared.sources.first().map(|path| path.display().to_string()).unwrap_or_default();
    for port in &declared.ports {
        facts.listeners.extend(listener(port, &project, files));
        facts.declarations.push(declaration(port, &project, files));
    }
    for range in &declared.ranges {
        facts.ranges.extend(number_range(range, declared, files));
    }
    for service in &declared.services {
        facts.workloads.extend(workload(service, &project, files));
        // The way from the service to what really listens: its endpoints are listeners or workloads of others.
        for endpoint in &service.endpoints {
            let Some(place) = files.span(endpoint.span) else { continue };
            let target = match &endpoint.value.address {
                EndpointAddress::Tcp(address) => Target::Address { address: address.ip(), port: address.port() },
                EndpointAddress::Name { host, port } => {
                    Target::Named { networks: Vec::new(), host: host.clone(), port: Some(*port) }
                }
                EndpointAddress::Unix(_) => continue,
            };
            let from = key(&project, "service", &service.name.value);
            facts.forwards.push(Forward { from, when: String::new(), target, guard: Guard::Open, place });
        }
    }
    for assertion in &declared.assertions {
        let place = files.span(assertion.span);
        facts.assertions.extend(place.map(|place| Assertion { text: assertion.value.clone(), place }));
    }
    for route in &declared.routes {
        forwards(route, &project, files, &mut facts);
    }
    facts
}

fn key(project: &str, kind: &str, name: &str) -> String {
    format!("portcullis:{project}:{kind}:{name}")
}

fn declaration(port: &Port, project: &str, files: &mut Files<'_>) -> Declaration {
    let accepted = port.accept.as_ref().and_then(|accept| accept.wildcard.as_ref());
    Declaration {
        listener: key(project, "port", &port.name.value),
        role: port.role.word(),
        protocol: port.protocol.as_ref().map_or("http", |protocol| protocol.word()),
        redirect: port.redirect.as_ref().map(|target| target.value.clone()),
        accepted: accepted.map(|reason| reason.value.clone()),
        socket: unix_socket(port, files),
    }
}

fn unix_socket(port: &Port, files: &mut Files<'_>) -> Option<UnixSocket> {
    let ListenAddress::Unix(path) = &port.listen.value else { return None };
    let title = format!("port `{}`", port.name.value);
    Some(UnixSocket { title, path: path.display().to_string(), place: files.span(port.listen.span)? })
}

fn number_range(range: &declared::Range, declared: &Declared, files: &mut Files<'_>) -> Option<NumberRange> {
    let bands = Bands::of(declared, range);
    let (mut owners, mut reserved) = (Vec::new(), Vec::new());
    for port in bands.ports().numbers() {
        match bands.band(port, ServiceProtocol::Http) {
            Band::Declared(by) => owners.push((port, by.name)),
            Band::Reserved(why) => reserved.push((port, why.to_string())),
            Band::Pinned | Band::Automatic => {}
        }
    }
    let span = |span: declared::PortSpan| PortSpan::new(span.first, span.last);
    Some(NumberRange {
        name: range.name.value.clone(),
        ports: span(bands.ports())?,
        pinned: bands.pinned().and_then(span),
        owners,
        reserved,
        place: files.span(range.ports.span)?,
    })
}

fn listener(port: &Port, project: &str, files: &mut Files<'_>) -> Option<Listener> {
    let ListenAddress::Tcp(address) = &port.listen.value else { return None };
    let address = *address;
    let sources: Vec<_> = port.from.iter().map(|source| source.value).collect();
    let is_certified = port.clients.as_ref().is_some_and(|c| c.certificate.value == ClientCertificate::Required);
    let guard = if is_certified {
        Guard::Identity("client certificate".to_owned())
    } else if matches!(port.role.value, declared::Role::Admin) {
        Guard::Identity("admin credentials".to_owned())
    } else if sources.is_empty() {
        Guard::Open
    } else {
        Guard::Sources(sources)
    };
    let address_of = Address::Ip(address.ip());
    Some(Listener {
        key: key(project, "port", &port.name.value),
        title: format!("port `{}`", port.name.value),
        space: Space::Host,
        reach: address_of.scope().map(Reach::of),
        address: address_of,
        ports: PortSpan::one(address.port()),
        transport: Transport::Tcp,
        owner: Owner { project: project.to_owned(), part: format!("port `{}`", port.name.value) },
        // The workers of one process share it; nobody else is meant to.
        sharing: Sharing::Exclusive,
        guard,
        place: files.span(port.listen.span)?,
    })
}

fn workload(service: &Service, project: &str, files: &mut Files<'_>) -> Option<Workload> {
    let place = files.span(service.name.span)?;
    let role = match service.protocol.map(|protocol| protocol.value) {
        Some(ServiceProtocol::Postgres) => Some(Role::Database),
        Some(ServiceProtocol::Redis) => Some(Role::Cache),
        _ => None,
    };
    let ports = service.ports.iter().filter_map(|ports| {
        Some(WorkloadPort {
            ports: PortSpan::new(ports.value.first, ports.value.last)?,
            transport: Transport::Tcp,
            name: None,
            role: None,
            place: files.span(ports.span)?,
        })
    });
    Some(Workload {
        ports: ports.collect(),
        key: key(project, "service", &service.name.value),
        kind: Kind::Service,
        title: format!("service `{}`", service.name.value),
        name: service.name.value.clone(),
        names: Vec::new(),
        ports_are_complete: true,
        role,
        place,
    })
}

fn forwards(route: &Route, project: &str, files: &mut Files<'_>, facts: &mut Facts) {
    let Some(action) = &route.action else { return };
    let Action::Service(service) = &action.value else { return };
    let Some(place) = files.span(action.span) else { return };
    for port in &route.ports {
        facts.forwards.push(Forward {
            from: key(project, "port", &port.value),
            when: condition(route),
            target: Target::Workload { key: key(project, "service", service), port: None },
            guard: guard(route),
            place,
        });
    }
}

/// The conditions that people name a route by.
fn condition(route: &Route) -> String {
    let host = route.matches.host.as_ref().or(route.matches.sni.as_ref()).map(|host| match &host.value {
        HostPattern::Exact(name) => format!("host {name}"),
        HostPattern::Suffix(name) => format!("host *.{name}"),
        HostPattern::Any => "any host".to_owned(),
    });
    let path = route.matches.path.as_ref().map(|path| match &path.value {
        PathPattern::Exact(path) => format!("path {path}"),
        PathPattern::Prefix(path) => format!("path {}/*", path.trim_end_matches('/')),
        PathPattern::Regex(regex) => format!("path ~{regex}"),
    });
    host.into_iter().chain(path).collect::<Vec<_>>().join(", ")
}

fn guard(route: &Route) -> Guard {
    match route.allow.as_ref().map(|allow| &allow.value) {
        Some(Allow::Authenticated) => Guard::Identity("identity".to_owned()),
        Some(Allow::Only(asked)) if !asked.certificates.is_empty() => Guard::Identity("client certificate".to_owned()),
        Some(Allow::Only(asked)) if asked.asks_identity() => Guard::Identity("identity".to_owned()),
        Some(Allow::Only(asked)) if !asked.from.is_empty() => {
            Guard::Sources(asked.from.iter().map(|source| source.value).collect())
        }
        _ => Guard::Open,
    }
}
