//! Terraform: firewalls of clouds, load balancers and managed databases, from the language itself, and from plans and
//! states in JSON.
//!
//! The way: [`load`] folders → evaluate each [`module`] with what it is called with → [`resource`]s → [`groups`] of
//! firewall rules → [`judge`]. What the files do not say stays unknown all the way and is told of as such.

use std::{collections::HashSet, path::Path};

use attachment::Attachments;
use rayon::prelude::*;
use resource::Resource;

use crate::{
    Part,
    finding::Finding,
    format::Format,
    inputs::{FileId, Inputs},
};

mod attachment;
mod aws;
mod azure;
mod call;
mod evaluate;
mod exposure;
mod facts;
mod functions;
mod google;
mod groups;
mod hygiene;
mod judge;
mod load;
mod module;
mod opening;
mod others;
mod plan;
mod resource;
mod rules;
#[cfg(test)]
mod tests;
mod usage;
mod value;

/// Terraform and OpenTofu.
pub(crate) static FORMAT: Format = Format { name: "Terraform", recognises, check, rules: RULES };

static RULES: &[&crate::rule::Rule] = &[
    &rules::INTERNET,
    &rules::PUBLIC,
    &rules::PRIVATE,
    &rules::MANY_PORTS,
    &rules::WAY_OUT,
    &rules::BY_DEFAULT,
    &rules::UNSAID,
    &rules::PUBLIC_ADDRESS,
    &rules::MANAGED,
    &rules::DEFAULT_PORT,
];

fn recognises(path: &Path, text: &str) -> bool {
    load::kind(path).is_some() || plan::recognises(text)
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let (files, plans): (Vec<FileId>, Vec<FileId>) =
        files.iter().copied().partition(|file| load::kind(inputs.path(*file)).is_some());
    let mut part = modules(inputs, &files);
    let parts: Vec<Part> = plans
        .into_par_iter()
        .map(|file| {
            let (resources, mistake) = plan::resources(inputs, file);
            let root = inputs.path(file).display().to_string();
            let mut part = told(&root, &resources, &HashSet::new());
            part.findings.extend(mistake);
            part
        })
        .collect();
    for other in parts {
        part.absorb(other);
    }
    part
}

fn modules(inputs: &Inputs, files: &[FileId]) -> Part {
    let loaded = load::load(inputs, files);
    let mut part = Part { findings: loaded.findings, ..Part::default() };
    let roots: Vec<&Path> =
        loaded.folders.iter().filter(|(_, folder)| !folder.is_called).map(|(path, _)| path.as_path()).collect();
    let parts: Vec<Part> = roots
        .into_par_iter()
        .map(|root| {
            let called = call::resources(&loaded.folders, root);
            let mut part = told(&root.display().to_string(), &called.resources, &called.escaping);
            part.findings.extend(hygiene::unused(&called.resources, &called.named));
            part
        })
        .collect();
    for other in parts {
        part.absorb(other);
    }
    part
}

/// What a set of resources says. `root` is where they are from, `escaping` those that are used who knows where.
fn told(root: &str, resources: &[Resource], escaping: &HashSet<String>) -> Part {
    let groups = groups::groups(resources);
    let managed = attachment::managed(resources);
    let attachments = Attachments::new(resources, &managed, escaping);
    let mut findings: Vec<Finding> = groups.iter().flat_map(judge::check).collect();
    findings.extend(groups.iter().flat_map(hygiene::of_group));
    findings.extend(resources.iter().filter_map(hygiene::of_resource));
    findings.extend(resources.iter().flat_map(exposure::check));
    findings.extend(managed.iter().filter_map(hygiene::default_port));
    findings.extend(attachment::check(&groups, &managed, &attachments));
    Part { findings, facts: facts::facts(root, resources, &groups, &managed, &attachments) }
}
