//! The one HTTP client for identity providers: discovery, keys, tokens, introspection, STS.
//!
//! Owns: how a provider is spoken to. Everything is bounded: the time of an exchange, the bytes of an answer, the number
//! of redirects. Only `https`, and `http` for a loopback address; certificates are always verified.
//!
//! Must not know: what is asked and why.
//!
//! Invariants:
//! - No proxy from the environment: whoever sets a variable does not get to see tokens.
//! - A redirect is followed for `GET` alone and only within one origin, so that no secret goes to where nobody sent it.
//! - An error names the provider's address without its query, says what to do, and holds nothing of what was sent.

mod address;
mod answer;
mod error;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use address::ProviderUrl;
pub use answer::Answer;
use base64::{Engine, prelude::BASE64_STANDARD};
pub use error::FetchError;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use crate::Secret;

/// Redirects that are followed in a row.
const REDIRECTS: usize = 3;

/// How a provider is spoken to. [`FetchSettings::default`] has the bounds that suit every provider we know.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Until the last byte of the answer.
    pub total: Duration,
    /// The longest body of an answer that is read.
    pub response_bytes: usize,
    /// Certificate authorities (PEM) that are trusted besides those of the system.
    pub extra_roots: Option<Vec<u8>>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            total: Duration::from_secs(10),
            // Key sets are a few KiB; the largest discovery documents and user infos stay far below.
            response_bytes: 256 * 1024,
            extra_roots: None,
        }
    }
}

/// By what this proxy proves itself to a provider (RFC 6749 2.3.1).
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: Box<str>,
    /// `client_secret`.
    pub secret: Secret,
}

/// The client. Cheap to clone; clones share their connections.
///
/// Connections are served by the Tokio runtime in which an exchange was begun: use it on the control plane.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    total: Duration,
    response_bytes: usize,
}

impl Fetcher {
    /// A client, if the certificate authorities can be read.
    pub fn new(settings: &FetchSettings) -> Result<Self, FetchError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect)
            .timeout(settings.total)
            .pool_max_idle_per_host(4)
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false);
        if let Some(pem) = &settings.extra_roots {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(FetchError::roots)?;
            if roots.is_empty() {
                return Err(FetchError::NoRoots);
            }
            builder = builder.tls_certs_merge(roots);
        }
        let client = builder.build().map_err(FetchError::setup)?;
        Ok(Self { client, total: settings.total, response_bytes: settings.response_bytes })
    }

    /// Asks for a JSON document. An error for every answer but 2xx with JSON of this form.
    pub async fn get_json<T: DeserializeOwned>(&self, address: &ProviderUrl) -> Result<T, FetchError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        self.get(address, headers).await?.json()
    }

    /// Sends a form and gives back whatever the answer is: an OAuth error is an answer too (RFC 6749 5.2). The
    /// credentials go into `Authorization: Basic`.
    pub async fn post_form(
        &self,
        address: &ProviderUrl,
        form: &[(&str, &str)],
        credentials: Option<&ClientCredentials>,
    ) -> Result<Answer, FetchError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(credentials) = credentials {
            headers.insert(header::AUTHORIZATION, credentials.basic()?);
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.exchange(Method::POST, address, headers, body.into_bytes()).await
    }

    /// Sends a form and reads JSON of this form from a 2xx answer.
    pub async fn post_form_json<T: DeserializeOwned>(
        &self,
        address: &ProviderUrl,
        form: &[(&str, &str)],
        credentials: Option<&ClientCredentials>,
    ) -> Result<T, FetchError> {
        self.post_form(address, form, credentials).await?.json()
    }

    /// `GET`, following redirects within the origin.
    pub async fn get(&self, address: &ProviderUrl, headers: HeaderMap) -> Result<Answer, FetchError> {
        let mut at = address.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.exchange(Method::GET, &at, headers.clone(), Vec::new()).await?;
            match answer.redirect() {
                None => return Ok(answer),
                Some(to) => at = at.follow(to)?,
            }
        }
        Err(FetchError::Redirects { at: address.without_query() })
    }

    /// One request and its answer, whatever its status; no redirect is followed.
    pub async fn exchange(
        &self,
        method: Method,
        address: &ProviderUrl,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, FetchError> {
        let failed = |cause| FetchError::transport(address, self.total, cause);
        let request = self.client.request(method, Url::clone(address)).headers(headers).body(body);
        let mut response = request.send().await.map_err(failed)?;
        let too_large = || FetchError::TooLarge { at: address.without_query(), limit: self.response_bytes };
        if response.content_length().is_some_and(|length| length > self.response_bytes as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.response_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(Answer { from: address.without_query(), status, headers, body: body.into() })
    }
}

impl ClientCredentials {
    /// `Basic`, each part first encoded as in a form, as RFC 6749 2.3.1 wants it and RFC 7617 alone would not.
    fn basic(&self) -> Result<HeaderValue, FetchError> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&self.id), encode(self.secret.expose()));
        let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(value).map_err(|_| FetchError::Credentials)?;
        value.set_sensitive(true);
        Ok(value)
    }
}
