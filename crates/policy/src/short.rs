//! The short form: `allow:` and `deny:` of a route, and the Cedar policies that they become.

use std::{collections::BTreeMap, fmt::Write};

use ipnet::IpNet;

use crate::{
    Window,
    asked::Kind,
    lists::{List, Members, canonical},
    set::CERTIFICATE,
};

/// A list that is longer than this is looked up before Cedar is asked, instead of being written into the policy: Cedar
/// would go through it item by item.
const WRITTEN_OUT: usize = 16;

/// Who may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Everyone, and the file says so.
    Anyone,
    /// Everyone who has proven who they are.
    Authenticated,
    /// Who meets every condition that is given. Nobody, if none is.
    Only(Box<Conditions>),
}

/// Conditions on a request. Within one of them any value suffices; an empty list is no condition.
///
/// In `allow:` all that are given must hold, where `users` and `workloads` are one condition, since nobody is both; in
/// `deny:` one that holds is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Where it comes from.
    pub from: Vec<IpNet>,
    /// Names on the client certificate, `*.` wildcards allowed; `*` is any certificate.
    pub certificates: Vec<String>,
    /// People.
    pub users: Vec<Name>,
    /// Groups, `dba` or `provider/dba`.
    pub groups: Vec<String>,
    /// What follows the `@` of a verified e-mail address, exactly.
    pub domains: Vec<String>,
    /// Programs.
    pub workloads: Vec<Name>,
    /// Claims; each that is given is a condition of its own.
    pub claims: BTreeMap<String, Vec<String>>,
    /// When.
    pub time: Option<Window>,
    /// Whether it takes a grant for the service.
    pub grant: Grant,
}

/// Whether it takes a grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grant {
    /// No.
    #[default]
    NotNeeded,
    /// `grant: required`
    Required,
}

/// The name of a sender, of whatever provider or of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The provider that must vouch for it.
    pub provider: Option<String>,
    /// An e-mail address in lower case, or a subject.
    pub name: String,
}

impl Name {
    /// Reads `alice@example.com` and `corp:alice@example.com`. What stands before the first `:` is a provider only if
    /// there is one of that name, because subjects contain colons (`spiffe://…`, `urn:…`). Addresses are lower-cased.
    pub fn parse(text: &str, providers: &[String]) -> Self {
        let (provider, name) = match text.split_once(':') {
            Some((provider, name)) if provider == CERTIFICATE || providers.iter().any(|known| known == provider) => {
                (Some(provider), name)
            }
            _ => (None, text),
        };
        let name = if name.contains('@') { name.to_lowercase() } else { name.to_owned() };
        Self { provider: provider.map(str::to_owned), name }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.provider {
            Some(provider) => write!(formatter, "{provider}:{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// Which of the conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    From,
    Certificates,
    /// Users and workloads.
    Names,
    Groups,
    Domains,
    Claim(String),
    Time,
    Grant,
}

impl Key {
    /// Whether it is about who is calling, not about the circumstances.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self, Self::Names | Self::Groups | Self::Domains | Self::Claim(_))
    }
}

/// One condition in Cedar.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub(crate) key: Key,
    pub(crate) expression: String,
}

/// Whose conditions: they name their long lists by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Allow,
    Deny,
}

