//! What the file says about showing later what was let in and refused.

use std::{path::PathBuf, time::Duration};

use super::LogTarget;
use crate::span::Spanned;

/// `audit: { copy: audit.jsonl, retention: 400d }`, or `audit: on`. What routes decide is recorded where this stands.
#[derive(Debug, Default)]
pub struct Audit {
    /// `copy:` where records go beside the store, as lines of JSON.
    pub copy: Option<Spanned<LogTarget>>,
    /// `heads:` a file to which the signed heads are appended.
    pub heads: Option<Spanned<PathBuf>>,
    /// `retention:` after this time records are cut off.
    pub retention: Option<Spanned<Duration>>,
}

/// `audit:` of a port or a route: whether and how strictly its decisions are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditNeed {
    /// Recorded; where the store takes no records, they are dropped and counted.
    On,
    /// Not recorded.
    Off,
    /// What can not be recorded first is refused.
    Required,
}
