//! Gateways whose listeners cannot work: PC446.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, leading_to},
        model::{Declared, Gateway, GatewayListener, IstioGateway, IstioServer, Route},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static LISTENER: Rule = rule(
    "PC446",
    "gateway-listener-unusable",
    Severity::Medium,
    "a gateway listens where nothing leads, or two of its listeners are in each other's way",
    "Of two listeners that cannot be told apart one is not served, a route to a listener that does not exist is \
     attached to nothing, and a port that no Service of the gateway's pods opens is reached by nobody.",
    "Give each listener its own port and host, name the listener that is meant, and add the port to the Service of \
     the gateway.",
);

/// Gateways that are compared with each other.
const MAX_COMPARED: usize = 256;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for gateway in &cluster.manifests.gateways {
        conflicting(gateway, findings);
    }
    for route in &cluster.manifests.routes {
        unattached(cluster, route, findings);
    }
    let gateways = &cluster.manifests.istio_gateways;
    for (index, gateway) in gateways.iter().enumerate() {
        unopened(cluster, gateway, findings);
        for other in &gateways[index.saturating_sub(MAX_COMPARED)..index] {
            contested(cluster, other, gateway, findings);
        }
    }
}

/// Listeners of one gateway must differ in port, protocol or host (Gateway API, `Gateway.spec.listeners`).
fn conflicting(gateway: &Declared<Gateway>, findings: &mut Vec<Finding>) {
    let listeners = &gateway.spec.listeners;
    for (index, listener) in listeners.iter().enumerate().take(MAX_COMPARED) {
        let Some(other) = listeners[..index].iter().find(|other| conflict(other, listener)) else { continue };
        let name = |listener: &GatewayListener| {
            listener.name.as_ref().map_or_else(|| listener.port.to_string(), |name| name.value.clone())
        };
        let message = format!(
            "listeners `{}` and `{}` of {} cannot be told apart on port {}",
            name(other),
            name(listener),
            gateway.meta.title(),
            *listener.port
        );
        findings.push(
            Finding::new(&LISTENER, listener.port.span, message)
                .severity(Severity::High)
                .label("one of them is not served")
                .related(other.port.span, "the other listens here")
                .help("give them different ports, or different values of `hostname`"),
        );
    }
}

fn conflict(one: &GatewayListener, other: &GatewayListener) -> bool {
    let (protocol, others) = (one.protocol.as_deref(), other.protocol.as_deref());
    let encrypted = |protocol: Option<&String>| protocol.is_some_and(|word| word == "HTTPS" || word == "TLS");
    let is_datagram = |protocol: Option<&String>| protocol.is_some_and(|word| word == "UDP");
    let same_layer = is_datagram(protocol) == is_datagram(others);
    let distinguishable = (protocol == others || (encrypted(protocol) && encrypted(others)))
        && one.hostname != other.hostname
        && !matches!(protocol.map(String::as_str), Some("TCP" | "UDP"));
    one.port.number().is_some() && one.port.number() == other.port.number() && same_layer && !distinguishable
}

fn unattached(cluster: &Cluster, route: &Declared<Route>, findings: &mut Vec<Finding>) {
    for parent in &route.spec.parents {
        let gateways: Vec<&Declared<Gateway>> =
            cluster.gateways_of(route).filter(|gateway| gateway.meta.name == parent.name).collect();
        let Some(first) = gateways.first() else { continue };
        let listeners = || gateways.iter().flat_map(|gateway| &gateway.spec.listeners);
        let (span, what) = match (&parent.listener, &parent.port) {
            (Some(name), _) if !listeners().any(|listener| listener.name.as_ref() == Some(name)) => {
                (name.span, format!("listener `{}`", **name))
            }
            (_, Some(port)) if !listeners().any(|listener| listener.port.number() == port.number()) => {
                (port.span, format!("port {}", **port))
            }
            _ => continue,
        };
        let message =
            format!("{} attaches to {what} of {}, which has none such", route.meta.title(), first.meta.title());
        findings.push(
            Finding::new(&LISTENER, span, message)
                .severity(Severity::High)
                .label("attached to nothing")
                .related(first.meta.anchor(), "the gateway that is meant")
                .help("name a listener of the gateway"),
        );
    }
}

/// A port that no Service of the gateway's own pods opens.
fn unopened(cluster: &Cluster, gateway: &Declared<IstioGateway>, findings: &mut Vec<Finding>) {
    let Some(selector) = gateway.spec.selector.as_ref().filter(|selector| !selector.is_empty()) else { return };
    // The selector of an Istio gateway means pods of any namespace.
    let pods = cluster.selected_in_any_namespace(selector);
    let leading: Vec<_> = pods.iter().flat_map(|pods| leading_to(cluster.services(), pods)).collect();
    let Some((service, ..)) = leading.first() else { return };
    for server in &gateway.spec.servers {
        let Some(number) = server.port.number() else { continue };
        let is_open = leading
            .iter()
            .any(|(_, port, target)| port.port.number() == Some(number) || target.number() == Some(number));
        if is_open {
            continue;
        }
        let message =
            format!("{} listens on port {number}, which {} does not open", gateway.meta.title(), service.meta.title());
        findings.push(
            Finding::new(&LISTENER, server.port.span, message)
                .label("reached by nobody")
                .related(service.meta.anchor(), "the Service of the gateway's pods")
                .help(format!("add `port: {number}` to the Service")),
        );
    }
}

/// Two gateways that configure the same pods for the same host and port.
fn contested(
    cluster: &Cluster,
    one: &Declared<IstioGateway>,
    other: &Declared<IstioGateway>,
    findings: &mut Vec<Finding>,
) {
    let same_pods = match (&one.spec.selector, &other.spec.selector) {
        (Some(one), Some(other)) => one.equals == other.equals,
        _ => false,
    };
    if !same_pods || one.meta.identity() == other.meta.identity() || !cluster.run_together(&one.meta, &other.meta) {
        return;
    }
    let meet = |first: &IstioServer, second: &IstioServer| {
        first.port.number() == second.port.number() && first.hosts.iter().any(|host| second.hosts.contains(host))
    };
    for server in &other.spec.servers {
        let Some(first) = one.spec.servers.iter().find(|first| meet(first, server)) else { continue };
        let message = format!(
            "{} and {} both answer for the same host on port {}",
            other.meta.title(),
            one.meta.title(),
            *server.port
        );
        findings.push(
            Finding::new(&LISTENER, server.port.span, message)
                .label("only one of them holds")
                .related(first.port.span, "answered for here first")
                .help("give each host and port to one Gateway"),
        );
    }
}
