//! Manifests as types, each value with its place.
//!
//! Says what was written, not what it means: defaults are applied by accessors, references are resolved by
//! [`super::cluster`]. Knows nothing of YAML.

mod edge;
mod gateway;
mod labels;
mod meta;
mod policy;
mod port;
mod rbac;
mod service;
mod workload;

pub(crate) use edge::{Backend, Ingress, IngressPath, IngressRule, IngressTls};
pub(crate) use gateway::{
    Filter, Gateway, GatewayListener, IstioGateway, IstioServer, Parent, Route, RouteBackend, RouteMatch, RouteRule,
};
pub(crate) use labels::{Expression, Labels, Operator, Selector, is_added_by_controller};
pub(crate) use meta::{Declared, Meta, Standing};
pub(crate) use policy::{Direction, Peer, PeerBlock, Policy, PolicyPort, PolicyRule};
pub(crate) use port::{PortMistake, PortValue, Protocol, is_port_name};
pub(crate) use rbac::{AccessRule, Role};
pub(crate) use service::{Exposure, Service, ServicePort};
pub(crate) use workload::{
    Container, ContainerKind, ContainerPort, Pod, Probe, Security, Workload, WorkloadKind, is_placeholder,
};

/// Everything that the files of one check declare, in reading order.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    pub(crate) workloads: Vec<Declared<Workload>>,
    pub(crate) services: Vec<Declared<Service>>,
    pub(crate) ingresses: Vec<Declared<Ingress>>,
    pub(crate) gateways: Vec<Declared<Gateway>>,
    pub(crate) istio_gateways: Vec<Declared<IstioGateway>>,
    pub(crate) routes: Vec<Declared<Route>>,
    pub(crate) policies: Vec<Declared<Policy>>,
    pub(crate) roles: Vec<Declared<Role>>,
    /// `Namespace` objects.
    pub(crate) namespaces: Vec<Declared<()>>,
    /// `Endpoints` and `EndpointSlice` objects: a service of their name needs no selector.
    pub(crate) endpoints: Vec<Declared<()>>,
    /// Config maps that switch something on that matters here, by the place of the value.
    pub(crate) settings: Vec<Declared<Settings>>,
    /// Configuration files of components of the cluster, such as `KubeletConfiguration`: their own keys.
    pub(crate) components: Vec<Declared<Settings>>,
    /// Everything else that has a kind and a name: an operator may make pods and services of it.
    pub(crate) others: Vec<Declared<()>>,
    /// Keys that no version of the API knows, in blocks that decide who reaches what.
    pub(crate) strays: Vec<Stray>,
}

/// Keys and texts.
pub(crate) type Settings = Vec<(String, crate::inputs::Spanned<String>)>;

/// A key that the API server would drop in silence.
#[derive(Debug, Clone)]
pub(crate) struct Stray {
    /// The key as it was written.
    pub(crate) key: crate::inputs::Spanned<String>,
    /// What it stands in, for people: "a NetworkPolicy port".
    pub(crate) block: &'static str,
    /// The keys that the block knows.
    pub(crate) known: &'static [&'static str],
    /// Whether the block knows no other keys than these in any version of the API.
    pub(crate) closed: bool,
}

impl Manifests {
    /// Adds what another file declares.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.workloads.extend(other.workloads);
        self.services.extend(other.services);
        self.ingresses.extend(other.ingresses);
        self.gateways.extend(other.gateways);
        self.istio_gateways.extend(other.istio_gateways);
        self.routes.extend(other.routes);
        self.policies.extend(other.policies);
        self.roles.extend(other.roles);
        self.namespaces.extend(other.namespaces);
        self.endpoints.extend(other.endpoints);
        self.settings.extend(other.settings);
        self.components.extend(other.components);
        self.others.extend(other.others);
        self.strays.extend(other.strays);
    }
}
