use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::{
    Binding, Secret, State,
    fetch::FetchSettings,
    jwt::signing::encode,
    stub::{Reply, Stub},
};

fn settings(stub: &Stub) -> IntrospectionSettings {
    IntrospectionSettings {
        name: "corp".into(),
        address: stub.at("/introspect"),
        credentials: ClientCredentials { id: "proxy".into(), secret: Secret::new("s3cret") },
        issuer: None,
        audiences: vec![],
        claims: ClaimMapping::default(),
        kind: Kind::Workload,
        leeway: Duration::from_secs(30),
        bounds: AnswerBounds::default(),
    }
}

fn provider(settings: IntrospectionSettings) -> IntrospectionProvider {
    IntrospectionProvider::new(settings, Fetcher::new(&FetchSettings::default()).unwrap())
}

fn bearer(token: &str) -> Presented {
    Presented { authorization: Some(format!("Bearer {token}").into()), ..Presented::default() }
}

async fn outcome(provider: &IntrospectionProvider, token: &str) -> &'static str {
    match provider.prove(&bearer(token)).await {
        Ok(_) => "proven",
        Err(NotProven::Nobody) => "nobody",
        Err(NotProven::Refused(refusal)) => {
            assert!(!refusal.detail.contains(token), "{refusal}");
            refusal.reason
        }
        Err(NotProven::Unavailable(why)) => {
            assert!(!why.contains(token) && !why.contains("s3cret"), "{why}");
            "unavailable"
        }
    }
}

fn active() -> Value {
    json!({ "active": true, "sub": "client-7", "exp": now() + 300, "aud": "api://shop", "iss": "https://idp.example.com" })
}

#[tokio::test]
async fn the_provider_is_asked_once_and_says_who_it_is() {
    let stub = Stub::start(|_| Reply::json(&active())).await;
    let provider = Arc::new(provider(settings(&stub)));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { provider.prove(&bearer("tok-1")).await.unwrap() })
        })
        .collect();
    let mut standings = Vec::new();
    for task in tasks {
        standings.push(task.await.unwrap());
    }
    assert!(standings.windows(2).all(|two| Arc::ptr_eq(&two[0], &two[1])));
    assert_eq!(&*standings[0].principal.subject, "client-7");
    let asked = stub.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, "token=tok-1&token_type_hint=access_token");
    assert!(asked[0].headers["authorization"].starts_with("Basic "));
}

