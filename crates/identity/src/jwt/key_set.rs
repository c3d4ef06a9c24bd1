//! The keys that a provider signs with at this moment.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Algorithm, Unverified,
    key::{PublicKey, Thumbprint},
};
use crate::{Refusal, refusal::shown, strict_json};

/// More keys than any provider has at a time; what comes after them is not looked at.
const MAX_KEYS: usize = 64;

/// The keys of a provider.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySet {
    keys: Vec<Arc<PublicKey>>,
}

/// Why no key of the set stands for a token.
pub(crate) enum NoKey {
    /// Its key is not in the set: perhaps in a newer one.
    Unknown(Refusal),
    /// The token is refused, whatever keys there may be.
    Refused(Refusal),
}

impl KeySet {
    /// Reads a JWKS document (RFC 7517 5) or PEM. Keys that can not be used are left out (RFC 7517 5), with a warning
    /// where somebody should know; an error if the text is neither.
    pub(crate) fn parse(text: &[u8], allowed: &[Algorithm], provider: &str) -> Result<Self, String> {
        if text.trim_ascii_start().starts_with(b"-----BEGIN") {
            let keys = PublicKey::from_pem(text, allowed).map_err(|why| format!("a key can not be used: {why}"))?;
            return Self::of(keys);
        }
        let document = strict_json::object(text)?;
        let Some(Value::Array(listed)) = document.get("keys") else {
            return Err("no key set: it needs a list `keys` (RFC 7517 5)".to_owned());
        };
        let mut keys = Vec::new();
        for jwk in listed.iter().take(MAX_KEYS).filter_map(Value::as_object) {
            match PublicKey::from_jwk(jwk, allowed) {
                Ok(key) => keys.extend(key),
                Err(why) => tracing::warn!(provider, key = key_name(jwk), why, "a key of the provider is not used"),
            }
        }
        Self::of(keys)
    }

    fn of(keys: Vec<PublicKey>) -> Result<Self, String> {
        if keys.is_empty() {
            return Err("no key that can verify any of the allowed algorithms".to_owned());
        }
        Ok(Self { keys: keys.into_iter().map(Arc::new).collect() })
    }

    /// The key that has signed the token.
    pub(crate) fn signer(&self, token: &Unverified<'_>) -> Result<&Arc<PublicKey>, NoKey> {
        let named: Vec<_> = match &token.key_id {
            Some(id) => self.keys.iter().filter(|key| key.id.as_deref() == Some(&**id)).collect(),
            // Keys of a PEM file have no names; a set with one key needs none.
            None => self.keys.iter().filter(|key| key.fits(token.algorithm)).collect(),
        };
        let Some(id) = &token.key_id else {
            // OpenID Connect Core 10.1: the name may be left out only where there is no choice.
            return match *named {
                [only] if only.verifies(token) => Ok(only),
                [_] => Err(NoKey::Unknown(bad_signature())),
                [] => Err(NoKey::Unknown(wrong_algorithm(token.algorithm))),
                _ if named.iter().all(|key| key.id.is_none()) => {
                    named.into_iter().find(|key| key.verifies(token)).ok_or_else(|| NoKey::Refused(bad_signature()))
                }
                _ => Err(NoKey::Refused(Refusal::token("no-key-id", "the token has no `kid`, and several keys fit"))),
            };
        };
        if named.is_empty() {
            let nameless = self.keys.iter().filter(|key| key.id.is_none() && key.fits(token.algorithm));
            let detail = format!("no key of the provider is called {}", shown(id));
            let unknown = || NoKey::Unknown(Refusal::token("unknown-key", detail));
            return nameless.into_iter().find(|key| key.verifies(token)).ok_or_else(unknown);
        }
        if !named.iter().any(|key| key.fits(token.algorithm)) {
            return Err(NoKey::Refused(wrong_algorithm(token.algorithm)));
        }
        named.into_iter().find(|key| key.verifies(token)).ok_or_else(|| NoKey::Refused(bad_signature()))
    }

    /// Whether the key is in it.
    pub(crate) fn holds(&self, key: &Thumbprint) -> bool {
        self.keys.iter().any(|own| own.thumbprint == *key)
    }
}

fn bad_signature() -> Refusal {
    Refusal::token("bad-signature", "the signature is not by the provider's key")
}

fn wrong_algorithm(algorithm: Algorithm) -> Refusal {
    Refusal::token("wrong-algorithm", format!("{algorithm} is not allowed for the key"))
}

fn key_name(jwk: &Map<String, Value>) -> String {
    jwk.get("kid").and_then(Value::as_str).map_or_else(|| "without kid".to_owned(), shown)
}
