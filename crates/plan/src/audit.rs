//! How decisions are recorded, and who keeps the grants that some of them rest on.

use std::sync::Arc;

use portcullis_audit::{Recorder, Settings};
use portcullis_grants::Grants;

/// How decisions are recorded.
#[derive(Debug)]
pub struct AuditPlan {
    /// Where, and for how long.
    pub settings: Settings,
    /// Takes the records; there once the plan is published.
    pub recorder: Option<Recorder>,
}

/// Access that somebody asks for.
#[derive(Debug)]
pub struct GrantsPlan {
    /// Which services, on what terms.
    pub settings: Arc<portcullis_grants::Settings>,
    /// Those that hold; there once the plan is published.
    pub active: Option<Arc<Grants>>,
}
