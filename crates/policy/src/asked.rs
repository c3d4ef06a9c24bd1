//! What is asked: who wants what, as plain values.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use cedar_policy::{Entity, EntityUid, RestrictedExpression};

use crate::{
    Settings,
    schema::{Terms, entity},
};

/// What kind of sender it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person.
    User,
    /// A program.
    Workload,
}

/// A proven sender, as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A person or a program.
    pub kind: Kind,
    /// Name of the provider in the file.
    pub provider: String,
    /// The provider's own name for it.
    pub subject: String,
    /// The verified e-mail address in lower case, else the subject.
    pub name: String,
    /// Verified, in lower case.
    pub email: Option<String>,
    /// Groups, as the provider names them.
    pub groups: Vec<String>,
    /// Further claims.
    pub claims: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// What follows the `@` of its address. An address that could be read in two ways has none (attack 46).
    pub fn domain(&self) -> Option<&str> {
        let (local, domain) = self.email.as_deref()?.split_once('@')?;
        let is_plain = |byte: char| byte.is_alphanumeric() || byte == '-' || byte == '.';
        let is_domain = !domain.starts_with('.') && !domain.ends_with('.') && !domain.is_empty();
        (!local.is_empty() && is_domain && domain.chars().all(is_plain)).then_some(domain)
    }
}

/// A sender made ready for many decisions. Made by [`PolicySet::caller`](crate::PolicySet::caller); good for any later
/// set of the same providers too.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) identity: Identity,
    /// Names of groups by which policies may name it: `dba` and `corp/dba`.
    pub(crate) groups: HashSet<Box<str>>,
    attributes: Vec<(String, RestrictedExpression)>,
    tags: Vec<(String, RestrictedExpression)>,
}

impl Caller {
    /// The settings know all providers, so that no group of one can pass for the qualified name of another's.
    pub(crate) fn new(identity: &Identity, settings: &Settings) -> Self {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let mut attributes = vec![
            ("provider".to_owned(), text(&identity.provider)),
            ("subject".to_owned(), text(&identity.subject)),
            ("name".to_owned(), text(&identity.name)),
        ];
        attributes.extend(identity.email.as_deref().map(|email| ("email".to_owned(), text(email))));
        attributes.extend(identity.domain().map(|domain| ("domain".to_owned(), text(domain))));
        let tags = identity.claims.iter().map(|(name, values)| {
            let values = values.iter().map(|value| text(value));
            (name.clone(), RestrictedExpression::new_set(values))
        });
        let mut groups = HashSet::new();
        for group in &identity.groups {
            let is_qualified = group
                .split_once('/')
                .is_some_and(|(first, _)| first == identity.provider || settings.is_provider(first));
            if !is_qualified {
                groups.insert(group.as_str().into());
            }
            groups.insert(format!("{}/{group}", identity.provider).into());
        }
        Self { groups, attributes, tags: tags.collect(), identity: identity.clone() }
    }

    /// As an entity that is in these groups.
    pub(crate) fn entity(&self, terms: &Terms, groups: impl Iterator<Item = EntityUid>) -> Result<Entity, String> {
        let Identity { kind, provider, subject, .. } = &self.identity;
        let of = match kind {
            Kind::User => &terms.user,
            Kind::Workload => &terms.workload,
        };
        let uid = entity(of, &format!("{provider}/{subject}"));
        let (attributes, tags) = (self.attributes.iter().cloned(), self.tags.iter().cloned());
        Entity::new_with_tags(uid, attributes, groups, tags).map_err(|error| error.to_string())
    }
}

/// What a sender wants of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// To send one HTTP request.
    Request,
    /// To open one TCP connection, or a tunnel.
    Connect,
}

/// A route of a set, by its place in [`Settings::routes`](crate::Settings::routes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteId(pub u32);

/// One question.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Which route.
    pub route: RouteId,
    /// What the sender wants of it.
    pub action: Action,
    /// The port that was used, by name.
    pub port: &'a str,
    /// Who it is; `None` if nothing was proven.
    pub caller: Option<&'a Caller>,
    /// Where the sender is, after a trusted PROXY header.
    pub source: IpAddr,
    /// The client certificate that the handshake has proven.
    pub certificate: Option<Certificate<'a>>,
    /// In lower case without port; of a connection the name in its TLS handshake.
    pub host: Option<&'a str>,
    /// In normal form, without query; empty for a connection.
    pub path: &'a str,
    /// Empty for a connection.
    pub method: &'a str,
    /// In seconds since 1970.
    pub now: u64,
    /// When the sender's grant for the service ends, in seconds since 1970; `None` without one.
    pub granted_until: Option<u64>,
}

/// A client certificate.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// Subject CN, DNS, e-mail and URI names.
    pub names: &'a [Box<str>],
    /// As text: `CN=shop,O=Example`.
    pub subject: &'a str,
    /// SHA-256 of its DER form.
    pub thumbprint: &'a [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(email: &str, groups: &[&str]) -> Identity {
        Identity {
            kind: Kind::User,
            provider: "partner".to_owned(),
            subject: "7".to_owned(),
            name: email.to_owned(),
            email: Some(email.to_owned()),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            claims: BTreeMap::new(),
        }
    }

    #[test]
    fn only_an_address_that_reads_in_one_way_has_a_domain() {
        for (email, domain) in [
            ("alice@example.com", Some("example.com")),
            ("a@b@example.com", None),
            ("\"x@evil.example\"@example.com", None),
            ("@example.com", None),
            ("alice@", None),
            ("alice@.example.com", None),
            ("alice@example.com.", None),
            ("alice@example.com ", None),
            ("alice@example.com,evil.example", None),
            ("alice@example.com\n", None),
            ("alice@example.com>", None),
        ] {
            assert_eq!(identity(email, &[]).domain(), domain, "{email}");
        }
    }

    #[test]
    fn a_group_of_one_provider_never_passes_for_that_of_another() {
        let identity = identity("p@example.com", &["dba", "corp/dba", "certificate/x", "/keycloak/path", "x/y"]);
        let caller = Caller::new(&identity, &Settings { providers: vec!["corp".to_owned()], ..Settings::default() });
        let mut groups: Vec<&str> = caller.groups.iter().map(|group| &**group).collect();
        groups.sort_unstable();
        assert_eq!(
            groups,
            [
                "/keycloak/path",
                "dba",
                "partner//keycloak/path",
                "partner/certificate/x",
                "partner/corp/dba",
                "partner/dba",
                "partner/x/y",
                "x/y"
            ]
        );
    }
}
