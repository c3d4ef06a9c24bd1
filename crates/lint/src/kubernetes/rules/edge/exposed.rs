//! What can be reached from outside: PC444, PC445.

use std::collections::HashMap;

use super::rule;
use crate::{
    cidr::{Breadth, Networks},
    estate::{Guard, Reach},
    finding::Finding,
    kubernetes::{
        cluster::{Cluster, Door, Entrance, Pods, Way},
        interfaces::{Interface, interface},
    },
    rule::{Rule, Severity},
    sensitive::Exposure,
};

pub(in super::super) static EXPOSED: Rule = rule(
    "PC444",
    "workload-exposed",
    Severity::Info,
    "a workload can be reached from the internet",
    "This is a list to read, not a mistake: what is reached from the internet is attacked from there. Each entry shows \
     the way in, hop by hop.",
    "Make sure that each of them is meant to be there; take away the Ingress, route or Service type of the others.",
);

pub(in super::super) static SENSITIVE: Rule = rule(
    "PC445",
    "sensitive-interface-exposed",
    Severity::Critical,
    "an interface that steers or tells everything can be reached from outside of the cluster",
    "Databases, dashboards, metrics and the like are made for a trusted network: many ask for no password at all, and \
     those that do are tried with every password there is.",
    "Take it off the Ingress, route or Service type that opens it and reach it by `kubectl port-forward` or through a \
     proxy that asks who calls.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let entrances = cluster.entrances();
    let mut exposed: HashMap<*const Pods, (&Entrance<'_>, &Way<'_>)> = HashMap::new();
    let mut order: Vec<*const Pods> = Vec::new();
    for entrance in &entrances {
        let mut told: Vec<(&'static str, Option<u16>)> = Vec::new();
        for way in &entrance.ways {
            if let Some((finding, key)) = sensitive(entrance, way)
                && !told.contains(&key)
            {
                told.push(key);
                findings.push(finding);
            }
            if entrance.reach == Some(Reach::Internet) && matches!(entrance.guard, Guard::Open) {
                let pods = std::ptr::from_ref(way.pods);
                exposed.entry(pods).or_insert_with(|| {
                    order.push(pods);
                    (entrance, way)
                });
            }
        }
    }
    for (entrance, way) in order.iter().filter_map(|pods| exposed.get(pods)) {
        findings.push(listed(entrance, way));
    }
}

fn listed(entrance: &Entrance<'_>, way: &Way<'_>) -> Finding {
    let pods = way.pods;
    let by = words(entrance.door);
    let message =
        format!("{} can be reached from the internet through {by} `{}`", pods.meta.title(), *entrance.meta.name);
    let finding = Finding::new(&EXPOSED, pods.meta.anchor(), message).label("reached from the internet");
    hops(finding, entrance, way)
}

/// The hops of a way in, in order.
fn hops(finding: Finding, entrance: &Entrance<'_>, way: &Way<'_>) -> Finding {
    let condition = if entrance.when.is_empty() { String::new() } else { format!(" ({})", entrance.when) };
    let finding = finding.related(entrance.place, format!("{}{condition} is open", entrance.meta.title()));
    let finding = match way.service {
        Some((service, port)) if entrance.door != Door::LoadBalancer && entrance.door != Door::NodePort => {
            finding.related(port.port.span, format!("leads to port {} of {}", *port.port, service.meta.title()))
        }
        _ => finding,
    };
    let number = way.number.map(|number| format!(" port {number}")).unwrap_or_default();
    finding.related(way.pods.meta.anchor(), format!("leads to{number} of {}", way.pods.meta.title()))
}

fn words(door: Door) -> &'static str {
    match door {
        Door::LoadBalancer => "the load balancer of Service",
        Door::NodePort => "the node port of Service",
        Door::Ingress => "Ingress",
        Door::Gateway => "route",
        Door::Node => "a port of the node, taken by",
    }
}

fn sensitive(entrance: &Entrance<'_>, way: &Way<'_>) -> Option<(Finding, (&'static str, Option<u16>))> {
    let number = way.number?;
    let interface = interface(way.pods, number, entrance.transport)?;
    let severity = severity(entrance, &interface)?;
    let message = format!(
        "{} in {} can be reached through {} `{}`",
        interface.name,
        way.pods.meta.title(),
        words(entrance.door),
        *entrance.meta.name
    );
    let from = match entrance.reach {
        Some(Reach::Internet) => "reached from the internet",
        _ => "reached by whoever reaches a node",
    };
    let finding = Finding::new(&SENSITIVE, entrance.place, message)
        .severity(severity)
        .label(from)
        .help("take it off this way in, and reach it by `kubectl port-forward` or through a proxy that asks who calls");
    Some((hops(finding, entrance, way), (interface.name, way.number)))
}

/// Whoever can come in this way, and what asks them who they are.
fn severity(entrance: &Entrance<'_>, interface: &Interface) -> Option<Severity> {
    let exposure = match (entrance.reach?, &entrance.guard) {
        (_, Guard::Identity(_) | Guard::Unknown) | (Reach::Host, _) => return None,
        (_, Guard::Sources(networks)) => {
            let networks: Networks =
                networks.iter().map(|one| Networks::network(one.addr(), one.prefix_len())).collect();
            match networks.breadth() {
                Breadth::WidePrivate => return None,
                breadth => Exposure::of(breadth)?,
            }
        }
        (Reach::Internet, Guard::Open) => Exposure::Internet,
        // A port of a node is at least one network further away than the cluster.
        (Reach::Private, Guard::Open) if matches!(entrance.door, Door::NodePort | Door::Node) => {
            Exposure::PublicNetwork
        }
        (Reach::Private, Guard::Open) => return None,
    };
    // An agent of the node is asked by the node's own neighbours.
    if entrance.door == Door::Node && interface.class == crate::sensitive::Class::Monitoring {
        return None;
    }
    interface.class.severity(exposure)
}
