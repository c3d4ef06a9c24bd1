use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Basis, ClientCertificate, Kind, Principal,
    jwt::signing::{SigningKey, compact, encode},
};

const TOKEN: &str = "header.claims.signature";
const NOW: u64 = 1_800_000_000;

/// A client with a key, a token bound to it, and the proxy that judges its proofs.
struct Client {
    key: SigningKey,
    algorithm: Algorithm,
    dpop: Dpop,
    standing: Standing,
}

/// What a good proof says.
fn good_claims() -> Value {
    json!({
        "jti": "p-1", "htm": "GET", "htu": "https://shop.example.com/orders", "iat": NOW,
        "ath": encode(sha256(TOKEN.as_bytes())),
    })
}

/// The same with a member set, or taken away by null.
fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = good_claims();
    claims[name] = value.into();
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

impl Client {
    fn new(algorithm: Algorithm, settings: DpopSettings) -> Self {
        let key = SigningKey::new(algorithm);
        let dpop = Dpop::new(settings).unwrap();
        let mut client = Self { standing: standing(None), key, algorithm, dpop };
        let own = Proof::read(&client.proof(&good_claims()), &Algorithm::ALL).unwrap();
        client.standing = standing(Some(Binding::Key(own.key)));
        client
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.algorithm.name(), "jwk": self.key.jwk() })
    }

    fn proof(&self, claims: &Value) -> String {
        self.key.token(self.algorithm, &self.header(), claims)
    }

    fn shows(&self, proof: &str) -> Result<(), Refusal> {
        self.dpop.check_at(&self.standing, &request(proof), NOW)
    }

    fn reason(&self, proof: &str) -> &'static str {
        let refusal = self.shows(proof).unwrap_err();
        assert_eq!(refusal.error, "invalid_dpop_proof");
        assert!(proof.len() < 40 || !refusal.detail.contains(proof), "{refusal}");
        refusal.reason
    }
}

fn client() -> Client {
    Client::new(Algorithm::Es256, DpopSettings::default())
}

fn standing(bound_to: Option<Binding>) -> Standing {
    let principal = Principal {
        kind: Kind::Workload,
        provider: "corp".into(),
        subject: "client-7".into(),
        name: "client-7".into(),
        email: None,
        groups: Box::default(),
        claims: BTreeMap::new(),
    };
    Standing::new(principal, Basis::Token(None), NOW + 300).bound_to(bound_to)
}

fn request(proof: &str) -> Presented {
    Presented {
        authorization: Some(format!("DPoP {TOKEN}").into()),
        dpop: Some(proof.into()),
        method: "GET".into(),
        scheme: "https",
        authority: "shop.example.com".into(),
        path: "/orders".into(),
        ..Presented::default()
    }
}

#[test]
fn a_proof_of_each_algorithm_counts_once() {
    for algorithm in Algorithm::ALL {
        let client = Client::new(algorithm, DpopSettings::default());
        let proof = client.proof(&good_claims());
        assert_eq!(client.shows(&proof), Ok(()), "{algorithm}");
        assert_eq!(client.reason(&proof), "replayed", "{algorithm}");
        assert_eq!(client.shows(&client.proof(&with("jti", "p-2"))), Ok(()), "{algorithm}");
    }
}

