//! Service ports that get in each other's way: PC429, PC430.

use std::collections::HashMap;

use super::rule;
use crate::{
    estate::Transport,
    finding::Finding,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Exposure, Service, ServicePort},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static DIFFERENT_PORTS: Rule = rule(
    "PC429",
    "services-disagree-on-port",
    Severity::Medium,
    "two Services lead to the same port of the same pods by different ports or application protocols",
    "A mesh that decides by the port of the pod (Istio IST0137) follows one of the two and treats the traffic of the \
     other by it; people who read one Service expect the other to be the same.",
    "Give both Services the same `port` and `appProtocol` for one port of the pods, or keep one of the Services.",
);

pub(in super::super) static SAME_PORT: Rule = rule(
    "PC430",
    "service-port-twice",
    Severity::Critical,
    "a Service has the same port twice",
    "The API refuses the Service: of one port and protocol there can be only one.",
    "Remove one of the two, or give it another `port`.",
);

/// Services that lead to one port of one workload, which are compared.
const MAX_COMPARED: usize = 64;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for service in &cluster.manifests.services {
        same_port(service, findings);
    }
    different_ports(cluster, findings);
}

fn same_port(service: &Declared<Service>, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<(u16, Transport), &ServicePort> = HashMap::new();
    for port in &service.spec.ports {
        let Some(key) = port.port.number().zip(port.transport()) else { continue };
        if let Some(first) = seen.get(&key) {
            let message = format!("{} has port {}/{} twice", service.meta.title(), key.0, key.1);
            findings.push(
                Finding::new(&SAME_PORT, port.port.span, message)
                    .label("the API refuses the Service")
                    .related(first.port.span, "given here first")
                    .help("remove one of the two, or give it another `port`"),
            );
        } else {
            seen.insert(key, port);
        }
    }
}

type Way<'c> = (&'c Declared<Service>, &'c ServicePort);

/// Headless services give addresses out without ports, and a Service for the outside may well have another port than
/// the one for the inside.
fn different_ports(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let mut ways: HashMap<(*const (), u16, Transport), Vec<Way<'_>>> = HashMap::new();
    let inside =
        cluster.services().filter(|service| !service.spec.is_headless && service.spec.exposure() == Exposure::Cluster);
    for service in inside {
        for resolved in cluster.resolved(service) {
            let Some(transport) = resolved.port.transport() else { continue };
            for (pods, target) in &resolved.targets {
                let Some(number) = target.number() else { continue };
                let workload = std::ptr::from_ref(*pods).cast();
                ways.entry((workload, number, transport)).or_default().push((service, resolved.port));
            }
        }
    }
    let mut told: Vec<(*const (), *const ())> = Vec::new();
    for ((_, number, _), ways) in &ways {
        let ways = &ways[..ways.len().min(MAX_COMPARED)];
        for (index, (service, port)) in ways.iter().enumerate() {
            let first = ways[..index].iter().find(|(other, first)| {
                other.meta.identity() != service.meta.identity()
                    && disagree(first, port)
                    && cluster.run_together(&other.meta, &service.meta)
            });
            let Some((other, first)) = first else { continue };
            let pair = (std::ptr::from_ref(*port).cast(), std::ptr::from_ref(*first).cast());
            if told.contains(&pair) {
                continue;
            }
            told.push(pair);
            findings.push(finding(*number, (other, first), (service, port)));
        }
    }
}

fn disagree(one: &ServicePort, other: &ServicePort) -> bool {
    one.port.number() != other.port.number()
        || (one.app_protocol.is_some() && other.app_protocol.is_some() && one.app_protocol != other.app_protocol)
}

fn finding(number: u16, (other, first): Way<'_>, (service, port): Way<'_>) -> Finding {
    let (title, other_title) = (service.meta.title(), other.meta.title());
    let by_number = first.port.number() != port.port.number();
    let message = if by_number {
        format!(
            "{title} and {other_title} lead to port {number} of the same pods by ports {} and {}",
            *port.port, *first.port
        )
    } else {
        format!("{title} and {other_title} lead to port {number} of the same pods with different `appProtocol`")
    };
    Finding::new(&DIFFERENT_PORTS, port.port.span, message)
        .severity(if by_number { Severity::Low } else { Severity::Medium })
        .label("a mesh follows only one of them")
        .related(first.port.span, format!("{other_title} leads there by this one"))
        .help(format!("write `port: {}` in both, or keep one Service", *first.port))
}
