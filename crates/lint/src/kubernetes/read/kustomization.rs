//! Kustomizations: which files belong together, which are patches, and what is added to all of them.
//!
//! Not rendered: `kustomize build` does that better. What is read here keeps patches from being taken for objects, and
//! files of one application from being taken for strangers.

use std::path::Path;

use super::field;
use crate::{
    inputs::{FileId, Spanned},
    kubernetes::model::Labels,
    yaml::Node,
};

/// A `kustomization.yaml`.
#[derive(Debug)]
pub(crate) struct Kustomization {
    pub(crate) file: FileId,
    /// Files and folders, relative to its own.
    pub(crate) resources: Vec<Spanned<String>>,
    /// Files that are patches.
    pub(crate) patches: Vec<String>,
    pub(crate) namespace: Option<Spanned<String>>,
    /// Labels that every pod gets.
    pub(crate) labels: Labels,
}

/// Whether a document is a kustomization.
pub(super) fn is_one(path: &Path, document: &Node<'_>) -> bool {
    let group = document.get("apiVersion").and_then(Node::text).unwrap_or_default();
    group.starts_with("kustomize.config.k8s.io/") || (is_named_so(path) && document.get("kind").is_none())
}

/// Whether a file has the name of a kustomization.
pub(crate) fn is_named_so(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        ["kustomization.yaml", "kustomization.yml", "Kustomization"].iter().any(|known| name == *known)
    })
}

/// Reads a kustomization.
pub(super) fn read(document: &Node<'_>, file: FileId) -> Kustomization {
    let listed = ["resources", "bases", "components"];
    let of_patches = |key: &str| document.get(key).map(Node::items).unwrap_or_default();
    let mut patches = field::words(document.get("patchesStrategicMerge"));
    for patch in of_patches("patches").iter().chain(of_patches("patchesJson6902")) {
        patches.extend(field::text(patch, "path").map(|path| path.value));
    }
    let mut labels = field::labels(document.get("commonLabels"));
    for entry in of_patches("labels") {
        if ["includeSelectors", "includeTemplates"].iter().any(|key| entry.get(key).is_some_and(Node::is_true)) {
            labels.extend(&field::labels(entry.get("pairs")));
        }
    }
    Kustomization {
        file,
        resources: listed.into_iter().flat_map(|key| field::list(document.get(key))).collect(),
        // A patch may also be written out in the list.
        patches: patches.into_iter().filter(|path| !path.contains('\n')).collect(),
        namespace: field::text(document, "namespace"),
        labels,
    }
}
