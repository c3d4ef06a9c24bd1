//! Who may open a tunnel to any port of any pod: PC412.

use super::rule;
use crate::{
    finding::Finding,
    inputs::Spanned,
    kubernetes::{cluster::Cluster, model::AccessRule},
    rule::{Rule, Severity},
};

pub(in super::super) static PORT_FORWARD: Rule = rule(
    "PC412",
    "port-forward-granted",
    Severity::Medium,
    "a role may open tunnels to any port of its pods",
    "`kubectl port-forward` reaches every port of a pod, also those on its loopback address, through the API server: \
     past Services, NetworkPolicies and everything else that guards ports.",
    "Leave `pods/portforward` out, or grant it to few people for the namespaces and pods (`resourceNames`) they need.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for role in &cluster.manifests.roles {
        for access in &role.spec.rules {
            let Some(resource) = forwards(access) else { continue };
            let whose =
                if *role.meta.kind == "ClusterRole" { "every namespace it is bound in" } else { "its namespace" };
            let message = format!(
                "`{}` lets whoever has {} tunnel to any port of the pods of {whose}",
                **resource,
                role.meta.title()
            );
            findings.push(
                Finding::new(&PORT_FORWARD, resource.span, message)
                    .label("past Services and NetworkPolicies")
                    .help("name the resources that are needed, without `pods/portforward`"),
            );
        }
    }
}

/// The resource by which a rule grants it.
fn forwards(access: &AccessRule) -> Option<&Spanned<String>> {
    let in_core = access.groups.iter().any(|group| group.is_empty() || group == "*");
    // The older clients ask by POST, the newer by a GET that is upgraded.
    let may = access.verbs.iter().any(|verb| matches!(verb.as_str(), "create" | "get" | "*"));
    let meant = |resource: &&Spanned<String>| matches!(resource.as_str(), "pods/portforward" | "pods/*");
    // Only together do the two stars mean everything, and then a reader wants to know that they mean this too.
    let everything =
        |resource: &&Spanned<String>| resource.as_str() == "*" && access.verbs.iter().any(|verb| verb == "*");
    if !in_core || !may || access.is_narrowed {
        return None;
    }
    access.resources.iter().find(meant).or_else(|| access.resources.iter().find(everything))
}
