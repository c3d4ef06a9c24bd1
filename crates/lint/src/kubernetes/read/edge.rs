//! Ingresses. The form before v1 has `serviceName` and `servicePort` where v1 has a mapping.

use super::field::{self, Expected};
use crate::{
    kubernetes::model::{Backend, Ingress, IngressPath, IngressRule, IngressTls, Meta},
    yaml::Node,
};

/// Reads an Ingress.
pub(super) fn read(node: &Node<'_>, meta: &Meta) -> Ingress {
    let spec = node.get("spec");
    let rules = spec.and_then(|spec| spec.get("rules")).map(Node::items).unwrap_or_default();
    let tls = spec.and_then(|spec| spec.get("tls")).filter(|tls| !tls.is_null()).map(|tls| {
        let entries = tls.items();
        IngressTls {
            hosts: entries.iter().flat_map(|entry| field::list(entry.get("hosts"))).collect(),
            covers_all: entries.is_empty() || entries.iter().any(|entry| field::list(entry.get("hosts")).is_empty()),
            secrets: entries.iter().filter_map(|entry| field::text(entry, "secretName")).collect(),
        }
    });
    Ingress {
        class: spec
            .and_then(|spec| field::text(spec, "ingressClassName"))
            .or_else(|| meta.annotation("kubernetes.io/ingress.class").cloned()),
        default_backend: spec
            .and_then(|spec| spec.get("defaultBackend").or_else(|| spec.get("backend")))
            .and_then(backend),
        rules: rules.iter().filter(|rule| rule.is_mapping()).map(rule).collect(),
        // `tls: []` is as good as none.
        tls: tls.filter(|tls| !(tls.hosts.is_empty() && spec.is_some_and(|spec| has_no_tls_entry(spec)))),
    }
}

fn has_no_tls_entry(spec: &Node<'_>) -> bool {
    spec.get("tls").is_some_and(|tls| tls.items().is_empty() && !tls.is_mapping())
}

fn rule(node: &Node<'_>) -> IngressRule {
    let paths = node.at(&["http", "paths"]).map(Node::items).unwrap_or_default();
    IngressRule {
        span: node.span,
        host: field::text(node, "host").filter(|host| !host.is_empty()),
        paths: paths
            .iter()
            .map(|path| IngressPath {
                path: field::text(path, "path"),
                kind: field::text(path, "pathType").map(|kind| kind.value),
                backend: path.get("backend").and_then(backend),
            })
            .collect(),
    }
}

fn backend(node: &Node<'_>) -> Option<Backend> {
    if let Some(service) = node.get("service") {
        let port = service.get("port");
        let port = port.and_then(|port| {
            field::port(port, "number", Expected::Number).or_else(|| field::port(port, "name", Expected::NumberOrName))
        });
        return Some(Backend { service: field::text(service, "name")?, port });
    }
    Some(Backend {
        service: field::text(node, "serviceName")?,
        port: field::port(node, "servicePort", Expected::NumberOrName),
    })
}
