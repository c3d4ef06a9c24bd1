//! `services:`

use std::net::SocketAddr;

use super::{
    mapping::Mapping,
    mistake::{Mistake, word},
    reader::Reader,
    tls,
    values::{self, EndpointText, number_between},
};
use crate::{
    declared::{
        Eject, Endpoint, EndpointAddress, Health, HealthProbe, PortSpan, Replicas, Retries, Service, ServiceProcess,
        ServiceTimeouts,
    },
    finding::Finding,
    rule::RuleId,
    span::Spanned,
    yaml::{Node, Value},
};

/// One service. `None` if what it listens on or where it is cannot be read.
pub(super) fn service(reader: &mut Reader<'_>, name: Spanned<String>, node: &Node<'_>) -> Option<Service> {
    let what = format!("service `{}`", *name);
    reader.mapping(node, "Service", &what, |map| {
        let ports = internal_ports(map);
        let mut service = Service {
            range: map.value("range", values::name),
            replicas: map
                .optional("replicas", |reader, node| replicas(reader, node, &what))
                .map(|replicas| replicas.value),
            space: map.value("space", values::space),
            protocol: map.value("protocol", word),
            balance: map.value("balance", word),
            health: map.optional("health", |reader, node| health(reader, node, &what)),
            eject: map.optional("eject", eject),
            timeouts: timeouts(map),
            retries: map.optional("retries", retries),
            tls: map.optional("tls", |reader, node| tls::service_tls(reader, node, &what)),
            proxy_protocol: map.value("proxy-protocol", word),
            process: map.optional("process", |reader, node| process(reader, node, &what)),
            idle_connections: map.value("idle-connections", number_between(0, 65_536)),
            resolve: map.value("resolve", values::interval),
            endpoints: Vec::new(),
            name,
            ports,
        };
        // Asked for before it is judged what a misspelt key stands for.
        map.node("endpoints");
        let says_ports = map.says("port") || map.says("ports");
        let internal = match service.ports {
            Some(ports) => InternalPorts::Read(ports.value),
            None if says_ports => InternalPorts::Unreadable,
            None => InternalPorts::Unsaid,
        };
        service.endpoints = endpoints(map, internal);
        let is_tls_readable = service.tls.is_some() || !map.says("tls");
        let needs_ports =
            service.endpoints.iter().any(|endpoint| !matches!(endpoint.address, EndpointAddress::Unix(_)));
        if needs_ports && !says_ports {
            map.require("port");
        }
        let is_complete = !service.endpoints.is_empty() && (service.ports.is_some() || !needs_ports);
        (is_complete && is_tls_readable).then_some(service)
    })?
}

