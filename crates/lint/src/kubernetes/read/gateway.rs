//! Gateways and routes.

use super::field::{self, Expected};
use crate::{
    inputs::Spanned,
    kubernetes::model::{
        Gateway, GatewayListener, IstioGateway, IstioServer, Labels, Parent, Route, RouteBackend, Selector,
    },
    yaml::Node,
};

/// Reads a Gateway of the Gateway API.
pub(super) fn gateway(node: &Node<'_>) -> Gateway {
    let listeners = node.at(&["spec", "listeners"]).map(Node::items).unwrap_or_default();
    Gateway {
        listeners: listeners
            .iter()
            .filter_map(|listener| {
                Some(GatewayListener {
                    name: field::text(listener, "name"),
                    hostname: field::text(listener, "hostname").filter(|hostname| !hostname.is_empty()),
                    port: field::port(listener, "port", Expected::Number)?,
                    protocol: field::text(listener, "protocol"),
                })
            })
            .collect(),
    }
}

/// Reads a route of any protocol.
pub(super) fn route(node: &Node<'_>) -> Route {
    let Some(spec) = node.get("spec") else {
        return Route { parents: Vec::new(), hostnames: Vec::new(), backends: Vec::new() };
    };
    let parents = spec.get("parentRefs").map(Node::items).unwrap_or_default();
    let rules = spec.get("rules").map(Node::items).unwrap_or_default();
    let backends = rules.iter().flat_map(|rule| rule.get("backendRefs").map(Node::items).unwrap_or_default());
    Route {
        parents: parents.iter().filter_map(parent).collect(),
        hostnames: field::list(spec.get("hostnames")),
        backends: backends.filter_map(backend).collect(),
    }
}

fn parent(node: &Node<'_>) -> Option<Parent> {
    is_or_unset(node, "kind", "Gateway").then_some(())?;
    Some(Parent {
        name: field::text(node, "name")?,
        namespace: field::text(node, "namespace").map(|namespace| namespace.value),
        listener: field::text(node, "sectionName"),
        port: field::port(node, "port", Expected::Number),
    })
}

fn backend(node: &Node<'_>) -> Option<RouteBackend> {
    (is_or_unset(node, "kind", "Service") && is_or_unset(node, "group", "")).then_some(())?;
    Some(RouteBackend {
        service: field::text(node, "name")?,
        namespace: field::text(node, "namespace").map(|namespace| namespace.value),
        port: field::port(node, "port", Expected::Number),
    })
}

fn is_or_unset(node: &Node<'_>, key: &str, expected: &str) -> bool {
    node.get(key).and_then(Node::text).is_none_or(|text| text == expected)
}

/// Reads a Gateway of Istio.
pub(super) fn istio(node: &Node<'_>) -> IstioGateway {
    let selector = node.at(&["spec", "selector"]).map(|selector| {
        let equals: Labels = field::labels(Some(selector));
        Selector { span: selector.span, equals, expressions: Vec::new() }
    });
    let servers = node.at(&["spec", "servers"]).map(Node::items).unwrap_or_default();
    IstioGateway { selector, servers: servers.iter().filter_map(server).collect() }
}

fn server(node: &Node<'_>) -> Option<IstioServer> {
    let port = node.get("port")?;
    Some(IstioServer {
        port: field::port(port, "number", Expected::Number)?,
        protocol: field::text(port, "protocol"),
        hosts: field::list(node.get("hosts")).into_iter().map(without_namespace).collect(),
        redirects: node.at(&["tls", "httpsRedirect"]).is_some_and(Node::is_true),
    })
}

/// `namespace/host` says from which namespace the services may be; the host is what counts here.
fn without_namespace(host: Spanned<String>) -> Spanned<String> {
    match host.value.split_once('/') {
        Some((_, name)) => Spanned::new(name.to_owned(), host.span),
        None => host,
    }
}
