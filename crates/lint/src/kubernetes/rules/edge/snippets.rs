//! Pieces of a proxy's configuration in annotations: PC447.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{cluster::Cluster, model::Meta},
    rule::{Rule, Severity},
};

pub(in super::super) static SNIPPET: Rule = rule(
    "PC447",
    "ingress-snippet",
    Severity::High,
    "an annotation puts raw configuration into the ingress controller",
    "Whoever may write such an Ingress runs directives in the controller that serves everybody, and can read the \
     certificates and tokens of all namespaces (CVE-2021-25742).",
    "Use the annotation that exists for the purpose, and set `allow-snippet-annotations: \"false\"` in the controller.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for ingress in &cluster.manifests.ingresses {
        findings.extend(snippets(&ingress.meta));
    }
    for settings in &cluster.manifests.settings {
        for (name, value) in &settings.spec {
            if name == "allow-snippet-annotations" && **value == "true" {
                let message =
                    format!("{} lets every Ingress put raw configuration into the controller", settings.meta.title());
                findings.push(
                    Finding::new(&SNIPPET, value.span, message)
                        .label("for everybody who may write an Ingress")
                        .help("write `\"false\"`"),
                );
            }
        }
    }
}

/// `nginx.ingress.kubernetes.io/server-snippet`, `nginx.org/location-snippets` and so on.
fn snippets(meta: &Meta) -> impl Iterator<Item = Finding> {
    let is_snippet = |name: &str| {
        let Some((domain, key)) = name.split_once('/') else { return false };
        ["nginx.ingress.kubernetes.io", "nginx.org", "ingress.kubernetes.io"].contains(&domain)
            && (key.ends_with("-snippet") || key.ends_with("-snippets"))
    };
    meta.annotations.iter().filter(move |(name, _)| is_snippet(name)).map(|(name, _)| {
        let message = format!("`{}` of {} puts raw configuration into the ingress controller", **name, meta.title());
        Finding::new(&SNIPPET, name.span, message)
            .label("runs in the controller that serves everybody")
            .help("use the annotation that exists for the purpose")
    })
}
