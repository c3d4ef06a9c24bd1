//! Ways around the cluster's front door: PC421, PC424, PC425.

use super::{rule, some_of};
use crate::{
    finding::{Edit, Finding, Safety},
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Exposure, Service},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static NODE_PORT: Rule = rule(
    "PC421",
    "node-port",
    Severity::High,
    "a Service opens a port on every node of the cluster",
    "A node port listens on every address of every node, also of nodes that run none of the pods. Whatever can route \
     to a node reaches the Service, past Ingress, TLS and most NetworkPolicies.",
    "Use `type: ClusterIP` and an Ingress or Gateway in front, or a load balancer with \
     `allocateLoadBalancerNodePorts: false`.",
);

pub(in super::super) static EXTERNAL_IPS: Rule = rule(
    "PC424",
    "external-ips",
    Severity::High,
    "a Service takes addresses for itself that the cluster does not check",
    "Traffic from pods and nodes to such an address is redirected to the Service, whoever the address belongs to: \
     whoever may write Services can intercept traffic (CVE-2020-8554).",
    "Use `type: LoadBalancer` or an Ingress, which take addresses that are theirs.",
);

pub(in super::super) static NAMES_LOCALHOST: Rule = rule(
    "PC425",
    "external-name-localhost",
    Severity::High,
    "a Service is another name for localhost",
    "A proxy or ingress controller that follows the name connects to itself, and so to admin ports that only its own \
     host should reach (CVE-2021-25740 and its kin).",
    "Name the host that is meant, or use a Service with a selector.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for service in &cluster.manifests.services {
        findings.extend(node_port(service));
        findings.extend(external_ips(service));
        findings.extend(names_localhost(service));
    }
}

fn node_port(service: &Declared<Service>) -> Option<Finding> {
    let kind = service.spec.kind.as_ref().filter(|_| service.spec.exposure() == Exposure::NodePort)?;
    let ports: Vec<&_> = service.spec.ports.iter().filter_map(|port| port.node_port.as_ref()).map(|p| &**p).collect();
    let which = if ports.is_empty() { "a port".to_owned() } else { format!("port {}", some_of(&ports)) };
    let message = format!("{} opens {which} on every node", service.meta.title());
    let edit = Edit { span: kind.span, replacement: "ClusterIP".to_owned() };
    let finding = Finding::new(&NODE_PORT, kind.span, message).label("reached past Ingress and most NetworkPolicies");
    // A fixed number cannot stay with another type.
    Some(if ports.is_empty() {
        finding.fix(Safety::NeedsReview, "write `ClusterIP`, with an Ingress or Gateway in front", vec![edit])
    } else {
        finding.help("write `type: ClusterIP` without `nodePort`, with an Ingress or Gateway in front")
    })
}

fn external_ips(service: &Declared<Service>) -> Option<Finding> {
    let addresses = &service.spec.external_ips;
    let first = addresses.first()?;
    let shown: Vec<&str> = addresses.iter().map(|address| address.as_str()).collect();
    let message = format!("{} redirects what is sent to {} to itself", service.meta.title(), some_of(&shown));
    Some(
        Finding::new(&EXTERNAL_IPS, first.span, message)
            .label("nobody checks whose address this is")
            .help("remove `externalIPs` and use `type: LoadBalancer` or an Ingress"),
    )
}

fn names_localhost(service: &Declared<Service>) -> Option<Finding> {
    let name = service.spec.external_name.as_ref().filter(|_| service.spec.exposure() == Exposure::ExternalName)?;
    let host = name.trim_end_matches('.').to_ascii_lowercase();
    let is_localhost = host == "localhost"
        || host.starts_with("localhost.")
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified());
    is_localhost.then(|| {
        let message = format!("{} is another name for `{}`", service.meta.title(), **name);
        Finding::new(&NAMES_LOCALHOST, name.span, message)
            .label("whoever follows it connects to itself")
            .help("name the host that is meant")
    })
}
