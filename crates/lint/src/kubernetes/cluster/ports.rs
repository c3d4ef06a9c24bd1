//! From the port of a Service to the port of its pods.

use super::{Cluster, Pods};
use crate::{
    estate::Transport,
    kubernetes::model::{Declared, PortValue, Service, ServicePort},
};

/// Where the port of a Service leads in one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetPort {
    /// A declared container port.
    Declared(u16),
    /// A number that no container declares; it works if something listens there.
    Undeclared(u16),
    /// A name that no container declares for this protocol: it leads nowhere.
    Nowhere,
    /// It is decided elsewhere.
    Unknown,
}

/// The port of a Service and where it leads, for each workload behind it.
#[derive(Debug)]
pub(crate) struct Resolved<'c> {
    pub(crate) port: &'c ServicePort,
    pub(crate) targets: Vec<(&'c Pods, TargetPort)>,
}

impl TargetPort {
    /// The number in the pod.
    pub(crate) fn number(self) -> Option<u16> {
        match self {
            Self::Declared(number) | Self::Undeclared(number) => Some(number),
            Self::Nowhere | Self::Unknown => None,
        }
    }
}

impl Cluster {
    /// The workloads behind a Service.
    pub(crate) fn behind(&self, service: &Declared<Service>) -> Vec<&Pods> {
        let Some(selector) = &service.spec.selector else { return Vec::new() };
        self.selected(selector, &service.meta)
    }

    /// Where each port of a Service leads.
    pub(crate) fn resolved<'c>(&'c self, service: &'c Declared<Service>) -> Vec<Resolved<'c>> {
        let pods = self.behind(service);
        let targets = |port: &ServicePort| pods.iter().map(|pods| (*pods, target(port, pods))).collect();
        service.spec.ports.iter().map(|port| Resolved { port, targets: targets(port) }).collect()
    }
}

/// The services that select a workload, each port with the number in the pod that it leads to.
pub(crate) fn leading_to<'c>(
    services: impl Iterator<Item = &'c Declared<Service>>,
    workload: &'c Pods,
) -> Vec<(&'c Declared<Service>, &'c ServicePort, TargetPort)> {
    let selects = |service: &&Declared<Service>| {
        service.meta.may_share_namespace(&workload.meta)
            && service.spec.selector.as_ref().is_some_and(|selector| selector.matches(&workload.spec.pod.labels))
    };
    services
        .filter(selects)
        .flat_map(|service| service.spec.ports.iter().map(move |port| (service, port, target(port, workload))))
        .collect()
}

/// Names are looked up together with the protocol, as the endpoints controller does
/// (`k8s.io/kubernetes/pkg/api/v1/pod.FindPort`).
fn target(port: &ServicePort, workload: &Pods) -> TargetPort {
    let pod = &workload.spec.pod;
    match &port.target().value {
        PortValue::Name(name) => {
            let transport = port.transport();
            let named = pod.ports().find(|declared| {
                declared.name.as_ref().is_some_and(|own| **own == *name)
                    && (transport.is_none() || declared.protocol.transport() == transport)
            });
            match named {
                Some(declared) => declared.number.number().map_or(TargetPort::Unknown, TargetPort::Declared),
                None => TargetPort::Nowhere,
            }
        }
        value => match value.number() {
            Some(number) if declares(workload, number, port.transport()) => TargetPort::Declared(number),
            Some(number) => TargetPort::Undeclared(number),
            None => TargetPort::Unknown,
        },
    }
}

fn declares(workload: &Pods, number: u16, transport: Option<Transport>) -> bool {
    workload.spec.pod.ports().any(|port| {
        port.number.number() == Some(number) && (transport.is_none() || port.protocol.transport() == transport)
    })
}
