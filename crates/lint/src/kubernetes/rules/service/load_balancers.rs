//! Load balancers for everybody: PC423.

use super::rule;
use crate::{
    cidr::{Breadth, Networks},
    finding::Finding,
    inputs::Spanned,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Exposure, Meta, Service, is_placeholder},
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

pub(in super::super) fn apply(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let balancers =
        cluster.manifests.services.iter().filter(|service| service.spec.exposure() == Exposure::LoadBalancer);
    for service in balancers {
        findings.extend(judged(service));
    }
}

fn judged(service: &Declared<Service>) -> Option<Finding> {
    let kind = service.spec.kind.as_ref()?;
    let title = service.meta.title();
    match reach(service) {
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

/// From where a load balancer can be reached, as far as the file says.
#[derive(Debug)]
pub(crate) enum BalancerReach<'s> {
    /// From private networks alone.
    Internal,
    /// From these networks.
    Sources(Networks),
    /// From everywhere; by this range, if one says so.
    Internet(Option<&'s Spanned<String>>),
    /// It is decided elsewhere.
    Unknown(&'s Spanned<String>),
}

/// From where a Service of type LoadBalancer can be reached.
pub(crate) fn reach(service: &Declared<Service>) -> BalancerReach<'_> {
    if let Some(value) = internal_annotation(&service.meta) {
        return if is_placeholder(value) { BalancerReach::Unknown(value) } else { BalancerReach::Internal };
    }
    if service.spec.load_balancer_class.as_ref().is_some_and(|class| class.contains("tailscale")) {
        return BalancerReach::Internal;
    }
    let annotated = ["service.beta.kubernetes.io/load-balancer-source-ranges", "metallb.universe.tf/loadBalancerIPs"]
        .map(|name| service.meta.annotation(name));
    let addresses = service.spec.load_balancer_ip.iter().chain(annotated[1]);
    for address in addresses {
        match merged(&[address]) {
            Some(networks) if !matches!(networks.breadth(), Breadth::Public | Breadth::PublicHosts) => {
                return BalancerReach::Internal;
            }
            None => return BalancerReach::Unknown(address),
            Some(_) => {}
        }
    }
    let ranges: Vec<&Spanned<String>> = service.spec.source_ranges.iter().chain(annotated[0]).collect();
    let Some(first) = ranges.first() else { return BalancerReach::Internet(None) };
    match merged(&ranges) {
        None => BalancerReach::Unknown(ranges.iter().find(|range| is_placeholder(range)).unwrap_or(first)),
        Some(networks) if networks.breadth() == Breadth::Internet => {
            let whole = |range: &&&Spanned<String>| {
                merged(&[range]).is_some_and(|networks| networks.breadth() == Breadth::Internet)
            };
            BalancerReach::Internet(Some(ranges.iter().find(whole).unwrap_or(first)))
        }
        Some(networks) => BalancerReach::Sources(networks),
    }
}

/// All networks of texts that may hold several, separated by commas; none if one of them is no network.
fn merged(texts: &[&Spanned<String>]) -> Option<Networks> {
    let parts = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| Networks::parse(part).ok()).collect()
}

/// The annotation by which a cloud gives a load balancer no public address.
fn internal_annotation(meta: &Meta) -> Option<&Spanned<String>> {
    /// Each with the values that mean it, in lower case; none for any value that is not "false".
    const ANNOTATIONS: [(&str, &[&str]); 16] = [
        ("service.beta.kubernetes.io/aws-load-balancer-internal", &[]),
        ("service.beta.kubernetes.io/aws-load-balancer-scheme", &["internal"]),
        ("service.beta.kubernetes.io/azure-load-balancer-internal", &[]),
        ("networking.gke.io/load-balancer-type", &["internal"]),
        ("cloud.google.com/load-balancer-type", &["internal"]),
        ("service.beta.kubernetes.io/openstack-internal-load-balancer", &[]),
        ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", &[]),
        ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", &["intranet"]),
        ("service.beta.kubernetes.io/alicloud-loadbalancer-address-type", &["intranet"]),
        ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", &["private"]),
        ("service.beta.kubernetes.io/oci-load-balancer-internal", &[]),
        ("oci-network-load-balancer.oraclecloud.com/internal", &[]),
        ("load-balancer.hetzner.cloud/disable-public-network", &[]),
        ("service.beta.kubernetes.io/do-loadbalancer-network", &["internal"]),
        ("service.beta.kubernetes.io/scw-loadbalancer-private", &[]),
        ("service.beta.kubernetes.io/cce-load-balancer-internal-vpc", &[]),
    ];
    ANNOTATIONS.iter().find_map(|(name, meaning)| {
        let value = meta.annotation(name)?;
        let word = value.to_ascii_lowercase();
        let means_it = if meaning.is_empty() { word != "false" } else { meaning.contains(&word.as_str()) };
        (means_it || is_placeholder(value)).then_some(value)
    })
}