#[test]
fn a_proof_is_for_this_request_and_this_moment() {
    let client = client();
    for (what, claims, reason) in [
        ("another method", with("htm", "POST"), "wrong-method"),
        ("method in lower case", with("htm", "get"), "wrong-method"),
        ("no method", with("htm", Value::Null), "malformed"),
        ("another host", with("htu", "https://evil.example.com/orders"), "wrong-target"),
        ("another scheme", with("htu", "http://shop.example.com/orders"), "wrong-target"),
        ("another port", with("htu", "https://shop.example.com:8443/orders"), "wrong-target"),
        ("another path", with("htu", "https://shop.example.com/"), "wrong-target"),
        ("a longer path", with("htu", "https://shop.example.com/orders/7"), "wrong-target"),
        ("path in other case", with("htu", "https://shop.example.com/Orders"), "wrong-target"),
        ("a user in the address", with("htu", "https://shop.example.com@evil.example.com/orders"), "wrong-target"),
        ("a user before the host", with("htu", "https://evil@shop.example.com/orders"), "wrong-target"),
        ("no address", with("htu", "/orders"), "wrong-target"),
        ("address a list", with("htu", json!(["https://shop.example.com/orders"])), "malformed"),
        ("stale", with("iat", NOW - 61), "stale"),
        ("from the future", with("iat", NOW + 6), "from-the-future"),
        ("timeless", with("iat", Value::Null), "malformed"),
        ("time a text", with("iat", NOW.to_string()), "malformed"),
        ("without a token", with("ath", Value::Null), "wrong-token-hash"),
        ("for another token", with("ath", encode(sha256(b"other"))), "wrong-token-hash"),
        ("hash of nothing", with("ath", ""), "wrong-token-hash"),
        ("nameless", with("jti", Value::Null), "malformed"),
        ("empty name", with("jti", ""), "malformed"),
        ("long name", with("jti", "j".repeat(257)), "malformed"),
    ] {
        assert_eq!(client.reason(&client.proof(&claims)), reason, "{what}");
    }
    for (id, target) in [
        "https://shop.example.com/orders?page=2#top",
        "HTTPS://SHOP.example.com:443/orders",
        "https://shop.example.com/x/../orders",
        "https://shop.example.com/%6Frders",
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = with("htu", target);
        claims["jti"] = id.to_string().into();
        assert_eq!(client.shows(&client.proof(&claims)), Ok(()), "{target}");
    }
}

#[test]
fn a_proof_is_by_the_key_of_the_token_and_by_no_other() {
    let client = client();
    let thief = SigningKey::new(Algorithm::Es256);
    let claims = good_claims().to_string();
    let by_thief = |header: &Value| compact(header, &claims, |message| thief.sign(Algorithm::Es256, message));
    let by_owner = |header: &Value| compact(header, &claims, |message| client.key.sign(Algorithm::Es256, message));
    let header = |name: &str, value: Value| {
        let mut header = client.header();
        header[name] = value;
        header
    };
    let mut private = client.key.jwk();
    private["d"] = "AAAA".into();
    for (what, proof, reason) in [
        ("a thief with a key of his own", by_thief(&header("jwk", thief.jwk())), "wrong-key"),
        ("a thief with the owner's public key", by_thief(&client.header()), "bad-signature"),
        ("a private key in it", by_owner(&header("jwk", private)), "bad-key"),
        ("a symmetric key", by_owner(&header("jwk", json!({ "kty": "oct", "k": "AAAA" }))), "bad-key"),
        ("no key", by_owner(&header("jwk", Value::Null)), "bad-key"),
        ("a key of another kind", by_owner(&header("alg", "RS256".into())), "bad-key"),
        ("no signature", compact(&client.header(), &claims, |_| Vec::new()), "bad-signature"),
        ("none", compact(&header("alg", "none".into()), &claims, |_| Vec::new()), "wrong-algorithm"),
        ("HS256", by_owner(&header("alg", "HS256".into())), "wrong-algorithm"),
        ("an access token as a proof", by_owner(&header("typ", "at+jwt".into())), "wrong-type"),
        ("no type", by_owner(&header("typ", Value::Null)), "malformed"),
        ("not a token", "AAAA".to_owned(), "malformed"),
        ("empty", String::new(), "malformed"),
        ("huge", "A".repeat(9000), "too-large"),
        (
            "a claim twice",
            compact(&client.header(), &claims.replacen('{', r#"{"htm":"POST","#, 1), |message| {
                client.key.sign(Algorithm::Es256, message)
            }),
            "malformed",
        ),
    ] {
        assert_eq!(client.reason(&proof), reason, "{what}");
    }
    let narrow = DpopSettings { algorithms: vec![Algorithm::EdDsa], ..DpopSettings::default() };
    let narrow = Dpop::new(narrow).unwrap();
    let refusal = narrow.check_at(&client.standing, &request(&client.proof(&good_claims())), NOW).unwrap_err();
    assert_eq!(refusal.reason, "wrong-algorithm");
}

