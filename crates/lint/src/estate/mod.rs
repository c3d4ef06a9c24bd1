//! The estate: what all files together say about who listens where, and who reaches it.
//!
//! Each format tells what it read as [`Facts`], in these few words; nothing here knows of Compose or Kubernetes.
//! [`paths`] joins the facts into ways from the outside to a workload; the rules that need more than one file, proofs
//! and differences are asked of those.

mod facts;

pub use facts::{
    Address, Build, Facts, Forward, Guard, Image, Kind, Listener, Mount, Opening, Owner, PortSpan, Reach, Restriction,
    Role, Sharing, Space, Target, Transport, Workload, WorkloadPort,
};

use crate::{finding::Finding, rule::Rule};

/// The rules that need more than one file, in the order of their numbers.
pub(crate) static RULES: &[&Rule] = &[];

/// Applies them.
pub(crate) fn check(_facts: &Facts) -> Vec<Finding> {
    Vec::new()
}
