//! Gateways and routes.

use super::field::{self, Expected};
use crate::{
    inputs::Spanned,
    kubernetes::model::{
        Filter, Gateway, GatewayListener, IstioGateway, IstioServer, Labels, Parent, Route, RouteBackend, RouteMatch,
        RouteRule, Selector,
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
                    passes_through: listener.at(&["tls", "mode"]).and_then(Node::text) == Some("Passthrough"),
                    secrets: listener
                        .at(&["tls", "certificateRefs"])
                        .map(Node::items)
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|secret| field::text(secret, "name"))
                        .collect(),
                })
            })
            .collect(),
    }
}

/// Reads a route of any protocol.
pub(super) fn route(node: &Node<'_>) -> Route {
    let items = |key: &str| node.at(&["spec", key]).map(Node::items).unwrap_or_default();
    Route {
        parents: items("parentRefs").iter().filter_map(parent).collect(),
        hostnames: field::list(node.at(&["spec", "hostnames"])),
        rules: items("rules").iter().map(rule).collect(),
    }
}

fn rule(node: &Node<'_>) -> RouteRule {
    let items = |key: &str| node.get(key).map(Node::items).unwrap_or_default();
    RouteRule {
        span: node.span,
        matches: items("matches").iter().map(a_match).collect(),
        filters: items("filters").iter().filter_map(filter).collect(),
        backends: items("backendRefs").iter().filter_map(backend).collect(),
    }
}

fn a_match(node: &Node<'_>) -> RouteMatch {
    let path = node.get("path");
    RouteMatch {
        span: node.span,
        kind: path.and_then(|path| field::text(path, "type")).map(|kind| kind.value),
        path: path.and_then(|path| field::text(path, "value")),
        asks_more: node.entries().iter().any(|entry| entry.key.text != "path"),
    }
}

fn filter(node: &Node<'_>) -> Option<Filter> {
    let kind = field::text(node, "type")?;
    let said = |block: &Node<'_>, key: &str| field::text(block, key).map(|text| text.value);
    let is_there = |block: &Node<'_>, key: &str| block.get(key).is_some_and(|value| !value.is_null());
    let headers = |block: &Node<'_>, is_request: bool| Filter::Headers {
        span: node.span,
        is_request,
        set: block
            .get("set")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|header| Some((said(header, "name")?, said(header, "value")?)))
            .collect(),
        does_more: is_there(block, "add") || is_there(block, "remove"),
    };
    let read = match kind.as_str() {
        "RequestRedirect" => node.get("requestRedirect").map(|block| Filter::Redirect {
            span: node.span,
            scheme: said(block, "scheme"),
            hostname: said(block, "hostname"),
            changes_more: is_there(block, "port") || is_there(block, "path"),
            status: said(block, "statusCode").and_then(|status| status.parse().ok()),
        }),
        "URLRewrite" => node.get("urlRewrite").map(|block| Filter::Rewrite {
            span: node.span,
            hostname: said(block, "hostname"),
            prefix: block.get("path").and_then(|path| said(path, "replacePrefixMatch")),
            replaces_all: block.get("path").is_some_and(|path| is_there(path, "replaceFullPath")),
        }),
        "RequestHeaderModifier" => node.get("requestHeaderModifier").map(|block| headers(block, true)),
        "ResponseHeaderModifier" => node.get("responseHeaderModifier").map(|block| headers(block, false)),
        _ => None,
    };
    Some(read.unwrap_or(Filter::Other(kind)))
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
        weight: field::text(node, "weight").and_then(|weight| weight.parse().ok()),
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
