//! What a record says.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Moment, text::clip};

/// Something that happened, and that must be shown later: who, what, from where, allowed or refused and why.
///
/// The order of the fields is that of the canonical form; one that says nothing is left out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When it happened, or was decided.
    pub time: Moment,
    /// What happened.
    pub event: Event,
    /// How it ended, where there was something to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Who; `None` if nobody was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// What the proof of identity rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// From where, after a trusted PROXY header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SocketAddr>,
    /// Through which port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Box<str>>,
    /// By which route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Box<str>>,
    /// To which service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Box<str>>,
    /// What was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The policies that decided.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub policies: Box<[Box<str>]>,
    /// The grant that it rests on, or that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Box<str>>,
    /// Id of the request, as in the access log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<str>>,
    /// Where one record stands for several requests: when the first was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Moment>,
    /// When the last was, or when the connection ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Moment>,
    /// How many requests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Bytes from the client.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_in: u64,
    /// Bytes to the client.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
    /// Why, in words: the reason of a refusal, of a grant, of a break-glass access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

/// What happened. A closed set; the same words everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Somebody wanted to pass, and was let in or refused.
    Decision,
    /// A connection or tunnel that was let in began.
    SessionBegin,
    /// It ended; the record says how long and how much.
    SessionEnd,
    /// Somebody logged in, or failed to.
    Login,
    /// A login session ended.
    Logout,
    /// An API key or service token was made.
    TokenMade,
    /// One was revoked.
    TokenRevoked,
    /// A local user was added, changed or removed.
    UserChanged,
    /// Somebody asked for a grant.
    GrantAsked,
    /// It was approved.
    GrantApproved,
    /// It was refused.
    GrantRefused,
    /// It ended, by its time or because somebody took it back.
    GrantEnded,
    /// Somebody took access without approval.
    BreakGlass,
    /// A plan was published, or rejected.
    Reload,
    /// The first record of a log.
    AuditBegun,
    /// Records were refused because the store did not take them, and now it does again.
    AuditResumed,
    /// Old records were cut off.
    AuditCut,
    /// The log was found not to end as it was signed. What is before this record can not be relied on.
    AuditDamaged,
    /// An event of a later version of the program.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The word for it: `session-begin`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::SessionBegin => "session-begin",
            Self::SessionEnd => "session-end",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::TokenMade => "token-made",
            Self::TokenRevoked => "token-revoked",
            Self::UserChanged => "user-changed",
            Self::GrantAsked => "grant-asked",
            Self::GrantApproved => "grant-approved",
            Self::GrantRefused => "grant-refused",
            Self::GrantEnded => "grant-ended",
            Self::BreakGlass => "break-glass",
            Self::Reload => "reload",
            Self::AuditBegun => "audit-begun",
            Self::AuditResumed => "audit-resumed",
            Self::AuditCut => "audit-cut",
            Self::AuditDamaged => "audit-damaged",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether somebody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Let in.
    Allowed,
    /// Not.
    Refused,
}

impl Decision {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        }
    }
}

/// Who, as far as a record says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// A person or a program.
    pub kind: Kind,
    /// Who vouches for it.
    pub provider: Box<str>,
    /// The provider's own name for it.
    pub subject: Box<str>,
    /// The name that people know it by.
    pub name: Box<str>,
    /// The groups that it was in.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub groups: Box<[Box<str>]>,
}

/// What kind of sender it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A person.
    User,
    /// A program: a service, a job, a machine.
    Workload,
    /// Somebody at the command line of this machine.
    Operator,
}

/// What an identity rests on, by its public id; never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A login session.
    Session(Box<str>),
    /// A signed token, by its `jti` if it has one.
    Token(Option<Box<str>>),
    /// An API key or service token.
    Key(Box<str>),
    /// A client certificate, by its SHA-256 in hexadecimal.
    Certificate(Box<str>),
    /// A proof of an AWS identity.
    Aws,
}

/// What was wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A request.
    Request {
        /// Method.
        method: Box<str>,
        /// Host, with the port number if one was given.
        host: Box<str>,
        /// Path in normal form, without query.
        path: Box<str>,
    },
    /// A connection.
    Connect,
}

/// Longest text of each kind, in bytes. What is longer is cut, visibly.
mod limits {
    pub(super) const NAME: usize = 256;
    pub(super) const PATH: usize = 1024;
    pub(super) const REASON: usize = 1024;
    pub(super) const POLICIES: usize = 16;
    pub(super) const GROUPS: usize = 32;
}

impl AuditRecord {
    /// A record of an event that says nothing else yet.
    pub fn new(event: Event) -> Self {
        Self {
            time: Moment::now(),
            event,
            decision: None,
            principal: None,
            basis: None,
            source: None,
            port: None,
            route: None,
            service: None,
            action: None,
            policies: Box::default(),
            grant: None,
            request: None,
            first: None,
            last: None,
            requests: 0,
            bytes_in: 0,
            bytes_out: 0,
            reason: None,
        }
    }

    /// Cuts what is too long, so that a record has at most some 16 KiB whatever a client sends.
    pub(crate) fn bound(&mut self) {
        if let Some(Principal { kind: _, provider, subject, name, groups }) = &mut self.principal {
            if groups.len() > limits::GROUPS {
                *groups = groups[..limits::GROUPS].into();
            }
            for text in [provider, subject, name].into_iter().chain(groups) {
                clip(text, limits::NAME);
            }
        }
        match &mut self.basis {
            Some(Basis::Session(id) | Basis::Token(Some(id)) | Basis::Key(id) | Basis::Certificate(id)) => {
                clip(id, limits::NAME);
            }
            Some(Basis::Token(None) | Basis::Aws) | None => {}
        }
        if let Some(Action::Request { method, host, path }) = &mut self.action {
            clip(method, limits::NAME);
            clip(host, limits::NAME);
            clip(path, limits::PATH);
        }
        if self.policies.len() > limits::POLICIES {
            self.policies = self.policies[..limits::POLICIES].into();
        }
        self.policies.iter_mut().for_each(|policy| clip(policy, limits::NAME));
        let names = [&mut self.port, &mut self.route, &mut self.service, &mut self.grant, &mut self.request];
        names.into_iter().flatten().for_each(|name| clip(name, limits::NAME));
        if let Some(reason) = &mut self.reason {
            clip(reason, limits::REASON);
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
