//! What every object says about itself.

use super::Labels;
use crate::inputs::{Span, Spanned};

/// An object: what it is called, and what it says.
#[derive(Debug)]
pub(crate) struct Declared<T> {
    pub(crate) meta: Meta,
    pub(crate) spec: T,
}

/// `kind`, `apiVersion` and `metadata`.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub(crate) kind: Spanned<String>,
    /// The group of `apiVersion`; empty for the core group.
    pub(crate) group: String,
    /// Empty if the server makes the name (`generateName`), or if there is none.
    pub(crate) name: Spanned<String>,
    /// As the file, or its kustomization, says it.
    pub(crate) namespace: Option<Spanned<String>>,
    pub(crate) labels: Labels,
    pub(crate) annotations: Vec<(Spanned<String>, Spanned<String>)>,
    /// The whole document.
    pub(crate) span: Span,
    pub(crate) standing: Standing,
}

/// Whether an object stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is applied as it is written.
    Whole,
    /// It says only what is to be changed in another one (a Kustomize patch): what it does not say means nothing.
    Patch,
}

/// The namespace of objects that name none, unless whoever applies them says otherwise.
const DEFAULT_NAMESPACE: &str = "default";

impl Meta {
    /// `Deployment web`, for people.
    pub(crate) fn title(&self) -> String {
        if self.name.is_empty() { format!("this {}", *self.kind) } else { format!("{} `{}`", *self.kind, *self.name) }
    }

    /// The namespace it lands in when nobody says otherwise. For comparing, not for telling: see [`Self::within`].
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().map_or(DEFAULT_NAMESPACE, String::as_str)
    }

    /// ` in namespace shop`, or nothing where the file does not say.
    pub(crate) fn within(&self) -> String {
        self.namespace.as_ref().map(|namespace| format!(" in namespace `{}`", **namespace)).unwrap_or_default()
    }

    /// Whether two objects land in one namespace.
    pub(crate) fn shares_namespace(&self, other: &Self) -> bool {
        self.namespace() == other.namespace()
    }

    /// Whether two objects may land in one namespace: one that names none is put where whoever applies it says.
    pub(crate) fn may_share_namespace(&self, other: &Self) -> bool {
        self.namespace.is_none() || other.namespace.is_none() || self.shares_namespace(other)
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, name: &str) -> Option<&Spanned<String>> {
        self.annotations.iter().find(|(key, _)| **key == name).map(|(_, value)| value)
    }

    /// Whether it is applied as it is written.
    pub(crate) fn is_whole(&self) -> bool {
        self.standing == Standing::Whole
    }

    /// Where a finding about something that is missing points: the name, or the kind where there is no name.
    pub(crate) fn anchor(&self) -> Span {
        if self.name.is_empty() { self.kind.span } else { self.name.span }
    }

    /// What tells objects of one cluster apart.
    pub(crate) fn identity(&self) -> (&str, &str, &str, &str) {
        (&self.group, &self.kind, self.namespace(), &self.name)
    }
}