impl Side {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// The text of the policy that `allow:` becomes; `None` if it lets nobody pass.
pub(crate) fn permit(route: &str, allow: &Allow, lists: &mut Vec<List>) -> Option<String> {
    let mut text = head("permit", route, Side::Allow);
    match allow {
        Allow::Anyone => {}
        Allow::Authenticated => text.push_str("\nunless { principal is Anonymous }"),
        Allow::Only(conditions) => {
            let clauses = conditions.clauses(Side::Allow, lists);
            if clauses.is_empty() {
                return None;
            }
            for clause in clauses {
                let _ = write!(text, "\nwhen {{ {} }}", clause.expression);
            }
        }
    }
    text.push(';');
    Some(text)
}

/// The text of the policy that `deny:` becomes; `None` if it refuses nobody.
pub(crate) fn forbid(route: &str, deny: &Conditions, lists: &mut Vec<List>) -> Option<String> {
    let clauses = deny.clauses(Side::Deny, lists);
    if clauses.is_empty() {
        return None;
    }
    let any: Vec<String> = clauses.into_iter().map(|clause| format!("({})", clause.expression)).collect();
    Some(format!("{}\nwhen {{\n  {}\n}};", head("forbid", route, Side::Deny), any.join(" ||\n  ")))
}

/// The id of the policy.
pub(crate) fn id(route: &str, side: Side) -> String {
    format!("{} of route {route}", side.as_str())
}

/// The policy without its conditions.
pub(crate) fn head(effect: &str, route: &str, side: Side) -> String {
    let (id, route) = (quoted(&id(route, side)), quoted(route));
    format!("@id({id})\n{effect} (principal, action, resource == Route::{route})")
}

impl Conditions {
    /// In Cedar. What is too long to be written out is put into `lists`.
    pub(crate) fn clauses(&self, side: Side, lists: &mut Vec<List>) -> Vec<Clause> {
        let mut clauses = Vec::new();
        let mut add = |key, expression| clauses.push(Clause { key, expression });
        if !self.from.is_empty() {
            add(Key::From, self.sources(side, lists));
        }
        if !self.certificates.is_empty() {
            let names: Vec<String> = self.certificates.iter().map(|name| name.to_ascii_lowercase()).collect();
            add(Key::Certificates, format!("context.certificates.containsAny({})", set(&names)));
        }
        let users = names(Kind::User, &self.users, side, lists);
        let workloads = names(Kind::Workload, &self.workloads, side, lists);
        match (users, workloads) {
            (None, None) => {}
            (Some(one), None) | (None, Some(one)) => add(Key::Names, one),
            (Some(users), Some(workloads)) => add(Key::Names, format!("({users}) || ({workloads})")),
        }
        if !self.groups.is_empty() {
            add(Key::Groups, self.groups(side, lists));
        }
        if !self.domains.is_empty() {
            add(Key::Domains, self.domains(side, lists));
        }
        for (name, values) in &self.claims {
            let tag = quoted(name);
            let held = format!("principal.getTag({tag}).containsAny({})", set(values));
            let has = format!("!(principal is Anonymous) && principal.hasTag({tag}) && {held}");
            add(Key::Claim(name.clone()), has);
        }
        if let Some(window) = &self.time {
            add(Key::Time, window.condition());
        }
        if self.grant == Grant::Required {
            add(Key::Grant, "context.granted".to_owned());
        }
        clauses
    }

    fn sources(&self, side: Side, lists: &mut Vec<List>) -> String {
        if self.from.len() > WRITTEN_OUT {
            return listed(side, "from", Members::networks(&self.from), lists);
        }
        let ranges = self.from.iter().map(|range| format!("context.source.isInRange(ip(\"{}\"))", canonical(*range)));
        ranges.collect::<Vec<_>>().join(" || ")
    }

    fn groups(&self, side: Side, lists: &mut Vec<List>) -> String {
        if self.groups.len() > WRITTEN_OUT {
            return listed(side, "groups", Members::Groups(texts(&self.groups)), lists);
        }
        let groups: Vec<String> = self.groups.iter().map(|group| format!("Group::{}", quoted(group))).collect();
        match groups.as_slice() {
            [one] => format!("principal in {one}"),
            several => format!("principal in [{}]", several.join(", ")),
        }
    }

