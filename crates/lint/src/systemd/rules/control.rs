//! PC657: interfaces that steer containers and virtual machines, on the network.

use portcullis_config::scope::Scope;

use super::super::{
    command::By,
    facts::{is_engine, opened},
    unit::{Kind, Unit},
};
use crate::{
    finding::Finding,
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC657.
pub(super) static CONTROL_ON_TCP: Rule = Rule {
    id: "PC657",
    name: "systemd-control-on-tcp",
    severity: Severity::Critical,
    title: "the control interface of a container engine or of virtual machines is on TCP",
    why: "Whoever reaches the API of Docker, Podman or libvirt is root on the host: one request starts a container with \
          the host's disk in it. On TCP without client certificates no password is asked.",
    remedy: "Keep it on a Unix socket (`ListenStream=/run/docker.sock`), and use `ssh` or client certificates \
             (`--tlsverify`) from afar.",
    default: Default::On,
};

/// Ports by which these interfaces are known.
const PORTS: [(u16, &str); 4] =
    [(2375, "the Docker API"), (4243, "the Docker API"), (16509, "libvirt"), (2377, "Docker Swarm")];

pub(super) fn check(unit: &Unit, findings: &mut Vec<Finding>) {
    let told = |span: Span, what: &str, is_loopback: bool| {
        let (severity, who) = if is_loopback {
            (Severity::High, "every program of this host")
        } else {
            (Severity::Critical, "everybody who can reach this host")
        };
        let message = format!("{what} is open on TCP to {who}");
        let help =
            "listen on a Unix socket such as `/run/docker.sock`, or ask for client certificates with `--tlsverify`";
        Finding::new(&CONTROL_ON_TCP, span, message).severity(severity).help(help)
    };
    if unit.kind == Kind::Socket {
        for listened in unit.listened().iter().filter(|one| !one.is_datagram) {
            let (Some(port), Some(ip)) = (listened.listening.port(), listened.listening.ip()) else { continue };
            let known = PORTS.iter().find(|(known, _)| *known == port).map(|(_, what)| (*what).to_owned());
            let what =
                known.or_else(|| is_engine(&unit.name).then(|| format!("the control interface behind {}", unit.name)));
            let is_tls = matches!(port, 2376 | 16514);
            if let Some(what) = what.filter(|_| !is_tls) {
                findings.push(told(listened.entry.value_span, &what, Scope::of(ip) == Scope::Loopback));
            }
        }
    }
    if unit.kind == Kind::Service {
        for one in opened(unit).iter().filter(|one| one.by == By::EngineControl) {
            let is_loopback = one.ip.is_some_and(|ip| Scope::of(ip) == Scope::Loopback);
            findings.push(told(one.span, &format!("the container engine of {}", unit.name), is_loopback));
        }
    }
}