/// `replicas: { max: 3 }`
fn replicas(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<Replicas> {
    reader.mapping(node, "Replicas", &format!("`replicas` of {what}"), |map| {
        Some(Replicas { max: map.required("max", number_between(1, 1_000))? })
    })?
}

/// What an endpoint without a port of its own has to go by.
#[derive(Clone, Copy)]
enum InternalPorts {
    Read(PortSpan),
    /// They are said, and wrong: that is told, and nothing that follows from it.
    Unreadable,
    Unsaid,
}

/// `port:` or `ports:`
fn internal_ports(map: &mut Mapping<'_, '_, '_>) -> Option<Spanned<PortSpan>> {
    let single = map.value("port", |text| values::port_number(text).map(PortSpan::single));
    let span = map.value("ports", values::port_span);
    if let [(_, first), (_, second)] = map.present(&["port", "ports"])[..] {
        let finding = Finding::new(RuleId::ConflictingKeys, second, "`port` and `ports` exclude each other")
            .related(first, "given here");
        map.reader.findings.push(finding);
        return None;
    }
    single.or(span)
}

fn endpoints(map: &mut Mapping<'_, '_, '_>, ports: InternalPorts) -> Vec<Spanned<Endpoint>> {
    if !map.require("endpoints") {
        return Vec::new();
    }
    let Some(node) = map.node("endpoints") else { return Vec::new() };
    let items = match &node.value {
        Value::Sequence(items) => items.len(),
        _ => 1,
    };
    let endpoints = map.reader.list(node, |reader, item| endpoint(reader, item, ports));
    // A service with only some of its endpoints is not what was declared.
    if endpoints.len() == items { endpoints } else { Vec::new() }
}

/// `10.0.0.7:3000`, or `{ address: 10.0.0.7:3000, weight: 2 }`.
fn endpoint(reader: &mut Reader<'_>, node: &Node<'_>, ports: InternalPorts) -> Option<Endpoint> {
    if !matches!(node.value, Value::Mapping(_)) {
        let address = reader.value_or_mapping(node, "an address or a mapping", |text| endpoint_address(text, ports))?;
        return Some(Endpoint { address, weight: None });
    }
    reader.mapping(node, "Endpoint", "an endpoint", |map| {
        let address = map.required("address", |text| endpoint_address(text, ports));
        let weight = map.value("weight", number_between(0, 256));
        Some(Endpoint { address: address?.value, weight })
    })?
}

/// A bare host is given the service's port, if it has exactly one.
fn endpoint_address(text: &str, ports: InternalPorts) -> Result<EndpointAddress, Mistake> {
    let only_port = || match ports {
        InternalPorts::Read(PortSpan { first, last }) if first == last => Ok(first),
        // The service is not used, so any number will do.
        InternalPorts::Unreadable => Ok(1),
        InternalPorts::Read(ports) => {
            Err(Mistake::new("has no port, and the service has several", "an endpoint with its port")
                .help(format!("write which of {ports} it listens on: `{text}:{}`", ports.first)))
        }
        InternalPorts::Unsaid => {
            Err(Mistake::new("has no port, and the service says none", "an endpoint with its port"))
        }
    };
    Ok(match values::endpoint(text)? {
        EndpointText::Tcp(address) => EndpointAddress::Tcp(address),
        EndpointText::Address(address) => EndpointAddress::Tcp(SocketAddr::new(address, only_port()?)),
        EndpointText::NameWithPort(host, port) => EndpointAddress::Name { host, port },
        EndpointText::Name(host) => EndpointAddress::Name { host, port: only_port()? },
        EndpointText::Unix(path) => EndpointAddress::Unix(path),
    })
}

fn health(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<Health> {
    reader.mapping(node, "Health", &format!("`health` of {what}"), |map| {
        let tcp = map.value("tcp", must_be_true);
        let tls = map.value("tls", must_be_true);
        let path = map.value("http", values::target_path);
        let host = map.value("host", values::authority);
        let status = map.values("status", values::status_span);
        let probe = match map.present(&["tcp", "tls", "http"])[..] {
            [("tcp", _)] => tcp.map(|_| HealthProbe::Tcp),
            [("tls", _)] => tls.map(|_| HealthProbe::Tls),
            [_] => path.map(|path| HealthProbe::Http { path, host, status }),
            ref given => {
                let message = format!("{} needs exactly one of `tcp`, `tls` and `http`", map.what());
                let finding = Finding::new(RuleId::ConflictingKeys, map.span(), message)
                    .help("write `http: /healthz`, `tcp: true` or `tls: true`");
                if given.is_empty() {
                    map.misses(&["tcp", "tls", "http"], finding);
                } else {
                    map.reader.findings.push(finding);
                }
                None
            }
        };
        if !matches!(probe, Some(HealthProbe::Http { .. }) | None) {
            for (key, span) in map.present(&["host", "status"]) {
                let message = format!("`{key}` means something only together with `http`");
                map.reader.findings.push(Finding::new(RuleId::ConflictingKeys, span, message));
            }
        }
        let every = map.value("every", values::duration);
        let timeout = map.value("timeout", values::duration);
        let rise = map.value("rise", number_between(1, 1_000));
        let fall = map.value("fall", number_between(1, 1_000));
        Some(Health { probe: probe?, every, timeout, rise, fall })
    })?
}

/// `eject: off`, or `{ failures: 5, for: 10s }`.
pub(super) fn eject(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Eject> {
    if !matches!(node.value, Value::Mapping(_)) {
        return reader.value_or_mapping(node, "`off` or a mapping", |text| match text {
            "off" => Ok(Eject::Off),
            _ => Err(Mistake::new("is not a way to eject", "off, or a mapping such as { failures: 5, for: 10s }")),
        });
    }
    reader.mapping(node, "Eject", "`eject`", |map| Eject::After {
        failures: map.value("failures", number_between(1, 1_000_000)),
        duration: map.value("for", values::duration),
    })
}

/// `retries: { attempts: 2, budget: 20% }`
pub(super) fn retries(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Retries> {
    reader.mapping(node, "Retries", "`retries`", |map| Retries {
        attempts: map.value("attempts", number_between(0, 10)),
        budget: map.value("budget", values::percent),
    })
}

/// `process: postgres`, or `{ command: postgres, user: postgres }`.
fn process(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<ServiceProcess> {
    if !matches!(node.value, Value::Mapping(_)) {
        let command = reader.value(node, command_name)?;
        return Some(ServiceProcess { command: Spanned::new(command, node.span), user: None });
    }
    reader.mapping(node, "Process", &format!("`process` of {what}"), |map| {
        let command = map.required("command", command_name);
        let user = map.value("user", command_name);
        Some(ServiceProcess { command: command?, user })
    })?
}

/// A name as `ps -o comm,user` shows it, not a path.
fn command_name(text: &str) -> Result<String, Mistake> {
    if text.is_empty() || text.contains('/') || text.chars().any(char::is_control) {
        return Err(Mistake::new("is no such name", "a name as `ps -o comm,user` shows it, such as postgres"));
    }
    Ok(text.to_owned())
}

/// `timeouts:` of a service.
fn timeouts(map: &mut Mapping<'_, '_, '_>) -> ServiceTimeouts {
    let what = format!("`timeouts` of {}", map.what());
    let timeouts = map.optional("timeouts", |reader, node| {
        reader.mapping(node, "ServiceTimeouts", &what, |map| ServiceTimeouts {
            connect: map.value("connect", values::duration),
            response: map.value("response", values::duration),
            idle: map.value("idle", values::duration),
            half_close: map.value("half-close", values::duration),
            keep_alive: map.value("keep-alive", values::duration),
        })
    });
    timeouts.map(|timeouts| timeouts.value).unwrap_or_default()
}

fn must_be_true(text: &str) -> Result<(), Mistake> {
    if values::boolean(text)? { Ok(()) } else { Err(Mistake::new("says nothing", "true").help("remove the key")) }
}
