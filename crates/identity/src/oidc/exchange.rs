//! The token endpoint and the userinfo endpoint.

use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;

use super::{OidcError, OidcProvider, UserInfo, discovery::Metadata};
use crate::{
    Kind, Refusal, Secret,
    fetch::ClientCredentials,
    jwt::Claims,
    session::{Login, ProviderTokens},
    strict_json,
};

/// What tokens are asked for with.
pub(super) enum Grant<'a> {
    /// What the browser brought back (RFC 6749 4.1.3, RFC 7636 4.5).
    Code { code: &'a Secret, verifier: &'a str, redirect: &'a str },
    /// What the provider gave at the login, or at the last refresh (RFC 6749 6).
    Refresh(&'a Secret),
}

/// What the provider gave.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) id: Option<Secret>,
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
}

/// RFC 6749 5.1, OpenID Connect Core 3.1.3.3.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
}

impl OidcProvider {
    /// Asks for tokens. An OAuth error is [`OidcError::Refused`] where it is about the grant, and
    /// [`OidcError::Unavailable`] where it is about this client or the provider's own state.
    pub(super) async fn exchange(&self, metadata: &Metadata, grant: &Grant<'_>) -> Result<Tokens, OidcError> {
        let settings = &self.settings;
        let mut form = match grant {
            Grant::Code { code, verifier, redirect } => vec![
                ("grant_type", "authorization_code"),
                ("code", code.expose()),
                ("code_verifier", verifier),
                ("redirect_uri", redirect),
            ],
            Grant::Refresh(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())],
        };
        let credentials = match &settings.client_secret {
            Some(secret) if !metadata.secret_in_form => {
                Some(ClientCredentials { id: settings.client_id.clone(), secret: secret.clone() })
            }
            secret => {
                form.push(("client_id", &settings.client_id));
                form.extend(secret.as_ref().map(|secret| ("client_secret", secret.expose())));
                None
            }
        };
        let answer = self.fetcher.post_form(&metadata.token, &form, credentials.as_ref()).await?;
        if answer.status.is_client_error()
            && let Some(error) = answer.oauth_error()
            && matches!(&*error, "invalid_grant" | "access_denied" | "interaction_required" | "login_required")
        {
            return Err(OidcError::Refused(error));
        }
        let TokenAnswer { access_token, token_type, id_token, refresh_token } = answer.json()?;
        if !token_type.eq_ignore_ascii_case("bearer") {
            return Err(OidcError::Unavailable("the provider gave a token that is no bearer token".into()));
        }
        Ok(Tokens {
            id: id_token.map(Secret::new),
            access: Secret::new(access_token),
            refresh: refresh_token.map(Secret::new),
        })
    }

    /// The claims with those of the userinfo endpoint over them, if it is to be asked (OpenID Connect Core 5.3).
    pub(super) async fn with_user_info(
        &self,
        metadata: &Metadata,
        claims: Claims,
        tokens: &Tokens,
    ) -> Result<Claims, OidcError> {
        match self.settings.user_info {
            UserInfo::Asked if metadata.user_info.is_some() => {
                let subject = claims.text("sub").unwrap_or_default().to_owned();
                Ok(claims.overlaid(self.user_info(metadata, tokens, &subject).await?))
            }
            UserInfo::Asked | UserInfo::NotAsked => Ok(claims),
        }
    }

    /// What the userinfo endpoint says, if it says it of this subject (Core 5.3.2).
    pub(super) async fn user_info(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        subject: &str,
    ) -> Result<Claims, OidcError> {
        let address = metadata.user_info.as_ref();
        let address = address.ok_or_else(|| OidcError::Unavailable("the provider has no userinfo endpoint".into()))?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", tokens.access.expose()));
        let mut bearer = bearer.map_err(|_| OidcError::Unavailable("the access token does not fit a header".into()))?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.fetcher.get(address, headers).await?;
        answer.json::<Value>()?;
        let said = strict_json::object(&answer.body).map_err(|why| Refusal::token("malformed", why))?;
        let said = Claims::from(said);
        if said.text("sub") != Some(subject) {
            return Err(Refusal::token("wrong-subject", "the userinfo endpoint speaks of somebody else").into());
        }
        Ok(said)
    }

    /// Somebody whom claims that were checked speak of.
    pub(super) fn login(&self, claims: &Claims, tokens: Tokens) -> Result<Login, OidcError> {
        let principal = self.settings.claims.principal(&self.settings.name, Kind::User, claims)?;
        let session = claims.text("sid").filter(|sid| !sid.is_empty() && sid.len() <= 256);
        Ok(Login {
            principal,
            account: None,
            provider_session: session.map(Into::into),
            tokens: Some(ProviderTokens { refresh: tokens.refresh, id: tokens.id }),
        })
    }
}
