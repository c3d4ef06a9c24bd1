//! Signed tokens of a provider (JWT; RFC 7519, 8725, 9068) as `Authorization: Bearer` or `DPoP`.
//!
//! Owns: taking a token apart, the provider's keys and their freshness, what must be true of the claims, and whom they
//! mean. The signature is checked by aws-lc; form and meaning are checked here and not in a JWT library, because what
//! such libraries leave open (`crit`, members named twice, keys that fit several algorithms, several spellings of one
//! signature) is what attacks are made of.
//!
//! Must not know: whether the key that a token is bound to has signed this request ([`crate::dpop`]).
//!
//! Invariants:
//! - The algorithm is one of those allowed for this provider *and* one that the key is for; what the token says only
//!   picks among them. `none` and symmetric algorithms can not be written down.
//! - A key comes from the provider's own set. What a token brings or points to (`jwk`, `jku`, `x5u`, `x5c`) is not read.
//! - Nothing is claimed before the signature is checked; only the issuer is looked at, to say which provider is meant.

mod algorithm;
mod claim_mapping;
mod claims;
pub(crate) mod key;
mod key_ring;
mod key_set;
#[cfg(test)]
pub(crate) mod signing;
#[cfg(test)]
mod tests;
mod unverified;

use std::{sync::Arc, time::Duration};

pub use algorithm::Algorithm;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
pub use claim_mapping::{ClaimMapping, ClaimPath};
pub use claims::Claims;
pub(crate) use claims::Expected;
pub(crate) use key_ring::KeyRing;
pub use key_ring::{KeySource, KeyTimes};
use serde_json::Value;
pub use unverified::{MAX_TOKEN_BYTES, Unverified};

use crate::{
    Basis, Binding, Kind, NotProven, Presented, Refusal, Standing, fetch::Fetcher, presented::Scheme, refusal::shown,
    standing::now,
};

/// What is believed of a provider.
#[derive(Debug, Clone)]
pub struct JwtSettings {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Exactly the `iss` of its tokens.
    pub issuer: Box<str>,
    /// One of these is in `aud`. Not empty: a token for another service must not pass here (RFC 8725 3.9).
    pub audiences: Vec<Box<str>>,
    /// How its tokens may be signed. Not empty.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub keys: KeySource,
    /// When they are fetched.
    pub key_times: KeyTimes,
    /// Which tokens of the provider count.
    pub tokens: Tokens,
    /// Which claims say what.
    pub claims: ClaimMapping,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// Whom its tokens stand for.
    pub kind: Kind,
}

/// Which tokens of a provider count, by their `typ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tokens {
    /// `at+jwt` (RFC 9068), `JWT`, or none: many providers do not mark their access tokens. Tokens that are marked as
    /// something else (`logout+jwt`, `dpop+jwt`) never count.
    #[default]
    Any,
    /// Only what says that it is an access token, `at+jwt` (RFC 9068 4).
    Access,
}

/// Proves the senders of a provider's tokens.
#[derive(Debug)]
pub struct JwtProvider {
    name: Arc<str>,
    expected: Expected,
    algorithms: Vec<Algorithm>,
    tokens: Tokens,
    claims: ClaimMapping,
    kind: Kind,
    keys: KeyRing,
}

impl JwtProvider {
    /// A provider of which nothing has been fetched yet. The error says which setting is wrong.
    pub fn new(settings: JwtSettings, fetcher: Fetcher) -> Result<Self, String> {
        if settings.audiences.iter().all(|audience| audience.is_empty()) {
            return Err("name at least one audience: without it, a token for any other service would pass".to_owned());
        }
        if settings.algorithms.is_empty() {
            return Err("name at least one algorithm, such as RS256".to_owned());
        }
        if settings.issuer.is_empty() {
            return Err("name the issuer, exactly as it is in `iss`".to_owned());
        }
        let keys = KeyRing::new(
            Arc::clone(&settings.name),
            settings.issuer.clone(),
            settings.keys,
            settings.key_times,
            settings.algorithms.clone(),
            fetcher,
        )?;
        Ok(Self {
            name: settings.name,
            expected: Expected {
                issuer: settings.issuer,
                audiences: settings.audiences,
                leeway: settings.leeway.as_secs(),
            },
            algorithms: settings.algorithms,
            tokens: settings.tokens,
            claims: settings.claims,
            kind: settings.kind,
            keys,
        })
    }

