//! From where load balancers can be reached.

use crate::{
    cidr::{Breadth, Networks},
    inputs::Spanned,
    kubernetes::model::{Declared, Meta, Service, is_placeholder},
};

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

impl<'s> BalancerReach<'s> {
    /// From where a Service of type LoadBalancer can be reached.
    pub(crate) fn of(service: &'s Declared<Service>) -> Self {
        if let Some(value) = internal_annotation(&service.meta) {
            return if is_placeholder(value) { Self::Unknown(value) } else { Self::Internal };
        }
        if service.spec.load_balancer_class.as_ref().is_some_and(|class| class.contains("tailscale")) {
            return Self::Internal;
        }
        let annotated =
            ["service.beta.kubernetes.io/load-balancer-source-ranges", "metallb.universe.tf/loadBalancerIPs"]
                .map(|name| service.meta.annotation(name));
        let addresses = service.spec.load_balancer_ip.iter().chain(annotated[1]);
        for address in addresses {
            match merged(&[address]) {
                Some(networks) if !matches!(networks.breadth(), Breadth::Public | Breadth::PublicHosts) => {
                    return Self::Internal;
                }
                None => return Self::Unknown(address),
                Some(_) => {}
            }
        }
        let ranges: Vec<&Spanned<String>> = service.spec.source_ranges.iter().chain(annotated[0]).collect();
        let Some(first) = ranges.first() else { return Self::Internet(None) };
        match merged(&ranges) {
            None => Self::Unknown(ranges.iter().find(|range| is_placeholder(range)).unwrap_or(first)),
            Some(networks) if networks.breadth() == Breadth::Internet => {
                let whole = |range: &&&Spanned<String>| {
                    merged(&[range]).is_some_and(|networks| networks.breadth() == Breadth::Internet)
                };
                Self::Internet(Some(ranges.iter().find(whole).unwrap_or(first)))
            }
            Some(networks) => Self::Sources(networks),
        }
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