    fn domains(&self, side: Side, lists: &mut Vec<List>) -> String {
        let domains: Vec<String> = self.domains.iter().map(|domain| domain.to_lowercase()).collect();
        if domains.len() > WRITTEN_OUT {
            return listed(side, "domains", Members::Domains(texts(&domains)), lists);
        }
        let set = set(&domains);
        format!("!(principal is Anonymous) && principal has domain && {set}.contains(principal.domain)")
    }
}

/// Senders of one kind; `None` if there are none.
fn names(kind: Kind, names: &[Name], side: Side, lists: &mut Vec<List>) -> Option<String> {
    let (of, key) = match kind {
        Kind::User => ("User", "users"),
        Kind::Workload => ("Workload", "workloads"),
    };
    if names.len() > WRITTEN_OUT {
        return Some(listed(side, key, Members::Names(kind, names.iter().cloned().collect()), lists));
    }
    let mut by_provider: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for name in names {
        by_provider.entry(name.provider.as_deref()).or_default().push(&name.name);
    }
    let mut any = by_provider.into_iter().map(|(provider, names)| {
        let is_named = format!("{}.contains(principal.name)", set(&names));
        match provider {
            None => is_named,
            Some(provider) => format!("principal.provider == {} && {is_named}", quoted(provider)),
        }
    });
    let first = any.next()?;
    let rest: Vec<String> = any.map(|other| format!(" || ({other})")).collect();
    if rest.is_empty() {
        return Some(format!("principal is {of} && {first}"));
    }
    Some(format!("principal is {of} && (({first}){})", rest.concat()))
}

fn listed(side: Side, key: &str, members: Members, lists: &mut Vec<List>) -> String {
    let name = format!("{} {key}", side.as_str());
    let expression = format!("context.lists.contains({})", quoted(&name));
    lists.push(List { name, members });
    expression
}

fn texts(texts: &[String]) -> std::collections::HashSet<Box<str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

/// `["a", "b"]`
fn set(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A text as Cedar writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weekday;

    fn name(text: &str) -> Name {
        Name::parse(text, &["corp".to_owned()])
    }

    #[test]
    fn a_name_has_a_provider_only_if_there_is_one_of_that_name() {
        for (text, provider, own) in [
            ("Alice@Example.com", None, "alice@example.com"),
            ("corp:Alice@example.com", Some("corp"), "alice@example.com"),
            ("corp:CaseMatters", Some("corp"), "CaseMatters"),
            ("spiffe://example.com/shop", None, "spiffe://example.com/shop"),
            ("other:alice", None, "other:alice"),
            ("certificate:shop", Some("certificate"), "shop"),
        ] {
            assert_eq!(name(text), Name { provider: provider.map(str::to_owned), name: own.to_owned() }, "{text}");
        }
    }

    #[test]
    fn allow_becomes_a_policy_that_reads_as_it_was_written() {
        let conditions = Conditions {
            from: vec!["10.1.2.3/8".parse().unwrap(), "::ffff:192.0.2.0/120".parse().unwrap()],
            certificates: vec!["*.Example.com".to_owned()],
            users: vec![name("alice@example.com"), name("corp:bob")],
            groups: vec!["dba".to_owned()],
            domains: vec!["Example.com".to_owned()],
            workloads: Vec::new(),
            claims: BTreeMap::from([("team".to_owned(), vec!["a".to_owned(), "b\"c".to_owned()])]),
            time: Window::new([Weekday::Friday], Some((1320, 360))),
            grant: Grant::Required,
        };
        let mut lists = Vec::new();
        let text = permit("web/shop", &Allow::Only(Box::new(conditions)), &mut lists).unwrap();
        assert_eq!(
            text,
            r#"@id("allow of route web/shop")
permit (principal, action, resource == Route::"web/shop")
when { context.source.isInRange(ip("10.0.0.0/8")) || context.source.isInRange(ip("192.0.2.0/24")) }
when { context.certificates.containsAny(["*.example.com"]) }
when { principal is User && ((["alice@example.com"].contains(principal.name)) || (principal.provider == "corp" && ["bob"].contains(principal.name))) }
when { principal in Group::"dba" }
when { !(principal is Anonymous) && principal has domain && ["example.com"].contains(principal.domain) }
when { !(principal is Anonymous) && principal.hasTag("team") && principal.getTag("team").containsAny(["a", "b\"c"]) }
when { (["fri"].contains(context.weekday) && context.minute >= 1320 || ["sat"].contains(context.weekday) && context.minute < 360) }
when { context.granted };"#
        );
        assert!(lists.is_empty());
    }

    #[test]
    fn deny_is_one_policy_in_which_any_condition_suffices() {
        let deny = Conditions {
            from: vec!["192.0.2.0/24".parse().unwrap()],
            users: vec![name("mallory")],
            ..Conditions::default()
        };
        assert_eq!(
            forbid("web/shop", &deny, &mut Vec::new()).unwrap(),
            r#"@id("deny of route web/shop")
forbid (principal, action, resource == Route::"web/shop")
when {
  (context.source.isInRange(ip("192.0.2.0/24"))) ||
  (principal is User && ["mallory"].contains(principal.name))
};"#
        );
        assert_eq!(forbid("web/shop", &Conditions::default(), &mut Vec::new()), None);
    }

    #[test]
    fn an_allow_without_conditions_lets_nobody_pass() {
        assert_eq!(permit("r", &Allow::Only(Box::default()), &mut Vec::new()), None);
    }

    #[test]
    fn a_long_list_is_looked_up_before_cedar_is_asked() {
        let from = (0..200).map(|third| format!("10.0.{third}.0/24").parse().unwrap()).collect();
        let mut lists = Vec::new();
        let text =
            permit("r", &Allow::Only(Box::new(Conditions { from, ..Conditions::default() })), &mut lists).unwrap();
        assert!(text.ends_with("when { context.lists.contains(\"allow from\") };"), "{text}");
        assert_eq!(lists.len(), 1);
    }
}
