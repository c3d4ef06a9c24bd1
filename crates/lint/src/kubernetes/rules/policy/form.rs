//! Policies that say less, or something else, than they seem to: PC468.

use std::collections::HashMap;

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Direction, Policy},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static FORM: Rule = rule(
    "PC468",
    "policy-says-less",
    Severity::Low,
    "a NetworkPolicy leaves out what decides whether it holds: its types, its namespace, or a name of its own",
    "What is left out has defaults that surprise: rules for a direction that is not among the types are ignored, a \
     policy without namespace protects the pods of `default`, and of two policies with one name the later replaces \
     the first.",
    "Write `policyTypes` with every direction that is meant, the `namespace`, and a name of its own.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let mut by_name: HashMap<(&str, &str), Vec<&Declared<Policy>>> = HashMap::new();
    for policy in &cluster.manifests.policies {
        findings.extend(types(policy));
        findings.extend(elsewhere(cluster, policy));
        if !policy.meta.name.is_empty() {
            let others = by_name.entry((policy.meta.namespace(), &policy.meta.name)).or_default();
            let is_same_file = |other: &&&Declared<Policy>| other.meta.span.file == policy.meta.span.file;
            if let Some(first) = others.iter().find(is_same_file) {
                let message = format!("{} is given twice, and the later one replaces the first", policy.meta.title());
                findings.push(
                    Finding::new(&FORM, policy.meta.name.span, message)
                        .severity(Severity::High)
                        .label("replaces the first")
                        .related(first.meta.name.span, "given here first")
                        .help("give each policy a name of its own"),
                );
            }
            if others.len() < 64 {
                others.push(policy);
            }
        }
    }
}

fn types(policy: &Declared<Policy>) -> Option<Finding> {
    let title = policy.meta.title();
    let keys = [(Direction::Ingress, policy.spec.ingress_key), (Direction::Egress, policy.spec.egress_key)];
    for (direction, key) in keys {
        if let Some(key) = key.filter(|_| !policy.spec.is_about(direction)) {
            let word = direction.word();
            let what = word.to_lowercase();
            let why = match policy.spec.types {
                Some(_) => format!("`{word}` is not among its types"),
                None => "it says no types, and has no rules for this one".to_owned(),
            };
            let message = format!("the `{what}` of {title} is ignored: {why}");
            return Some(
                Finding::new(&FORM, key, message)
                    .severity(Severity::High)
                    .label("has no effect")
                    .help(format!("add `{word}` to `policyTypes`")),
            );
        }
    }
    if policy.spec.types.is_some() {
        return None;
    }
    let directions: Vec<&str> = [Direction::Ingress, Direction::Egress]
        .into_iter()
        .filter(|direction| policy.spec.is_about(*direction))
        .map(Direction::word)
        .collect();
    let list = directions.join(", ");
    let message = format!("{title} does not say its types, so it is about {}", directions.join(" and "));
    Some(
        Finding::new(&FORM, policy.meta.anchor(), message)
            .label("no `policyTypes`")
            .help(format!("add `policyTypes: [{list}]`")),
    )
}

/// A policy without namespace in a file whose pods have one.
fn elsewhere(cluster: &Cluster, policy: &Declared<Policy>) -> Option<Finding> {
    if policy.meta.namespace.is_some() || policy.meta.name.is_empty() {
        return None;
    }
    let same_file = cluster.workloads().take(4096).filter(|pods| pods.meta.span.file == policy.meta.span.file);
    let (mut selected, mut named) = (None, true);
    for pods in same_file {
        named &= pods.meta.namespace.is_some();
        if selected.is_none() && policy.spec.pods.matches(&pods.spec.pod.labels) {
            selected = Some(pods);
        }
    }
    let pods = selected.filter(|_| named)?;
    let namespace = pods.meta.namespace.as_ref()?;
    let message =
        format!("{} names no namespace, while {} is in `{}`", policy.meta.title(), pods.meta.title(), **namespace);
    Some(
        Finding::new(&FORM, policy.meta.name.span, message)
            .severity(Severity::High)
            .label("protects nothing in the namespace of the pods")
            .related(namespace.span, "the namespace of the pods")
            .help(format!("add `namespace: {}`", **namespace)),
    )
}
