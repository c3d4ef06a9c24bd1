//! Programs that listen where their Service does not reach: PC411.

use super::{arguments::arguments, rule};
use crate::{
    finding::Finding,
    inputs::Span,
    kubernetes::{
        cluster::{Cluster, Pods},
        model::Container,
    },
    rule::{Rule, Severity},
};

pub(in super::super) static DEAD_EXPOSURE: Rule = rule(
    "PC411",
    "listens-on-localhost",
    Severity::Medium,
    "a Service leads to a port on which the program listens on localhost only",
    "A Service connects to the address of the pod. A program that listens on 127.0.0.1 is reached by nobody but the \
     containers of its own pod.",
    "Let the program listen on `0.0.0.0` and a NetworkPolicy decide who may connect, or remove the Service port if \
     nobody should.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for service in cluster.services() {
        for resolved in cluster.resolved(service) {
            for (workload, target) in &resolved.targets {
                let Some(number) = target.number() else { continue };
                let Some((container, value, span)) = on_localhost(workload, number) else { continue };
                let message = format!(
                    "container `{}` of {} listens on `{value}`, where {} does not reach it",
                    *container.name,
                    workload.meta.title(),
                    service.meta.title()
                );
                findings.push(
                    Finding::new(&DEAD_EXPOSURE, span, message)
                        .label("reached by its own pod alone")
                        .related(
                            resolved.port.target().span,
                            format!("{} leads to port {number}", service.meta.title()),
                        )
                        .help(format!("write `0.0.0.0:{number}`, or remove the port from the Service")),
                );
            }
        }
    }
    findings.dedup();
}

/// Arguments and variables that say where a program listens.
const NAMES: [&str; 9] = [
    "addr",
    "address",
    "http-addr",
    "http-address",
    "http.addr",
    "listen",
    "metrics-addr",
    "metrics-address",
    "LISTEN_ADDR",
];

fn on_localhost(workload: &Pods, number: u16) -> Option<(&Container, String, Span)> {
    let pod = &workload.spec.pod;
    let is_declared = pod.declares(number);
    let declares = |container: &&Container| container.ports.iter().any(|port| port.number.number() == Some(number));
    pod.running().filter(|container| !is_declared || declares(container)).find_map(|container| {
        let arguments = arguments(container);
        let by_argument = arguments.iter().map(|argument| (argument.name, argument.value, argument.span));
        let by_variable = container.environment.iter().map(|(name, value)| (name.as_str(), value.as_str(), value.span));
        let (_, value, span) = by_argument.chain(by_variable).find(|(name, value, _)| {
            let name = name.to_ascii_lowercase();
            let is_listening = name.contains("listen")
                || name.contains("bind")
                || NAMES.iter().any(|one| one.eq_ignore_ascii_case(&name));
            is_listening && is_loopback_port(value, number)
        })?;
        Some((container, value.to_owned(), span))
    })
}

/// `127.0.0.1:8080`, `localhost:8080`, `http://[::1]:8080`; not one of several addresses.
fn is_loopback_port(value: &str, number: u16) -> bool {
    let value = value.split_once("://").map_or(value, |(_, rest)| rest).trim_end_matches('/');
    let Some((host, port)) = value.rsplit_once(':') else { return false };
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback && port.parse() == Ok(number)
}
