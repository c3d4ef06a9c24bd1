//! Ingresses, of `networking.k8s.io/v1` and of the forms before it.

use super::{PortValue, is_placeholder};
use crate::inputs::{Span, Spanned};

/// An Ingress.
#[derive(Debug)]
pub(crate) struct Ingress {
    /// `ingressClassName`, or the annotation of old.
    pub(crate) class: Option<Spanned<String>>,
    /// `defaultBackend`, of old `backend`.
    pub(crate) default_backend: Option<Backend>,
    pub(crate) rules: Vec<IngressRule>,
    /// None if there is no `tls` at all.
    pub(crate) tls: Option<IngressTls>,
}

/// `spec.tls`.
#[derive(Debug)]
pub(crate) struct IngressTls {
    /// The hosts of all entries.
    pub(crate) hosts: Vec<Spanned<String>>,
    /// An entry without hosts, which stands for all of them.
    pub(crate) covers_all: bool,
    /// The secrets that hold the certificates.
    pub(crate) secrets: Vec<Spanned<String>>,
}

impl IngressTls {
    /// Whether there is a certificate for a host. One that is decided elsewhere may be for any.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let is_for = |own: &Spanned<String>| {
            let domain = own.strip_prefix("*.");
            **own == host
                || is_placeholder(own)
                || domain.is_some_and(|domain| host.split_once('.').is_some_and(|(_, rest)| rest == domain))
        };
        self.covers_all || self.hosts.iter().any(is_for)
    }
}

/// One of `rules`.
#[derive(Debug)]
pub(crate) struct IngressRule {
    pub(crate) span: Span,
    pub(crate) host: Option<Spanned<String>>,
    pub(crate) paths: Vec<IngressPath>,
}

/// One of `paths` of a rule.
#[derive(Debug)]
pub(crate) struct IngressPath {
    pub(crate) path: Option<Spanned<String>>,
    /// `pathType`.
    pub(crate) kind: Option<String>,
    /// None if it is not a service.
    pub(crate) backend: Option<Backend>,
}

/// The service behind it.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    pub(crate) service: Spanned<String>,
    pub(crate) port: Option<Spanned<PortValue>>,
}

impl Ingress {
    /// All services behind it, each with the host and path that lead there.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (Option<&IngressRule>, &Backend)> {
        let by_rule = self.rules.iter().flat_map(|rule| {
            rule.paths.iter().filter_map(move |path| path.backend.as_ref().map(|backend| (Some(rule), backend)))
        });
        self.default_backend.iter().map(|backend| (None, backend)).chain(by_rule)
    }
}
