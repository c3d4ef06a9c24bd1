//! A provider with keys of its own, and what happens to its tokens and to those of others.

mod attacks;
mod bounds;
mod rotation;
mod who;

use std::sync::OnceLock;

use serde_json::json;

use super::{signing::SigningKey, *};
use crate::fetch::FetchSettings;

const ISSUER: &str = "https://idp.example.com";

/// Generated once: an RSA key takes its time.
fn rsa() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::new(Algorithm::Rs256))
}

fn ec() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::new(Algorithm::Es256))
}

fn fetcher() -> Fetcher {
    Fetcher::new(&FetchSettings::default()).unwrap()
}

/// A provider `corp` with an RSA and an EC key.
fn settings() -> JwtSettings {
    let keys = json!({ "keys": [rsa().named("rsa-1"), ec().named("ec-1")] });
    JwtSettings {
        name: "corp".into(),
        issuer: ISSUER.into(),
        audiences: vec!["api://shop".into(), "https://shop.example.com".into()],
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
        keys: KeySource::Fixed(keys.to_string().into_bytes()),
        key_times: KeyTimes::default(),
        tokens: Tokens::Any,
        claims: ClaimMapping::default(),
        leeway: Duration::from_secs(30),
        kind: Kind::Workload,
    }
}

fn provider() -> JwtProvider {
    JwtProvider::new(settings(), fetcher()).unwrap()
}

/// Claims of a token that is good now.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "api://shop", "sub": "client-7", "jti": "t-1",
        "iat": now() - 5, "nbf": now() - 5, "exp": now() + 300,
    })
}

/// The same with a member set, or taken away by null.
fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

fn es256(claims: &Value) -> String {
    ec().token(Algorithm::Es256, &json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ec-1" }), claims)
}

fn bearer(token: &str) -> Presented {
    Presented { authorization: Some(format!("Bearer {token}").into()), ..Presented::default() }
}

async fn refused(provider: &JwtProvider, token: &str) -> &'static str {
    match provider.prove(&bearer(token)).await {
        Err(NotProven::Refused(refusal)) => {
            assert!(!refusal.detail.contains(token), "a refusal must not quote the token: {refusal}");
            assert_eq!(refusal.error, "invalid_token");
            refusal.reason
        }
        Err(NotProven::Nobody) => "nobody",
        Err(NotProven::Unavailable(_)) => "unavailable",
        Ok(standing) => panic!("let in as {}", standing.principal),
    }
}
