//! What a provider says of itself (OpenID Connect Discovery 1.0).

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::OidcError;
use crate::fetch::{FetchError, Fetcher, ProviderUrl};

/// For how long it is believed.
const FRESH: Duration = Duration::from_hours(1);
/// Between two tries while the provider does not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// The document, asked for when it is needed, and kept.
#[derive(Debug)]
pub(super) struct Discovery {
    issuer: Box<str>,
    address: ProviderUrl,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    metadata: Option<Arc<Metadata>>,
    at: Option<Instant>,
    failed: Option<(Instant, Box<str>)>,
}

/// As far as it is needed, with addresses checked.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization: ProviderUrl,
    pub(super) token: ProviderUrl,
    pub(super) user_info: Option<ProviderUrl>,
    pub(super) end_session: Option<ProviderUrl>,
    /// Whether what comes back says from whom (RFC 9207).
    pub(super) names_issuer: bool,
    /// Whether the client's secret goes into the form instead of a header (`client_secret_post`).
    pub(super) secret_in_form: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl Discovery {
    pub(super) fn new(issuer: Box<str>, address: ProviderUrl) -> Self {
        Self { issuer, address, known: Mutex::default() }
    }

    /// The document. An old one is better than none.
    pub(super) async fn metadata(&self, fetcher: &Fetcher) -> Result<Arc<Metadata>, OidcError> {
        // Held while asking, so that a crowd asks once.
        let mut known = self.known.lock().await;
        if let Some(metadata) = known.metadata.as_ref().filter(|_| known.at.is_some_and(|at| at.elapsed() < FRESH)) {
            return Ok(Arc::clone(metadata));
        }
        let recent = known.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE);
        let asked = match recent {
            Some((_, why)) => Err(OidcError::Unavailable(why.clone())),
            None => self.ask(fetcher).await,
        };
        match asked {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Known { metadata: Some(Arc::clone(&metadata)), at: Some(Instant::now()), failed: None };
                Ok(metadata)
            }
            Err(error) => {
                if recent.is_none() {
                    known.failed = Some((Instant::now(), error.to_string().into()));
                }
                known.metadata.clone().ok_or(error)
            }
        }
    }

    async fn ask(&self, fetcher: &Fetcher) -> Result<Metadata, OidcError> {
        let address = self.address.below("/.well-known/openid-configuration")?;
        let document: Document = fetcher.get_json(&address).await?;
        // Discovery 4.3: or else one provider could speak for another.
        if *document.issuer != *self.issuer {
            let found = crate::refusal::shown(&document.issuer);
            let why = format!("{address} says that its issuer is {found}; write exactly that as the issuer");
            return Err(OidcError::Unavailable(why.into()));
        }
        let challenges = document.code_challenge_methods_supported;
        if challenges.is_some_and(|methods| methods.iter().all(|method| method != "S256")) {
            let why = format!("{address}: the provider does not know PKCE with S256 (RFC 7636), which logins need");
            return Err(OidcError::Unavailable(why.into()));
        }
        let optional = |address: Option<String>| address.map(|address| address.parse()).transpose();
        let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
        let knows = |method: &str| methods.iter().any(|known| known == method);
        let checked = || -> Result<Metadata, FetchError> {
            Ok(Metadata {
                authorization: document.authorization_endpoint.parse()?,
                token: document.token_endpoint.parse()?,
                user_info: optional(document.userinfo_endpoint)?,
                end_session: optional(document.end_session_endpoint)?,
                names_issuer: document.authorization_response_iss_parameter_supported,
                secret_in_form: knows("client_secret_post") && !knows("client_secret_basic"),
            })
        };
        Ok(checked()?)
    }
}
