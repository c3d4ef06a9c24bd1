//! Logging out at the provider (RP-Initiated Logout 1.0), and being logged out by it (Back-Channel Logout 1.0).

use std::sync::PoisonError;

use super::{OidcError, OidcProvider};
use crate::{Refusal, Secret, jwt::Claims, pages::PREFIX, session::Which, site::Site, standing::now};

/// The event that a logout token is about (Back-Channel Logout 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old a logout token may be, in seconds.
const OLDEST: u64 = 300;

/// Why nobody was logged out.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The token is none, or is not to be believed.
    #[error("{0}")]
    Refused(Refusal),
    /// It can not be judged.
    #[error("{0}")]
    Unavailable(Box<str>),
}

impl OidcProvider {
    /// Where to send a browser so that the provider's own session ends, too. `None` if the provider has no such place.
    pub async fn end_session(&self, site: Site<'_>, id_token: Option<&Secret>) -> Option<String> {
        let metadata = self.discovery.metadata(&self.fetcher).await.ok()?;
        let mut address = url::Url::clone(metadata.end_session.as_ref()?);
        let mut query = address.query_pairs_mut();
        query
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{}{PREFIX}logout", site.origin()));
        if let Some(token) = id_token {
            query.append_pair("id_token_hint", token.expose());
        }
        drop(query);
        Some(address.into())
    }

    /// Which sessions a logout token of the provider ends (Back-Channel Logout 2.6).
    pub async fn back_channel(&self, logout_token: &str) -> Result<Which, LogoutError> {
        let token = self.signed(logout_token, &["logout+jwt", "jwt"]).await?;
        let claims = token.claims()?;
        let now = now();
        let expected = self.expected();
        claims.check_issuer(&expected.issuer)?;
        claims.check_audience(&expected.audiences)?;
        claims.check_times(expected.leeway, now)?;
        let issued = claims.time("iat")?.ok_or_else(|| refused("the logout token has no `iat`"))?;
        if issued + OLDEST + expected.leeway <= now {
            return Err(refused("the logout token is too old").into());
        }
        let is_logout =
            claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(serde_json::Value::is_object);
        if !is_logout {
            return Err(refused("the token is about no logout (`events`)").into());
        }
        // An ID token must never be good for a logout.
        if claims.get("nonce").is_some() {
            return Err(refused("a logout token has no `nonce`").into());
        }
        let which = self.meant(&claims)?;
        let id = claims.text("jti").filter(|id| !id.is_empty() && id.len() <= 256);
        let id = id.ok_or_else(|| refused("the logout token has no `jti`"))?;
        let until = issued + OLDEST + 2 * expected.leeway;
        if !self.spent.lock().unwrap_or_else(PoisonError::into_inner).spend(&format!("jti {id}"), until, now) {
            return Err(refused("the logout token was used before").into());
        }
        Ok(which)
    }

    fn meant(&self, claims: &Claims) -> Result<Which, Refusal> {
        let provider = self.settings.name.to_string();
        match (claims.get("sid"), claims.get("sub")) {
            (Some(session), _) => match session.as_str() {
                Some(session) => Ok(Which::ProviderSession { provider, provider_session: session.to_owned() }),
                None => Err(refused("`sid` is no text")),
            },
            (None, Some(subject)) => match subject.as_str() {
                Some(subject) => Ok(Which::Subject { provider, subject: subject.to_owned() }),
                None => Err(refused("`sub` is no text")),
            },
            (None, None) => Err(refused("the logout token names neither a session nor a person")),
        }
    }
}

fn refused(detail: &str) -> Refusal {
    Refusal::token("no-logout-token", detail)
}

impl From<Refusal> for LogoutError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<OidcError> for LogoutError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Unbelievable(refusal) => Self::Refused(refusal),
            error => Self::Unavailable(error.to_string().into()),
        }
    }
}
