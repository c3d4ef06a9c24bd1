//! What a provider answered.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};

use super::FetchError;

/// An answer, read in full. `Debug` does not tell its headers and body, in which tokens may be.
#[derive(Clone)]
pub struct Answer {
    /// Whose it is: the address that was asked, without query.
    pub from: Box<str>,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, bounded by [`super::FetchSettings::response_bytes`].
    pub body: Bytes,
}

/// RFC 6749 5.2.
#[derive(Deserialize)]
struct OauthError {
    error: String,
}

impl Answer {
    /// The document, if the status is 2xx and the body is JSON of this form. An error never quotes the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, FetchError> {
        if !self.status.is_success() {
            return Err(FetchError::Status {
                at: self.from.clone(),
                status: self.status,
                error: self.oauth_error().map(|word| format!(" ({word})")).unwrap_or_default().into(),
            });
        }
        serde_json::from_slice(&self.body).map_err(|cause| FetchError::NotJson {
            at: self.from.clone(),
            place: (cause.line(), cause.column()),
            what: match cause.classify() {
                serde_json::error::Category::Data => "JSON, but not of the expected form",
                _ => "no JSON",
            },
        })
    }

    /// The word of an OAuth error: `invalid_client`. Nothing else that the provider may have written is believed to be
    /// fit for a log.
    pub fn oauth_error(&self) -> Option<Box<str>> {
        let OauthError { error } = serde_json::from_slice(&self.body).ok()?;
        let is_word = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_word.then(|| error.into())
    }

    pub(super) fn redirect(&self) -> Option<&str> {
        let follows = matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        self.headers.get(header::LOCATION).filter(|_| follows)?.to_str().ok()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("from", &self.from)
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
