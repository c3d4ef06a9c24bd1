//! What systemd units add to the estate.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

use super::{
    address::Listening,
    command::{self, By, Opened},
    unit::{Kind, Listened, Unit},
};
use crate::{
    cidr::Networks,
    estate::{
        Address, Facts, Forward, Guard, Kind as WorkloadKind, Listener, Owner, PortSpan, Reach, Role, Sharing, Space,
        Target, Transport, Workload,
    },
    inputs::Span,
};

/// Everything that the units say. Of several units of one name, which are for different hosts, the first is told.
pub(super) fn of(units: &[Unit]) -> Facts {
    let mut facts = Facts::default();
    let mut seen = HashSet::new();
    for unit in units.iter().filter(|unit| seen.insert(unit.name.as_str())) {
        match unit.kind {
            Kind::Socket => socket(unit, units, &mut facts),
            Kind::Service => service(unit, &mut facts),
            Kind::Other => {}
        }
    }
    facts
}

/// The address of a socket as the estate says it.
pub(super) fn bound(unit: &Unit, listening: &Listening) -> Option<Address> {
    let is_v6_only = unit.value("Socket", "BindIPv6Only").is_some_and(|entry| entry.value == "ipv6-only");
    match listening.ip()? {
        IpAddr::V6(ip) if ip.is_unspecified() && !is_v6_only => Some(Address::Dual),
        ip => Some(Address::Ip(ip)),
    }
}

/// What `IPAddressAllow=` and `IPAddressDeny=` leave in.
pub(super) fn guard(unit: &Unit) -> Guard {
    let section = unit.section();
    let denied = unit.values(section, "IPAddressDeny");
    if !denied.iter().any(|entry| entry.value.split_ascii_whitespace().any(|word| word == "any")) {
        return Guard::Open;
    }
    let mut admitted = Networks::default();
    for word in unit.values(section, "IPAddressAllow").iter().flat_map(|entry| entry.value.split_ascii_whitespace()) {
        match word {
            "any" => return Guard::Open,
            "localhost" => {
                admitted.add(&Networks::network([127, 0, 0, 0].into(), 8));
                admitted.add(&Networks::network(std::net::Ipv6Addr::LOCALHOST.into(), 128));
            }
            "link-local" | "multicast" => {}
            text => match Networks::parse(text) {
                Ok(networks) => admitted.add(&networks),
                Err(_) => return Guard::Unknown,
            },
        }
    }
    Guard::Sources(admitted.to_networks())
}

/// Where its ports count: a namespace of its own, or the host.
fn space(unit: &Unit) -> Space {
    let section = unit.section();
    match unit.value(section, "NetworkNamespacePath") {
        Some(entry) => Space::Own(format!("netns:{}", entry.value)),
        None if unit.is_on(section, "PrivateNetwork") => Space::Own(format!("systemd:{}", unit.name)),
        None => Space::Host,
    }
}

fn owner(unit: &Unit) -> Owner {
    Owner { project: format!("systemd:{}", unit.folder.display()), part: unit.name.clone() }
}

fn key(unit: &Unit, place: Span) -> String {
    format!("systemd:{}:{}:{}", unit.name, place.file.0, place.start)
}

fn socket(unit: &Unit, units: &[Unit], facts: &mut Facts) {
    let shares = unit.is_on("Socket", "ReusePort");
    let mut keys = Vec::new();
    for Listened { listening, is_datagram, entry, .. } in unit.listened() {
        let (Some(address), Some(port)) = (bound(unit, &listening), listening.port()) else { continue };
        let key = key(unit, entry.value_span);
        facts.listeners.push(Listener {
            key: key.clone(),
            title: format!("port {port} of {}", unit.name),
            space: space(unit),
            reach: address.scope().map(Reach::of),
            address,
            ports: PortSpan::one(port),
            transport: if is_datagram { Transport::Udp } else { Transport::Tcp },
            owner: owner(unit),
            sharing: if shares { Sharing::ReusePort } else { Sharing::Exclusive },
            guard: guard(unit),
            place: entry.value_span,
        });
        keys.push((key, entry.value_span));
    }
    if is_engine(&unit.name) {
        for (key, place) in &keys {
            control(key, *place, &unit.name, facts);
        }
    }
    let started = unit.starts();
    let service = units.iter().find(|other| Some(&other.name) == started.as_ref());
    for (target, place) in service.into_iter().flat_map(passed_on) {
        for (key, _) in &keys {
            let (from, when, guard) = (key.clone(), String::new(), Guard::Open);
            facts.forwards.push(Forward { from, when, target: target.clone(), guard, place });
        }
    }
}

