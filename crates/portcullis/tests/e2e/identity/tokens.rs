//! Signed tokens of an issuer: whom they let pass, what the service sees, and what is refused.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::{ISSUER, Signer, guarded, now};
use crate::harness::{Proxy, Response};

fn ask(proxy: &Proxy, path: &str, token: &str) -> Response {
    proxy.get("web", path).header("authorization", &format!("Bearer {token}")).send()
}

#[test]
fn who_has_proven_it_passes_and_the_service_is_told_of_it() {
    let (proxy, signer, _services) = guarded();
    let token = signer.token(json!({ "groups": ["dba", "ops"], "tenant": "acme" }));
    for path in ["/dba/x", "/tenant/x", "/known/x"] {
        assert_eq!(ask(&proxy, path, &token).status, 200, "{path}");
    }
    let told = ask(&proxy, "/known/told", &token).echo();
    assert_eq!(told.header("x-user"), Some("robot"));
    assert_eq!(told.header("x-groups"), Some("dba,ops"));
    assert_eq!(told.header("x-tenant"), Some("acme"));
    assert_eq!(told.header("authorization"), None, "the credential stays here");
    let record = proxy.log().wait_for_path("/known/told");
    assert_eq!((record.text("principal"), record.text("provider")), ("robot", "robots"));
    let passed = ask(&proxy, "/raw/x", &token).echo();
    assert_eq!(passed.header("authorization"), Some(format!("Bearer {token}").as_str()));
}

#[test]
fn who_proves_nothing_is_asked_to_and_who_is_not_allowed_is_refused() {
    let (proxy, signer, [shop, _beta]) = guarded();
    let nobody = proxy.get("web", "/dba/nobody").send();
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer realm=\"portcullis\""));
    assert_eq!(proxy.log().wait_for_path("/dba/nobody").text("end"), "unauthenticated");
    let token = signer.token(json!({ "groups": ["ops"], "tenant": "globex" }));
    for path in ["/dba/other", "/tenant/other", "/where/other"] {
        assert_eq!(ask(&proxy, path, &token).status, 403, "{path}");
        let record = proxy.log().wait_for_path(path);
        assert_eq!(record.text("end"), "refused-route");
        assert!(record.text("detail").contains("robot (robots) may not pass"), "{record:?}");
    }
    let dba = signer.token(json!({ "groups": ["dba"] }));
    assert_eq!(ask(&proxy, "/not-dba/x", &dba).status, 403);
    assert_eq!(shop.served(), 0);
    assert_eq!(ask(&proxy, "/not-dba/x", &token).status, 200);
}

#[test]
fn a_group_leads_to_another_service() {
    let (proxy, signer, _services) = guarded();
    let replica = |token: &str| ask(&proxy, "/lane/x", token).header("x-replica").map(str::to_owned);
    assert_eq!(replica(&signer.token(json!({ "groups": ["beta"] }))).as_deref(), Some("beta"));
    assert_eq!(replica(&signer.token(json!({}))).as_deref(), Some("shop"));
    assert_eq!(proxy.get("web", "/lane/x").send().status, 401);
}

/// Attacks 41, 42 and 50, and invariant 3: no client says who it is in a header that the service believes.
#[test]
fn nobody_claims_an_identity_in_a_header() {
    let (proxy, signer, _services) = guarded();
    let token = signer.token(json!({}));
    let claims = ["x-user", "X_User", "x.user", "X-USER", "x-portcullis-assertion", "X_Portcullis_Assertion"];
    for path in ["/open/x", "/known/x"] {
        for claim in claims {
            for hop in ["keep-alive", "x-user, x-portcullis-assertion"] {
                let request = proxy.get("web", path).header(claim, "admin").header("connection", hop);
                let echo = request.header("authorization", &format!("Bearer {token}")).expects(200).echo();
                for name in claims {
                    let believed = echo.all(&name.to_ascii_lowercase());
                    let is_ours = |value: &&str| *value == "robot" || (path == "/known/x" && value.starts_with("eyJ"));
                    assert!(believed.iter().all(is_ours) && believed.len() < 2, "{path} {claim} {hop}: {believed:?}");
                }
                let expected = if path == "/known/x" { Some("robot") } else { None };
                assert_eq!(echo.header("x-user"), expected, "{path} {claim} {hop}");
            }
        }
    }
}

