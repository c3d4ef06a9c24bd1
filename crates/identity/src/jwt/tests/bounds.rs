//! Bounds, keys and settings that are refused, examples of the standards, and whatever else may come.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jwt::{key::PublicKey, key_set::KeySet, signing::encode};

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let provider = provider();
    for (what, claims, reason) in [
        ("long", with("x", "x".repeat(7000)), "too-large"),
        ("wide", with("x", vec![1; 2100]), "malformed"),
        ("long subject", with("sub", "s".repeat(513)), "malformed"),
        ("long group", with("groups", "g".repeat(513)), "malformed"),
        ("group an object", with("groups", json!([{ "name": "dba" }])), "malformed"),
    ] {
        assert_eq!(refused(&provider, &es256(&claims)).await, reason, "{what}");
    }
}

#[tokio::test]
async fn what_is_no_token_of_this_form_is_left_to_others() {
    let provider = provider();
    for authorization in
        ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer opaque", "Bearer a.b", "Bearer pct_1_2", "bearer"]
    {
        let presented = Presented { authorization: Some(authorization.into()), ..Presented::default() };
        assert_eq!(provider.prove(&presented).await.unwrap_err(), NotProven::Nobody, "{authorization}");
    }
    assert_eq!(provider.prove(&Presented::default()).await.unwrap_err(), NotProven::Nobody);
    let presented =
        Presented { authorization: Some(format!("bEARER  {}", es256(&claims())).into()), ..Presented::default() };
    assert!(provider.prove(&presented).await.is_ok(), "schemes have no case");
}

#[test]
fn settings_that_would_let_too_many_in_are_refused() {
    let error = |settings: JwtSettings| JwtProvider::new(settings, fetcher()).unwrap_err();
    assert!(error(JwtSettings { audiences: vec![], ..settings() }).contains("audience"));
    assert!(error(JwtSettings { audiences: vec!["".into()], ..settings() }).contains("audience"));
    assert!(error(JwtSettings { algorithms: vec![], ..settings() }).contains("algorithm"));
    assert!(error(JwtSettings { issuer: "".into(), ..settings() }).contains("issuer"));
    for (name, why) in [("none", "proves nothing"), ("HS256", "symmetric"), ("HS512", "symmetric"), ("rs256", "not an")]
    {
        assert!(name.parse::<Algorithm>().unwrap_err().contains(why), "{name}");
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.name().parse(), Ok(algorithm));
    }
}

#[test]
fn keys_that_are_none_are_left_out_and_a_set_without_any_is_an_error() {
    let ec = ec().jwk();
    let changed = |name: &str, value: Value| {
        let mut jwk = ec.clone();
        jwk[name] = value;
        jwk
    };
    for (what, jwk) in [
        ("symmetric", json!({ "kty": "oct", "k": "AAAA", "kid": "ec-1" })),
        ("for encryption", changed("use", "enc".into())),
        ("for signing alone", changed("key_ops", json!(["sign"]))),
        ("private", changed("d", "AAAA".into())),
        ("of an algorithm that is not allowed", changed("alg", "ES384".into())),
        ("symmetric by name", changed("alg", "HS256".into())),
        ("off the curve", changed("y", encode([1; 32]).into())),
        ("short", changed("y", encode([1; 31]).into())),
        ("another curve", changed("crv", "P-384".into())),
        ("unknown curve", changed("crv", "secp256k1".into())),
        ("small RSA", json!({ "kty": "RSA", "n": encode([0xff; 128]), "e": "AQAB" })),
        ("even RSA exponent", json!({ "kty": "RSA", "n": rsa().jwk()["n"], "e": encode([2]) })),
        ("RSA exponent of one", json!({ "kty": "RSA", "n": rsa().jwk()["n"], "e": encode([1]) })),
        ("empty", json!({})),
        ("no object", json!("key")),
    ] {
        let set = json!({ "keys": [jwk] }).to_string();
        let read = KeySet::parse(set.as_bytes(), &[Algorithm::Es256, Algorithm::Rs256], "corp");
        assert!(read.is_err(), "{what}");
        let set = json!({ "keys": [jwk, ec] }).to_string();
        assert!(KeySet::parse(set.as_bytes(), &[Algorithm::Es256], "corp").is_ok(), "{what} beside a good one");
    }
    for text in ["", "{}", "[]", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "-----BEGIN"] {
        assert!(KeySet::parse(text.as_bytes(), &Algorithm::ALL, "corp").is_err(), "{text}");
    }
}

#[tokio::test]
async fn keys_may_be_pem_without_names() {
    let issued = rcgen::KeyPair::generate().unwrap();
    let pem = issued.public_key_pem();
    let provider =
        JwtProvider::new(JwtSettings { keys: KeySource::Fixed(pem.into()), ..settings() }, fetcher()).unwrap();
    let pkcs8 = issued.serialize_der();
    let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key =
        SigningKey::Ec(Algorithm::Es256, aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(signing, &pkcs8).unwrap());
    for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": "any" })] {
        let token = key.token(Algorithm::Es256, &header, &claims());
        assert!(provider.prove(&bearer(&token)).await.is_ok(), "{header}");
        let forged = ec().token(Algorithm::Es256, &header, &claims());
        assert!(provider.prove(&bearer(&forged)).await.is_err(), "{header}");
    }
}

/// RFC 7515 A.3, RFC 8037 A.4 (its keys' thumbprint in A.3), RFC 7638 3.1.
#[test]
fn the_examples_of_the_standards_hold() {
    let read =
        |jwk: &Value, allowed: &[Algorithm]| PublicKey::from_jwk(jwk.as_object().unwrap(), allowed).unwrap().unwrap();
    let p256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb2\
                 90Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(read(&p256, &Algorithm::ALL).verifies(&Unverified::parse(token).unwrap()));
    let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhi\
                 jcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let ed = read(&ed, &Algorithm::ALL);
    assert!(ed.verifies(&Unverified::parse(token).unwrap()));
    assert_eq!(encode(ed.thumbprint), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
             oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA\
             ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur\
             -kEgU8awapJzKnqDKgw";
    let rsa = json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
    let rsa = read(&rsa, &Algorithm::ALL);
    assert_eq!(encode(rsa.thumbprint), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert!(rsa.fits(Algorithm::Rs256) && !rsa.fits(Algorithm::Ps256), "`alg` of a key limits it");
}

proptest! {
    #[test]
    fn any_text_is_a_token_or_refused(text in "[A-Za-z0-9_.=-]{0,200}") {
        if let Ok(token) = Unverified::parse(&text) {
            let _ = token.claims();
        }
    }

    #[test]
    fn any_claims_name_somebody_within_the_bounds_or_nobody(
        names in proptest::collection::vec("sub|email|email_verified|groups|exp|aud|[a-z._/~]{1,8}", 0..8),
        values in proptest::collection::vec(value(), 8),
        path in "[a-z._/~:]{0,12}",
    ) {
        let claims = Claims::from(names.into_iter().zip(values).collect::<serde_json::Map<_, _>>());
        let mapping = ClaimMapping { groups: path.parse().ok(), name: None, extra: path.parse().into_iter().collect() };
        if let Ok(principal) = mapping.principal(&"corp".into(), Kind::User, &claims) {
            prop_assert!(!principal.subject.is_empty() && principal.subject.len() <= 512);
            prop_assert!(principal.groups.is_sorted());
            prop_assert!(principal.email.is_none() || claims.get("email_verified").is_some());
        }
        let expected = Expected { issuer: "x".into(), audiences: vec!["y".into()], leeway: 1 };
        let _ = claims.check(&expected, 1_000_000_000);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(Value::from("a@b.c")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
