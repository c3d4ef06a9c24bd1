//! What the objects of all files mean to each other: who selects whom, which port leads where, what belongs together.
//!
//! All files form one cluster, but not every folder of a repository is applied to it at once: examples, overlays and
//! environments lie side by side. So a reference is looked up near the file first ([`layout`]), and two objects only
//! stand in each other's way if they plausibly run together.
//!
//! Invariant: no question takes more than [`MAX_CANDIDATES`] comparisons, so that a hostile file cannot make the work
//! quadratic.

mod layout;
mod peers;
mod ports;

use std::collections::HashMap;

use super::{
    model::{Declared, Manifests, Meta, Selector, Service, Standing, Workload, WorkloadKind},
    read::Kustomization,
};
use crate::inputs::{Inputs, Span};
use layout::Layout;

pub(crate) use peers::PeerPods;
pub(crate) use ports::{Resolved, TargetPort};

/// Objects that are compared to answer one question.
const MAX_CANDIDATES: usize = 4096;

/// A workload and its object.
pub(crate) type Pods = Declared<Workload>;

/// The objects of all files, with what is needed to look them up.
pub(crate) struct Cluster<'i> {
    pub(crate) inputs: &'i Inputs,
    pub(crate) manifests: Manifests,
    layout: Layout,
    /// Indices of workloads by a label of their pods.
    by_label: HashMap<(String, String), Vec<usize>>,
    /// Indices of workloads by the namespace they land in.
    by_namespace: HashMap<String, Vec<usize>>,
    /// Indices of services by name.
    by_name: HashMap<String, Vec<usize>>,
}

impl<'i> Cluster<'i> {
    /// Joins what all files say.
    pub(crate) fn new(inputs: &'i Inputs, mut manifests: Manifests, kustomizations: &[Kustomization]) -> Self {
        let mut layout = Layout::new(inputs, kustomizations);
        layout.apply(inputs, &mut manifests);
        layout.note_identities(&manifests);
        let mut cluster = Self {
            inputs,
            manifests: Manifests::default(),
            layout,
            by_label: HashMap::new(),
            by_namespace: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (index, workload) in manifests.workloads.iter().enumerate() {
            if workload.meta.standing == Standing::Patch {
                continue;
            }
            for (name, value) in &workload.spec.pod.labels.0 {
                cluster.by_label.entry((name.clone(), value.clone())).or_default().push(index);
            }
            cluster.by_namespace.entry(workload.meta.namespace().to_owned()).or_default().push(index);
        }
        for (index, service) in manifests.services.iter().enumerate() {
            cluster.by_name.entry(service.meta.name.value.clone()).or_default().push(index);
        }
        cluster.manifests = manifests;
        cluster
    }

    /// Workloads that make pods, and are whole.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &Pods> {
        self.manifests.workloads.iter().filter(|workload| workload.meta.is_whole())
    }

    /// Services that are whole.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Declared<Service>> {
        self.manifests.services.iter().filter(|service| service.meta.is_whole())
    }

    /// Whether two objects plausibly belong to one application.
    pub(crate) fn are_related(&self, one: &Meta, other: &Meta) -> bool {
        self.layout.are_near(one, other) || (one.namespace.is_some() && one.namespace == other.namespace)
    }

    /// Whether two objects plausibly run in one cluster at the same time.
    pub(crate) fn run_together(&self, one: &Meta, other: &Meta) -> bool {
        self.layout.are_near(one, other) && !self.layout.are_alternatives(one, other)
    }

    /// The pods that a selector means, seen from an object of its namespace: those nearby, or else all that land in
    /// the namespace.
    pub(crate) fn selected(&self, selector: &Selector, from: &Meta) -> Vec<&Pods> {
        let matching = self.matching(selector, |meta| meta.may_share_namespace(from));
        let strict: Vec<&Pods> =
            matching.iter().copied().filter(|workload| workload.meta.shares_namespace(from)).collect();
        let near = |workloads: &[&'_ Pods]| -> Vec<usize> {
            (0..workloads.len()).filter(|index| self.are_related(&workloads[*index].meta, from)).collect()
        };
        for candidates in [&strict, &matching] {
            let near = near(candidates);
            if !near.is_empty() {
                return near.into_iter().map(|index| candidates[index]).collect();
            }
        }
        strict
    }

    /// The pods that a selector means in a namespace, wherever they are declared.
    pub(crate) fn selected_anywhere(&self, selector: &Selector, from: &Meta) -> Vec<&Pods> {
        self.matching(selector, |meta| meta.shares_namespace(from))
    }

    /// Whether a selector means any pods at all, also if namespaces are given when applying.
    pub(crate) fn selects_any(&self, selector: &Selector, from: &Meta) -> bool {
        !self.matching(selector, |meta| meta.may_share_namespace(from)).is_empty()
    }

    fn matching(&self, selector: &Selector, is_in_reach: impl Fn(&Meta) -> bool) -> Vec<&Pods> {
        let rarest = selector
            .equals
            .0
            .iter()
            .map(|label| self.by_label.get(label).map_or(&[][..], Vec::as_slice))
            .min_by_key(|list| list.len());
        let workloads = &self.manifests.workloads;
        let is_meant = |workload: &&Pods| {
            workload.meta.is_whole() && is_in_reach(&workload.meta) && selector.matches(&workload.spec.pod.labels)
        };
        match rarest {
            Some(indices) => {
                indices.iter().take(MAX_CANDIDATES).filter_map(|index| workloads.get(*index)).filter(is_meant).collect()
            }
            None => workloads.iter().filter(is_meant).take(MAX_CANDIDATES).collect(),
        }
    }

    /// The services of a name, seen from an object that refers to it in a namespace (its own if none is given).
    pub(crate) fn services_named(&self, name: &str, namespace: Option<&str>, from: &Meta) -> Vec<&Declared<Service>> {
        let all = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let all = all.iter().take(MAX_CANDIDATES).filter_map(|index| self.manifests.services.get(*index));
        let lands = |service: &&Declared<Service>| match namespace {
            Some(namespace) => service.meta.namespace() == namespace || service.meta.namespace.is_none(),
            None => service.meta.may_share_namespace(from),
        };
        let all: Vec<_> = all.filter(lands).collect();
        let near: Vec<_> = all.iter().copied().filter(|service| self.are_related(&service.meta, from)).collect();
        if near.is_empty() { all } else { near }
    }

    /// Whether the files plausibly hold all pods that an object of theirs refers to: pods lie nearby.
    pub(crate) fn holds_pods_for(&self, from: &Meta) -> bool {
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
        let values: Vec<String> = values.map(str::to_lowercase).collect();
        let others = self.manifests.others.iter().filter(|other| other.meta.group.contains('.'));
        others.take(MAX_CANDIDATES).filter(|other| self.are_related(&other.meta, from)).any(|other| {
            let (name, kind) = (other.meta.name.to_lowercase(), other.meta.kind.to_lowercase());
            values.iter().any(|value| {
                (!name.is_empty() && value.contains(&name)) || value.contains(&kind) || kind.contains(value.as_str())
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

    /// The text of a place.
    pub(crate) fn excerpt(&self, span: Span) -> &str {
        self.inputs.excerpt(span)
    }
}
