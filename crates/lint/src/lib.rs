//! What is wrong with the ports in a set of files: Portcullis' own, and those of the tools around it.
//!
//! Owns: finding and recognising files, reading each format into a typed model with places, the rules of the
//! catalogue, the estate (what all files together say about who listens where and who reaches it), suppression,
//! baselines, fixes, and the forms in which findings are told.
//!
//! Must not know: the machine it runs on. No socket, no process, no address of this host is looked at; the same files
//! give the same findings everywhere. Files are only read beneath the roots that were named.
//!
//! The way of a check: [`walk`] → [`recognise`] → each [`Format`] reads its files and applies its rules → the
//! [`estate`] joins what they said and applies the rules that need more than one file → [`suppression`] → [`output`].
//! Formats know nothing of each other; what they share goes through the estate.

pub mod addresses;
pub mod baseline;
pub mod cidr;
mod circles;
mod compose;
mod dockerfile;
pub mod estate;
pub mod finding;
pub mod fix;
mod format;
mod haproxy;
pub mod inputs;
pub mod keys;
mod kubernetes;
mod nginx;
pub mod numbers;
pub mod output;
pub mod own;
pub mod proxied;
pub mod reading;
pub mod report;
pub mod rule;
mod rules;
pub mod sensitive;
pub mod suppression;
mod systemd;
mod terraform;
pub mod walk;
pub mod well_known;
#[allow(dead_code, reason = "read by the formats as they come")]
mod yaml;

use std::path::Path;

use finding::Finding;
use inputs::{FileId, Inputs};
use rayon::prelude::*;

pub use format::{FORMATS, Format};
pub use rules::{all as rules, find as rule_named};

/// What a set of files says, and what can be said against it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In reading order.
    pub findings: Vec<Finding>,
    /// Who listens where and who reaches it.
    pub facts: estate::Facts,
    /// Portcullis' own main files, of which loading certificates and resolving names can tell more.
    pub own: Vec<FileId>,
    /// Number of files that were recognised, by the name of their format.
    pub recognised: Vec<(&'static str, usize)>,
}

/// What one format has to say about its files.
#[derive(Debug, Default)]
pub struct Part {
    /// In any order.
    pub findings: Vec<Finding>,
    /// For the rules that need more than one file.
    pub facts: estate::Facts,
}

impl Part {
    /// Adds all that another part says.
    pub fn absorb(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.facts.absorb(other.facts);
    }
}

/// Checks files that were added to the inputs. What they include is followed from there. A YAML file that a person
/// named, and that no format recognises, is taken for one of Portcullis' own that is broken beyond recognition.
pub fn check(inputs: &Inputs, files: &[FileId], is_named: impl Fn(&Path) -> bool + Sync) -> Outcome {
    let kind = |file: &FileId| {
        let path = inputs.path(*file);
        format::recognise(path, inputs.text(*file)).or_else(|| (is_named(path) && format::is_yaml(path)).then_some(0))
    };
    let kinds: Vec<Option<usize>> = files.par_iter().map(kind).collect();
    let of_format = |index: usize| -> Vec<FileId> {
        files.iter().zip(&kinds).filter(|(_, kind)| **kind == Some(index)).map(|(file, _)| *file).collect()
    };
    let groups: Vec<(&Format, Vec<FileId>)> =
        FORMATS.iter().enumerate().map(|(index, format)| (*format, of_format(index))).collect();
    let parts: Vec<Part> = groups.par_iter().map(|(format, files)| (format.check)(inputs, files)).collect();
    let mut whole = Part::default();
    for part in parts {
        whole.absorb(part);
    }
    let Part { mut findings, facts } = whole;
    findings.retain(|finding| !is_contained(finding, &facts, inputs));
    findings.extend(estate::check(&facts, inputs));
    finding::sort(&mut findings, inputs);
    let recognised = groups.iter().map(|(format, files)| (format.name, files.len())).filter(|(_, n)| *n > 0).collect();
    let own = own::mains(inputs, &groups[0].1);
    Outcome { findings, facts, own, recognised }
}

/// The name of the format of a text, by which its rules are found; `None` if no format knows it.
pub fn format_of(path: &Path, text: &str) -> Option<&'static str> {
    format::recognise(path, text).map(|index| FORMATS[index].name)
}

/// What the files of a format among those that were added to the inputs do, for those who want the same: HAProxy and nginx
/// configurations, and what lets the outside into a Kubernetes cluster.
pub fn proxied(inputs: &Inputs, files: &[FileId], format: &str) -> proxied::Proxied {
    let is_of_format = |file: &FileId| {
        let kind = format::recognise(inputs.path(*file), inputs.text(*file));
        kind.is_some_and(|index| FORMATS[index].name == format)
    };
    let files: Vec<FileId> = files.iter().copied().filter(is_of_format).collect();
    match format {
        "HAProxy" => haproxy::proxied(inputs, &files),
        "nginx" => nginx::proxied(inputs, &files),
        "Kubernetes" => kubernetes::proxied(inputs, &files),
        _ => proxied::Proxied::default(),
    }
}

/// Rules about addresses that are bound in the open.
const OF_SCOPE: [&str; 4] = ["PC104", "PC105", "PC502", "PC551"];

/// What a configuration binds inside of a container is open to the container's networks alone; what is published of it
/// is for the rules of the one who publishes.
fn is_contained(finding: &Finding, facts: &estate::Facts, inputs: &Inputs) -> bool {
    let path = inputs.path(finding.span.file);
    OF_SCOPE.contains(&finding.rule.id) && facts.mounts.iter().any(|mount| path.starts_with(&mount.source))
}
