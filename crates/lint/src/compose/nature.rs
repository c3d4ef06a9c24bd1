//! What a service is, and what listens on its ports, as far as its image and the numbers tell.

use super::{
    model::{Project, Service},
    port::{Certain, HostAddress, HostPort, Mapping},
};
use crate::{
    estate::{PortSpan, Role, Transport},
    sensitive::{self, Class},
    well_known::{self, Purpose, Software},
};

/// Something that is not meant for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) name: &'static str,
    pub(super) class: Class,
    /// What the port is, for people: "a database", "a control port"; empty where the name says it.
    pub(super) words: &'static str,
}

/// What the image of a service runs.
pub(super) fn software(service: &Service) -> Option<&'static Software> {
    // What is built here is named by whoever builds it.
    service.image.as_ref().filter(|_| service.build.is_none()).and_then(|image| well_known::software(&image.value))
}

/// What listens on a container port, if it belongs behind others.
pub(super) fn inner(service: &Service, target: PortSpan, transport: Transport) -> Option<Inner> {
    let software = software(service).filter(|_| transport == Transport::Tcp);
    let is_among = |ports: &[u16]| ports.iter().any(|port| target.contains(*port));
    let is_alone = target == ALSO_OF_APPLICATIONS && has_one_port(service);
    let by_number = || by_number(target, transport).filter(|_| !is_alone);
    let Some(software) = software else { return by_number() };
    if is_among(software.control_ports) {
        let class = software.role().map_or(Class::WebAdministration, class_of);
        return Some(Inner { name: software.name, class, words: "a control port" });
    }
    match software.purpose {
        Purpose::Inner(role) if is_among(software.ports) => Some(of_role(software, role)),
        // It may have been told to listen elsewhere, unless the number speaks for itself.
        Purpose::Inner(role) => by_number().or_else(|| Some(of_role(software, role))),
        Purpose::SocketProxy => Some(Inner { name: software.name, class: Class::Cluster, words: "" }),
        Purpose::Edge | Purpose::Application if is_among(software.ports) => None,
        Purpose::Edge | Purpose::Application => by_number(),
    }
}

fn of_role(software: &Software, role: Role) -> Inner {
    let class = class_of(role);
    let says_it_itself = software.name.starts_with(char::is_lowercase);
    Inner { name: software.name, class, words: if says_it_itself { "" } else { class.words() } }
}

/// Java's debugger, and what many an application listens on.
const ALSO_OF_APPLICATIONS: PortSpan = PortSpan { first: 5005, last: 5005 };

/// A debugger looks into a program that is there for something else, and so mostly has another port.
fn has_one_port(service: &Service) -> bool {
    service.mappings().count() + service.expose.len() < 2
}

fn by_number(target: PortSpan, transport: Transport) -> Option<Inner> {
    // A wide range says nothing about any one number in it.
    if target.count() > 16 {
        return None;
    }
    let is_inner = |entry: &&sensitive::Sensitive| !matches!(entry.class, Class::Mail | Class::Names);
    let mut telling = (target.first..=target.last).filter_map(|port| sensitive::telling(port, transport));
    let entry = telling.find(is_inner)?;
    Some(Inner { name: entry.name, class: entry.class, words: entry.class.words() })
}

/// What a service is for.
pub(super) fn role(service: &Service) -> Option<Role> {
    if let Some(software) = software(service) {
        return software.role();
    }
    let published = service.ports.iter().filter_map(|port| {
        let mapping = port.mapping.as_ref().ok()?;
        Some((mapping.target.known()?, mapping.transport.known()?))
    });
    let exposed =
        service.expose.iter().filter_map(|port| Some((port.ports.as_ref().ok()?.known()?, port.transport.known()?)));
    // What has a port of another kind as well is no more than a program with, say, a debugger.
    let mut roles = published.chain(exposed).map(|(target, transport)| inner(service, target, transport)?.class.role());
    let first = roles.next()??;
    roles.all(|role| role.is_some()).then_some(first)
}

/// Whether it stores what others must not reach: a database, cache or queue.
pub(super) fn is_store(service: &Service) -> bool {
    matches!(role(service), Some(Role::Database | Role::Cache | Role::Queue))
}

