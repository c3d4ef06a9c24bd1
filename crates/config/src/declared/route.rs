//! What the file says about routes: which traffic of which port goes where, and who may pass.

use std::fmt;

use ipnet::IpNet;

use super::AuditNeed;
use crate::span::{Span, Spanned};

/// The rule that takes traffic from a port to a service.
#[derive(Debug)]
pub struct Route {
    /// Place of the whole route.
    pub span: Span,
    /// `name:`; default `PORT/HOST PATH` as written.
    pub name: Option<Spanned<String>>,
    /// `port:` one name or a list.
    pub ports: Vec<Spanned<String>>,
    /// Which traffic it takes.
    pub matches: Matches,
    /// Missing is an error (invariant 1), except on a redirect.
    pub allow: Option<Spanned<Allow>>,
    /// `deny: [cidr]`, or a mapping; stronger than `allow`.
    pub deny: Deny,
    /// `authenticate:` the providers that may prove who calls, in the order in which they are asked; empty: the port's.
    pub authenticate: Vec<Spanned<String>>,
    /// `tell:` header (lower case) to what it tells the service of the caller.
    pub tell: Vec<(Spanned<String>, Spanned<Claim>)>,
    /// `pass-credentials: true`: what proved the caller's identity goes on to the service.
    pub pass_credentials: Option<Spanned<bool>>,
    /// `audit: required | on | off`; stronger than the port's.
    pub audit: Option<Spanned<AuditNeed>>,
    /// Exactly one of `service`, `redirect`, `respond`; otherwise a finding and `None`.
    pub action: Option<Spanned<Action>>,
    /// `rewrite:`
    pub rewrite: Rewrite,
    /// `request-headers:`
    pub request_headers: HeaderEdits,
    /// `response-headers:`
    pub response_headers: HeaderEdits,
}

/// The conditions of a route; all that are given must hold.
#[derive(Debug, Default)]
pub struct Matches {
    /// `sni:` server name of the TLS handshake; on `tls` ports it stands for the host.
    pub sni: Option<Spanned<HostPattern>>,
    /// `host:`
    pub host: Option<Spanned<HostPattern>>,
    /// `path: /x` (exact) | `path: /x/*` or `prefix: /x` (on segment borders) | `path: ~regex`.
    pub path: Option<Spanned<PathPattern>>,
    /// `methods:` any of these, upper case.
    pub methods: Vec<Spanned<String>>,
    /// Header name (lower case) to what its value must be.
    pub headers: Vec<(Spanned<String>, Spanned<ValuePattern>)>,
    /// Query parameter to what its value must be, both decoded.
    pub query: Vec<(Spanned<String>, Spanned<ValuePattern>)>,
    /// `from:` as a condition: other sources fall to other routes.
    pub from: Vec<Spanned<IpNet>>,
    /// `groups:` as a condition: callers in none of them fall to other routes.
    pub groups: Vec<Spanned<String>>,
    /// `claims:` as a condition.
    pub claims: Vec<ClaimTest>,
}

/// A claim and the values of which any will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTest {
    /// Name of the claim, as the provider's `claims:` lists it.
    pub name: Spanned<String>,
    /// Never empty.
    pub values: Vec<Spanned<String>>,
}

/// Lower-cased, no trailing dot, no port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name.
    Exact(String),
    /// `*.example.com`, kept as `example.com`: any name with one or more labels before it.
    Suffix(String),
    /// Any name, also none.
    Any,
}

/// Literal paths are in the normal form in which requests are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path.
    Exact(String),
    /// `/api` matches `/api` and `/api/x`, not `/apix`. `/` matches everything.
    Prefix(String),
    /// Anchored at both ends. Valid for the `regex` crate.
    Regex(String),
}

/// `{ x-beta: "1" }`, `{ x-beta: present }`, `{ x-beta: ~regex }`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ValuePattern {
    /// Any value, as long as there is one.
    Present,
    /// This value.
    Exact(String),
    /// Anchored at both ends. Valid for the `regex` crate.
    Regex(String),
}

/// Who may pass: `allow: anyone`, `allow: authenticated`, or a mapping whose keys must all hold (within one key, any
/// value suffices).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Everyone, and the file says so.
    Anyone,
    /// Everyone who has proven who they are.
    Authenticated,
    /// Who meets all that is given.
    Only(Box<Requirements>),
}

