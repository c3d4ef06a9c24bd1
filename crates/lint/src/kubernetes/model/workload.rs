//! Pods and what makes them.

use super::{Labels, PortValue, Protocol};
use crate::inputs::{Span, Spanned};

/// A pod, or what makes pods of a template.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) kind: WorkloadKind,
    pub(crate) pod: Pod,
    /// `spec.replicas`; nothing means one.
    pub(crate) replicas: Option<Spanned<u32>>,
    /// `spec.strategy.type`, `Recreate` or `RollingUpdate`.
    pub(crate) strategy: Option<Spanned<String>>,
    /// `maxSurge` as it is written.
    pub(crate) max_surge: Option<String>,
    /// `maxUnavailable` as it is written.
    pub(crate) max_unavailable: Option<String>,
}

/// How pods come into being, as far as that matters for ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkloadKind {
    /// One pod.
    Pod,
    /// A number of equal pods that are replaced by a strategy.
    Deployment,
    /// A number of pods, one after the other.
    StatefulSet,
    /// One pod on each node.
    DaemonSet,
    /// ReplicaSet, ReplicationController.
    Replicas,
    /// Job, CronJob: pods that end.
    Job,
    /// A kind that is not Kubernetes' own but has a pod template in the usual place.
    Custom,
}

/// A pod, or the template of pods.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) labels: Labels,
    /// The value of `hostNetwork`, if it is true.
    pub(crate) host_network: Option<Span>,
    pub(crate) containers: Vec<Container>,
    pub(crate) node_selector: Vec<(String, String)>,
    /// Whether it says more about which nodes it wants than `nodeSelector` does.
    pub(crate) is_placed: bool,
    pub(crate) security: Security,
}

/// What of a security context decides who may bind which port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Security {
    /// `runAsNonRoot: true`, or a `runAsUser` other than 0.
    pub(crate) runs_unprivileged: bool,
    /// `NET_BIND_SERVICE` or `ALL` is added.
    pub(crate) may_bind: bool,
    /// `net.ipv4.ip_unprivileged_port_start` is lowered.
    pub(crate) unprivileged_port_start: Option<u16>,
}

/// A container of a pod.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) kind: ContainerKind,
    pub(crate) name: Spanned<String>,
    pub(crate) image: Option<Spanned<String>>,
    /// `command` and `args`, in this order.
    pub(crate) words: Vec<Spanned<String>>,
    /// Variables with a value of their own.
    pub(crate) environment: Vec<(String, Spanned<String>)>,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) security: Security,
}

/// When a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    /// With the others.
    Main,
    /// Before the others, and ends.
    Init,
    /// An init container with `restartPolicy: Always`: beside the others.
    Sidecar,
}

/// One of `ports` of a container.
#[derive(Debug)]
pub(crate) struct ContainerPort {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) number: Spanned<PortValue>,
    pub(crate) protocol: Protocol,
    /// 0 is as good as nothing and is left out.
    pub(crate) host_port: Option<Spanned<PortValue>>,
    pub(crate) host_ip: Option<Spanned<String>>,
}

/// A liveness, readiness or startup probe that connects to a port.
#[derive(Debug)]
pub(crate) struct Probe {
    /// `livenessProbe`, `readinessProbe` or `startupProbe`.
    pub(crate) name: &'static str,
    pub(crate) port: Spanned<PortValue>,
    /// `host`: then it does not go to the pod.
    pub(crate) host: Option<String>,
}

impl Workload {
    /// Number of pods, as far as it is known.
    pub(crate) fn replicas(&self) -> u32 {
        self.replicas.as_ref().map_or(1, |replicas| **replicas)
    }
}

impl Pod {
    /// Containers that run side by side, and so share the ports of the pod.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| container.kind != ContainerKind::Init)
    }

    /// The declared ports of all containers that run side by side.
    pub(crate) fn ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.running().flat_map(|container| &container.ports)
    }

    /// Whether any port is declared.
    pub(crate) fn declares_ports(&self) -> bool {
        self.ports().next().is_some()
    }

    /// Whether a port number is declared.
    pub(crate) fn declares(&self, number: u16) -> bool {
        self.ports().any(|port| port.number.number() == Some(number))
    }

    /// The declared port of a name.
    pub(crate) fn port_named(&self, name: &str) -> Option<&ContainerPort> {
        self.ports().find(|port| port.name.as_ref().is_some_and(|own| **own == name))
    }
}

impl Security {
    /// What holds for a container of a pod: what the container says goes before what the pod says.
    pub(crate) fn of_container(self, pod: Self) -> Self {
        Self {
            runs_unprivileged: self.runs_unprivileged || pod.runs_unprivileged,
            may_bind: self.may_bind,
            unprivileged_port_start: pod.unprivileged_port_start,
        }
    }
}

/// Whether a text is made to be replaced before the cluster sees it: `${X}`, `$(X)`, `{{ x }}`, `<x>`, `@X@`, `%X%`,
/// `__X__`.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let enclosed = |mark: &str| text.len() > 2 * mark.len() && text.starts_with(mark) && text.ends_with(mark);
    text.contains("{{")
        || text.contains("${")
        || text.contains("$(")
        || text.starts_with('$')
        || (text.contains('<') && text.contains('>'))
        || ["@", "%", "__"].into_iter().any(enclosed)
}
