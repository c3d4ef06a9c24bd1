//! Answers of our own pages, and the headers that every one of them has.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// An answer under construction.
#[derive(Debug)]
pub(super) struct Answer(Response<Bytes>);

/// Nothing but our own style sheet is loaded and nothing runs. There is no `form-action`: browsers apply it to every
/// redirect that follows a form, and so to a provider's logout and to wherever a service sends people after a login.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

impl Answer {
    /// An empty one.
    pub(super) fn new(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        let fixed = [
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        for (name, value) in fixed {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Self(response)
    }

    /// To another address. 303: whatever the request was, the next one is a GET.
    pub(super) fn see_other(to: &str) -> Self {
        // Addresses are URLs or `ReturnTo`s: there is nothing in them that a header can not hold.
        let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
        Self::new(StatusCode::SEE_OTHER).with(header::LOCATION, to)
    }

    pub(super) fn html(status: StatusCode, page: maud::Markup) -> Self {
        Self::new(status).body("text/html; charset=utf-8", page.into_string())
    }

    /// A problem document (RFC 9457).
    pub(super) fn problem(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let problem = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail });
        Self::new(status).body("application/problem+json", problem.to_string())
    }

    pub(super) fn body(mut self, kind: &'static str, body: impl Into<Bytes>) -> Self {
        *self.0.body_mut() = body.into();
        self.with(header::CONTENT_TYPE, HeaderValue::from_static(kind))
    }

    pub(super) fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    /// Sets a cookie beside those that are already set.
    pub(super) fn cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        if let Some(cookie) = cookie {
            self.0.headers_mut().append(header::SET_COOKIE, cookie);
        }
        self
    }

    /// For pages with forms. With `no-referrer`, browsers would say `Origin: null` when they send the form.
    pub(super) fn with_form(self) -> Self {
        self.with(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"))
    }

    pub(super) fn response(self) -> Response<Bytes> {
        self.0
    }
}
