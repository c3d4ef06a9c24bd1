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

pub mod cidr;
mod compose;
mod dockerfile;
pub mod estate;
pub mod finding;
mod format;
mod haproxy;
pub mod inputs;
mod kubernetes;
mod nginx;
pub mod own;
pub mod reading;
pub mod rule;
mod rules;
pub mod sensitive;
mod systemd;
mod terraform;
pub mod walk;
#[allow(dead_code, reason = "read by the formats as they come")]
mod yaml;

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

/// Checks files that were added to the inputs. What they include is followed from there.
pub fn check(inputs: &Inputs, files: &[FileId]) -> Outcome {
    let kinds: Vec<Option<usize>> =
        files.par_iter().map(|file| format::recognise(inputs.path(*file), inputs.text(*file))).collect();
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
    findings.extend(estate::check(&facts));
    finding::sort(&mut findings, inputs);
    let recognised = groups.iter().map(|(format, files)| (format.name, files.len())).filter(|(_, n)| *n > 0).collect();
    Outcome { findings, facts, recognised }
}
