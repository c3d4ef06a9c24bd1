//! The way to the provider and back (OpenID Connect Core 3.1.2, RFC 7636, RFC 9207, RFC 9700).

use std::{fmt, sync::PoisonError};

use aws_lc_rs::{digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{OidcError, OidcProvider, exchange::Grant};
use crate::{
    Secret,
    pages::{PREFIX, ReturnTo},
    session::Login,
    site::Site,
    standing::now,
};

/// How long somebody may take at the provider, in seconds.
pub(super) const PATIENCE: u64 = 15 * 60;

/// A login that is under way. It is in the browser, sealed, and bound to it by that.
#[derive(Clone, Serialize, Deserialize)]
pub struct Flow {
    /// Names it, there and back.
    #[serde(rename = "s")]
    pub(crate) state: Box<str>,
    #[serde(rename = "n")]
    nonce: Box<str>,
    #[serde(rename = "v")]
    verifier: Box<str>,
    /// The provider.
    #[serde(rename = "p")]
    pub(crate) provider: Box<str>,
    /// Where to go afterwards.
    #[serde(rename = "t")]
    pub(crate) to: Box<str>,
    /// When it began, in seconds since 1970.
    #[serde(rename = "b")]
    pub(crate) began: u64,
}

/// What the browser brings back.
#[derive(Debug, Default)]
pub struct Returned {
    /// `code`
    pub code: Option<Secret>,
    /// `error`
    pub error: Option<Box<str>>,
    /// `iss`
    pub issuer: Option<Box<str>>,
}

impl OidcProvider {
    /// Begins a login: where to send the browser, and what to keep in it meanwhile.
    pub async fn begin(&self, site: Site<'_>, to: &ReturnTo) -> Result<(String, Flow), OidcError> {
        let metadata = self.discovery.metadata(&self.fetcher).await?;
        let random = || random().ok_or_else(|| OidcError::Unavailable("the system gives no random bytes".into()));
        let flow = Flow {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            provider: (*self.settings.name).into(),
            to: to.as_str().into(),
            began: now(),
        };
        let mut address = url::Url::clone(&metadata.authorization);
        let scopes = self.settings.scopes.iter().map(|scope| &**scope).filter(|scope| *scope != "openid");
        let scope = std::iter::once("openid").chain(scopes).collect::<Vec<_>>().join(" ");
        let mut query = address.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.callback(site))
            .append_pair("scope", &scope)
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &challenge(&flow.verifier))
            .append_pair("code_challenge_method", "S256");
        // Core 11: without it, a provider ignores the scope.
        if self.settings.scopes.iter().any(|scope| **scope == *"offline_access") {
            query.append_pair("prompt", "consent");
        }
        drop(query);
        Ok((address.into(), flow))
    }

    /// Ends a login, with the flow that the browser kept for the state that came back.
    pub async fn finish(&self, site: Site<'_>, flow: &Flow, returned: Returned) -> Result<Login, OidcError> {
        if *flow.provider != *self.settings.name {
            return Err(OidcError::Foreign("the login began at another provider"));
        }
        let now = now();
        if flow.began + PATIENCE <= now {
            return Err(OidcError::Foreign("the login took too long"));
        }
        if !self.spent.lock().unwrap_or_else(PoisonError::into_inner).spend(&flow.state, flow.began + PATIENCE, now) {
            return Err(OidcError::Foreign("the login has come back before"));
        }
        let metadata = self.discovery.metadata(&self.fetcher).await?;
        // RFC 9207 2.4: or else one provider could hand over the code of another.
        match returned.issuer {
            Some(issuer) if *issuer != *self.settings.issuer => {
                return Err(OidcError::Foreign("what came back is of another issuer"));
            }
            None if metadata.names_issuer => return Err(OidcError::Foreign("what came back does not say from whom")),
            _ => {}
        }
        if let Some(error) = returned.error {
            return Err(OidcError::Refused(word(&error)));
        }
        let code = returned.code.ok_or(OidcError::Foreign("what came back has no code"))?;
        let redirect = self.callback(site);
        let tokens = self
            .exchange(&metadata, &Grant::Code { code: &code, verifier: &flow.verifier, redirect: &redirect })
            .await?;
        let claims = self.check_id_token(&tokens, Some(&flow.nonce)).await?;
        let claims = self.with_user_info(&metadata, claims, &tokens).await?;
        self.login(&claims, tokens)
    }

    /// Where the provider sends browsers back to; has to be known there.
    fn callback(&self, site: Site<'_>) -> String {
        format!("{}{PREFIX}callback/{}", site.origin(), self.settings.name)
    }
}

/// The texts that make it a login are as good as passwords.
impl fmt::Debug for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Flow").field("provider", &self.provider).field("to", &self.to).finish_non_exhaustive()
    }
}

/// 256 bits as text: what RFC 7636 4.1 recommends for a verifier.
fn random() -> Option<Box<str>> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
}

/// RFC 7636 4.2.
pub(super) fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// An error code as it may be shown and logged (RFC 6749 4.1.2.1); anybody can write it into the address.
fn word(error: &str) -> Box<str> {
    let is_word = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { error.into() } else { "an error without a proper name".into() }
}
