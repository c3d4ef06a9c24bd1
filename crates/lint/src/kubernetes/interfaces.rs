//! What a workload serves, as far as its image and port tell.

use crate::{
    estate::{Role, Transport},
    kubernetes::{cluster::Pods, model::Container},
    sensitive::{self, Class},
    well_known::{self, Purpose, Software},
};

/// Something that should not be reached by everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interface {
    /// For people: "PostgreSQL".
    pub(super) name: &'static str,
    pub(super) class: Class,
}

/// Ports that are hardly ever something else, so that the number alone is enough.
const UNMISTAKABLE: [u16; 23] = [
    22, 23, 445, 1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 9200, 9300, 10250,
    11211, 27017, 27018,
];

/// What is served on a port of a pod that should not be reached by everybody.
pub(super) fn interface(pods: &Pods, number: u16, transport: Transport) -> Option<Interface> {
    let software = container(pods, number).and_then(software).filter(|_| transport == Transport::Tcp);
    match software {
        Some(Software { purpose: Purpose::Inner(role), name, .. }) => Some(Interface { name, class: class(*role) }),
        Some(Software { purpose: Purpose::SocketProxy, name, .. }) => Some(Interface { name, class: Class::Cluster }),
        Some(software) if software.control_ports.contains(&number) => {
            Some(Interface { name: software.name, class: Class::WebAdministration })
        }
        Some(software) if software.ports.contains(&number) => None,
        _ => by_number(number, transport),
    }
}

/// What a workload is for, by the first of its containers that says so.
pub(super) fn role(pods: &Pods) -> Option<Role> {
    pods.spec.pod.running().find_map(|container| software(container)?.role())
}

fn software(container: &Container) -> Option<&'static Software> {
    container.image.as_ref().and_then(|image| well_known::software(image))
}

/// The container that declares a port, or else the first.
fn container(pods: &Pods, number: u16) -> Option<&Container> {
    let declares = |container: &&Container| container.ports.iter().any(|port| port.number.number() == Some(number));
    let pod = &pods.spec.pod;
    pod.running().find(declares).or_else(|| pod.running().next())
}

fn by_number(number: u16, transport: Transport) -> Option<Interface> {
    let entry = sensitive::lookup(number, transport).filter(|_| UNMISTAKABLE.contains(&number))?;
    Some(Interface { name: entry.name, class: entry.class })
}

fn class(role: Role) -> Class {
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
    fn numbers_that_are_enough_are_all_known() {
        for number in UNMISTAKABLE {
            assert!(by_number(number, Transport::Tcp).is_some(), "{number}");
        }
        assert_eq!(by_number(9000, Transport::Tcp), None);
    }
}
