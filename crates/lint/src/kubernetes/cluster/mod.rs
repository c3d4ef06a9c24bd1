//! What the objects of all files mean to each other: who selects whom, which port leads where, what belongs together.
//!
//! All files form one cluster, but not every folder of a repository is applied to it at once: examples, overlays and
//! environments lie side by side. So a reference is looked up near the file first ([`layout`]), and two objects only
//! stand in each other's way if they plausibly run together.
//!
//! Invariant: no question takes more than [`MAX_CANDIDATES`] comparisons, so that a hostile file cannot make the work
//! quadratic.

mod access;
mod balancer;
mod entrances;
mod layout;
mod missing;
mod peers;
mod ports;

use std::collections::HashMap;

use super::{
    model::{Declared, Manifests, Meta, Selector, Service, Standing, Workload, is_added_by_controller},
    read::Kustomization,
};
use crate::inputs::Inputs;
use layout::Layout;

pub(crate) use access::{AllowedPeer, PortSet};
pub(crate) use balancer::BalancerReach;
pub(crate) use entrances::{Door, Entrance, Way, guard, is_private};
pub(crate) use peers::PeerPods;
pub(crate) use ports::{Resolved, TargetPort, leading_to};

/// Objects that are compared to answer one question.
const MAX_CANDIDATES: usize = 1024;

/// A workload and its object.
pub(crate) type Pods = Declared<Workload>;

/// The objects of all files, with what is needed to look them up.
pub(crate) struct Cluster {
    pub(crate) manifests: Manifests,
    layout: Layout,
    /// Indices of workloads by a label of their pods.
    by_label: HashMap<(String, String), Vec<usize>>,
    /// Indices of workloads by the namespace they land in.
    by_namespace: HashMap<String, Vec<usize>>,
    /// Indices of services by name.
    by_name: HashMap<String, Vec<usize>>,
    /// Indices of workloads by name.
    workloads_by_name: HashMap<String, Vec<usize>>,
}

impl Cluster {
    /// Joins what all files say.
    pub(crate) fn new(inputs: &Inputs, mut manifests: Manifests, kustomizations: &[Kustomization]) -> Self {
        let mut layout = Layout::new(inputs, kustomizations);
        layout.apply(inputs, &mut manifests);
        layout.note_identities(&manifests);
        let mut cluster = Self {
            manifests: Manifests::default(),
            layout,
            by_label: HashMap::new(),
            by_namespace: HashMap::new(),
            by_name: HashMap::new(),
            workloads_by_name: HashMap::new(),
        };
        for (index, workload) in manifests.workloads.iter().enumerate() {
            if workload.meta.standing == Standing::Patch {
                continue;
            }
            for (name, value) in &workload.spec.pod.labels.0 {
                cluster.by_label.entry((name.clone(), value.clone())).or_default().push(index);
            }
            cluster.workloads_by_name.entry(workload.meta.name.value.clone()).or_default().push(index);
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
        self.layout.are_near(one, other)
            || (one.namespace.is_some() && one.namespace == other.namespace && !self.layout.is_in_collection(one))
    }

    /// Whether two objects plausibly run in one cluster at the same time: those of one folder do, unless they say the
    /// same things. Folders side by side are mostly examples or environments.
    pub(crate) fn run_together(&self, one: &Meta, other: &Meta) -> bool {
        self.layout.are_side_by_side(one, other) && !self.layout.are_alternatives(one, other)
    }

    /// Whether somebody says that two objects run in one cluster at the same time: by one file, one kustomization or
    /// one namespace.
    pub(crate) fn surely_run_together(&self, one: &Meta, other: &Meta) -> bool {
        self.run_together(one, other)
            && (self.layout.are_listed_together(one, other)
                || (one.namespace.is_some() && one.namespace == other.namespace))
    }

    /// The pods that a selector means, seen from an object of its namespace: those nearby, or else the only one that
    /// there is.
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
        if strict.len() == 1 { strict } else { Vec::new() }
    }

    /// The pods that a selector means in any namespace.
    pub(crate) fn selected_in_any_namespace(&self, selector: &Selector) -> Vec<&Pods> {
        self.matching(selector, |_| true)
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
            .filter(|(name, _)| !is_added_by_controller(name))
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
}
