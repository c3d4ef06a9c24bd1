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
    /// An operator on behalf of somebody, whose rights count; the record names the operator.
    Delegate {
        /// For whom.
        principal: &'a Principal,
        /// Who acts: the name of the user.
        operator: &'a str,
    },
    /// Whoever may write to the store, at the command line of its machine: the name of the user there.
    Operator(&'a str),
}

impl Circle {
    /// Whether a principal belongs to it.
    pub fn has(&self, principal: &Principal) -> bool {
        let Principal { provider, name, .. } = principal;
        // `corp:alice` and `corp/dba` are those that this provider vouches for.
        let is_user = |user: &str| *user == **name || is_of(user, provider, ':').is_some_and(|own| own == &**name);
        let is_group =
            |group: &str| principal.is_in(group) || is_of(group, provider, '/').is_some_and(|own| principal.is_in(own));
        self.users.iter().any(|user| is_user(user)) || self.groups.iter().any(|group| is_group(group))
    }
}

/// What stands behind the provider's name.
fn is_of<'n>(name: &'n str, provider: &str, between: char) -> Option<&'n str> {
    name.strip_prefix(provider)?.strip_prefix(between)
}

impl Actor<'_> {
    /// How records and chats name them.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Principal(principal) => principal.to_string(),
            Self::Delegate { principal, operator } => format!("{principal}, by {operator} (command line)"),
            Self::Operator(user) => format!("{user} (command line)"),
        }
    }
}
