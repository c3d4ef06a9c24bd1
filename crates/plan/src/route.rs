//! One route, compiled.

use std::sync::Arc;

use portcullis_config::declared::{AuditNeed, Claim};
use portcullis_identity::ProviderId;
use portcullis_observe::metrics::RouteMetrics;
use portcullis_policy::RouteId;

use crate::{Conditions, ServicePlan};

/// The rule that takes traffic to a service.
#[derive(Debug)]
pub struct RoutePlan {
    /// Name for logs, metrics and maps.
    pub name: Arc<str>,
    /// How the map and the API describe what it matches, as written: `shop.example.com/api/*`.
    pub pattern: String,
    /// Beyond port, host and path.
    pub conditions: Conditions,
    /// Who may pass.
    pub access: Access,
    /// Whether and how strictly decisions go into the audit.
    pub audit: AuditNeed,
    /// Headers (lower case) in which the service is told of the caller.
    pub tell: Box<[(Box<[u8]>, Claim)]>,
    /// Whether what proved who calls goes on to the service.
    pub passes_credentials: bool,
    /// What happens to traffic that passes.
    pub action: Action,
    /// Change of the path.
    pub rewrite_path: Option<PathRewrite>,
    /// The Host that the service sees instead of the client's.
    pub rewrite_host: Option<Box<[u8]>>,
    /// Edits of request headers.
    pub request_headers: HeaderEdits,
    /// Edits of response headers.
    pub response_headers: HeaderEdits,
    /// Counters.
    pub metrics: Arc<RouteMetrics>,
}

/// Who may pass. Default deny: what is not allowed is refused.
#[derive(Debug)]
pub enum Access {
    /// Everyone, the file says so, and nothing else has a say in it.
    Open,
    /// Whom the policies let pass.
    Judged {
        /// The route, as the [`crate::Plan::policies`] know it.
        route: RouteId,
        /// Whether they can ask who calls, so that it is found out.
        asks_identity: bool,
        /// Who may prove it, in the order in which they are asked.
        providers: Arc<[ProviderId]>,
    },
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// Forward to a service.
    Forward(Arc<ServicePlan>),
    /// Send the client elsewhere.
    Redirect(Redirect),
    /// A fixed answer.
    Respond(Respond),
}

/// A redirect, RFC 9110 15.4.
#[derive(Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Target up to and including the authority: `https://example.com`; empty keeps the request's.
    pub base: Box<str>,
    /// Path (and query) of the target; `None` keeps the request's.
    pub path: Option<Box<str>>,
}

/// A fixed answer.
#[derive(Debug)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// May be empty.
    pub body: Box<[u8]>,
    /// `Content-Type`.
    pub content_type: Box<str>,
}

/// Replacement of the matched part of the path.
#[derive(Debug)]
pub struct PathRewrite {
    /// Bytes of the normal path that are replaced; `None`: all of it.
    pub matched_prefix: Option<usize>,
    /// What stands there instead, without a trailing slash unless it is `/`.
    pub replacement: Box<[u8]>,
}

impl PathRewrite {
    /// Writes the new path.
    pub fn apply(&self, path: &[u8], out: &mut Vec<u8>) {
        let rest = self.matched_prefix.and_then(|matched| path.get(matched..)).unwrap_or_default();
        let base = if rest.is_empty() {
            &*self.replacement
        } else {
            self.replacement.strip_suffix(b"/").unwrap_or(&self.replacement)
        };
        out.extend_from_slice(base);
        out.extend_from_slice(rest);
        if base.is_empty() && rest.is_empty() {
            out.push(b'/');
        }
    }
}

/// Name and value.
pub type HeaderLine = (Box<[u8]>, Box<[u8]>);

/// Names are lower case.
#[derive(Debug, Default)]
pub struct HeaderEdits {
    /// Replaces every line of that name.
    pub set: Box<[HeaderLine]>,
    /// Adds a line.
    pub append: Box<[HeaderLine]>,
    /// Removes every line of that name.
    pub remove: Box<[Box<[u8]>]>,
}

impl HeaderEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.append.is_empty() && self.remove.is_empty()
    }

    /// Whether lines of this name (any case) go away before the new ones are added.
    pub fn strikes(&self, name: &[u8]) -> bool {
        self.set.iter().any(|(set, _)| reads_as(name, set)) || self.remove.iter().any(|removed| reads_as(name, removed))
    }

    /// Whether these edits have anything to do with this name (any case): what they say of it in the head must not be
    /// said otherwise in a trailer.
    pub fn touches(&self, name: &[u8]) -> bool {
        self.strikes(name) || self.append.iter().any(|(appended, _)| reads_as(name, appended))
    }
}

/// Whether a service may read `name` as `wanted`: any case, and any punctuation in the place of `-`, because CGI-like
/// services turn both into `_` (CVE-2025-64484).
pub(crate) fn reads_as(name: &[u8], wanted: &[u8]) -> bool {
    name.len() == wanted.len()
        && name.iter().zip(wanted).all(|(byte, wanted)| {
            byte.eq_ignore_ascii_case(wanted) || (*wanted == b'-' && !byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_strikes_every_spelling_that_a_service_may_read_as_its_name() {
        let edits = HeaderEdits {
            set: Box::new([(b"x-user".as_slice().into(), b"guest".as_slice().into())]),
            remove: Box::new([b"x-admin".as_slice().into()]),
            ..HeaderEdits::default()
        };
        for name in ["x-user", "X-User", "X_User", "x.user", "x_admin", "X-ADMIN"] {
            assert!(edits.strikes(name.as_bytes()), "{name}");
        }
        for name in ["xuser", "x-users", "x1user", "y-user"] {
            assert!(!edits.strikes(name.as_bytes()), "{name}");
        }
    }
}
