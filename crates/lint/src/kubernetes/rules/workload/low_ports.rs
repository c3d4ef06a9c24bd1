//! Container ports that say something by their number: PC405, PC406.

use super::rule;
use crate::{
    estate::Transport,
    finding::Finding,
    kubernetes::{
        cluster::Cluster,
        model::{Container, ContainerPort},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static LOW_PORT: Rule = rule(
    "PC405",
    "privileged-container-port",
    Severity::Medium,
    "a container listens on a port below 1024",
    "Where the container runtime does not lower `net.ipv4.ip_unprivileged_port_start`, such a port needs root or \
     NET_BIND_SERVICE. A container that runs as somebody else fails there, or is given more rights than it needs.",
    "Listen on a port from 1024 up in the container; the Service can keep its number: \
     `port: 80`, `targetPort: 8080`.",
);

pub(in super::super) static REMOTE_ACCESS: Rule = rule(
    "PC406",
    "remote-access-port",
    Severity::Medium,
    "a container serves SSH or another remote login",
    "A login inside of a container is a second way in, past the API server's authentication, authorisation and audit \
     log.",
    "Remove the login server and use `kubectl exec`, which the API server checks and records.",
);

/// Ports below this one are privileged by the kernel's default.
const UNPRIVILEGED: u16 = 1024;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for workload in &cluster.manifests.workloads {
        let pod = &workload.spec.pod;
        for container in pod.running() {
            let of_whom = format!("container `{}` of {}", *container.name, workload.meta.title());
            let security = container.security.of_container(pod.security);
            let start = security.unprivileged_port_start.unwrap_or(UNPRIVILEGED);
            for port in &container.ports {
                let Some(number) = port.number.number() else { continue };
                if let Some(protocol) = remote_access(container, port, number) {
                    findings.push(
                        Finding::new(&REMOTE_ACCESS, port.number.span, format!("{of_whom} serves {protocol}"))
                            .label("a way in that the API server neither checks nor records")
                            .help("remove it and use `kubectl exec`"),
                    );
                }
                if number < start && number < UNPRIVILEGED {
                    let cannot = security.runs_unprivileged && !security.may_bind;
                    let severity = if cannot { Severity::Medium } else { Severity::Low };
                    let label = if cannot { "and does not run as root" } else { "a privileged port" };
                    findings.push(
                        Finding::new(&LOW_PORT, port.number.span, format!("{of_whom} listens on port {number}"))
                            .severity(severity)
                            .label(label)
                            .help(format!(
                                "listen on {} in the container and write `port: {number}`, `targetPort: {0}` in \
                                 the Service",
                                unprivileged(number)
                            )),
                    );
                }
            }
        }
    }
}

/// What people mostly take instead.
fn unprivileged(number: u16) -> u16 {
    if number == 443 { 8443 } else { 8000 + number }
}

fn remote_access(container: &Container, port: &ContainerPort, number: u16) -> Option<&'static str> {
    if port.protocol.transport() != Some(Transport::Tcp) {
        return None;
    }
    let says_ssh = || {
        let image = container.image.as_ref().map(|image| image.to_lowercase()).unwrap_or_default();
        let name = port.name.as_ref().map(|name| name.to_lowercase()).unwrap_or_default();
        ["ssh", "sftp"].iter().any(|word| image.contains(word) || name.contains(word))
    };
    match number {
        22 => Some("SSH"),
        2222 if says_ssh() => Some("SSH"),
        23 => Some("telnet"),
        3389 => Some("RDP"),
        5900 | 5901 => Some("VNC"),
        _ => None,
    }
}
