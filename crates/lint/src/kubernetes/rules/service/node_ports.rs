//! Fixed node ports: PC422.

use std::collections::HashMap;

use super::rule;
use crate::{
    estate::Transport,
    finding::Finding,
    inputs::{Span, Spanned},
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Exposure, PortValue, Service},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static FIXED: Rule = rule(
    "PC422",
    "fixed-node-port",
    Severity::High,
    "a fixed node port is taken twice, lies outside of the range of node ports, or may be taken by another Service",
    "Node ports are one space for the whole cluster: the second Service with a number is refused when it is applied. \
     From 30086 up the cluster also gives numbers out by itself, so a fixed one may already be taken.",
    "Leave `nodePort` out, or choose a free number from 30000 to 30085, which the cluster only gives out when all \
     others are taken.",
);

/// The default of `--service-node-port-range`.
const RANGE: std::ops::RangeInclusive<u16> = 30000..=32767;
/// The last number that is not given out before all others: `min(max(16, size / 32), 128)` numbers from the first
/// (KEP 3668).
const LAST_STATIC: u16 = 30085;
/// Services with one number that are compared.
const MAX_COMPARED: usize = 64;

/// A Service, and where it says its node port.
type User<'c> = (&'c Declared<Service>, Span);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let mut users: HashMap<(u16, Transport), Vec<User<'_>>> = HashMap::new();
    for service in &cluster.manifests.services {
        for port in &service.spec.ports {
            let Some(value) = &port.node_port else { continue };
            let Some(number) = value.number() else { continue };
            match alone(service, value, number) {
                Some(finding) => findings.push(finding),
                None => findings.extend(in_dynamic_band(service, value, number)),
            }
            if let Some(transport) = port.transport().filter(|_| service.meta.is_whole()) {
                users.entry((number, transport)).or_default().push((service, value.span));
            }
        }
    }
    for ((number, _), users) in users {
        let users = &users[..users.len().min(MAX_COMPARED)];
        for (index, (service, span)) in users.iter().enumerate() {
            let first = users[..index].iter().find(|(other, _)| {
                std::ptr::eq::<Declared<Service>>(*other, *service)
                    || (other.meta.identity() != service.meta.identity()
                        && cluster.run_together(&other.meta, &service.meta))
            });
            let Some((other, first)) = first else { continue };
            let message = format!(
                "node port {number} of {} is also that of {}",
                service.meta.title(),
                if std::ptr::eq::<Declared<Service>>(*other, *service) {
                    "another of its ports".to_owned()
                } else {
                    other.meta.title()
                }
            );
            findings.push(
                Finding::new(&FIXED, *span, message)
                    .label("the second one is refused")
                    .related(*first, "taken here first")
                    .help("leave `nodePort` out, or choose another number"),
            );
        }
    }
}

/// What is wrong with a number whatever the others are.
fn alone(service: &Declared<Service>, value: &Spanned<PortValue>, number: u16) -> Option<Finding> {
    let title = service.meta.title();
    if !RANGE.contains(&number) {
        let message = format!("node port {number} of {title} lies outside of {}-{}", RANGE.start(), RANGE.end());
        return Some(
            Finding::new(&FIXED, value.span, message)
                .label("refused, unless the cluster was started with another range")
                .help(format!("choose a number from {} to {LAST_STATIC}", RANGE.start())),
        );
    }
    if service.meta.is_whole() && service.spec.exposure() == Exposure::Cluster {
        let message = format!("{title} has a node port but is no Service of type NodePort or LoadBalancer");
        return Some(Finding::new(&FIXED, value.span, message).label("the API refuses it").help("remove `nodePort`"));
    }
    None
}

fn in_dynamic_band(service: &Declared<Service>, value: &Spanned<PortValue>, number: u16) -> Option<Finding> {
    (number > LAST_STATIC).then(|| {
        let message = format!("node port {number} of {} may be given to another Service first", service.meta.title());
        Finding::new(&FIXED, value.span, message)
            .severity(Severity::Low)
            .label(format!("from {} up, the cluster gives numbers out", LAST_STATIC + 1))
            .help(format!("choose a number from {} to {LAST_STATIC}, or leave `nodePort` out", RANGE.start()))
    })
}