/// Whether a port is open to all by its nature: the web, mail, names, voice, tunnels. The number on the host counts,
/// since that is what callers use, unless what listens there belongs behind others.
pub(super) fn is_meant_for_all(service: &Service, mapping: &Mapping) -> bool {
    let (Certain::Known(target), Certain::Known(transport)) = (mapping.target, mapping.transport) else {
        return false;
    };
    if inner(service, target, transport).is_some() {
        return false;
    }
    let is_edge = software(service).is_some_and(|software| software.purpose == Purpose::Edge);
    let is_public_number = match mapping.published {
        HostPort::Fixed(span) => {
            span.count() <= 2 && is_public(span.first, transport) && is_public(span.last, transport)
        }
        HostPort::Random | HostPort::OneOf(_) | HostPort::Unknown => false,
    };
    is_edge || is_public_number
}

fn is_public(port: u16, transport: Transport) -> bool {
    match transport {
        Transport::Tcp => {
            matches!(port, 25 | 53 | 80 | 110 | 143 | 443 | 465 | 587 | 853 | 993 | 995 | 1194 | 3478 | 4190 | 5222)
                || matches!(port, 5269 | 5349 | 8448 | 25565)
        }
        Transport::Udp => matches!(port, 53 | 80 | 123 | 443 | 500 | 1194 | 3478 | 4500 | 5349 | 19132 | 34197 | 51820),
        Transport::Sctp => false,
    }
}

impl HostAddress {
    /// Whether others than the host itself reach it; `None` if that is not known.
    pub(super) fn is_beyond_host(&self) -> Option<bool> {
        match self {
            Self::Unsaid => Some(true),
            Self::Ip(address) => Some(!address.to_canonical().is_loopback()),
            Self::Name(_) | Self::Unknown => None,
        }
    }
}

/// Whether anything of a service is published beyond the host.
pub(super) fn is_published(service: &Service) -> bool {
    service.mappings().any(|(_, mapping)| mapping.address.is_beyond_host() == Some(true))
}

/// Services of a project that speak of another one by a name that leads to it, and share a network with it.
pub(super) fn consumers<'p>(project: &'p Project, of: &'p Service) -> impl Iterator<Item = &'p Service> {
    let shares_network = |service: &Service| service.network_keys().any(|key| of.network_keys().any(|its| its == key));
    project
        .services
        .iter()
        .filter(move |service| service.name.value != of.name.value && shares_network(service) && speaks_of(service, of))
}

fn speaks_of(service: &Service, other: &Service) -> bool {
    let name = other.name.value.as_str();
    let depends = service.depends_on.iter().any(|on| on.value == name);
    let links = service.links.iter().any(|(to, _)| to.value == name);
    depends
        || links
        || service.environment.iter().any(|setting| setting.value.as_deref().is_some_and(|v| names(v, name)))
}

/// Whether a value holds a name as a host would stand in it: alone, or with a port, a user or a scheme around it.
fn names(value: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    value.match_indices(name).any(|(at, _)| {
        let (before, after) = (&value[..at], &value[at + name.len()..]);
        let starts = before.is_empty() || before.ends_with(['@', '/', ',', ' ', ';', '=']);
        let ends = after.is_empty() || after.starts_with([':', '/', ',', ' ', ';', '?']);
        starts && ends && !after.starts_with(is_part)
    })
}

fn class_of(role: Role) -> Class {
    match role {
        Role::Database => Class::Database,
        Role::Cache => Class::Cache,
        Role::Queue => Class::Queue,
        Role::Admin => Class::WebAdministration,
        Role::Metrics => Class::Monitoring,
        Role::RemoteAccess => Class::RemoteAdministration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_by_a_value_only_where_a_host_can_stand() {
        for (value, expected) in [
            ("db", true),
            ("db:5432", true),
            ("postgres://user@db/app", true),
            ("postgres://user:secret@db:5432/app", true),
            ("a:1,db:2", true),
            ("mydb", false),
            ("db.example.com", false),
            ("postgres://db-user@other/app", false),
            ("/var/lib/db.sqlite", false),
        ] {
            assert_eq!(names(value, "db"), expected, "{value}");
        }
    }
}
