//! What services are told of a sender: a short-lived signed token (JWT, ES256) in one header.
//!
//! Owns: its keys (made, kept and rotated by the proxy), its claims, and the public keys that it is checked with.
//!
//! Must not know: in which header it goes, and to whom; the data plane removes what clients bring in its place.
//!
//! Invariants: it is for one service (`aud`), so that no service can pass it off as its own sender elsewhere; it ends
//! with what it rests on; its key is published long before it is first used.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    KeyError, Kind, Standing,
    own_keys::{Key, KeyRing, Rotation},
    standing::now,
    vault::Vault,
};

/// How services are told.
#[derive(Debug, Clone)]
pub struct AssertionSettings {
    /// How this proxy calls itself (`iss`).
    pub issuer: Box<str>,
    /// Of one assertion.
    pub lifetime: Duration,
}

/// Makes assertions. Share one between plans with the same settings; the keys are the store's.
#[derive(Debug)]
pub struct Assertions {
    settings: AssertionSettings,
    keys: KeyRing<EcdsaKeyPair>,
    vault: Vault,
    random: SystemRandom,
}

/// One assertion.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The value of the header.
    pub token: Arc<str>,
    /// Until when it may be sent again for the same standing and service, in seconds since 1970: the middle of its life.
    pub valid_until: u64,
}

/// RFC 7519 4.1, OpenID Connect Core 5.1.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    /// Who vouches for the subject: subjects of two providers may be equal.
    provider: &'a str,
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    groups: &'a [Box<str>],
    iat: u64,
    exp: u64,
}

const DAY: u64 = 24 * 3600;
/// How often a key is replaced, how long its successor is published before it is used, and how long it stays published
/// after that: services may keep the key set for an hour.
const ROTATION: Rotation =
    Rotation { purpose: "assertion", replaced_after: 30 * DAY, used_after: 2 * 3600, valid_for: DAY };
/// How often keys are seen to.
const KEEP: Duration = Duration::from_mins(1);

impl Assertions {
    /// With the store's keys, of which one is made if there is none.
    pub async fn open(vault: Vault, settings: AssertionSettings) -> Result<Self, KeyError> {
        let make = || {
            let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
            key.ok().map(|key| key.as_ref().to_vec())
        };
        let read = |secret: &[u8]| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret).ok();
        let keys = KeyRing::new(ROTATION, make, read);
        let assertions = Self { settings, keys, vault, random: SystemRandom::new() };
        assertions.keys.keep(&assertions.vault, now()).await?;
        Ok(assertions)
    }

    /// What one service is told of a sender. `None` if there is no key to sign with, or the standing does not stand.
    pub fn header_for(&self, standing: &Standing, service: &str) -> Option<Assertion> {
        self.header_at(standing, service, now())
    }

    /// The public keys: a JWK set (RFC 7517 5).
    pub fn key_set(&self) -> String {
        let keys: Vec<_> = self.keys.all().iter().map(|key| public(key)).collect();
        json!({ "keys": keys }).to_string()
    }

    /// Learns and rotates keys, for ever.
    pub async fn tend(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(KEEP).await;
            if let Err(error) = self.keys.keep(&self.vault, now()).await {
                tracing::warn!(%error, "the keys of assertions can not be looked after; the known ones stay in use");
            }
        }
    }

    fn header_at(&self, standing: &Standing, service: &str, now: u64) -> Option<Assertion> {
        if !standing.stands(now) {
            return None;
        }
        let key = self.keys.current(now)?;
        let principal = &standing.principal;
        let lifetime = self.settings.lifetime.as_secs().max(2);
        let exp = standing.expires.min(now + lifetime);
        let claims = Claims {
            iss: &self.settings.issuer,
            aud: service,
            sub: &principal.subject,
            provider: &principal.provider,
            kind: match principal.kind {
                Kind::User => "user",
                Kind::Workload => "workload",
            },
            name: &principal.name,
            email: principal.email.as_deref(),
            groups: &principal.groups,
            iat: now,
            exp,
        };
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": key_id(&key) });
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).ok()?));
        let signature = key.material.sign(&self.random, token.as_bytes()).ok()?;
        token.push('.');
        token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(signature));
        Some(Assertion { token: token.into(), valid_until: exp.min(now + lifetime / 2) })
    }
}

