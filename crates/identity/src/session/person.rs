//! What is known of a person, as the store keeps it.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_store::sessions::SessionRow;
use serde::{Deserialize, Serialize};

use crate::{Kind, Principal};

/// Everything of a [`Principal`] that has no column of its own.
#[derive(Serialize, Deserialize)]
struct Person {
    email: Option<Box<str>>,
    groups: Box<[Box<str>]>,
    claims: BTreeMap<Box<str>, Box<[Box<str>]>>,
}

/// As text.
pub(super) fn write(principal: &Principal) -> String {
    let person =
        Person { email: principal.email.clone(), groups: principal.groups.clone(), claims: principal.claims.clone() };
    // Texts in lists and maps with text keys: there is nothing in it that JSON has not.
    serde_json::to_string(&person).unwrap_or_default()
}

/// From text. `None` if this version does not understand it.
pub(super) fn read(provider: &str, subject: &str, name: &str, text: &str) -> Option<Principal> {
    let Person { email, groups, claims } = serde_json::from_str(text).ok()?;
    Some(Principal {
        kind: Kind::User,
        provider: Arc::from(provider),
        subject: subject.into(),
        name: name.into(),
        email,
        groups,
        claims,
    })
}

/// The same person with other groups.
pub(crate) fn with_groups(row: &SessionRow, groups: &[String]) -> Option<String> {
    let mut principal = read(&row.provider, &row.subject, &row.name, &row.person)?;
    principal.groups = groups.iter().map(|group| group.as_str().into()).collect();
    Some(write(&principal))
}
