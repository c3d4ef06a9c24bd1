//! Stores on the same network as what the world talks to.

use super::Subject;
use crate::{
    compose::{
        model::{Project, Service},
        nature,
    },
    finding::Finding,
    inputs::Span,
    rule::{Default, Rule, Severity},
};

pub(super) static NO_BACKEND: Rule = Rule {
    id: "PC213",
    name: "store-without-backend-network",
    severity: Severity::Medium,
    title: "a database, cache or queue is on the same network as a published service, and not on an internal one",
    why: "Whoever breaks into a published service reaches everything on its network, and a network without \
          `internal: true` lets the store itself talk to the internet.",
    remedy: "Declare a network with `internal: true`, and put the store on it together with those who need it.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let project = subject.project;
    // Ports cannot be published from an internal network, so what publishes has other rules to break first.
    for service in project.services.iter().filter(|service| nature::is_store(service) && service.ports.is_empty()) {
        let open: Vec<&str> = service.network_keys().filter(|key| !is_internal(project, key)).collect();
        let neighbour = project.services.iter().find(|other| {
            other.name != service.name
                && nature::is_published(other)
                && other.network_keys().any(|key| open.contains(&key))
        });
        if let Some(neighbour) = neighbour {
            findings.push(told(service, neighbour, &open));
        }
    }
}

fn is_internal(project: &Project, key: &str) -> bool {
    // What an external network is, only its own project says.
    project.network(key).is_some_and(|network| network.is_internal || network.is_external)
}

fn told(service: &Service, neighbour: &Service, open: &[&str]) -> Finding {
    let shared = neighbour.network_keys().find(|key| open.contains(key)).unwrap_or("default");
    let attached = service.networks.iter().find(|attachment| attachment.network.value == shared);
    let place: Span = attached.map_or(service.name.span, |attachment| attachment.network.span);
    let message = format!(
        "`{}` is on the network `{shared}` with `{}`, which is published",
        service.name.value, neighbour.name.value
    );
    Finding::new(&NO_BACKEND, place, message)
        .related(neighbour.name.span, "published")
        .help("write `networks: { backend: { internal: true } }` at the top, and `networks: [backend]` here and at those who need it")
}