#[test]
fn a_token_that_is_not_good_is_refused_with_its_reason_in_the_log() {
    let (proxy, signer, [shop, _beta]) = guarded();
    let stranger = Signer::new();
    let with_key_id = |id: &str| Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) };
    let by_public_key = {
        let key = EncodingKey::from_secret(signer.public_pem().as_bytes());
        let claims = json!({ "iss": ISSUER, "aud": "shop", "sub": "robot", "exp": now() + 600 });
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    };
    let good = signer.token(json!({}));
    let unsigned = {
        // {"alg":"none"}
        let claims = good.split('.').nth(1).unwrap().to_owned();
        format!("eyJhbGciOiJub25lIn0.{claims}.")
    };
    let swapped = {
        let other = signer.token(json!({ "groups": ["dba"] }));
        let (claims, signature) = (other.split('.').nth(1).unwrap().to_owned(), good.rsplit('.').next().unwrap());
        format!("{}.{claims}.{signature}", good.split('.').next().unwrap())
    };
    for (case, token) in [
        ("expired", signer.token(json!({ "exp": now() - 3600 }))),
        ("early", signer.token(json!({ "nbf": now() + 3600 }))),
        ("foreign-audience", signer.token(json!({ "aud": "ledger" }))),
        ("foreign-issuer", signer.token(json!({ "iss": "https://evil.example.com" }))),
        ("no-expiry", signer.token(json!({ "exp": null }))),
        ("stranger", stranger.token(json!({}))),
        ("key-id", stranger.signed(&with_key_id("../../../dev/null"), json!({}))),
        ("public-key-as-secret", by_public_key),
        ("unsigned", unsigned),
        ("claims-swapped", swapped),
        ("garbage", "a.b.c".to_owned()),
        ("huge", "a".repeat(12_000)),
    ] {
        let path = format!("/dba/{case}");
        let answer = ask(&proxy, &path, &token);
        assert_eq!(answer.status, 401, "{case}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer"), "{case}: {challenge}");
        let record = proxy.log().wait_for_path(&path);
        assert_eq!(record.text("end"), "unauthenticated", "{case}");
        assert!(!record.text("detail").is_empty(), "{case}");
        assert!(!record.text("detail").contains(&token), "{case}");
    }
    assert_eq!(shop.served(), 0);
    assert_eq!(ask(&proxy, "/known/good", &good).status, 200);
}

#[test]
fn credentials_with_two_readings_are_refused() {
    let (proxy, signer, [shop, _beta]) = guarded();
    let token = signer.token(json!({}));
    let two = proxy.get("web", "/known/two").header("authorization", &format!("Bearer {token}"));
    assert_eq!(two.header("authorization", "Bearer other").send().status, 400);
    assert_eq!(shop.served(), 0);
}

#[test]
fn a_reload_that_takes_a_group_away_holds_from_the_next_request() {
    let (mut proxy, signer, _services) = guarded();
    let token = signer.token(json!({ "groups": ["dba"] }));
    assert_eq!(ask(&proxy, "/dba/x", &token).status, 200);
    let text = super::FILE.replace(
        "groups: [dba] } }\n  - { port: web, path: /tenant",
        "groups: [root] } }\n  - { port: web, path: /tenant",
    );
    assert_ne!(text, super::FILE);
    assert_eq!(proxy.reload(&text).status, 200);
    assert_eq!(ask(&proxy, "/dba/x", &token).status, 403);
}
