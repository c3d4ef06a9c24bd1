//! What may be granted, by whom and for how long.

use std::{collections::BTreeMap, time::Duration};

use portcullis_identity::Principal;

use crate::WebhookSettings;

/// What may be granted. A service that is not named is not granted to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// By the name of the service.
    pub services: BTreeMap<Box<str>, Terms>,
    /// Who is told of each step.
    pub webhook: Option<WebhookSettings>,
}

/// On what terms access to a service is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who may ask; `None`: everybody who is proven.
    pub askers: Option<Circle>,
    /// Who may approve and refuse.
    pub approvers: Circle,
    /// The longest time.
    pub longest: Duration,
    /// Who may take access without approval; `None`: nobody.
    pub break_glass: Option<Circle>,
}

/// Some principals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Circle {
    /// By the names that policies know: `alice@example.com`.
    pub users: Vec<Box<str>>,
    /// By a group that they are in.
    pub groups: Vec<Box<str>>,
}

/// Who takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// Somebody who is proven.
    Principal(&'a Principal),
    /// Whoever may write to the store, at the command line of its machine: the name of the user there.
    Operator(&'a str),
}

impl Circle {
    /// Whether a principal belongs to it.
    pub fn has(&self, principal: &Principal) -> bool {
        self.users.iter().any(|user| **user == *principal.name)
            || self.groups.iter().any(|group| principal.is_in(group))
    }
}

impl Actor<'_> {
    /// How records and chats name them.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Principal(principal) => principal.to_string(),
            Self::Operator(user) => format!("{user} (command line)"),
        }
    }
}
