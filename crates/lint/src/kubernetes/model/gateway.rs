//! Gateway API, and what Istio had before it.

use super::{PortValue, Selector};
use crate::inputs::Spanned;

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
}

/// HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) parents: Vec<Parent>,
    pub(crate) hostnames: Vec<Spanned<String>>,
    pub(crate) backends: Vec<RouteBackend>,
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