/// What is asked of whoever may pass. All that is given must hold; within one list, any value suffices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Source addresses.
    pub from: Vec<Spanned<IpNet>>,
    /// Names on the client certificate (subject CN, DNS or URI SAN), `*.` wildcards allowed; `any` is `["*"]`.
    pub certificates: Vec<Spanned<String>>,
    /// People, by name.
    pub users: Vec<Spanned<String>>,
    /// Groups that the provider names.
    pub groups: Vec<Spanned<String>>,
    /// Programs, by name.
    pub workloads: Vec<Spanned<String>>,
    /// Domains of verified e-mail addresses, lower case.
    pub domains: Vec<Spanned<String>>,
    /// Further claims.
    pub claims: Vec<ClaimTest>,
    /// `time:` when.
    pub time: Option<Spanned<Times>>,
    /// `grant: required`: only who holds a grant for the service at that moment.
    pub grant: Option<Spanned<GrantNeed>>,
}

impl Requirements {
    /// Whether it asks who is calling.
    pub fn asks_identity(&self) -> bool {
        let lists = [&self.users, &self.groups, &self.workloads, &self.domains];
        lists.iter().any(|list| !list.is_empty()) || !self.claims.is_empty() || self.grant.is_some()
    }
}

/// The one word of `grant:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantNeed {
    /// A grant is needed.
    Required,
}

/// `time: { days: [mon, fri], hours: 08:00-18:00, zone: Europe/Berlin }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Empty: every day.
    pub days: Vec<Spanned<Weekday>>,
    /// Of each of these days; `None`: all of it.
    pub hours: Option<Spanned<Hours>>,
    /// Name in the tz database of the zone whose clock is meant; default UTC.
    pub zone: Option<Spanned<String>>,
}

/// Minutes after midnight, from the first on, up to and without the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hours {
    /// 0 to 1439.
    pub from: u16,
    /// 1 to 1440; before `from`: on the next day.
    pub to: u16,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are their own documentation")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Who may not pass, whatever `allow:` says. Within and between the lists, any value suffices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deny {
    /// Source addresses.
    pub from: Vec<Spanned<IpNet>>,
    /// People, by name.
    pub users: Vec<Spanned<String>>,
    /// Groups.
    pub groups: Vec<Spanned<String>>,
    /// Programs, by name.
    pub workloads: Vec<Spanned<String>>,
    /// Domains of verified e-mail addresses.
    pub domains: Vec<Spanned<String>>,
    /// Further claims.
    pub claims: Vec<ClaimTest>,
}

impl Deny {
    /// Whether it asks who is calling.
    pub fn asks_identity(&self) -> bool {
        let lists = [&self.users, &self.groups, &self.workloads, &self.domains];
        lists.iter().any(|list| !list.is_empty()) || !self.claims.is_empty()
    }
}

/// What a header of `tell:` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// `name`: the name by which people know the caller.
    Name,
    /// `subject`: the provider's own name for it.
    Subject,
    /// `email`: its verified e-mail address.
    Email,
    /// `groups`: separated by commas.
    Groups,
    /// `provider`: who vouches for it.
    Provider,
    /// `claim:NAME`: a further claim, values separated by commas.
    Further(String),
}

/// What a route does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Forward to this service.
    Service(String),
    /// `redirect: https://x/y` or `{ to: ..., status: 301 }`;
    /// path and query of the request are kept when `to` has no path.
    Redirect {
        /// Absolute URL, or an absolute path on the same host.
        to: String,
        /// 301, 302, 303, 307 or 308 of a redirect; 200 to 599 of an answer.
        status: u16,
    },
    /// `respond: { status: 200, body: "ok", content-type: text/plain }`
    Respond {
        /// 301, 302, 303, 307 or 308 of a redirect; 200 to 599 of an answer.
        status: u16,
        /// May be empty.
        body: String,
        /// `Content-Type`
        content_type: String,
    },
}

/// `rewrite: { path-prefix: /v2, host: internal.example }`
#[derive(Debug, Default, Clone)]
pub struct Rewrite {
    /// Replaces the matched prefix (or the whole path of an exact match).
    pub path: Option<Spanned<String>>,
    /// The Host that the service sees.
    pub host: Option<Spanned<String>>,
}

/// `request-headers: { set: {..}, append: {..}, remove: [..] }`; names valid per RFC 9110 5.1, lower case.
#[derive(Debug, Default, Clone)]
pub struct HeaderEdits {
    /// Replaces every line of that name.
    pub set: Vec<(Spanned<String>, Spanned<String>)>,
    /// Adds a line.
    pub append: Vec<(Spanned<String>, Spanned<String>)>,
    /// Removes every line of that name.
    pub remove: Vec<Spanned<String>>,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Suffix(suffix) => write!(formatter, "*.{suffix}"),
            Self::Any => formatter.write_str("*"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => formatter.write_str(path),
            Self::Prefix(prefix) if prefix == "/" => formatter.write_str("/*"),
            Self::Prefix(prefix) => write!(formatter, "{prefix}/*"),
            Self::Regex(regex) => write!(formatter, "~{regex}"),
        }
    }
}
