//! Providers that people log in at with a browser (OpenID Connect Core 1.0, authorization code with PKCE).
//!
//! Owns: discovery, the way to the provider and back, checking what it says, asking it again, and both ways of logging
//! out. Tokens are asked for with the one bounded client ([`crate::fetch`]) and checked with the provider's own keys
//! ([`crate::jwt`]); a client library would bring HTTP, random numbers and errors of its own that quote tokens.
//!
//! Must not know: pages and cookies. A login that is under way is a [`Flow`], which the pages keep in the browser.
//!
//! Invariants:
//! - What comes back counts only with the state, nonce and PKCE verifier of this very browser, and once.
//! - An ID token is believed if the provider's key has signed it for this client, for this login, and now.
//! - A refused refresh ends the session; a provider that can not be reached changes nothing until the session ends.

mod discovery;
mod exchange;
mod flow;
mod id_token;
mod logout;
mod refresh;
mod spent;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use discovery::Discovery;
pub use flow::{Flow, Returned};
pub use logout::LogoutError;
use spent::Spent;

use crate::{
    NotProven, Refusal, Secret,
    fetch::{FetchError, Fetcher, ProviderUrl},
    jwt::{Algorithm, ClaimMapping, KeyRing, KeySource, KeyTimes},
};

/// A provider, as the file says it.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// Its name in the file.
    pub name: Arc<str>,
    /// The issuer, exactly as its discovery document and tokens name it.
    pub issuer: Box<str>,
    /// How this proxy is known there.
    pub client_id: Box<str>,
    /// What it proves itself with; a public client has none.
    pub client_secret: Option<Secret>,
    /// Scopes beside `openid`. With `offline_access` most providers give a refresh token.
    pub scopes: Vec<Box<str>>,
    /// How often claims are asked for again.
    pub refresh: Duration,
    /// Whether the userinfo endpoint is asked too; some providers put groups nowhere else.
    pub user_info: UserInfo,
    /// Which claims say what.
    pub claims: ClaimMapping,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Whether the userinfo endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserInfo {
    /// The ID token says it all.
    #[default]
    NotAsked,
    /// Its claims come over those of the ID token, where the provider has such an endpoint.
    Asked,
}

/// A provider. Needs [`OidcProvider::tend`] beside it.
#[derive(Debug)]
pub struct OidcProvider {
    settings: OidcSettings,
    fetcher: Fetcher,
    discovery: Discovery,
    keys: KeyRing,
    /// States that came back, and logout tokens that were acted upon.
    spent: Mutex<Spent>,
}

/// Why nobody has logged in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider says no: `access_denied`, `invalid_grant`.
    #[error("the provider refused: {0}")]
    Refused(Box<str>),
    /// What came back does not belong to a login of this browser, or did so once before.
    #[error("{0}")]
    Foreign(&'static str),
    /// What the provider says can not be believed.
    #[error("{0}")]
    Unbelievable(Refusal),
    /// The provider can not be reached, or does not speak OpenID Connect.
    #[error("{0}")]
    Unavailable(Box<str>),
}

impl OidcProvider {
    /// A provider that nothing was asked of yet; it need not be there. An error is one of the settings.
    pub fn new(settings: OidcSettings, fetcher: Fetcher) -> Result<Self, String> {
        let issuer: ProviderUrl = settings.issuer.parse().map_err(|error: FetchError| error.to_string())?;
        if settings.client_id.is_empty() {
            return Err("name the client id under which the provider knows this proxy".to_owned());
        }
        let keys = KeyRing::new(
            Arc::clone(&settings.name),
            settings.issuer.clone(),
            KeySource::Discovery(issuer.clone()),
            KeyTimes::default(),
            settings.algorithms.clone(),
            fetcher.clone(),
        )?;
        Ok(Self {
            discovery: Discovery::new(settings.issuer.clone(), issuer),
            settings,
            fetcher,
            keys,
            spent: Mutex::default(),
        })
    }

    /// Its name in the file.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }
}

impl From<FetchError> for OidcError {
    fn from(error: FetchError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

impl From<Refusal> for OidcError {
    fn from(refusal: Refusal) -> Self {
        Self::Unbelievable(refusal)
    }
}

impl From<NotProven> for OidcError {
    fn from(why: NotProven) -> Self {
        match why {
            NotProven::Refused(refusal) => Self::Unbelievable(refusal),
            NotProven::Unavailable(why) => Self::Unavailable(why),
            NotProven::Nobody => Self::Unavailable("the provider has no keys".into()),
        }
    }
}
