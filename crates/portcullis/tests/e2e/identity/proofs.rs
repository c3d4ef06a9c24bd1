//! Proofs that somebody else judges (introspection, AWS), and those that need a key with each request (DPoP).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};

use super::{Signer, now};
use crate::harness::{Backend, Proxy, Scenario, Web, output_of, wait_until};

const FILE: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: authenticated, tell: { x-user: name } }
  - { port: web, path: /staff/*, service: shop, allow: { domains: [example.com] } }
identity:
  providers:
    <provider>
";

fn proxy_with(provider: &str, web: &Web) -> Scenario {
    Scenario::new(FILE).text("provider", provider).service("shop", &[web.address()])
}

fn status(proxy: &Proxy, path: &str, token: &str) -> u16 {
    proxy.get("web", path).header("authorization", &format!("Bearer {token}")).send().status
}

/// An answer in JSON.
fn answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_opaque_token_is_judged_by_whoever_made_it_and_seldom_asked_for() {
    let web = Web::start("shop");
    let asked = Arc::new(AtomicUsize::new(0));
    let is_revoked = Arc::new(AtomicBool::new(false));
    let (counted, revoked) = (Arc::clone(&asked), Arc::clone(&is_revoked));
    // One answer for each connection: when it stops listening, it is gone.
    let judge = Backend::start(move |mut peer| {
        let head = peer.read_head();
        if !head.is_empty() {
            let length = head.to_ascii_lowercase();
            let length = length.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let form = String::from_utf8(peer.read(length.unwrap().parse().unwrap())).unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            // RFC 7662 2.1: the one who asks has to say who they are. `proxy:s3cret`
            assert!(head.contains("Basic cHJveHk6czNjcmV0"), "{head}");
            let is_good = form.contains("token=opaque-1") && !revoked.load(Ordering::Relaxed);
            peer.send(answer(200, &json!({ "active": is_good, "sub": "robot", "exp": now() + 300 })));
        }
    });
    let provider = format!(
        "made: {{ introspection: \"http://{}/introspect\", client-id: proxy, client-secret: \"${{env:SECRET}}\", cache: 1s }}",
        judge.address()
    );
    let proxy = proxy_with(&provider, &web).environment("SECRET", "s3cret").start();
    assert_eq!(status(&proxy, "/good", "opaque-1"), 200);
    let before = asked.load(Ordering::Relaxed);
    let told = proxy.get("web", "/again").header("authorization", "Bearer opaque-1").expects(200).echo();
    assert_eq!((told.header("x-user"), told.header("authorization")), (Some("robot"), None));
    assert!(asked.load(Ordering::Relaxed) <= before + 1, "what was said is believed for a while");
    assert_eq!(status(&proxy, "/bad", "opaque-2"), 401);
    assert!(!proxy.log().wait_for_path("/bad").text("detail").contains("opaque-2"));
    is_revoked.store(true, Ordering::Relaxed);
    wait_until("what was said is not believed for ever", || (status(&proxy, "/late", "opaque-1") == 401).then_some(()));
    drop(judge);
    assert_eq!(status(&proxy, "/down", "opaque-3"), 503, "nobody new is proven while nobody can judge");
}

#[test]
fn an_aws_identity_is_proven_by_a_request_that_only_this_proxy_may_send() {
    let web = Web::start("shop");
    // Knows the signature `good`, and that over the name of this server alone.
    let sts = Backend::start(|mut peer| {
        loop {
            let head = peer.read_head();
            if head.is_empty() {
                return;
            }
            let is_ours = head.to_ascii_lowercase().contains("x-portcullis-server: access.example.com");
            if is_ours && head.contains("X-Amz-Signature=600d") {
                let role = "arn:aws:sts::123456789012:assumed-role/deploy-eu/i-0abc";
                let result = json!({ "Account": "123456789012", "Arn": role, "UserId": "A:i-0abc" });
                peer.send(answer(200, &json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": result } })));
            } else {
                let error = json!({ "Code": "SignatureDoesNotMatch", "Message": "…", "Type": "Sender" });
                peer.send(answer(403, &json!({ "Error": error })));
            }
        }
    });
    let provider = format!(
        "aws: {{ aws: \"http://{}\", server: access.example.com, roles: [\"arn:aws:iam::123456789012:role/deploy-*\"] }}",
        sts.address()
    );
    let proxy = proxy_with(&provider, &web).start();
    let date = String::from_utf8(output_of("date", ["-u", "+%Y%m%dT%H%M%SZ"], b"").stdout).unwrap();
    let presigned = |host: &str, headers: &str, signature: &str| {
        let date = date.trim();
        let address = format!(
            "http://{host}/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F{}%2Feu-central-1%2Fsts%2Faws4_request&X-Amz-Date={date}\
             &X-Amz-Expires=60&X-Amz-SignedHeaders={headers}&X-Amz-Signature={signature}",
            &date[..8]
        );
        format!("portcullis-aws-v1.{}", BASE64_URL_SAFE_NO_PAD.encode(address))
    };
    let (own, signed, good) = (sts.address().to_string(), "host%3Bx-portcullis-server", "600d".repeat(16));
    let told = proxy.get("web", "/good").header("authorization", &format!("Bearer {}", presigned(&own, signed, &good)));
    assert_eq!(told.expects(200).echo().header("x-user"), Some("arn:aws:iam::123456789012:role/deploy-eu"));
    let served = web.served();
    for (case, token) in [
        ("another-host", presigned("sts.evil.example", signed, &good)),
        ("not-bound", presigned(&own, "host", &good)),
        ("forged", presigned(&own, signed, &"bad0".repeat(16))),
    ] {
        let path = format!("/{case}");
        assert_eq!(status(&proxy, &path, &token), 401, "{case}");
        assert!(proxy.log().wait_for_path(&path).has("detail"), "{case}");
    }
    assert_eq!(web.served(), served);
}

/// A program with a key of its own.
struct Holder(KeyPair);

impl Holder {
    fn new() -> Self {
        Self(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap())
    }

    /// RFC 7638 3.2: members in order, nothing else.
    fn jwk(&self) -> String {
        let point = self.0.der_bytes().to_vec();
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(&point[1..33]), encode(&point[33..65]))
    }

    fn thumbprint(&self) -> String {
        hash(self.jwk().as_bytes())
    }

    /// For one request with this token.
    fn proof(&self, id: &str, method: &str, path: &str, token: &str) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".to_owned());
        header.jwk = Some(serde_json::from_str(&self.jwk()).unwrap());
        let claims = json!({
            "jti": id, "htm": method, "htu": format!("http://example.test{path}"), "iat": now(),
            "ath": hash(token.as_bytes()),
        });
        let key = EncodingKey::from_ec_pem(self.0.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }
}

fn hash(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(output_of("openssl", ["dgst", "-sha256", "-binary"], bytes).stdout)
}

/// DPoP: a proof that is sent again, or for another request, and a token without its key.
#[test]
fn a_token_that_is_bound_to_a_key_is_worth_nothing_without_it() {
    let (web, signer, holder) = (Web::start("shop"), Signer::new(), Holder::new());
    let provider = "robots: { jwt: \"https://id.example.com\", audience: [shop], keys: issuer.pem }";
    let proxy = proxy_with(provider, &web).file("issuer.pem", &signer.public_pem()).start();
    let token = signer.token(json!({ "cnf": { "jkt": holder.thumbprint() } }));
    let ask = |path: &str, scheme: &str, proof: Option<&str>| {
        let request = proxy.get("web", path).header("authorization", &format!("{scheme} {token}"));
        let request = match proof {
            Some(proof) => request.header("dpop", proof),
            None => request,
        };
        request.send()
    };
    let proof = |id: &str, method: &str, path: &str| holder.proof(id, method, path, &token);
    let first = proof("1", "GET", "/a");
    assert_eq!(ask("/a", "DPoP", Some(&first)).status, 200);
    let replayed = ask("/a", "DPoP", Some(&first));
    assert_eq!(replayed.status, 401);
    assert!(replayed.header("www-authenticate").unwrap().starts_with("DPoP"), "{replayed:?}");
    assert_eq!(ask("/b", "DPoP", Some(&proof("2", "GET", "/a"))).status, 401, "another path");
    assert_eq!(ask("/a", "DPoP", Some(&proof("3", "POST", "/a"))).status, 401, "another method");
    assert_eq!(ask("/a", "DPoP", None).status, 401, "no proof");
    assert_eq!(ask("/a", "Bearer", None).status, 401, "as if it were no bound one");
    let thief = Holder::new();
    assert_eq!(ask("/a", "DPoP", Some(&thief.proof("4", "GET", "/a", &token))).status, 401, "another key");
    assert_eq!(ask("/a", "DPoP", Some(&proof("5", "GET", "/a"))).status, 200);
    assert_eq!(web.served(), 2);
}

/// GHSA-c5c4-8r6x-56w3: an address counts if it is verified, and by what stands behind its last `@`.
#[test]
fn an_address_counts_only_if_it_is_verified_and_of_the_domain() {
    let (web, signer) = (Web::start("shop"), Signer::new());
    let provider = "robots: { jwt: \"https://id.example.com\", audience: [shop], keys: issuer.pem }";
    let proxy = proxy_with(provider, &web).file("issuer.pem", &signer.public_pem()).start();
    for (address, is_verified, expected) in [
        ("alice@example.com", json!(true), 200),
        ("Alice@EXAMPLE.com", json!(true), 200),
        ("alice@example.com", json!(false), 403),
        ("alice@example.com", Value::Null, 403),
        ("alice@evil.example.com", json!(true), 403),
        ("alice@example.com@evil.example", json!(true), 403),
        ("alice@notexample.com", json!(true), 403),
        ("alice@example.com.evil.example", json!(true), 403),
        ("\"alice@example.com \"@evil.example", json!(true), 403),
    ] {
        let token = signer.token(json!({ "email": address, "email_verified": is_verified.clone() }));
        assert_eq!(status(&proxy, "/staff/x", &token), expected, "{address} {is_verified}");
    }
}
