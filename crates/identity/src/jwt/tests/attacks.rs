//! Attacks on tokens, each refused with its reason.

use aws_lc_rs::hmac;
use serde_json::json;

use super::*;
use crate::jwt::signing::{compact, encode};

#[tokio::test]
async fn a_good_token_of_each_algorithm_is_accepted_and_any_changed_part_is_not() {
    for algorithm in Algorithm::ALL {
        let key = if algorithm.rsa().is_some() { rsa() } else { &SigningKey::new(algorithm) };
        let keys = json!({ "keys": [key.named("k")] }).to_string().into_bytes();
        let settings = JwtSettings { algorithms: vec![algorithm], keys: KeySource::Fixed(keys), ..settings() };
        let provider = JwtProvider::new(settings, fetcher()).unwrap();
        let token = key.token(algorithm, &json!({ "alg": algorithm.name(), "kid": "k" }), &claims());
        let standing = provider.prove(&bearer(&token)).await.unwrap();
        assert_eq!((&*standing.principal.subject, &*standing.principal.provider), ("client-7", "corp"));
        assert_eq!(standing.basis, Basis::Token(Some("t-1".into())));

        let parts: Vec<&str> = token.split('.').collect();
        let other_claims = encode(with("sub", "root").to_string());
        let mut signature = parts[2].to_owned();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        signature.replace_range(..1, first);
        for (forged, reason) in [
            (format!("{}.{other_claims}.{}", parts[0], parts[2]), "bad-signature"),
            (format!("{}.{}.{signature}", parts[0], parts[1]), "bad-signature"),
            (format!("{}.{}.", parts[0], parts[1]), "bad-signature"),
            (format!("{}.{}.{}=", parts[0], parts[1], parts[2]), "malformed"),
            (format!("{}.{}.{}.", parts[0], parts[1], parts[2]), "nobody"),
        ] {
            assert_eq!(refused(&provider, &forged).await, reason, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn the_algorithm_is_never_the_tokens_to_choose() {
    let provider = provider();
    let public_rsa_jwk = rsa().jwk().to_string();
    let public_bytes = public_rsa_jwk.as_bytes();
    let hs256 = |header: &Value, key: &[u8]| {
        compact(header, &claims().to_string(), |message| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
        })
    };
    let unsigned = |name: &str| compact(&json!({ "alg": name, "kid": "ec-1" }), &claims().to_string(), |_| Vec::new());
    let by_rsa = |header: Value, by: Algorithm| rsa().token(by, &header, &claims());
    for (what, token, reason) in [
        ("none", unsigned("none"), "wrong-algorithm"),
        ("None", unsigned("None"), "wrong-algorithm"),
        ("empty", unsigned(""), "wrong-algorithm"),
        ("no signature under a good name", unsigned("ES256"), "bad-signature"),
        (
            "HS256 with the public key",
            hs256(&json!({ "alg": "HS256", "kid": "rsa-1" }), public_bytes),
            "wrong-algorithm",
        ),
        ("HS256 with nothing", hs256(&json!({ "alg": "HS256" }), b"\0"), "wrong-algorithm"),
        ("lower case", by_rsa(json!({ "alg": "rs256", "kid": "rsa-1" }), Algorithm::Rs256), "wrong-algorithm"),
        ("not allowed", by_rsa(json!({ "alg": "PS256", "kid": "rsa-1" }), Algorithm::Ps256), "wrong-algorithm"),
        ("RSA named ES256", by_rsa(json!({ "alg": "ES256", "kid": "rsa-1" }), Algorithm::Rs256), "wrong-algorithm"),
        ("RSA for the EC key", by_rsa(json!({ "alg": "RS256", "kid": "ec-1" }), Algorithm::Rs256), "wrong-algorithm"),
        ("PSS named PKCS1", by_rsa(json!({ "alg": "RS256", "kid": "rsa-1" }), Algorithm::Ps256), "bad-signature"),
        ("alg twice", raw(r#"{"alg":"ES256","alg":"none","kid":"ec-1"}"#), "malformed"),
        ("alg a list", raw(r#"{"alg":["ES256"],"kid":"ec-1"}"#), "malformed"),
        ("no alg", raw(r#"{"kid":"ec-1"}"#), "malformed"),
        ("critical extension", raw(r#"{"alg":"ES256","kid":"ec-1","crit":["b64"],"b64":false}"#), "malformed"),
    ] {
        assert_eq!(refused(&provider, &token).await, reason, "{what}");
    }
}

#[tokio::test]
async fn a_key_comes_from_the_provider_and_from_nowhere_else() {
    let provider = provider();
    let own = SigningKey::new(Algorithm::Es256);
    let by_attacker = |header: Value| own.token(Algorithm::Es256, &header, &claims());
    for (what, header, reason) in [
        ("jwk", json!({ "alg": "ES256", "jwk": own.jwk() }), "bad-signature"),
        ("jwk and kid", json!({ "alg": "ES256", "kid": "ec-1", "jwk": own.named("ec-1") }), "bad-signature"),
        ("jku", json!({ "alg": "ES256", "kid": "x", "jku": "http://127.0.0.1:1/keys" }), "unknown-key"),
        ("x5u", json!({ "alg": "ES256", "kid": "x", "x5u": "http://127.0.0.1:1/cert" }), "unknown-key"),
        ("x5c", json!({ "alg": "ES256", "kid": "ec-1", "x5c": ["AAAA"] }), "bad-signature"),
        ("path", json!({ "alg": "ES256", "kid": "../../../../dev/null" }), "unknown-key"),
        ("SQL", json!({ "alg": "ES256", "kid": "x' UNION SELECT 'key" }), "unknown-key"),
        ("empty", json!({ "alg": "ES256", "kid": "" }), "unknown-key"),
        ("other case", json!({ "alg": "ES256", "kid": "EC-1" }), "unknown-key"),
        ("a list", json!({ "alg": "ES256", "kid": ["ec-1"] }), "malformed"),
        ("long", json!({ "alg": "ES256", "kid": "k".repeat(257) }), "malformed"),
    ] {
        assert_eq!(refused(&provider, &by_attacker(header)).await, reason, "{what}");
    }
}

#[tokio::test]
async fn what_the_claims_say_of_time_audience_and_issuer_must_be_so() {
    let provider = provider();
    let now = now();
    for (what, claims, reason) in [
        ("expired", with("exp", now - 31), "expired"),
        ("no expiry", with("exp", Value::Null), "no-expiry"),
        ("expiry a text", with("exp", "9999999999"), "malformed"),
        ("expiry in milliseconds", with("exp", now * 1000), "malformed"),
        ("expiry beyond numbers", with("exp", 1e300), "malformed"),
        ("expiry negative", with("exp", -1), "malformed"),
        ("early", with("nbf", now + 60), "not-yet-valid"),
        ("from the future", with("iat", now + 60), "issued-in-the-future"),
        ("foreign audience", with("aud", "api://other"), "wrong-audience"),
        ("audience as a prefix", with("aud", "api://shop2"), "wrong-audience"),
        ("audience in other case", with("aud", "API://shop"), "wrong-audience"),
        ("no audience", with("aud", Value::Null), "wrong-audience"),
        ("audience empty", with("aud", json!([])), "wrong-audience"),
        ("audience an object", with("aud", json!({ "api://shop": true })), "wrong-audience"),
        ("audiences of all kinds", with("aud", json!(["api://shop", 1])), "wrong-audience"),
        ("foreign issuer", with("iss", "https://evil.example.com"), "wrong-issuer"),
        ("issuer with a slash more", with("iss", "https://idp.example.com/"), "wrong-issuer"),
        ("issuer a list", with("iss", json!([ISSUER])), "wrong-issuer"),
        ("no issuer", with("iss", Value::Null), "wrong-issuer"),
        ("no subject", with("sub", Value::Null), "no-subject"),
        ("empty subject", with("sub", ""), "no-subject"),
        ("subject with a line break", with("sub", "a\nb"), "malformed"),
    ] {
        assert_eq!(refused(&provider, &es256(&claims)).await, reason, "{what}");
    }
    for (what, claims) in [
        ("expired within the leeway", with("exp", now - 10)),
        ("early within the leeway", with("nbf", now + 10)),
        ("one audience of several", with("aud", json!(["other", "https://shop.example.com"]))),
        ("a broken second", with("exp", now as f64 + 60.5)),
    ] {
        assert!(provider.prove(&bearer(&es256(&claims))).await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let provider = provider();
    let header = json!({ "alg": "ES256", "kid": "ec-1" });
    let sign = |claims: &str| compact(&header, claims, |message| ec().sign(Algorithm::Es256, message));
    let plain = claims().to_string();
    let twice = plain.replacen('{', r#"{"sub":"root","#, 1);
    for (what, token) in [
        ("a claim twice", sign(&twice)),
        ("a claim twice, once escaped", sign(&plain.replacen('{', r#"{"s\u0075b":"root","#, 1))),
        ("a claim twice, deeper", sign(&plain.replacen('{', r#"{"x":{"a":1,"a":2},"#, 1))),
        ("text after it", sign(&format!("{plain} {{}}"))),
        ("no object", sign("[]")),
        ("no JSON", sign("sub=root")),
        ("not UTF-8", format!("{}.{}.AA", encode(header.to_string()), encode(b"{\"iss\":\"\xff\"}"))),
        ("padding", es256(&claims()).replacen('.', "=.", 1)),
        ("white space", format!("{} ", es256(&claims())).replacen('.', " .", 1)),
    ] {
        assert_eq!(refused(&provider, &token).await, "malformed", "{what}");
    }
}

#[tokio::test]
async fn a_token_for_something_else_is_no_access_token() {
    let provider = provider();
    let strict = JwtProvider::new(JwtSettings { tokens: Tokens::Access, ..settings() }, fetcher()).unwrap();
    for (typ, by_any, by_strict) in [
        (Some("at+jwt"), true, true),
        (Some("application/AT+JWT"), true, true),
        (Some("JWT"), true, false),
        (None, true, false),
        (Some("logout+jwt"), false, false),
        (Some("dpop+jwt"), false, false),
        (Some("secevent+jwt"), false, false),
        (Some(""), false, false),
    ] {
        let mut header = json!({ "alg": "ES256", "kid": "ec-1" });
        if let Some(typ) = typ {
            header["typ"] = typ.into();
        }
        let token = ec().token(Algorithm::Es256, &header, &claims());
        for (provider, accepted) in [(&provider, by_any), (&strict, by_strict)] {
            if accepted {
                assert!(provider.prove(&bearer(&token)).await.is_ok(), "{typ:?}");
            } else {
                assert_eq!(refused(provider, &token).await, "wrong-type", "{typ:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_bound_token_is_nothing_by_itself() {
    let provider = provider();
    let jkt = encode([7; 32]);
    let dpop = |token: &str| Presented { authorization: Some(format!("DPoP {token}").into()), ..Presented::default() };
    let bound = es256(&with("cnf", json!({ "jkt": jkt })));
    assert_eq!(refused(&provider, &bound).await, "bound-token-as-bearer");
    assert_eq!(provider.prove(&dpop(&bound)).await.unwrap().bound_to, Some(Binding::Key([7; 32])));
    let by_certificate = es256(&with("cnf", json!({ "x5t#S256": jkt })));
    let standing = provider.prove(&bearer(&by_certificate)).await.unwrap();
    assert_eq!(standing.bound_to, Some(Binding::Certificate([7; 32])));
    for (what, cnf, reason) in [
        ("both", json!({ "jkt": jkt, "x5t#S256": jkt }), "unknown-binding"),
        ("unknown", json!({ "jwk": {} }), "unknown-binding"),
        ("empty", json!({}), "unknown-binding"),
        ("no object", json!("x"), "malformed"),
        ("short", json!({ "x5t#S256": "AAAA" }), "malformed"),
        ("null", json!({ "x5t#S256": null }), "malformed"),
    ] {
        assert_eq!(refused(&provider, &es256(&with("cnf", cnf))).await, reason, "{what}");
    }
    let unbound = provider.prove(&dpop(&es256(&claims()))).await.unwrap_err();
    assert!(matches!(unbound, NotProven::Refused(Refusal { reason: "not-bound", .. })), "{unbound}");
}

/// A token with this header, signed by the provider's own key.
fn raw(header: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims().to_string()));
    let signature = ec().sign(Algorithm::Es256, message.as_bytes());
    format!("{message}.{}", encode(signature))
}
