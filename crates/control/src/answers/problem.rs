//! Errors of the admin API, RFC 9457.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ReloadReport;

/// A problem document (`application/problem+json`, RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind, as a URN: `urn:portcullis:problem:cross-origin`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time and what to do.
    pub detail: String,
    /// The reload that was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<ReloadReport>,
}

/// Every kind of problem; the reference lists them from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request comes from a web page.
    CrossOrigin,
    /// The Host is a name that this port does not go by, as in DNS rebinding.
    ForeignHost,
    /// No credentials, or the wrong ones.
    Unauthorized,
    /// The process at the other end of the Unix socket belongs to another user.
    ForeignUser,
    /// A POST without `Content-Type: application/json`.
    NotJson,
    /// A body whose length is said by `Transfer-Encoding`, perhaps besides `Content-Length`.
    TransferEncoding,
    /// No such resource.
    NotFound,
    /// The resource does not know this method.
    MethodNotAllowed,
    /// The body is longer than 64 KiB.
    BodyTooLarge,
    /// The body did not come in time, or broke off.
    BodyIncomplete,
    /// The configuration was not taken on; everything goes on as before.
    ReloadRejected,
    /// The process is on its way out.
    Draining,
    /// The program failed; its own log says how.
    Internal,
}

impl ProblemKind {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 13] = [
        Self::CrossOrigin,
        Self::ForeignHost,
        Self::Unauthorized,
        Self::ForeignUser,
        Self::NotJson,
        Self::TransferEncoding,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::BodyIncomplete,
        Self::ReloadRejected,
        Self::Draining,
        Self::Internal,
    ];

    /// Its word, the end of the type's URN.
    pub fn word(self) -> &'static str {
        self.entry().0
    }

    /// HTTP status.
    pub fn status(self) -> u16 {
        self.entry().1
    }

    /// The kind in words.
    pub fn title(self) -> &'static str {
        self.entry().2
    }

    fn entry(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::CrossOrigin => ("cross-origin", 403, "requests from web pages are refused"),
            Self::ForeignHost => ("foreign-host", 403, "the Host is not a name of this port"),
            Self::Unauthorized => ("unauthorized", 401, "credentials are missing or wrong"),
            Self::ForeignUser => ("foreign-user", 403, "the socket is for its own user and root"),
            Self::NotJson => ("not-json", 415, "the body must be JSON"),
            Self::TransferEncoding => {
                ("transfer-encoding", 400, "the length of the body must be said by Content-Length")
            }
            Self::NotFound => ("not-found", 404, "no such resource"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "the resource does not know this method"),
            Self::BodyTooLarge => ("body-too-large", 413, "the body is too long"),
            Self::BodyIncomplete => ("body-incomplete", 408, "the body did not come whole"),
            Self::ReloadRejected => ("reload-rejected", 422, "the configuration was rejected"),
            Self::Draining => ("draining", 503, "the process is draining"),
            Self::Internal => ("internal", 500, "the program failed"),
        }
    }

    /// A problem of this kind.
    pub fn with(self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:portcullis:problem:{}", self.word()),
            title: self.title().to_owned(),
            status: self.status(),
            detail: detail.into(),
            reload: None,
        }
    }
}
