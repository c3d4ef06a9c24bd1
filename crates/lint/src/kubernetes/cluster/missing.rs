//! References that lead nowhere: whether that can be said, and what was most likely meant.

use super::{Cluster, MAX_CANDIDATES, Pods};
use crate::{
    finding::Finding,
    kubernetes::model::{Labels, Meta, Selector, WorkloadKind},
};

/// A selector means no pods.
#[derive(Debug)]
pub(crate) struct Missing<'c> {
    /// The workload that was most likely meant, and in what it differs.
    pub(crate) near: Option<(&'c Pods, String)>,
}

impl Missing<'_> {
    /// Adds to a finding which workload was most likely meant.
    pub(crate) fn told(&self, finding: Finding) -> Finding {
        match &self.near {
            Some((pods, difference)) => finding
                .related(pods.meta.anchor(), format!("{} is closest: {difference}", pods.meta.title()))
                .help(format!("write the labels of the pods of {}", pods.meta.title())),
            None => finding.help("write the labels of the pods that are meant"),
        }
    }
}

impl Cluster {
    /// That a selector means no pods, if the files are enough to say so.
    pub(crate) fn missing_pods(&self, selector: &Selector, from: &Meta) -> Option<Missing<'_>> {
        let is_answerable = !selector.is_empty()
            && !selector.is_unresolved()
            && !self.selects_any(selector, from)
            && !is_of_control_plane(from, selector)
            && !self.may_be_elected(selector, from)
            && !self.may_be_made_by_operator(selector.values(), from);
        if !is_answerable {
            return None;
        }
        let near = self.nearest(selector, from);
        (near.is_some() || self.holds_pods_for(from)).then_some(Missing { near })
    }

    /// Whether all that is missing is a label by which a program says which of its pods leads.
    fn may_be_elected(&self, selector: &Selector, from: &Meta) -> bool {
        let is_of_election = |name: &str| name.to_ascii_lowercase().ends_with("role");
        let (elected, fixed): (Vec<_>, Vec<_>) =
            selector.equals.0.iter().cloned().partition(|(name, _)| is_of_election(name));
        let fixed = Selector { equals: Labels(fixed), ..selector.clone() };
        let lacks = |pods: &&Pods| elected.iter().all(|(name, _)| pods.spec.pod.labels.value(name).is_none());
        !elected.is_empty() && !fixed.is_empty() && self.selected(&fixed, from).iter().any(lacks)
    }

    /// The workload nearby that was most likely meant: it has a label of the selector, or its name, and what differs.
    fn nearest(&self, selector: &Selector, from: &Meta) -> Option<(&Pods, String)> {
        let shared = |pods: &Pods| {
            let labels = &pods.spec.pod.labels;
            selector.equals.0.iter().filter(|(name, value)| labels.value(name) == Some(value)).count()
        };
        let by_label = selector.equals.0.iter().filter_map(|label| self.by_label.get(label));
        let by_name = self.workloads_by_name.get(from.name.as_str()).filter(|_| !from.name.is_empty());
        let candidates = by_label.chain(by_name).flat_map(|indices| indices.iter().take(MAX_CANDIDATES));
        let pods = candidates
            .filter_map(|index| self.manifests.workloads.get(*index))
            .filter(|pods| pods.meta.may_share_namespace(from) && self.are_related(&pods.meta, from))
            .max_by_key(|pods| (shared(pods), pods.meta.name == from.name))?;
        let labels = &pods.spec.pod.labels;
        let (name, value) = selector.equals.0.iter().find(|(name, value)| labels.value(name) != Some(value))?;
        let difference = match labels.value(name) {
            Some(other) => format!("its `{name}` is `{other}`, not `{value}`"),
            None => format!("its pods have no label `{name}`"),
        };
        Some((pods, difference))
    }

    /// Whether the files plausibly hold all pods that an object of theirs refers to: pods lie nearby.
    fn holds_pods_for(&self, from: &Meta) -> bool {
        let in_namespace = self.by_namespace.get(from.namespace()).map_or(&[][..], Vec::as_slice);
        in_namespace
            .iter()
            .take(MAX_CANDIDATES)
            .filter_map(|index| self.manifests.workloads.get(*index))
            .any(|workload| workload.spec.kind != WorkloadKind::Custom && self.are_related(&workload.meta, from))
    }

    /// Whether the files plausibly hold all services that an object of theirs refers to: services lie nearby.
    pub(crate) fn holds_services_for(&self, from: &Meta) -> bool {
        let services = self.services().filter(|service| service.meta.may_share_namespace(from));
        services.take(MAX_CANDIDATES).any(|service| self.are_related(&service.meta, from))
    }

    /// Whether an operator's object nearby may stand behind a name or the values of a selector: its name or kind is
    /// in one of them.
    pub(crate) fn may_be_made_by_operator<'v>(&self, values: impl Iterator<Item = &'v str>, from: &Meta) -> bool {
        /// Shorter words are in others by chance.
        const MIN_LENGTH: usize = 3;
        let values: Vec<String> = values.map(str::to_lowercase).filter(|value| value.len() >= MIN_LENGTH).collect();
        let others = self.manifests.others.iter().filter(|other| may_make_pods(&other.meta));
        others.take(MAX_CANDIDATES).filter(|other| self.are_related(&other.meta, from)).any(|other| {
            let (name, kind) = (other.meta.name.to_lowercase(), other.meta.kind.to_lowercase());
            values.iter().any(|value| {
                (name.len() >= MIN_LENGTH && value.contains(&name)) || value.contains(&kind) || kind.contains(value)
            })
        })
    }

    /// Whether endpoints are written by hand for a Service.
    pub(crate) fn has_endpoints(&self, service: &Meta) -> bool {
        self.manifests.endpoints.iter().take(MAX_CANDIDATES).any(|endpoints| {
            let of_slice = endpoints.meta.labels.value("kubernetes.io/service-name");
            endpoints.meta.may_share_namespace(service)
                && (endpoints.meta.name == service.name || of_slice == Some(service.name.as_str()))
        })
    }
}

/// What kubeadm and the like start without manifests in any repository.
fn is_of_control_plane(meta: &Meta, selector: &Selector) -> bool {
    meta.namespace() == "kube-system"
        && selector.equals.0.iter().any(|(name, _)| matches!(name.as_str(), "component" | "tier" | "k8s-app"))
}

/// Whether an operator may make pods of an object. Those of Kubernetes itself, and of what only routes, certifies or
/// measures, make none.
fn may_make_pods(meta: &Meta) -> bool {
    const NEVER: [&str; 10] = [
        "cert-manager.io",
        "external-secrets.io",
        "istio.io",
        "k8s.io",
        "kustomize.toolkit.fluxcd.io",
        "networking.gke.io",
        "cloud.google.com",
        "source.toolkit.fluxcd.io",
        "traefik.containo.us",
        "traefik.io",
    ];
    const MONITORS: [&str; 4] = ["PodMonitor", "Probe", "PrometheusRule", "ServiceMonitor"];
    meta.group.contains('.')
        && !NEVER.iter().any(|group| meta.group.ends_with(group))
        && !MONITORS.contains(&meta.kind.as_str())
}