#[tokio::test]
async fn anything_but_an_active_token_for_us_is_refused() {
    let with = |name: &str, value: Value| {
        let mut answer = active();
        answer[name] = value;
        answer.to_string()
    };
    for (what, answer, expected) in [
        ("inactive", r#"{"active":false}"#.to_owned(), "inactive"),
        ("no word on it", r#"{"sub":"client-7"}"#.to_owned(), "inactive"),
        ("active as a text", with("active", "true".into()), "inactive"),
        ("active and not", r#"{"active":false,"active":true,"sub":"x"}"#.to_owned(), "unavailable"),
        ("expired", with("exp", (now() - 60).into()), "expired"),
        ("foreign audience", with("aud", "api://other".into()), "wrong-audience"),
        ("foreign issuer", with("iss", "https://evil.example.com".into()), "wrong-issuer"),
        (
            "nobody",
            json!({ "active": true, "aud": "api://shop", "iss": "https://idp.example.com" }).to_string(),
            "no-subject",
        ),
        ("bound to a key", with("cnf", json!({ "jkt": encode([7; 32]) })), "bound-token-as-bearer"),
        ("bound to who knows", with("cnf", json!({ "x": 1 })), "unknown-binding"),
        ("no JSON", "<html>".to_owned(), "unavailable"),
        ("a list", "[]".to_owned(), "unavailable"),
    ] {
        let stub = Stub::start(move |_| Reply::new(200, answer.clone())).await;
        let ours = IntrospectionSettings {
            issuer: Some("https://idp.example.com".into()),
            audiences: vec!["api://shop".into()],
            ..settings(&stub)
        };
        assert_eq!(outcome(&provider(ours), "tok-1").await, expected, "{what}");
    }
    let stub = Stub::start(|_| Reply::new(401, r#"{"error":"invalid_client"}"#)).await;
    assert_eq!(outcome(&provider(settings(&stub)), "tok-1").await, "unavailable");
    for (token, expected) in [("tok\u{0}x", "malformed"), ("tök", "malformed"), (&*"t".repeat(9000), "too-large")] {
        assert_eq!(outcome(&provider(settings(&stub)), token).await, expected);
    }
    assert_eq!(stub.asked().len(), 1, "what has not the form of a token is not sent on");
}

#[tokio::test]
async fn a_client_without_subject_is_known_by_its_id_and_a_certificate_binds() {
    let thumbprint = encode([7; 32]);
    let stub = Stub::start(move |_| {
        Reply::json(&json!({ "active": true, "client_id": "batch", "cnf": { "x5t#S256": thumbprint } }))
    })
    .await;
    let standing = provider(settings(&stub)).prove(&bearer("tok-1")).await.unwrap();
    assert_eq!(&*standing.principal.subject, "batch");
    assert_eq!(standing.bound_to, Some(Binding::Certificate([7; 32])));
    assert!(standing.expires <= now() + LONGEST, "a token without an end is asked about again");
}

#[tokio::test]
async fn a_no_is_remembered_for_a_while_and_a_failure_is_not() {
    let stub = Stub::start(|_| Reply::json(&json!({ "active": false }))).await;
    let provider = provider(settings(&stub));
    for _ in 0..10 {
        assert_eq!(outcome(&provider, "bad").await, "inactive");
    }
    assert_eq!(stub.asked().len(), 1);
    stub.answers(|_| Reply::new(503, ""));
    assert_eq!(outcome(&provider, "new").await, "unavailable");
    stub.answers(|_| Reply::json(&active()));
    assert_eq!(outcome(&provider, "new").await, "proven");
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_what_rests_on_it_and_one_that_lives_on_does_not() {
    let stub = Stub::start(|_| Reply::json(&active())).await;
    let bounds = AnswerBounds { fresh: Duration::from_millis(20), ..AnswerBounds::default() };
    let provider = Arc::new(provider(IntrospectionSettings { bounds, ..settings(&stub) }));
    let ends = provider.prove(&bearer("ends")).await.unwrap();
    let stays = provider.prove(&bearer("stays")).await.unwrap();
    let keeper = tokio::spawn({
        let provider = Arc::clone(&provider);
        async move { provider.keep_fresh().await }
    });
    let asked_about_stays = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked_about_stays);
    let end = stays.expires;
    stub.answers(move |asked| {
        if asked.body.contains("token=ends") {
            return Reply::json(&json!({ "active": false }));
        }
        counter.fetch_add(1, Ordering::Relaxed);
        let mut answer = active();
        answer["exp"] = (end - 30).into();
        Reply::json(&answer)
    });
    assert_eq!(ends.gone().await, State::Ended);
    while asked_about_stays.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stays.state(), State::Current);
    stub.answers(|_| Reply::new(503, ""));
    assert!(stays.stands(now()), "while the provider is down, what was proven stays");
    keeper.abort();
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let stub = Stub::start(|_| Reply::json(&json!({ "active": false }))).await;
    let bounds = AnswerBounds { remembered: 3, ..AnswerBounds::default() };
    let provider = provider(IntrospectionSettings { bounds, ..settings(&stub) });
    for n in 0..10 {
        assert_eq!(outcome(&provider, &format!("t{n}")).await, "inactive");
    }
    assert_eq!(outcome(&provider, "t0").await, "inactive");
    assert_eq!(stub.asked().len(), 10, "the first was remembered");
    assert_eq!(outcome(&provider, "t9").await, "inactive");
    assert_eq!(stub.asked().len(), 11, "the last was not");
}
