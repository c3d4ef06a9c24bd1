//! Kubernetes manifests: plain YAML and JSON, several documents in a file, lists, the output of Helm and Kustomize.
//!
//! The way of a file: [`recognise`] → [`read`] makes [`model`] objects of it → all files join in a [`cluster`] that
//! knows who selects whom → [`rules`] ask the cluster → [`facts`] tells the estate who listens where,
//! and [`proxied`] what it lets in, to whoever wants to do the same.
//!
//! Must not know: a running cluster. What the files do not say (nodes, the network plugin, who applies them where) is
//! never guessed; a rule that needs it keeps silent or says `unknown`. Helm templates are no manifests and are only
//! counted.

mod cluster;
mod facts;
mod interfaces;
mod kustomizations;
mod model;
mod proxied;
mod read;
mod recognise;
mod rules;
mod templates;

use std::path::Path;

use rayon::prelude::*;

use crate::{
    Part,
    finding::Finding,
    format::Format,
    inputs::{FileId, Inputs},
    proxied::Proxied,
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
    let cluster = cluster(inputs, files, &mut part.findings);
    rules::apply(&cluster, &mut part.findings);
    part.facts = facts::told(inputs, &cluster);
    part
}

/// What lets the outside into a cluster, for those who want the same of one proxy.
pub(crate) fn proxied(inputs: &Inputs, files: &[FileId]) -> Proxied {
    proxied::of(&cluster(inputs, files, &mut Vec::new()))
}

/// All files as one cluster, and what is wrong with the files as such.
fn cluster(inputs: &Inputs, files: &[FileId], findings: &mut Vec<Finding>) -> Cluster {
    let mut manifests = Manifests::default();
    let mut kustomizations = Vec::new();
    let mut templates = Vec::new();
    let readings: Vec<Option<read::Reading>> = files.par_iter().map(|file| reading(inputs, *file)).collect();
    for (file, reading) in files.iter().zip(readings) {
        let Some(reading) = reading else {
            templates.push(*file);
            continue;
        };
        findings.extend(reading.mistake);
        manifests.absorb(reading.manifests);
        kustomizations.extend(reading.kustomizations);
    }
    findings.extend(templates::told(inputs, &templates));
    findings.extend(kustomizations::circular(inputs, &kustomizations));
    Cluster::new(inputs, manifests, &kustomizations)
}

/// What a file says; nothing if it is a template. One that is YAML all the same is read, with its values left open,
/// unless it lies where a chart has its templates.
fn reading(inputs: &Inputs, file: FileId) -> Option<read::Reading> {
    let (path, text) = (inputs.path(file), inputs.text(file));
    let nature = recognise::nature(path, text);
    if nature == Nature::Template && templates::is_in_chart(path) {
        return None;
    }
    let reading = read::read(inputs, file);
    let is_template = reading.mistake.is_some() && (nature == Nature::Template || text.contains("{{"));
    (!is_template).then_some(reading)
}