/// What `systemd-socket-proxyd` connects to.
fn passed_on(service: &Unit) -> Vec<(Target, Span)> {
    let commands = service.values("Service", "ExecStart");
    let proxies = commands.into_iter().filter(|entry| {
        entry.value.split_ascii_whitespace().next().is_some_and(|program| program.ends_with("systemd-socket-proxyd"))
    });
    proxies
        .filter_map(|entry| {
            let address = entry.value.split_ascii_whitespace().last().filter(|last| !last.starts_with('/'))?;
            let at = entry.value.len() - address.len();
            Some((target(address)?, entry.part(at, entry.value.len())))
        })
        .collect()
}

/// `10.0.0.1:80`, `app:80`; the port is 80 where none is said.
fn target(text: &str) -> Option<Target> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Target::Address { address: address.ip(), port: address.port() });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, 80),
    };
    match host {
        "localhost" => Some(Target::Address { address: [127, 0, 0, 1].into(), port }),
        host => match host.parse() {
            Ok(address) => Some(Target::Address { address, port }),
            Err(_) => Some(Target::Named { networks: Vec::new(), host: host.to_owned(), port: Some(port) }),
        },
    }
}

fn service(unit: &Unit, facts: &mut Facts) {
    for Opened { ip, port, span, by } in opened(unit) {
        let Some(port) = port else { continue };
        let address = match (ip, by) {
            // Docker opens a socket for each family.
            (Some(ip), By::Publication) if ip.is_unspecified() => Address::BothWildcards,
            (Some(ip), _) => Address::Ip(ip),
            (None, _) => Address::Unknown("an address that the program chooses".to_owned()),
        };
        let key = key(unit, span);
        facts.listeners.push(Listener {
            key: key.clone(),
            title: format!("port {port} of {}", unit.name),
            space: if by == By::Publication { Space::Host } else { space(unit) },
            reach: address.scope().map(Reach::of),
            address,
            ports: PortSpan::one(port),
            transport: Transport::Tcp,
            owner: owner(unit),
            sharing: Sharing::Exclusive,
            guard: guard(unit),
            place: span,
        });
        if by == By::EngineControl {
            control(&key, span, &unit.name, facts);
        }
    }
}

/// The ports that the commands of a service open.
pub(super) fn opened(unit: &Unit) -> Vec<Opened> {
    unit.values("Service", "ExecStart").into_iter().flat_map(command::opened).collect()
}

/// Whether a socket unit of this name takes commands for a container engine or for virtual machines.
pub(super) fn is_engine(name: &str) -> bool {
    const ENGINES: [&str; 7] = ["docker", "podman", "libvirtd-tcp", "virtproxyd-tcp", "containerd", "crio", "balena"];
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    ENGINES.contains(&stem) || stem.starts_with("docker-")
}

fn control(from: &str, place: Span, name: &str, facts: &mut Facts) {
    let key = format!("systemd:control:{}:{}", place.file.0, place.start);
    facts.workloads.push(Workload {
        key: key.clone(),
        kind: WorkloadKind::Program,
        title: format!("the control interface of {name}"),
        name: name.to_owned(),
        names: Vec::new(),
        ports: Vec::new(),
        ports_are_complete: false,
        role: Some(Role::Admin),
        place,
    });
    let target = Target::Workload { key, port: None };
    facts.forwards.push(Forward { from: from.to_owned(), when: String::new(), target, guard: Guard::Open, place });
}
