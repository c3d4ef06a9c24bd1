//! Roles.

use super::field;
use crate::{
    kubernetes::model::{AccessRule, Role},
    yaml::Node,
};

/// Reads a Role or ClusterRole.
pub(super) fn read(node: &Node<'_>) -> Role {
    let rules = node.get("rules").map(Node::items).unwrap_or_default();
    Role {
        rules: rules
            .iter()
            .map(|rule| AccessRule {
                groups: field::words(rule.get("apiGroups")),
                resources: field::list(rule.get("resources")),
                verbs: field::words(rule.get("verbs")),
                is_narrowed: !field::words(rule.get("resourceNames")).is_empty(),
            })
            .collect(),
    }
}
