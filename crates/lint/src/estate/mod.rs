//! The estate: what all files together say about who listens where, and who reaches it.
//!
//! Each format tells what it read as [`Facts`], in these few words; nothing here knows of Compose or Kubernetes.
//! [`ways`] joins the facts into ways from the outside to a workload; the rules that need more than one file, proofs
//! and differences are asked of those.

mod chains;
mod conflicts;
pub mod difference;
mod facts;
mod images;
mod openings;
mod placing;
pub mod proof;
mod registry;
mod ways;

pub use facts::{
    Address, Allowance, Assertion, Behind, Build, Copied, Declaration, EVERYBODY, Facts, Forward, Guard, Image, Kind,
    Listener, Mount, NumberRange, Opening, Owner, PortSpan, Reach, Restriction, Role, Sharing, Side, Space, Target,
    Transport, UnixSocket, Workload, WorkloadPort,
};
pub(crate) use openings::UNSERVED;
pub use ways::{Hop, LooseEnd, Way, Ways, target_text};

use crate::{finding::Finding, inputs::Inputs, rule::Rule};

/// The rules that need more than one file, in the order of their numbers.
pub(crate) static RULES: &[&Rule] = &[
    &conflicts::ONE_PORT,
    &chains::TARGET_WITHOUT_PORT,
    &chains::EXPOSED_THROUGH,
    &proof::REFUTED,
    &conflicts::PROJECTS,
    &images::UNEXPOSED,
    &registry::UNDECLARED_UPSTREAM,
    &openings::UNKNOWN_PORT,
    &UNSERVED,
];

/// All ways from the outside to a workload.
pub fn ways<'f>(facts: &'f Facts, inputs: &Inputs) -> Ways<'f> {
    ways::Index::new(facts, inputs).ways()
}

/// Applies the rules.
pub(crate) fn check(facts: &Facts, inputs: &Inputs) -> Vec<Finding> {
    let index = ways::Index::new(facts, inputs);
    let ways = index.ways();
    let mut findings = conflicts::check(&index, inputs);
    findings.extend(chains::check(facts, &index, &ways));
    findings.extend(proof::check(facts, &ways));
    findings.extend(images::check(facts));
    findings.extend(openings::check(facts, &index));
    findings.extend(registry::check(facts, &index));
    findings
}
