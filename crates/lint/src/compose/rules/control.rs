//! The control socket of the container engine in the hands of a container, or of the network.

use super::{Subject, ports_of};
use crate::{
    compose::{model::Service, nature, port::Certain},
    finding::Finding,
    rule::{Default, Rule, Severity},
    well_known::Purpose,
};

pub(super) static SOCKET: Rule = Rule {
    id: "PC216",
    name: "engine-control-exposed",
    severity: Severity::Critical,
    title: "the control socket of the container engine is given to a container or published",
    why: "Whoever speaks to that socket can start a container with the whole disk of the host in it, so it is the same \
          as being root there. Mounting it read-only (`:ro`) changes nothing: the socket is spoken to, not written.",
    remedy: "Put a socket proxy in between that lets only the needed calls through, on a network of its own, and never \
             publish the engine's port.",
    default: Default::On,
};

/// The engine's own API over TCP without TLS.
const PLAIN_API: [u16; 2] = [2375, 4243];

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        findings.extend(mounted(service));
        for (port, mapping) in service.mappings() {
            let Certain::Known(target) = mapping.target else { continue };
            if PLAIN_API.iter().any(|api| target.contains(*api)) && target.count() <= 16 {
                let message = format!(
                    "{} of `{}`, the API of the container engine without TLS, is published",
                    ports_of(port),
                    service.name.value
                );
                findings.push(Finding::new(&SOCKET, port.entry, message).help("remove the entry"));
            }
        }
    }
}

fn mounted(service: &Service) -> Option<Finding> {
    // Handing out a part of the socket is what such a proxy is for.
    if nature::software(service).is_some_and(|software| software.purpose == Purpose::SocketProxy) {
        return None;
    }
    let is_socket = |source: &str| {
        source.ends_with("/docker.sock") || source.ends_with("/podman.sock") || source.ends_with("/containerd.sock")
    };
    let mounted = service.volumes.iter().find_map(|volume| {
        let source = volume.source.as_deref().filter(|source| is_socket(source))?;
        Some((volume.place, format!("`{source}`")))
    });
    let asked = service.api_socket.map(|place| (place, "the socket of the engine".to_owned()));
    let (place, socket) = mounted.or(asked)?;
    let name = &service.name.value;
    let finding = Finding::new(&SOCKET, place, format!("`{name}` is given {socket}, which is root on the host"))
        .help("give it a socket proxy such as `tecnativa/docker-socket-proxy` instead, and set `DOCKER_HOST`");
    // A way in from outside makes it worse than a helper that nobody can reach.
    Some(if nature::is_published(service) { finding } else { finding.severity(Severity::High) })
}
