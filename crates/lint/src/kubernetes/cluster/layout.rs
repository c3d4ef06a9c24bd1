//! Which files belong together, by the folders they lie in and the kustomizations that list them.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::Pods;
use crate::{
    inputs::{FileId, Inputs, Spanned},
    kubernetes::{
        model::{Labels, Manifests, Meta, Standing},
        read::Kustomization,
    },
};

/// Kustomizations that one is followed through.
const MAX_NESTED: usize = 1000;

/// Folders that sort files by kind, not by application.
const KINDS: [&str; 27] = [
    "configmap",
    "configmaps",
    "cronjobs",
    "daemonsets",
    "deployment",
    "deployments",
    "ingress",
    "ingresses",
    "jobs",
    "namespace",
    "namespaces",
    "netpol",
    "network-policies",
    "networkpolicies",
    "networkpolicy",
    "pods",
    "policies",
    "rbac",
    "routes",
    "service",
    "services",
    "statefulset",
    "statefulsets",
    "svc",
    "templates",
    "workload",
    "workloads",
];

/// An object, as the server tells them apart: group, kind, namespace, name.
type Identity = (String, String, String, String);

#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The folder of the application that each file belongs to.
    folders: HashMap<FileId, PathBuf>,
    /// The kustomizations that list each file, themselves or through others, by their index.
    listed: HashMap<FileId, Vec<usize>>,
    /// Files that are patches.
    patches: HashSet<FileId>,
    /// What kustomizations add to each file.
    additions: HashMap<FileId, Addition>,
    /// What each folder declares.
    identities: HashMap<PathBuf, HashSet<Identity>>,
    /// What each file declares.
    identities_of_file: HashMap<FileId, HashSet<Identity>>,
    /// Folders whose files stand for themselves: examples or tests, many of which say the same things.
    collections: HashSet<PathBuf>,
}

#[derive(Debug, Default)]
struct Addition {
    labels: Labels,
    namespaces: Vec<Spanned<String>>,
}

impl Layout {
    pub(super) fn new(inputs: &Inputs, kustomizations: &[Kustomization]) -> Self {
        let mut layout = Self::default();
        let by_folder: HashMap<PathBuf, usize> =
            kustomizations.iter().enumerate().map(|(index, one)| (folder(inputs.path(one.file)), index)).collect();
        for root in 0..kustomizations.len() {
            let mut seen = HashSet::from([root]);
            let mut pending = vec![root];
            while let Some(kustomization) = pending.pop().map(|index| &kustomizations[index]) {
                for resource in &kustomization.resources {
                    let path = inputs.beside(kustomization.file, Path::new(&resource.value));
                    if let Some(nested) = by_folder.get(&path) {
                        if seen.len() < MAX_NESTED && seen.insert(*nested) {
                            pending.push(*nested);
                        }
                    } else if let Some(file) = inputs.opened(&path) {
                        layout.add(file, root, &kustomizations[root]);
                    }
                }
                for patch in &kustomization.patches {
                    let path = inputs.beside(kustomization.file, Path::new(patch));
                    if let Some(file) = inputs.opened(&path) {
                        layout.patches.insert(file);
                        layout.listed.entry(file).or_default().push(root);
                    }
                }
            }
        }
        layout
    }

    fn add(&mut self, file: FileId, root: usize, kustomization: &Kustomization) {
        self.listed.entry(file).or_default().push(root);
        let addition = self.additions.entry(file).or_default();
        addition.labels.extend(&kustomization.labels);
        if let Some(namespace) = &kustomization.namespace
            && !addition.namespaces.contains(namespace)
        {
            addition.namespaces.push(namespace.clone());
        }
    }

    /// Changes objects as their kustomizations say. A namespace is only taken over where all agree on one.
    pub(super) fn apply(&mut self, inputs: &Inputs, manifests: &mut Manifests) {
        for workload in &mut manifests.workloads {
            if let Some(addition) = self.additions.get(&workload.meta.span.file) {
                workload.spec.pod.labels.extend(&addition.labels);
            }
        }
        self.patch_partial_workloads(manifests);
        for meta in metas_mut(manifests) {
            let file = meta.span.file;
            self.folders.entry(file).or_insert_with(|| application(inputs.path(file)));
            if self.patches.contains(&file) || is_named_like_a_patch(inputs.path(file)) {
                meta.standing = Standing::Patch;
            }
            if let Some(Addition { namespaces, .. }) = self.additions.get(&file)
                && let [namespace] = namespaces.as_slice()
            {
                meta.namespace = Some(namespace.clone());
            }
        }
    }

