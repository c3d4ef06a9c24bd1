//! Gateway API, and what Istio had before it.

use super::{PortValue, Selector};
use crate::inputs::{Span, Spanned};

/// A Gateway of `gateway.networking.k8s.io`.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) listeners: Vec<GatewayListener>,
}

/// One of `listeners`.
#[derive(Debug)]
pub(crate) struct GatewayListener {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) hostname: Option<Spanned<String>>,
    pub(crate) port: Spanned<PortValue>,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`.
    pub(crate) protocol: Option<Spanned<String>>,
    /// `tls.mode: Passthrough`.
    pub(crate) passes_through: bool,
    /// The secrets of `tls.certificateRefs`.
    pub(crate) secrets: Vec<Spanned<String>>,
}

/// HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) parents: Vec<Parent>,
    pub(crate) hostnames: Vec<Spanned<String>>,
    pub(crate) rules: Vec<RouteRule>,
}

impl Route {
    /// The services behind all rules.
    pub(crate) fn backends(&self) -> impl Iterator<Item = &RouteBackend> {
        self.rules.iter().flat_map(|rule| &rule.backends)
    }
}

/// One of `rules`.
#[derive(Debug)]
pub(crate) struct RouteRule {
    pub(crate) span: Span,
    /// Any of them is enough; none means everything.
    pub(crate) matches: Vec<RouteMatch>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) backends: Vec<RouteBackend>,
}

/// One of `matches`.
#[derive(Debug)]
pub(crate) struct RouteMatch {
    pub(crate) span: Span,
    /// `path.type`; nothing means `PathPrefix`.
    pub(crate) kind: Option<String>,
    /// `path.value`.
    pub(crate) path: Option<Spanned<String>>,
    /// Whether it asks for more than a path.
    pub(crate) asks_more: bool,
}

/// One of `filters`.
#[derive(Debug)]
pub(crate) enum Filter {
    /// `RequestRedirect`.
    Redirect {
        span: Span,
        scheme: Option<String>,
        hostname: Option<String>,
        /// Whether it changes the port or the path.
        changes_more: bool,
        status: Option<u16>,
    },
    /// `URLRewrite`.
    Rewrite {
        span: Span,
        hostname: Option<String>,
        /// `path.replacePrefixMatch`.
        prefix: Option<String>,
        /// Whether it replaces the whole path.
        replaces_all: bool,
    },
    /// `RequestHeaderModifier` and `ResponseHeaderModifier`.
    Headers {
        span: Span,
        is_request: bool,
        set: Vec<(String, String)>,
        /// Whether it adds or removes as well.
        does_more: bool,
    },
    /// Anything else.
    Other(Spanned<String>),
}

/// One of `parentRefs` that is a Gateway.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) name: Spanned<String>,
    pub(crate) namespace: Option<String>,
    /// `sectionName`: one listener of the Gateway.
    pub(crate) listener: Option<Spanned<String>>,
    pub(crate) port: Option<Spanned<PortValue>>,
}

/// One of `backendRefs` that is a Service.
#[derive(Debug)]
pub(crate) struct RouteBackend {
    pub(crate) service: Spanned<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) port: Option<Spanned<PortValue>>,
    /// Its share; nothing means one.
    pub(crate) weight: Option<u32>,
}

/// A Gateway of `networking.istio.io`.
#[derive(Debug)]
pub(crate) struct IstioGateway {
    /// The pods that it configures.
    pub(crate) selector: Option<Selector>,
    pub(crate) servers: Vec<IstioServer>,
}

/// One of `servers`.
#[derive(Debug)]
pub(crate) struct IstioServer {
    pub(crate) port: Spanned<PortValue>,
    pub(crate) protocol: Option<Spanned<String>>,
    pub(crate) hosts: Vec<Spanned<String>>,
    /// `tls.httpsRedirect: true`.
    pub(crate) redirects: bool,
}
