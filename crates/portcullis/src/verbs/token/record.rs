//! A key as it is shown.

use std::time::{Duration, UNIX_EPOCH};

use portcullis_store::tokens::TokenRow;
use serde::Serialize;

use crate::verbs::ports::moment;

/// What anyone who may read the store may know. Times are RFC 3339, in UTC.
#[derive(Debug, Serialize)]
pub(super) struct TokenRecord<'r> {
    pub(super) id: &'r str,
    pub(super) name: &'r str,
    pub(super) state: State,
    pub(super) groups: &'r [String],
    /// Missing: all services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) services: Option<&'r [String]>,
    pub(super) created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<String>,
}

/// Whether a key still opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Active,
    Expired,
    Revoked,
}

impl State {
    pub(super) fn of(row: &TokenRow, now: u64) -> Self {
        match row {
            TokenRow { revoked: Some(_), .. } => Self::Revoked,
            TokenRow { expires: Some(end), .. } if now >= *end => Self::Expired,
            _ => Self::Active,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl<'r> TokenRecord<'r> {
    pub(super) fn of(row: &'r TokenRow, now: u64) -> Self {
        let time = |seconds: u64| moment(UNIX_EPOCH + Duration::from_secs(seconds));
        Self {
            id: &row.id,
            name: &row.name,
            state: State::of(row, now),
            groups: &row.groups,
            services: row.services.as_deref(),
            created: time(row.created),
            expires: row.expires.map(time),
            used: row.used.map(time),
            revoked: row.revoked.map(time),
        }
    }
}