    /// A workload none of whose containers has an image is a patch if another file has it with images.
    fn patch_partial_workloads(&mut self, manifests: &Manifests) {
        let has_image = |pods: &Pods| pods.spec.pod.containers.iter().any(|container| container.image.is_some());
        let key = |pods: &Pods| (pods.meta.kind.value.clone(), pods.meta.name.value.clone());
        let (whole, partial): (Vec<&Pods>, Vec<&Pods>) = manifests.workloads.iter().partition(|pods| has_image(pods));
        let whole: HashSet<(String, String)> = whole.into_iter().map(key).collect();
        let patches = partial.into_iter().filter(|pods| whole.contains(&key(pods)));
        self.patches.extend(patches.map(|pods| pods.meta.span.file));
    }

    /// Remembers who declares what.
    pub(super) fn note_identities(&mut self, manifests: &Manifests) {
        for meta in metas(manifests).filter(|meta| meta.is_whole() && !meta.name.is_empty()) {
            let (group, kind, namespace, name) = meta.identity();
            let identity = (group.to_owned(), kind.to_owned(), namespace.to_owned(), name.to_owned());
            let file = meta.span.file;
            if let Some(folder) = self.folders.get(&file) {
                self.identities.entry(folder.clone()).or_default().insert(identity.clone());
            }
            self.identities_of_file.entry(file).or_default().insert(identity);
        }
        self.find_collections();
    }

    /// A folder is a collection if many of its files say something about an object that another one says as well.
    fn find_collections(&mut self) {
        let mut files: HashMap<&PathBuf, Vec<FileId>> = HashMap::new();
        for file in self.identities_of_file.keys() {
            if let Some(folder) = self.folders.get(file) {
                files.entry(folder).or_default().push(*file);
            }
        }
        let mut collections = HashSet::new();
        for (folder, files) in files {
            let mut declared: HashMap<&Identity, usize> = HashMap::new();
            for identity in files.iter().filter_map(|file| self.identities_of_file.get(file)).flatten() {
                *declared.entry(identity).or_default() += 1;
            }
            let repeats = |file: &&FileId| {
                let identities = self.identities_of_file.get(*file);
                identities.is_some_and(|identities| identities.iter().any(|identity| declared[identity] > 1))
            };
            let repeating = files.iter().filter(repeats).count();
            if repeating >= 3 && repeating * 3 > files.len() {
                collections.insert(folder.clone());
            }
        }
        self.collections = collections;
    }

    /// Whether two objects lie in one file or one kustomization.
    pub(super) fn are_listed_together(&self, one: &Meta, other: &Meta) -> bool {
        let (one, other) = (one.span.file, other.span.file);
        let listed = |file: FileId| self.listed.get(&file).map_or(&[][..], Vec::as_slice);
        one == other || listed(one).iter().any(|root| listed(other).contains(root))
    }

    /// Whether an object lies in a folder whose files stand for themselves.
    pub(super) fn is_in_collection(&self, one: &Meta) -> bool {
        self.folders.get(&one.span.file).is_some_and(|folder| self.collections.contains(folder))
    }

    /// Whether two objects lie in one folder, file or kustomization.
    pub(super) fn are_side_by_side(&self, one: &Meta, other: &Meta) -> bool {
        let folder = |meta: &Meta| self.folders.get(&meta.span.file);
        self.are_listed_together(one, other)
            || (folder(one) == folder(other) && !folder(one).is_some_and(|folder| self.collections.contains(folder)))
    }

    /// Whether two objects lie side by side, or the folder of one above that of the other.
    pub(super) fn are_near(&self, one: &Meta, other: &Meta) -> bool {
        if self.are_side_by_side(one, other) {
            return true;
        }
        match (self.folders.get(&one.span.file), self.folders.get(&other.span.file)) {
            (Some(one), Some(other)) => {
                (one.parent() == Some(other) || other.parent() == Some(one))
                    && !self.collections.contains(one)
                    && !self.collections.contains(other)
            }
            _ => false,
        }
    }

