//! Services.

use super::field::{self, Block, Expected};
use crate::{
    inputs::Spanned,
    kubernetes::model::{Labels, Selector, Service, ServicePort, Stray},
    yaml::Node,
};

const SPEC: Block = Block {
    name: "a Service spec",
    known: &[
        "allocateLoadBalancerNodePorts",
        "clusterIP",
        "clusterIPs",
        "deprecatedPublicIPs",
        "externalIPs",
        "externalName",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamily",
        "ipFamilyPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "ports",
        "publishNotReadyAddresses",
        "selector",
        "sessionAffinity",
        "sessionAffinityConfig",
        "topologyKeys",
        "trafficDistribution",
        "type",
    ],
    closed: false,
};

const PORT: Block = Block {
    name: "a Service port",
    known: &["appProtocol", "name", "nodePort", "port", "protocol", "targetPort"],
    closed: true,
};

/// Reads a Service.
pub(super) fn read(node: &Node<'_>, strays: &mut Vec<Stray>) -> Service {
    let Some(spec) = node.get("spec") else { return empty() };
    field::note_strays(spec, &SPEC, strays);
    let ports = spec.get("ports").map(Node::items).unwrap_or_default();
    Service {
        kind: field::text(spec, "type"),
        selector: spec.get("selector").and_then(selector),
        ports: ports.iter().filter_map(|port| service_port(port, strays)).collect(),
        // `None` in quotes is the same text, and the API knows no other meaning of it.
        is_headless: field::text(spec, "clusterIP").is_some_and(|address| *address == "None"),
        external_ips: field::list(spec.get("externalIPs")),
        external_name: field::text(spec, "externalName"),
        load_balancer_ip: field::text(spec, "loadBalancerIP").filter(|address| !address.is_empty()),
        load_balancer_class: field::text(spec, "loadBalancerClass"),
        source_ranges: field::list(spec.get("loadBalancerSourceRanges")),
        external_traffic: field::text(spec, "externalTrafficPolicy"),
    }
}

fn empty() -> Service {
    Service {
        kind: None,
        selector: None,
        ports: Vec::new(),
        is_headless: false,
        external_ips: Vec::new(),
        external_name: None,
        load_balancer_ip: None,
        load_balancer_class: None,
        source_ranges: Vec::new(),
        external_traffic: None,
    }
}

/// The plain mapping of a Service; an empty one is none.
fn selector(node: &Node<'_>) -> Option<Selector> {
    let equals: Labels = field::labels(Some(node));
    (!equals.0.is_empty()).then(|| Selector { span: node.span, equals, expressions: Vec::new() })
}

fn service_port(node: &Node<'_>, strays: &mut Vec<Stray>) -> Option<ServicePort> {
    field::note_strays(node, &PORT, strays);
    // Without a port of its own the API refuses it; where it leads can be judged all the same.
    let port: Spanned<_> = field::port(node, "port", Expected::Number)
        .or_else(|| field::port(node, "targetPort", Expected::NumberOrName))?;
    Some(ServicePort {
        name: field::text(node, "name").filter(|name| !name.is_empty()),
        port,
        // 0 means that nothing was said; the server fills in the port of the Service.
        target: field::port(node, "targetPort", Expected::NumberOrName)
            .filter(|_| node.get("targetPort").and_then(Node::text) != Some("0")),
        node_port: field::port_unless_zero(node, "nodePort"),
        protocol: field::protocol(node),
        app_protocol: field::text(node, "appProtocol").map(|protocol| protocol.value),
    })
}
