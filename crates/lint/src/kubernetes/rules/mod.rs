//! The rules about Kubernetes manifests. A file holds what belongs together: the rules, and how they are applied.
//!
//! Every rule says nothing about what it cannot see: an object that is decided elsewhere, or pods that are in other
//! files, are no findings.

mod edge;
mod impossible;
mod keys;
mod policy;
mod service;
mod workload;

use super::cluster::Cluster;
use crate::{
    finding::Finding,
    numbers,
    rule::{Default, Rule, Severity},
};

/// Applies one rule, or a few that look at the same things.
type Apply = fn(&Cluster, &mut Vec<Finding>);

/// Everything that is applied.
static CHECKS: &[Apply] = &[
    impossible::apply,
    keys::apply,
    workload::host_ports::apply,
    workload::host_network::apply,
    workload::low_ports::apply,
    workload::probes::apply,
    workload::names::apply,
    workload::flags::apply,
    workload::localhost::apply,
    workload::port_forward::apply,
    service::exposure::apply,
    service::node_ports::apply,
    service::load_balancers::apply,
    service::targets::apply,
    service::overlaps::apply,
    service::traffic::apply,
    edge::backends::apply,
    edge::hosts::apply,
    edge::tls::apply,
    edge::exposed::apply,
    edge::gateways::apply,
    edge::snippets::apply,
    policy::coverage::apply,
    policy::selects::apply,
    policy::broad::apply,
    policy::ports::apply,
    policy::form::apply,
    policy::dns::apply,
    policy::enforcement::apply,
    policy::bypass::apply,
];

/// The rules, by number.
pub(super) static RULES: &[&Rule] = &[
    &numbers::IMPOSSIBLE,
    &crate::keys::UNKNOWN_KEY,
    &workload::host_ports::HOST_PORT,
    &workload::host_ports::CONTESTED,
    &workload::host_network::HOST_NETWORK,
    &workload::host_network::BEYOND_POLICY,
    &workload::low_ports::LOW_PORT,
    &workload::low_ports::REMOTE_ACCESS,
    &workload::probes::PROBE,
    &workload::names::CLASH,
    &workload::names::UNNAMED,
    &workload::flags::WIDE_FLAG,
    &workload::localhost::DEAD_EXPOSURE,
    &workload::port_forward::PORT_FORWARD,
    &service::exposure::NODE_PORT,
    &service::node_ports::FIXED,
    &service::load_balancers::LOAD_BALANCER,
    &service::exposure::EXTERNAL_IPS,
    &service::exposure::NAMES_LOCALHOST,
    &service::targets::NO_PODS,
    &service::targets::NOWHERE,
    &service::targets::UNDECLARED,
    &service::overlaps::DIFFERENT_PORTS,
    &service::overlaps::SAME_PORT,
    &service::traffic::EXTERNAL_TRAFFIC,
    &edge::backends::MISSING,
    &edge::hosts::HOSTS,
    &edge::tls::WITHOUT_TLS,
    &edge::exposed::EXPOSED,
    &edge::exposed::SENSITIVE,
    &edge::gateways::LISTENER,
    &edge::snippets::SNIPPET,
    &policy::coverage::NOT_ISOLATED,
    &policy::selects::NO_PODS,
    &policy::selects::NO_PEERS,
    &policy::broad::EVERYBODY,
    &policy::broad::ALL_PORTS,
    &policy::ports::SERVICE_PORT,
    &policy::ports::UNDECLARED,
    &policy::form::FORM,
    &policy::dns::NO_DNS,
    &policy::enforcement::NOT_ENFORCED,
    &policy::bypass::BYPASSED,
];

/// Applies all of them.
pub(super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for apply in CHECKS {
        apply(cluster, findings);
    }
}

/// A rule of this format; all of them speak unless they are silenced.
const fn rule(
    id: &'static str,
    name: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
) -> Rule {
    Rule { id, name, severity, title, why, remedy, default: Default::On }
}

/// "1, 2 and 3 more": the first few of many.
fn some_of<T: std::fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    match items.len() {
        length if length > SHOWN => format!("{} and {} more", shown.join(", "), length - SHOWN),
        _ => match shown.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        },
    }
}