#[test]
fn a_bound_token_without_its_proof_is_refused_however_it_is_shown() {
    let client = client();
    let good = client.proof(&good_claims());
    let check = |change: fn(&mut Presented)| {
        let mut presented = request(&good);
        change(&mut presented);
        client.dpop.check_at(&client.standing, &presented, NOW).map_err(|refusal| refusal.reason)
    };
    assert_eq!(
        check(|shown| shown.authorization = Some(format!("Bearer {TOKEN}").into())),
        Err("bound-token-as-bearer")
    );
    assert_eq!(check(|shown| shown.authorization = None), Err("bound-token-as-bearer"));
    assert_eq!(check(|shown| shown.dpop = None), Err("no-proof"));
    assert_eq!(check(|shown| shown.authorization = Some("DPoP stolen.other.token".into())), Err("wrong-token-hash"));
    assert_eq!(check(|_| ()), Ok(()), "none of the refused ones used the proof up");
    let unbound = standing(None);
    assert_eq!(client.dpop.check_at(&unbound, &Presented::default(), NOW), Ok(()));
}

#[test]
fn a_certificate_bound_token_needs_the_certificate_of_this_connection() {
    let dpop = Dpop::new(DpopSettings::default()).unwrap();
    let standing = standing(Some(Binding::Certificate([7; 32])));
    let with = |thumbprint: Option<u8>| Presented {
        certificate: thumbprint.map(|byte| ClientCertificate {
            thumbprint: [byte; 32],
            subject: "CN=shop".into(),
            names: Box::default(),
            not_after: NOW,
        }),
        ..Presented::default()
    };
    assert_eq!(dpop.check_request(&standing, &with(Some(7))), Ok(()));
    assert_eq!(dpop.check_request(&standing, &with(Some(8))).unwrap_err().reason, "wrong-certificate");
    assert_eq!(dpop.check_request(&standing, &with(None)).unwrap_err().reason, "no-certificate");
}

#[test]
fn a_nonce_is_asked_for_with_one_that_works() {
    let settings = DpopSettings { nonces: NoncePolicy::Required, ..DpopSettings::default() };
    let client = Client::new(Algorithm::Es256, settings);
    for claims in [good_claims(), with("nonce", "made-up"), with("nonce", "")] {
        let refusal = client.shows(&client.proof(&claims)).unwrap_err();
        assert_eq!((refusal.reason, refusal.error), ("no-nonce", "use_dpop_nonce"));
        let nonce = refusal.dpop_nonce.unwrap();
        let mut again = with("nonce", &*nonce);
        again["jti"] = encode(sha256(claims.to_string().as_bytes())).into();
        assert_eq!(client.shows(&client.proof(&again)), Ok(()));
    }
    // Where it is not asked for, a wrong one still is not right.
    let relaxed = self::client();
    let wrong = relaxed.proof(&with("nonce", &*client.dpop.nonces.fresh(NOW)));
    assert_eq!(relaxed.shows(&wrong).unwrap_err().error, "use_dpop_nonce");
}

#[test]
fn one_proof_shown_to_many_workers_at_once_counts_once() {
    let client = Arc::new(client());
    let proof: Arc<str> = client.proof(&good_claims()).into();
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (client, proof) = (Arc::clone(&client), Arc::clone(&proof));
            std::thread::spawn(move || client.shows(&proof).is_ok())
        })
        .collect();
    assert_eq!(workers.into_iter().map(|worker| worker.join().unwrap()).filter(|passed| *passed).count(), 1);
}

/// RFC 9449 4.1; the thumbprint of its key is in 6.1.
#[test]
fn the_example_of_the_standard_holds() {
    let text = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs\
                cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2\
                In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu\
                IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT\
                3Lg";
    let proof = Proof::read(text, &Algorithm::ALL).unwrap();
    assert_eq!(encode(proof.key), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!((&*proof.id, &*proof.method), ("-BwC3ESc6acc2lTc", "POST"));
    assert_eq!((&*proof.target, proof.issued), ("https://server.example.com/token", 1_562_262_616));
}

proptest! {
    #[test]
    fn any_text_is_a_proof_or_refused(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(Proof::read(&text, &Algorithm::ALL).is_err());
    }

    #[test]
    fn any_claims_of_a_signed_proof_are_judged(
        target in "(https://[a-z.%]{0,9}[/a-z%0-9:@?#\\\\]{0,20})|\\PC{0,30}",
        issued in any::<u64>(),
    ) {
        let client = client();
        let mut claims = with("htu", target);
        claims["iat"] = issued.into();
        prop_assert!(client.shows(&client.proof(&claims)).is_err());
    }
}
