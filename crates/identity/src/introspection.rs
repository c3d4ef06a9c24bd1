//! Opaque tokens, about which the provider is asked (RFC 7662).
//!
//! Owns: the question, and how long its answer is believed.
//!
//! Must not know: what is in a token. To this module it is a text that only the provider understands.
//!
//! Invariants: an answer that says anything but `"active": true` is a no; a provider that does not answer is no yes; a
//! token that the provider calls inactive ends what rested on it, as soon as it is asked about again (by
//! [`IntrospectionProvider::keep_fresh`], at the latest).

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    Basis, Kind, NotProven, Presented, Refusal, Standing,
    answers::Answers,
    fetch::{ClientCredentials, FetchError, Fetcher, ProviderUrl},
    jwt::{ClaimMapping, Claims, MAX_TOKEN_BYTES, binding, key::sha256},
    presented::Scheme,
    standing::now,
    strict_json,
};

pub use crate::answers::AnswerBounds;

/// The longest that a standing lasts without a new answer, whatever the token's own end.
const LONGEST: u64 = 60 * 60;

/// How a provider is asked.
#[derive(Debug, Clone)]
pub struct IntrospectionSettings {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Its introspection endpoint.
    pub address: ProviderUrl,
    /// By what this proxy proves itself to it (RFC 7662 2.1).
    pub credentials: ClientCredentials,
    /// Exactly the `iss` of its answers; `None`: not looked at, for many leave it out.
    pub issuer: Option<Box<str>>,
    /// One of these is in `aud`; empty: not looked at, for many leave it out, and then whoever has any token of the
    /// provider passes.
    pub audiences: Vec<Box<str>>,
    /// Which claims say what.
    pub claims: ClaimMapping,
    /// Whom its tokens stand for.
    pub kind: Kind,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// How much is asked and remembered.
    pub bounds: AnswerBounds,
}

/// Proves the senders of opaque tokens.
pub struct IntrospectionProvider {
    settings: IntrospectionSettings,
    fetcher: Fetcher,
    answers: Answers,
}

impl IntrospectionProvider {
    /// A provider that was not asked anything yet.
    pub fn new(settings: IntrospectionSettings, fetcher: Fetcher) -> Self {
        let answers = Answers::new(settings.bounds.clone());
        Self { settings, fetcher, answers }
    }

    /// Its name in the file.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Who is proven by the token in `Authorization`. Asks the provider; call it where that is allowed.
    ///
    /// Every token is taken for one of the provider's, so that this is asked after those who know their own by its form.
    /// Where the standing is [bound](Standing::bound_to), see [`crate::dpop::Dpop::check_request`].
    pub async fn prove(&self, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        let Some((scheme, token)) = presented.token() else { return Err(NotProven::Nobody) };
        if token.len() > MAX_TOKEN_BYTES {
            let detail = format!("the token is {} bytes long, of at most {MAX_TOKEN_BYTES}", token.len());
            return Err(Refusal::token("too-large", detail).into());
        }
        // RFC 6750 2.1, b68token: nothing else is sent on.
        if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            return Err(Refusal::token("malformed", "the token has characters that none has (RFC 6750 2.1)").into());
        }
        let (tag, kept) = match scheme {
            Scheme::Bearer => (b'B', format!("B{token}")),
            Scheme::Dpop => (b'D', format!("D{token}")),
        };
        let hash = sha256(&[&[tag], token.as_bytes()].concat());
        self.answers.get(hash, &kept, async || self.ask(scheme, token).await).await
    }

    /// Asks again about the tokens on which something rests, for ever: run it as a task of the control plane, and drop it
    /// with the provider. Without it, a token that was revoked counts until its standing expires, an hour at most.
    pub async fn keep_fresh(&self) {
        loop {
            tokio::time::sleep((self.answers.freshness() / 2).max(Duration::from_millis(10))).await;
            for (hash, kept) in self.answers.stale() {
                let (tag, token) = kept.expose().split_at(1);
                let scheme = if tag == "D" { Scheme::Dpop } else { Scheme::Bearer };
                self.answers.renew(hash, async || self.ask(scheme, token).await).await;
            }
        }
    }

    async fn ask(&self, scheme: Scheme, token: &str) -> Result<Standing, NotProven> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        let answer = self.fetcher.post_form(&self.settings.address, &form, Some(&self.settings.credentials)).await;
        let unavailable =
            |error: &FetchError| NotProven::Unavailable(format!("{}: {error}", self.settings.name).into());
        let answer = answer.map_err(|error| unavailable(&error))?;
        // For the error of a status; the members are read strictly below.
        let _: Value = answer.json().map_err(|error| unavailable(&error))?;
        let members = strict_json::object(&answer.body).map_err(|why| {
            NotProven::Unavailable(
                format!("{}: the answer of {} is refused: {why}", self.settings.name, answer.from).into(),
            )
        })?;
        Ok(self.standing(scheme, members, now())?)
    }

    fn standing(&self, scheme: Scheme, members: serde_json::Map<String, Value>, now: u64) -> Result<Standing, Refusal> {
        if members.get("active") != Some(&Value::Bool(true)) {
            return Err(Refusal::token("inactive", "the provider says that the token is not active"));
        }
        let mut members = members;
        // RFC 7662 2.2: both are optional; a client that acts for itself may have no subject.
        if let (None, Some(client)) = (members.get("sub"), members.get("client_id").cloned()) {
            members.insert("sub".to_owned(), client);
        }
        let claims = Claims::from(members);
        if let Some(issuer) = &self.settings.issuer {
            claims.check_issuer(issuer)?;
        }
        if !self.settings.audiences.is_empty() {
            claims.check_audience(&self.settings.audiences)?;
        }
        let end = claims.check_times(self.settings.leeway.as_secs(), now)?;
        let principal = self.settings.claims.principal(&self.settings.name, self.settings.kind, &claims)?;
        let id = claims.text("jti").filter(|id| id.len() <= 256).map(Into::into);
        let expires = end.unwrap_or(u64::MAX).min(now + LONGEST);
        Ok(Standing::new(principal, Basis::Token(id), expires).bound_to(binding(&claims, scheme)?))
    }
}

impl std::fmt::Debug for IntrospectionProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("IntrospectionProvider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
