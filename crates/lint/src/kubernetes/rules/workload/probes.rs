//! Probes of ports that nobody declares: PC407.

use super::{rule, some_of};
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::Cluster,
        model::{Container, Pod, PortValue, Probe},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static PROBE: Rule = rule(
    "PC407",
    "undeclared-probe-port",
    Severity::Medium,
    "a probe connects to a port that its container does not declare",
    "A probe by a name that no port has always fails, and the pod never becomes ready. A number that is not declared \
     is mostly a port that was changed in one place only.",
    "Declare the port in the container's `ports`, or write in the probe the name or number that is declared there.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for workload in cluster.workloads() {
        let pod = &workload.spec.pod;
        for container in &pod.containers {
            for probe in &container.probes {
                findings.extend(judged(pod, container, probe, &workload.meta.title()));
            }
        }
    }
}

/// A number that is not declared works; a name does not. The kubelet looks names up in the container itself; numbers it connects to at the address of the pod, whichever
/// container listens there. Probes speak TCP.
fn judged(pod: &Pod, container: &Container, probe: &Probe, title: &str) -> Option<Finding> {
    if probe.host.is_some() {
        return None;
    }
    let of_whom = format!("{} of container `{}` in {title}", probe.name, *container.name);
    match &probe.port.value {
        PortValue::Name(name) => {
            let named = container.ports.iter().find(|port| port.name.as_deref().is_some_and(|own| own == name));
            match named {
                Some(port) if port.protocol.transport() != Some(crate::estate::Transport::Udp) => None,
                Some(_) => Some(
                    finding(probe, Severity::High, format!("{of_whom} uses port `{name}`, which is UDP"))
                        .label("probes connect by TCP"),
                ),
                None => Some(
                    finding(probe, Severity::High, format!("{of_whom} uses port `{name}`, which it does not declare"))
                        .label("the probe always fails")
                        .help(remedy(container)),
                ),
            }
        }
        PortValue::Number(number) => {
            let is_declared = pod.ports().chain(&container.ports).any(|port| {
                port.number.number() == Some(*number)
                    && port.protocol.transport() != Some(crate::estate::Transport::Udp)
            });
            if is_declared {
                return None;
            }
            let message = format!("{of_whom} uses port {number}, which no container of the pod declares");
            Some(finding(probe, Severity::Low, message).label("not declared").help(remedy(container)))
        }
        PortValue::Unresolved(_) | PortValue::Mistaken(_) => None,
    }
}

fn finding(probe: &Probe, severity: Severity, message: String) -> Finding {
    Finding::new(&PROBE, probe.port.span, message).severity(severity)
}

fn remedy(container: &Container) -> String {
    let declared: Vec<String> = container
        .ports
        .iter()
        .map(|port| match &port.name {
            Some(name) => format!("`{}` ({})", **name, *port.number),
            None => format!("`{}`", *port.number),
        })
        .collect();
    match declared.as_slice() {
        [] => "declare the port: `ports: [{ name: http, containerPort: 8080 }]`".to_owned(),
        declared => format!("declare it under `ports`, or use what is declared there: {}", some_of(declared)),
    }
}
