use std::{net::TcpListener, sync::Arc};

use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};

use super::*;
use crate::stub::{Reply, Stub};

fn fetcher() -> Fetcher {
    Fetcher::new(&FetchSettings::default()).unwrap()
}

fn address(text: &str) -> Result<ProviderUrl, String> {
    text.parse().map_err(|error: FetchError| error.to_string())
}

#[test]
fn only_https_and_the_loopback_are_addresses_of_providers() {
    for good in [
        "https://idp.example.com/a?b",
        "http://127.0.0.1:8080",
        "http://[::1]/",
        "http://localhost:1/",
        "http://idp.localhost/",
    ] {
        assert!(address(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("http://idp.example.com/keys", "write https://"),
        ("http://127.0.0.1.example.com/", "write https://"),
        ("http://localhost.example.com/", "write https://"),
        ("https://user:hunter2@idp.example.com/", "user or a password"),
        ("ftp://idp.example.com/", "starts with https://"),
        ("file:///etc/passwd", "starts with https://"),
        ("idp.example.com", "write it as https://host/path"),
        ("", "write it as https://host/path"),
    ] {
        let error = address(bad).unwrap_err();
        assert!(error.contains(why), "{bad}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn json_is_fetched_and_a_form_is_posted_with_credentials() {
    let stub = Stub::start(|asked| match &*asked.path {
        "/token" => Reply::json(&json!({ "form": asked.body, "by": asked.headers["authorization"] })),
        _ => Reply::json(&json!({ "agent": asked.headers["user-agent"] })),
    })
    .await;
    let page: Value = fetcher().get_json(&stub.at("/page")).await.unwrap();
    assert!(page["agent"].as_str().unwrap().starts_with("portcullis/"));
    let credentials = ClientCredentials { id: "a:b".into(), secret: Secret::new("s&c r") };
    let posted: Value =
        fetcher().post_form_json(&stub.at("/token"), &[("token", "x=y&z")], Some(&credentials)).await.unwrap();
    assert_eq!(posted["form"], "token=x%3Dy%26z");
    assert_eq!(posted["by"], format!("Basic {}", BASE64_STANDARD.encode("a%3Ab:s%26c+r")));
}

#[tokio::test]
async fn a_refusal_says_the_oauth_word_and_nothing_else_of_the_answer() {
    let stub = Stub::start(|asked| match &*asked.path {
        "/oauth?secret=1" => Reply::new(400, r#"{"error":"invalid_client","error_description":"tok-123"}"#),
        "/evil" => Reply::new(500, r#"{"error":"\u001b[31m tok-123"}"#),
        "/form" => Reply::new(200, r#"{"error":"tok-123"}"#),
        _ => Reply::new(200, "tok-123 <html>"),
    })
    .await;
    for (path, expected) in [
        ("/oauth?secret=1", "/oauth answered 400 (invalid_client); see"),
        ("/evil", "/evil answered 500; see"),
        ("/form", "JSON, but not of the expected form (line 1"),
        ("/html", "/html answered with no JSON (line 1, column 2)"),
    ] {
        let error = fetcher().get_json::<Vec<u8>>(&stub.at(path)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("tok-123") && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn answers_are_bounded_in_bytes_and_in_time() {
    let stub = Stub::start(|_| Reply::new(200, vec![b' '; 2000])).await;
    let settings = FetchSettings { response_bytes: 1000, ..FetchSettings::default() };
    let error = Fetcher::new(&settings).unwrap().get_json::<Value>(&stub.at("/")).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: 1000, .. }), "{error}");

    // Accepts (by its backlog) and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
    let settings = FetchSettings { total: Duration::from_millis(50), ..FetchSettings::default() };
    let error = Fetcher::new(&settings).unwrap().get_json::<Value>(&address).await.unwrap_err();
    assert!(matches!(error, FetchError::Slow { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_stays_within_its_origin_and_a_form_follows_none() {
    let other = Stub::start(|_| Reply::json(&json!("stolen"))).await;
    let elsewhere = other.at("/").to_string();
    let stub = Stub::start(move |asked| match &*asked.path {
        "/here" => Reply::new(302, "").with("location", "/there"),
        "/there" => Reply::json(&json!("found")),
        "/round" => Reply::new(307, "").with("location", "/round"),
        _ => Reply::new(307, "").with("location", &*elsewhere),
    })
    .await;
    assert_eq!(fetcher().get_json::<String>(&stub.at("/here")).await.unwrap(), "found");
    let error = fetcher().get_json::<String>(&stub.at("/round")).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirects { .. }), "{error}");
    let error = fetcher().get_json::<String>(&stub.at("/away")).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirected { .. }), "{error}");
    let error = fetcher().post_form_json::<String>(&stub.at("/away"), &[], None).await.unwrap_err();
    assert!(matches!(error, FetchError::Status { .. }), "{error}");
    assert!(other.asked().is_empty());

    stub.answers(|asked| Reply::json(&json!(asked.method)));
    assert_eq!(fetcher().post_form_json::<String>(&stub.at("/away"), &[], None).await.unwrap(), "POST");
}

#[tokio::test]
async fn nobody_there_is_said_with_the_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{free}/keys?token=1").parse().unwrap();
    let error = fetcher().get_json::<Value>(&address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot reach http://{free}/keys: ")), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn certificates_are_verified_and_an_authority_can_be_added() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let stub = Stub::with_tls(Some(Arc::new(config).into()), |_| Reply::json(&json!("hello"))).await;

    let error = fetcher().get_json::<String>(&stub.at("/")).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
    let settings = FetchSettings { extra_roots: Some(issued.cert.pem().into_bytes()), ..FetchSettings::default() };
    assert_eq!(Fetcher::new(&settings).unwrap().get_json::<String>(&stub.at("/")).await.unwrap(), "hello");

    for (pem, expected) in [("", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\n%%", "cannot read")] {
        let settings = FetchSettings { extra_roots: Some(pem.into()), ..FetchSettings::default() };
        let error = Fetcher::new(&settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