    /// Its name in the file.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who is proven by the token in `Authorization`. May ask the provider for its keys; call it where that is allowed.
    ///
    /// Where the standing is [bound](Standing::bound_to), this request and each further one count only after
    /// [`crate::dpop::Dpop::check_request`]; that is not done here, because a proof may be looked at only once.
    ///
    /// `Nobody`: there is no token of this form. A token of another issuer is refused as `wrong-issuer`: ask the next.
    pub async fn prove(&self, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        let Some((scheme, text)) = presented.token() else { return Err(NotProven::Nobody) };
        if text.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(NotProven::Nobody);
        }
        let token = self.admissible(text)?;
        let key = self.keys.signer(&token).await?;
        let standing = Arc::new(self.standing(scheme, &token, now())?);
        self.keys.rests_on(key, &standing);
        Ok(standing)
    }

    /// Keeps the keys fresh, for ever: run it as a task of the control plane, and drop it with the provider. Without it,
    /// keys are fetched when a token needs them, and standings do not end when their key is given up.
    pub async fn keep_keys_fresh(&self) {
        self.keys.keep_fresh().await;
    }

    /// What can be refused without the key.
    fn admissible<'t>(&self, text: &'t str) -> Result<Unverified<'t>, Refusal> {
        let token = Unverified::parse(text)?;
        token.claims()?.check_issuer(&self.expected.issuer)?;
        if !self.algorithms.contains(&token.algorithm) {
            let detail = format!("`alg` is {}, allowed are {:?}", token.algorithm, self.algorithms);
            return Err(Refusal::token("wrong-algorithm", detail));
        }
        let is_access_token = match (token.typ.as_deref(), self.tokens) {
            (Some("at+jwt"), _) | (Some("jwt") | None, Tokens::Any) => true,
            (_, _) => false,
        };
        if is_access_token {
            return Ok(token);
        }
        let typ = token.typ.as_deref().map_or_else(|| "missing".to_owned(), shown);
        Err(Refusal::token("wrong-type", format!("`typ` is {typ}, and that is no access token here")))
    }

    /// What a token with a good signature stands for.
    fn standing(&self, scheme: Scheme, token: &Unverified<'_>, now: u64) -> Result<Standing, Refusal> {
        let claims = token.claims()?;
        let expires = claims.check(&self.expected, now)?;
        let binding = binding(&claims, scheme)?;
        let principal = self.claims.principal(&self.name, self.kind, &claims)?;
        let id = claims.text("jti").filter(|id| id.len() <= 256).map(Into::into);
        Ok(Standing::new(principal, Basis::Token(id), expires).bound_to(binding))
    }
}

/// What a token is bound to (`cnf`, RFC 7800 3.1), in agreement with how it is shown.
///
/// A way of binding that is not known here can not be checked, so such a token is refused: to pass it would turn a bound
/// token into one that whoever finds it can use.
pub(crate) fn binding(claims: &Claims, scheme: Scheme) -> Result<Option<Binding>, Refusal> {
    let refused = |reason, detail: &str| Err(Refusal::token(reason, detail));
    let confirmation = match claims.get("cnf") {
        None => None,
        Some(Value::Object(members)) => Some(members),
        Some(_) => return refused("malformed", "`cnf` is no object"),
    };
    let thumbprint = |value: &Value| {
        let hash = value.as_str().and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
        let hash = hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok());
        hash.ok_or_else(|| Refusal::token("malformed", "a thumbprint in `cnf` is not 32 bytes in base64url"))
    };
    let binding = match confirmation.map(|members| (members.len(), members.get("jkt"), members.get("x5t#S256"))) {
        None => None,
        Some((1, Some(key), _)) => Some(Binding::Key(thumbprint(key)?)),
        Some((1, _, Some(certificate))) => Some(Binding::Certificate(thumbprint(certificate)?)),
        Some(_) => return refused("unknown-binding", "`cnf` has to hold exactly one of `jkt` and `x5t#S256`"),
    };
    match (binding, scheme) {
        (Some(Binding::Key(_)), Scheme::Bearer) => {
            refused("bound-token-as-bearer", "the token is bound to a key and shown without proof: use the DPoP scheme")
        }
        (None | Some(Binding::Certificate(_)), Scheme::Dpop) => {
            refused("not-bound", "the DPoP scheme needs a token that is bound to a key (`cnf.jkt`, RFC 9449 7.1)")
        }
        (binding, _) => Ok(binding),
    }
}
