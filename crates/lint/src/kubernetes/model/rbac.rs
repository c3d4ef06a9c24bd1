//! Roles.

use crate::inputs::Spanned;

/// A Role or ClusterRole.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) rules: Vec<AccessRule>,
}

/// One of `rules`.
#[derive(Debug)]
pub(crate) struct AccessRule {
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<Spanned<String>>,
    pub(crate) verbs: Vec<String>,
    /// Whether `resourceNames` narrows it.
    pub(crate) is_narrowed: bool,
}
