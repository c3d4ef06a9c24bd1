//! Services.

use super::{PortValue, Protocol, Selector};
use crate::{estate::Transport, inputs::Spanned};

/// A Service.
#[derive(Debug)]
pub(crate) struct Service {
    /// `spec.type`; nothing means `ClusterIP`.
    pub(crate) kind: Option<Spanned<String>>,
    /// None if it has none, or an empty one: then its endpoints are made by hand.
    pub(crate) selector: Option<Selector>,
    pub(crate) ports: Vec<ServicePort>,
    /// `clusterIP: None`.
    pub(crate) is_headless: bool,
    pub(crate) external_ips: Vec<Spanned<String>>,
    pub(crate) external_name: Option<Spanned<String>>,
    pub(crate) load_balancer_ip: Option<Spanned<String>>,
    pub(crate) load_balancer_class: Option<Spanned<String>>,
    pub(crate) source_ranges: Vec<Spanned<String>>,
    /// `externalTrafficPolicy`.
    pub(crate) external_traffic: Option<Spanned<String>>,
}

/// One of `ports` of a Service.
#[derive(Debug)]
pub(crate) struct ServicePort {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) port: Spanned<PortValue>,
    /// The port of the pods; nothing means the same number.
    pub(crate) target: Option<Spanned<PortValue>>,
    /// 0 is as good as nothing and is left out.
    pub(crate) node_port: Option<Spanned<PortValue>>,
    pub(crate) protocol: Protocol,
    /// `appProtocol`.
    pub(crate) app_protocol: Option<String>,
}

/// How a Service can be reached from outside of the cluster, by its type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Not at all.
    Cluster,
    /// On a port of each node.
    NodePort,
    /// At an address of its own, and on a port of each node.
    LoadBalancer,
    /// It is only another name for something elsewhere.
    ExternalName,
    /// The type is decided elsewhere, or none that exists.
    Unknown,
}

impl Service {
    /// From where its type lets it be reached.
    pub(crate) fn exposure(&self) -> Exposure {
        match self.kind.as_deref().map(String::as_str) {
            None | Some("ClusterIP") => Exposure::Cluster,
            Some("NodePort") => Exposure::NodePort,
            Some("LoadBalancer") => Exposure::LoadBalancer,
            Some("ExternalName") => Exposure::ExternalName,
            Some(_) => Exposure::Unknown,
        }
    }
}

impl ServicePort {
    /// What it means in the pods.
    pub(crate) fn target(&self) -> &Spanned<PortValue> {
        self.target.as_ref().unwrap_or(&self.port)
    }

    /// Its transport, for what is known.
    pub(crate) fn transport(&self) -> Option<Transport> {
        self.protocol.transport()
    }
}
