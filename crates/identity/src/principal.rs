//! Who is calling, once proven.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// What kind of sender it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person.
    User,
    /// A program: a service, a job, a machine.
    Workload,
}

/// A sender whose identity is proven.
///
/// `provider` and `subject` together are the identity: two providers may know different people by one subject, and an
/// address of e-mail may pass from one person to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// A person or a program.
    pub kind: Kind,
    /// Name of the provider in the file that vouches for it: `corp`.
    pub provider: Arc<str>,
    /// The provider's own, stable name for it: the `sub` of a token, the name of a local user, a SPIFFE id.
    pub subject: Box<str>,
    /// The name that people know it by, and that `allow: { users: … }` names: the verified e-mail address in lower
    /// case, else the subject.
    pub name: Box<str>,
    /// E-mail address in lower case, only if the provider says that it is verified.
    pub email: Option<Box<str>>,
    /// Groups, sorted, each once.
    pub groups: Box<[Box<str>]>,
    /// Further claims, as far as the file asks for them, each a list of texts. Bounded by whoever fills it.
    pub claims: BTreeMap<Box<str>, Box<[Box<str>]>>,
}

impl Principal {
    /// The part of the e-mail address after its `@`.
    pub fn domain(&self) -> Option<&str> {
        self.email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain)
    }

    /// Whether it is in this group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.binary_search_by(|own| (**own).cmp(group)).is_ok()
    }
}

/// `alice@example.com (corp)`
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.provider)
    }
}
