//! Keys that come, go, and can not be fetched.

use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::{
    State,
    stub::{Reply, Stub},
};

fn key_set(keys: &[(&SigningKey, &str)]) -> Reply {
    Reply::json(&json!({ "keys": keys.iter().map(|(key, name)| key.named(name)).collect::<Vec<_>>() }))
}

fn named(key: &SigningKey, name: &str) -> String {
    key.token(Algorithm::Es256, &json!({ "alg": "ES256", "kid": name }), &claims())
}

/// Fetches often, so that a test need not wait.
fn quick() -> KeyTimes {
    KeyTimes { refresh: Duration::from_millis(20), pause: Duration::ZERO, keep: Duration::from_hours(1) }
}

fn at(stub: &Stub, times: KeyTimes) -> JwtProvider {
    let keys = KeySource::Url(stub.at("/keys"));
    JwtProvider::new(JwtSettings { keys, key_times: times, ..settings() }, fetcher()).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_when_a_token_needs_them_and_once_for_many() {
    let stub = Stub::start(|_| key_set(&[(ec(), "ec-1")])).await;
    let provider = Arc::new(at(&stub, KeyTimes::default()));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { provider.prove(&bearer(&es256(&claims()))).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ones_do_not_make_the_proxy_ask_without_end() {
    let stub = Stub::start(|_| key_set(&[(ec(), "ec-1")])).await;
    let provider = at(&stub, quick());
    assert!(provider.prove(&bearer(&es256(&claims()))).await.is_ok());
    let second = Arc::new(SigningKey::new(Algorithm::Es256));
    let key = Arc::clone(&second);
    stub.answers(move |_| key_set(&[(ec(), "ec-1"), (&key, "ec-2")]));
    assert!(provider.prove(&bearer(&named(&second, "ec-2"))).await.is_ok());

    let calm = at(&stub, KeyTimes::default());
    assert!(calm.prove(&bearer(&es256(&claims()))).await.is_ok());
    let before = stub.asked().len();
    for attempt in 0..50 {
        let token = named(&second, &format!("no-{attempt}"));
        assert_eq!(refused(&calm, &token).await, "unknown-key");
    }
    assert_eq!(stub.asked().len(), before, "within the pause nobody is asked");
}

#[tokio::test]
async fn while_the_provider_is_down_its_last_keys_count_for_a_bounded_time() {
    let stub = Stub::start(|_| key_set(&[(ec(), "ec-1")])).await;
    let patient = at(&stub, quick());
    let strict = at(&stub, KeyTimes { keep: Duration::ZERO, ..quick() });
    let token = es256(&claims());
    assert!(patient.prove(&bearer(&token)).await.is_ok());
    stub.answers(|_| Reply::new(503, "down"));
    assert!(patient.prove(&bearer(&token)).await.is_ok());
    assert_eq!(refused(&patient, &named(ec(), "ec-2")).await, "unavailable", "it may be a new key: nobody knows");
    assert!(patient.prove(&bearer(&token)).await.is_ok(), "a failed fetch takes nothing away");
    assert_eq!(refused(&strict, &token).await, "unavailable");
    stub.answers(|_| Reply::new(200, "<html>maintenance</html>"));
    assert!(patient.prove(&bearer(&token)).await.is_ok());
    stub.answers(|_| Reply::json(&json!({ "keys": [] })));
    assert!(patient.prove(&bearer(&token)).await.is_ok(), "a set without keys is a failure of the provider");
}

#[tokio::test]
async fn a_provider_that_was_never_there_lets_nobody_in_and_says_why() {
    let stub = Stub::start(|_| Reply::new(500, "")).await;
    let provider = at(&stub, KeyTimes::default());
    for _ in 0..3 {
        match provider.prove(&bearer(&es256(&claims()))).await {
            Err(NotProven::Unavailable(why)) => assert!(why.contains("corp") && why.contains("500"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stub.asked().len(), 1, "and is not asked again at once");
}

#[tokio::test]
async fn when_a_key_is_given_up_what_rests_on_it_ends() {
    let second = Arc::new(SigningKey::new(Algorithm::Es256));
    let both = Arc::clone(&second);
    let stub = Stub::start(move |_| key_set(&[(ec(), "ec-1"), (&both, "ec-2")])).await;
    let provider = Arc::new(at(&stub, quick()));
    let leaves = provider.prove(&bearer(&es256(&claims()))).await.unwrap();
    let stays = provider.prove(&bearer(&named(&second, "ec-2"))).await.unwrap();
    let keeper = tokio::spawn({
        let provider = Arc::clone(&provider);
        async move { provider.keep_keys_fresh().await }
    });
    // The name stays, the key behind it is another one: that is a key given up as well.
    let third = SigningKey::new(Algorithm::Es256);
    let third = Mutex::new(third);
    let key = Arc::clone(&second);
    stub.answers(move |_| key_set(&[(&third.lock().unwrap(), "ec-1"), (&key, "ec-2")]));
    assert_eq!(leaves.gone().await, State::Ended);
    assert_eq!(stays.state(), State::Current);
    assert_eq!(refused(&provider, &es256(&claims())).await, "bad-signature");
    keeper.abort();
}

#[tokio::test]
async fn discovery_finds_the_keys_and_believes_only_the_issuer_itself() {
    let stub = Stub::start(|asked| match &*asked.path {
        "/.well-known/openid-configuration" => {
            let own = format!("http://{}", asked.headers["host"]);
            Reply::json(&json!({ "issuer": own, "jwks_uri": format!("{own}/certs") }))
        }
        "/other/.well-known/openid-configuration" => {
            Reply::json(&json!({ "issuer": "https://evil.example.com", "jwks_uri": "https://evil.example.com/certs" }))
        }
        _ => key_set(&[(ec(), "ec-1")]),
    })
    .await;
    let discover = |issuer: String| {
        let keys = KeySource::Discovery(issuer.parse().unwrap());
        JwtProvider::new(JwtSettings { issuer: issuer.into(), keys, ..settings() }, fetcher()).unwrap()
    };
    let good = stub.origin();
    assert!(discover(good.clone()).prove(&bearer(&es256(&with("iss", good)))).await.is_ok());
    let bad = format!("{}/other", stub.origin());
    match discover(bad.clone()).prove(&bearer(&es256(&with("iss", bad)))).await {
        Err(NotProven::Unavailable(why)) => assert!(why.contains("says that its issuer is"), "{why}"),
        other => panic!("{other:?}"),
    }
}
