//! Kubernetes manifests: plain YAML and JSON, several documents in a file, lists, the output of Helm and Kustomize.
//!
//! The way of a file: [`recognise`] → [`read`] makes [`model`] objects of it → all files join in a [`cluster`] that
//! knows who selects whom → [`rules`] ask the cluster → [`facts`] tells the estate who listens where.
//!
//! Must not know: a running cluster. What the files do not say (nodes, the network plugin, who applies them where) is
//! never guessed; a rule that needs it keeps silent or says `unknown`. Helm templates are no manifests and are only
//! counted.

mod cluster;
mod facts;
mod interfaces;
mod model;
mod read;
mod recognise;
mod rules;
mod templates;

use std::path::Path;

use rayon::prelude::*;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};
use cluster::Cluster;
use model::Manifests;
use recognise::Nature;

/// Kubernetes manifests.
pub(crate) static FORMAT: Format = Format { name: "Kubernetes", recognises, check, rules: rules::RULES };

fn recognises(path: &Path, text: &str) -> bool {
    recognise::nature(path, text) != Nature::Other
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let mut part = Part::default();
    let is_template = |file: &FileId| recognise::nature(inputs.path(*file), inputs.text(*file)) == Nature::Template;
    let (templates, files): (Vec<FileId>, Vec<FileId>) = files.iter().copied().partition(is_template);
    let mut manifests = Manifests::default();
    let mut kustomizations = Vec::new();
    let readings: Vec<read::Reading> = files.par_iter().map(|file| read::read(inputs, *file)).collect();
    for reading in readings {
        part.findings.extend(reading.mistake);
        manifests.absorb(reading.manifests);
        kustomizations.extend(reading.kustomizations);
    }
    part.findings.extend(templates::told(inputs, &templates));
    let cluster = Cluster::new(inputs, manifests, &kustomizations);
    rules::apply(&cluster, &mut part.findings);
    part.facts = facts::told(inputs, &cluster);
    part
}
