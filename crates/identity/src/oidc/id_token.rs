//! Whether an ID token is to be believed (OpenID Connect Core 3.1.3.7).

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{OidcError, OidcProvider, exchange::Tokens};
use crate::{
    Refusal, Secret,
    jwt::{Algorithm, Claims, Expected, Unverified},
    refusal::shown,
    standing::now,
};

impl OidcProvider {
    /// The claims of the ID token among these. `nonce`: that of the login; a refresh has none (Core 12.2).
    pub(super) async fn check_id_token(&self, tokens: &Tokens, nonce: Option<&str>) -> Result<Claims, OidcError> {
        let text = tokens.id.as_ref().ok_or_else(|| Refusal::token("no-id-token", "the provider gave no ID token"))?;
        let token = self.signed(text.expose(), &["jwt"]).await?;
        let claims = token.claims()?;
        claims.check(&self.expected(), now())?;
        self.check_party(&claims)?;
        if let Some(nonce) = nonce {
            // Constant time, though guessing it would need the provider's signature.
            let is_right = claims.text("nonce").is_some_and(|found| Secret::new(nonce).matches(found));
            if !is_right {
                return Err(Refusal::token("wrong-nonce", "the ID token was not made for this login").into());
            }
        }
        if let Some(hash) = claims.get("at_hash")
            && hash.as_str() != half_hash(token.algorithm, tokens.access.expose()).as_deref()
        {
            return Err(Refusal::token("wrong-at-hash", "the ID token belongs to another access token").into());
        }
        Ok(claims)
    }

    /// A token with a good signature of this provider, of one of these types or of none.
    pub(super) async fn signed<'t>(&self, text: &'t str, types: &[&str]) -> Result<Unverified<'t>, OidcError> {
        let token = Unverified::parse(text)?;
        if !self.settings.algorithms.contains(&token.algorithm) {
            let detail = format!("`alg` is {}, allowed are {:?}", token.algorithm, self.settings.algorithms);
            return Err(Refusal::token("wrong-algorithm", detail).into());
        }
        if token.typ.as_deref().is_some_and(|found| !types.contains(&found)) {
            let found = token.typ.as_deref().map(shown).unwrap_or_default();
            return Err(Refusal::token("wrong-type", format!("`typ` is {found}, expected {types:?}")).into());
        }
        self.keys.signer(&token).await?;
        Ok(token)
    }

    pub(super) fn expected(&self) -> Expected {
        Expected {
            issuer: self.settings.issuer.clone(),
            audiences: vec![self.settings.client_id.clone()],
            leeway: self.settings.leeway.as_secs(),
        }
    }

    /// A token for several audiences, or with an authorized party, has to be given to us and not only meant for us.
    fn check_party(&self, claims: &Claims) -> Result<(), Refusal> {
        let client = &*self.settings.client_id;
        let is_for_several = claims.get("aud").and_then(|aud| aud.as_array()).is_some_and(|all| all.len() > 1);
        match claims.get("azp") {
            None if is_for_several => {
                Err(Refusal::token("wrong-party", "the ID token has several audiences, and no `azp`"))
            }
            Some(party) if party.as_str() != Some(client) => {
                Err(Refusal::token("wrong-party", "the ID token was given to another client (`azp`)"))
            }
            _ => Ok(()),
        }
    }
}

/// The left half of the hash that goes with the algorithm (Core 3.1.3.6). `None`: none is defined.
fn half_hash(algorithm: Algorithm, text: &str) -> Option<String> {
    let kind = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
        // Ed25519 hashes with SHA-512 (RFC 8032 5.1), and so do providers for it.
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(kind, text.as_bytes());
    let half = hash.as_ref().get(..hash.as_ref().len() / 2)?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(half))
}
