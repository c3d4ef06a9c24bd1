//! Load balancers for everybody: PC423.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::{BalancerReach, Cluster},
        model::{Declared, Exposure, Service},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static LOAD_BALANCER: Rule = rule(
    "PC423",
    "open-load-balancer",
    Severity::High,
    "a load balancer takes connections from everybody",
    "In most clouds a Service of type LoadBalancer gets a public address. Nothing in front of it knows who calls: no \
     Ingress, no TLS, no list of sources.",
    "Add `loadBalancerSourceRanges`, make it internal by the annotation of your cloud, or use `type: ClusterIP` behind \
     an Ingress or Gateway.",
);

/// Ports that are there to be reached by everybody.
const WEB: [u16; 2] = [80, 443];

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let balancers =
        cluster.manifests.services.iter().filter(|service| service.spec.exposure() == Exposure::LoadBalancer);
    for service in balancers {
        findings.extend(judged(service));
    }
}

fn judged(service: &Declared<Service>) -> Option<Finding> {
    let kind = service.spec.kind.as_ref()?;
    let title = service.meta.title();
    match BalancerReach::of(service) {
        BalancerReach::Internal | BalancerReach::Sources(_) => None,
        BalancerReach::Unknown(place) => {
            let message = format!("from where {title} can be reached is decided elsewhere: `{}`", **place);
            Some(Finding::unknown(&LOAD_BALANCER, place.span, message))
        }
        BalancerReach::Internet(Some(range)) => {
            let message = format!("{title} takes connections from everybody: `{}`", **range);
            Some(
                Finding::new(&LOAD_BALANCER, range.span, message)
                    .label("with the other ranges, all addresses")
                    .help("write the networks that need it"),
            )
        }
        BalancerReach::Internet(None) => {
            let ports: Vec<u16> = service.spec.ports.iter().filter_map(|port| port.port.number()).collect();
            let is_web = !ports.is_empty() && ports.iter().all(|port| WEB.contains(port));
            let severity = if is_web { Severity::Medium } else { Severity::High };
            let message = format!("{title} gets an address that everybody can reach");
            Some(
                Finding::new(&LOAD_BALANCER, kind.span, message)
                    .severity(severity)
                    .label("neither internal nor with `loadBalancerSourceRanges`")
                    .help("add `loadBalancerSourceRanges: [10.0.0.0/8]` with the networks that need it, or make it internal"),
            )
        }
    }
}