    /// Whether two files say something about the same object, so that only one of them can be applied.
    pub(super) fn are_alternatives(&self, one: &Meta, other: &Meta) -> bool {
        let (one, other) = (one.span.file, other.span.file);
        if one == other {
            return false;
        }
        let share = |one: Option<&HashSet<Identity>>, other: Option<&HashSet<Identity>>| {
            one.zip(other).is_some_and(|(one, other)| !one.is_disjoint(other))
        };
        let (folder, other_folder) = (self.folders.get(&one), self.folders.get(&other));
        let by_folder = |folder: Option<&PathBuf>| folder.and_then(|folder| self.identities.get(folder));
        share(self.identities_of_file.get(&one), self.identities_of_file.get(&other))
            || (folder != other_folder && share(by_folder(folder), by_folder(other_folder)))
    }
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

/// The folder of a file, without those that only sort by kind.
fn application(path: &Path) -> PathBuf {
    let mut folder = folder(path);
    while folder.file_name().is_some_and(is_kind) {
        folder.pop();
    }
    folder
}

fn is_kind(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| KINDS.binary_search(&name.to_ascii_lowercase().as_str()).is_ok())
}

/// `patch-*.yaml`, `*-patch.yaml`, `patches/*.yaml`.
fn is_named_like_a_patch(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let in_patches = path.parent().and_then(Path::file_name).is_some_and(|name| name == "patches" || name == "patch");
    in_patches
        || stem == "patch"
        || ["patch-", "patch_"].iter().any(|start| stem.starts_with(start))
        || ["-patch", "_patch"].iter().any(|end| stem.ends_with(end))
}

fn metas(manifests: &Manifests) -> impl Iterator<Item = &Meta> {
    let Manifests {
        workloads,
        services,
        ingresses,
        gateways,
        istio_gateways,
        routes,
        policies,
        roles,
        namespaces,
        endpoints,
        settings,
        components,
        others,
        strays: _,
    } = manifests;
    (workloads.iter().map(|one| &one.meta))
        .chain(services.iter().map(|one| &one.meta))
        .chain(ingresses.iter().map(|one| &one.meta))
        .chain(gateways.iter().map(|one| &one.meta))
        .chain(istio_gateways.iter().map(|one| &one.meta))
        .chain(routes.iter().map(|one| &one.meta))
        .chain(policies.iter().map(|one| &one.meta))
        .chain(roles.iter().map(|one| &one.meta))
        .chain(namespaces.iter().map(|one| &one.meta))
        .chain(endpoints.iter().map(|one| &one.meta))
        .chain(settings.iter().map(|one| &one.meta))
        .chain(components.iter().map(|one| &one.meta))
        .chain(others.iter().map(|one| &one.meta))
}

fn metas_mut(manifests: &mut Manifests) -> impl Iterator<Item = &mut Meta> {
    let Manifests {
        workloads,
        services,
        ingresses,
        gateways,
        istio_gateways,
        routes,
        policies,
        roles,
        namespaces,
        endpoints,
        settings,
        components,
        others,
        strays: _,
    } = manifests;
    (workloads.iter_mut().map(|one| &mut one.meta))
        .chain(services.iter_mut().map(|one| &mut one.meta))
        .chain(ingresses.iter_mut().map(|one| &mut one.meta))
        .chain(gateways.iter_mut().map(|one| &mut one.meta))
        .chain(istio_gateways.iter_mut().map(|one| &mut one.meta))
        .chain(routes.iter_mut().map(|one| &mut one.meta))
        .chain(policies.iter_mut().map(|one| &mut one.meta))
        .chain(roles.iter_mut().map(|one| &mut one.meta))
        .chain(namespaces.iter_mut().map(|one| &mut one.meta))
        .chain(endpoints.iter_mut().map(|one| &mut one.meta))
        .chain(settings.iter_mut().map(|one| &mut one.meta))
        .chain(components.iter_mut().map(|one| &mut one.meta))
        .chain(others.iter_mut().map(|one| &mut one.meta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_sort_by_kind_belong_to_the_application_above() {
        assert!(KINDS.is_sorted());
        assert_eq!(application(Path::new("k8s/services/web.yaml")), Path::new("k8s"));
        assert_eq!(application(Path::new("k8s/web/web.yaml")), Path::new("k8s/web"));
        assert_eq!(application(Path::new("-")), Path::new(""));
    }

    #[test]
    fn patches_are_known_by_their_names() {
        for (path, expected) in [
            ("overlays/dev/patch-web.yaml", true),
            ("overlays/dev/web-patch.yaml", true),
            ("overlays/dev/patches/web.yaml", true),
            ("overlays/dev/web.yaml", false),
            ("dispatch.yaml", false),
        ] {
            assert_eq!(is_named_like_a_patch(Path::new(path)), expected, "{path}");
        }
    }
}