/// RFC 7518 6.2.1.
fn public(key: &Key<EcdsaKeyPair>) -> Value {
    // An uncompressed point: 4, x, y.
    let point = key.material.public_key().as_ref();
    let coordinate = |range| point.get(range).map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key_id(key),
        "x": coordinate(1..33), "y": coordinate(33..65),
    })
}

fn key_id(key: &Key<EcdsaKeyPair>) -> String {
    format!("portcullis-{}", key.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use portcullis_store::Store;

    use super::*;
    use crate::{Basis, Principal};

    fn standing(expires: u64) -> Standing {
        let principal = Principal {
            kind: Kind::User,
            provider: "corp".into(),
            subject: "00u1".into(),
            name: "alice@example.com".into(),
            email: Some("alice@example.com".into()),
            groups: ["dba".into()].into(),
            claims: BTreeMap::new(),
        };
        Standing::new(principal, Basis::Session("s".into()), expires)
    }

    async fn opened(vault: &Vault) -> Assertions {
        let settings = AssertionSettings { issuer: "https://proxy".into(), lifetime: Duration::from_mins(1) };
        Assertions::open(vault.clone(), settings).await.unwrap()
    }

    /// As a service would: key by `kid` from the set, signature, claims.
    fn checked(token: &str, set: &str) -> Option<Value> {
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        assert_eq!(header["alg"], "ES256");
        let set: Value = serde_json::from_str(set).ok()?;
        let key = set["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
        let point = [vec![4], decode(key["x"].as_str()?)?, decode(key["y"].as_str()?)?].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(signed.as_bytes(), &decode(signature)?).ok()?;
        serde_json::from_slice(&decode(claims)?).ok()
    }

    #[tokio::test]
    async fn a_service_can_check_who_was_proven_and_that_it_is_meant() {
        let vault = Vault::new(Store::in_memory().unwrap());
        let assertions = opened(&vault).await;
        let now = now();
        let Assertion { token, valid_until } = assertions.header_at(&standing(now + 3600), "shop", now).unwrap();
        let claims = checked(&token, &assertions.key_set()).unwrap();
        let expected = json!({
            "iss": "https://proxy", "aud": "shop", "sub": "00u1", "provider": "corp", "kind": "user",
            "name": "alice@example.com", "email": "alice@example.com", "groups": ["dba"], "iat": now, "exp": now + 60,
        });
        assert_eq!(claims, expected);
        assert_eq!(valid_until, now + 30);
        assert!(token.len() < 800);
        let restarted = opened(&vault).await;
        assert_eq!(checked(&token, &restarted.key_set()).unwrap(), expected, "the key is the store's");
        let foreign = opened(&Vault::new(Store::in_memory().unwrap())).await;
        assert_eq!(checked(&token, &foreign.key_set()), None);
        assert!(!foreign.key_set().contains("\"d\""), "no private part");
    }

    #[tokio::test]
    async fn an_assertion_ends_with_what_it_rests_on() {
        let assertions = opened(&Vault::new(Store::in_memory().unwrap())).await;
        let now = now();
        let short = assertions.header_at(&standing(now + 10), "shop", now).unwrap();
        assert_eq!(checked(&short.token, &assertions.key_set()).unwrap()["exp"], now + 10);
        assert_eq!(short.valid_until, now + 10);
        assert!(assertions.header_at(&standing(now), "shop", now).is_none());
        let ended = standing(now + 10);
        ended.end();
        assert!(assertions.header_at(&ended, "shop", now).is_none());
    }
}
