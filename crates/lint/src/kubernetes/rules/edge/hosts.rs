//! For which hosts an Ingress answers: PC442.

use std::collections::HashMap;

use super::rule;
use crate::{
    finding::Finding,
    inputs::Span,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Ingress, IngressRule},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static HOSTS: Rule = rule(
    "PC442",
    "ingress-host-too-wide",
    Severity::Medium,
    "an Ingress answers for every host, or for one that another Ingress answers for",
    "Without a host, a rule takes requests for names that nobody thought of, also those by bare address. Of two rules \
     for one host and path, which one holds is for the controller to say.",
    "Write the `host` that is meant in every rule, and give each host and path to one Ingress.",
);

/// Ingresses of one host and path that are compared.
const MAX_COMPARED: usize = 64;

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let ingresses = || cluster.manifests.ingresses.iter().filter(|ingress| ingress.meta.is_whole());
    for ingress in ingresses() {
        for rule in &ingress.spec.rules {
            findings.extend(any_host(ingress, rule));
        }
        findings.extend(default_backend(ingress));
    }
    let mut ways: HashMap<Key<'_>, Vec<(&Declared<Ingress>, Span)>> = HashMap::new();
    for ingress in ingresses().filter(|ingress| !is_canary(ingress)) {
        for (key, span) in keys(ingress) {
            ways.entry(key).or_default().push((ingress, span));
        }
    }
    for (key, ways) in &ways {
        repeated(cluster, key, &ways[..ways.len().min(MAX_COMPARED)], findings);
    }
}

/// Class, host, path and kind of path.
type Key<'c> = (&'c str, &'c str, &'c str, &'c str);

/// The hosts and paths that an Ingress answers for. Rules without a host meet on purpose where services of one cluster
/// share its address, each with a path of its own.
fn keys(ingress: &Declared<Ingress>) -> impl Iterator<Item = (Key<'_>, Span)> {
    let class = ingress.spec.class.as_ref().map_or("", |class| class.as_str());
    ingress.spec.rules.iter().flat_map(move |rule| {
        let host = rule.host.as_ref().map_or("", |host| host.as_str());
        rule.paths.iter().map(move |path| {
            let span = path.path.as_ref().or(rule.host.as_ref()).map_or(rule.span, |text| text.span);
            let text = path.path.as_ref().map_or("/", |path| path.as_str());
            ((class, host, text, path.kind.as_deref().unwrap_or_default()), span)
        })
    })
}

/// One that takes a share of another's requests on purpose.
fn is_canary(ingress: &Declared<Ingress>) -> bool {
    ingress.meta.annotations.iter().any(|(name, value)| name.ends_with("/canary") && **value == "true")
}

fn any_host(ingress: &Declared<Ingress>, rule: &IngressRule) -> Option<Finding> {
    let title = ingress.meta.title();
    match &rule.host {
        None => Some(
            Finding::new(&HOSTS, rule.span, format!("a rule of {title} answers for every host"))
                .label("no `host`")
                .help("add the host that is meant: `host: shop.example.com`"),
        ),
        Some(host) if host.as_str() == "*" => Some(
            Finding::new(&HOSTS, host.span, format!("a rule of {title} answers for every host"))
                .label("any host")
                .help("write the host that is meant: `host: shop.example.com`"),
        ),
        Some(host) if host.starts_with("*.") => Some(
            Finding::new(&HOSTS, host.span, format!("a rule of {title} answers for every name under `{}`", &host[2..]))
                .severity(Severity::Low)
                .label("also for names that are added later")
                .help("write the hosts that are meant, a rule each"),
        ),
        Some(_) => None,
    }
}

fn default_backend(ingress: &Declared<Ingress>) -> Option<Finding> {
    let backend = ingress.spec.default_backend.as_ref()?;
    let message = format!("{} sends what no rule is for to Service `{}`", ingress.meta.title(), *backend.service);
    Some(
        Finding::new(&HOSTS, backend.service.span, message)
            .label("every host and every path")
            .help("write a rule with the `host` and the paths that are meant"),
    )
}

fn repeated(cluster: &Cluster, key: &Key<'_>, ways: &[(&Declared<Ingress>, Span)], findings: &mut Vec<Finding>) {
    for (index, (ingress, span)) in ways.iter().enumerate() {
        let first = ways[..index].iter().find(|(other, _)| {
            std::ptr::eq::<Declared<Ingress>>(*other, *ingress)
                || (other.meta.identity() != ingress.meta.identity()
                    && cluster.run_together(&other.meta, &ingress.meta))
        });
        let Some((other, first)) = first else { continue };
        let (_, host, path, _) = key;
        let host = if host.is_empty() { "every host".to_owned() } else { format!("`{host}`") };
        let message =
            format!("{} and {} both answer for {host} with path `{path}`", ingress.meta.title(), other.meta.title());
        findings.push(
            Finding::new(&HOSTS, *span, message)
                .label("which of them holds is for the controller to say")
                .related(*first, "answered for here first")
                .help("give each host and path to one rule"),
        );
    }
}
