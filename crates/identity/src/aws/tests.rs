use aws_lc_rs::hmac;
use proptest::prelude::*;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::*;
use crate::{
    fetch::FetchSettings,
    jwt::signing::encode,
    stub::{Asked, Reply, Stub},
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SERVER: &str = "access.example.com";
const SESSION_TOKEN: &str = "tok+en/with=signs==";
/// `2026-01-31T23:59:59Z`.
const THEN: u64 = 1_769_903_999;

/// A request as botocore 1.44 presigns it with the keys above, at that time, for 60 seconds.
const BY_BOTOCORE: &str = "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
    &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Feu-central-1%2Fsts%2Faws4_request\
    &X-Amz-Date=20260131T235959Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-portcullis-server\
    &X-Amz-Security-Token=tok%2Ben%2Fwith%3Dsigns%3D%3D\
    &X-Amz-Signature=f1d3da8c84a560420121f710c3c469dd4e3ce947dc0f2a4c4aebc56297a32522";

fn token(address: &str) -> String {
    format!("{PREFIX}{}", encode(address))
}

fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(digits[usize::from(half)])).collect()
}

/// RFC 3986 2.3, as Signature Version 4 wants it.
fn escaped(text: &str) -> String {
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if keep(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The signature that a request with these parameters and headers should have (AWS Signature Version 4).
fn signature(host: &str, server: &str, parameters: &[(String, String)]) -> String {
    let value = |name: &str| &*parameters.iter().find(|(own, _)| own == name).unwrap().1;
    let mut query: Vec<_> = parameters
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    query.sort();
    let headers = format!("host:{host}\nx-portcullis-server:{server}\n");
    let nothing = hex(&sha256(b""));
    let signed = value("X-Amz-SignedHeaders");
    let canonical = format!("GET\n/\n{}\n{headers}\n{signed}\n{nothing}", query.join("&"));
    let scope = value("X-Amz-Credential").split_once('/').unwrap().1;
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", value("X-Amz-Date"), hex(&sha256(canonical.as_bytes())));
    let sign =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| sign(&key, part));
    hex(&sign(&key, &to_sign))
}

/// An STS that checks signatures, and knows one role.
fn sts(asked: &Asked) -> Reply {
    let parameters: Vec<(String, String)> =
        form_urlencoded::parse(asked.path.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let server = asked.headers.get(SERVER_HEADER).map_or("", |server| server);
    let given = &parameters.iter().find(|(name, _)| name == "X-Amz-Signature").unwrap().1;
    if *given != signature(&asked.headers["host"], server, &parameters) {
        return Reply::new(403, r#"{"Error":{"Code":"SignatureDoesNotMatch","Message":"...","Type":"Sender"}}"#);
    }
    identity("arn:aws:sts::123456789012:assumed-role/deploy-eu/i-0abc", "123456789012")
}

fn identity(arn: &str, account: &str) -> Reply {
    let result = json!({ "Account": account, "Arn": arn, "UserId": "AROAEXAMPLE:i-0abc" });
    Reply::json(&json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": result, "ResponseMetadata": {} } }))
}

fn settings(endpoint: ProviderUrl) -> AwsSettings {
    AwsSettings {
        name: "aws".into(),
        endpoint,
        server: SERVER.into(),
        rules: vec![
            AwsRule {
                arn: "arn:aws:iam::123456789012:role/deploy-*".parse().unwrap(),
                name: Some("deployer".into()),
                groups: vec!["deploy".into()],
            },
            AwsRule { arn: "arn:aws:iam::123456789012:user/alice".parse().unwrap(), name: None, groups: vec![] },
        ],
        longest: Duration::from_mins(15),
        leeway: Duration::from_mins(1),
        bounds: AnswerBounds::default(),
    }
}

fn provider(settings: AwsSettings) -> AwsProvider {
    AwsProvider::new(settings, Fetcher::new(&FetchSettings::default()).unwrap()).unwrap()
}

/// Presigned just now with the keys above, for this server.
fn presigned(stub: &Stub, server: &str) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(now().cast_signed()).unwrap();
    let form = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = at.format(form).unwrap();
    let mut url = Url::clone(&stub.at("/"));
    let credential = format!("AKIDEXAMPLE/{}/eu-central-1/sts/aws4_request", &date[..8]);
    url.query_pairs_mut()
        .append_pair("Action", "GetCallerIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
        .append_pair("X-Amz-Credential", &credential)
        .append_pair("X-Amz-Date", &date)
        .append_pair("X-Amz-Expires", "60")
        .append_pair("X-Amz-SignedHeaders", "host;x-portcullis-server")
        .append_pair("X-Amz-Security-Token", SESSION_TOKEN);
    let parameters: Vec<_> = url.query_pairs().into_owned().collect();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    url.query_pairs_mut().append_pair("X-Amz-Signature", &signature(&host, server, &parameters));
    token(url.as_str())
}

fn bearer(token: &str) -> Presented {
    Presented { authorization: Some(format!("Bearer {token}").into()), ..Presented::default() }
}

async fn outcome(provider: &AwsProvider, token: &str) -> &'static str {
    match provider.prove(&bearer(token)).await {
        Ok(_) => "proven",
        Err(NotProven::Nobody) => "nobody",
        Err(NotProven::Refused(refusal)) => {
            assert!(!refusal.detail.contains("Signature=") && !refusal.detail.contains(SESSION_TOKEN), "{refusal}");
            refusal.reason
        }
        Err(NotProven::Unavailable(why)) => {
            assert!(!why.contains("X-Amz"), "{why}");
            "unavailable"
        }
    }
}

#[tokio::test]
async fn a_request_that_was_signed_for_this_server_proves_a_role() {
    let stub = Stub::start(sts).await;
    let provider = provider(settings(stub.at("/")));
    let token = presigned(&stub, SERVER);
    let standing = provider.prove(&bearer(&token)).await.unwrap();
    let principal = &standing.principal;
    assert_eq!(&*principal.subject, "arn:aws:iam::123456789012:role/deploy-eu");
    assert_eq!((&*principal.name, principal.kind), ("deployer", Kind::Workload));
    assert!(principal.is_in("deploy"));
    assert_eq!(&*principal.claims["session"][0], "i-0abc");
    assert!(standing.expires <= now() + 60);
    assert!(Arc::ptr_eq(&standing, &provider.prove(&bearer(&token)).await.unwrap()));
    let asked = stub.asked();
    assert_eq!(asked.len(), 1, "the answer is remembered");
    assert_eq!(asked[0].headers[SERVER_HEADER], SERVER);
    assert_eq!(asked[0].headers["accept"], "application/json");
}

#[tokio::test]
async fn a_request_that_was_signed_for_another_server_or_changed_is_refused() {
    let stub = Stub::start(sts).await;
    let provider = provider(settings(stub.at("/")));
    assert_eq!(outcome(&provider, &presigned(&stub, "other.example.com")).await, "refused-by-sts");
    let good = presigned(&stub, SERVER);
    let address = String::from_utf8(
        base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, good.strip_prefix(PREFIX).unwrap()).unwrap(),
    )
    .unwrap();
    let longer = address.replace("X-Amz-Expires=60", "X-Amz-Expires=900");
    assert_eq!(outcome(&provider, &token(&longer)).await, "refused-by-sts");
    assert_eq!(outcome(&provider, &token(&address.replace("AKIDEXAMPLE", "AKIDOTHER"))).await, "refused-by-sts");
    assert_eq!(outcome(&provider, &good).await, "proven");
}

#[test]
fn what_botocore_signs_is_what_we_read_and_send_on() {
    let endpoint: ProviderUrl = "https://sts.eu-central-1.amazonaws.com/".parse().unwrap();
    let read = Presigned::parse(&token(BY_BOTOCORE), &endpoint).unwrap();
    assert_eq!(read.ends(THEN, 900, 60), Ok(THEN + 60));
    let sent = read.address(&endpoint).unwrap();
    let parameters: Vec<_> = sent.query_pairs().into_owned().collect();
    let given = &parameters.iter().find(|(name, _)| name == "X-Amz-Signature").unwrap().1;
    assert_eq!(*given, signature("sts.eu-central-1.amazonaws.com", SERVER, &parameters), "and it still verifies");
    for (now, longest, expected) in [
        (THEN + 59, 900, Ok(THEN + 60)),
        (THEN + 60, 900, Err("expired")),
        (THEN + 11, 10, Err("expired")),
        (THEN - 60, 900, Ok(THEN + 60)),
        (THEN - 61, 900, Err("from-the-future")),
    ] {
        assert_eq!(read.ends(now, longest, 60).map_err(|refusal| refusal.reason), expected, "{now}");
    }
}

#[test]
fn no_address_makes_the_proxy_ask_anything_else() {
    let endpoint: ProviderUrl = "https://sts.eu-central-1.amazonaws.com/".parse().unwrap();
    let changed = |from: &str, to: &str| {
        assert!(BY_BOTOCORE.contains(from), "{from}");
        BY_BOTOCORE.replacen(from, to, 1)
    };
    let host = "https://sts.eu-central-1.amazonaws.com/";
    for (what, address, reason) in [
        ("another host", changed(host, "https://evil.example.com/"), "wrong-endpoint"),
        ("host as a user", changed(host, "https://sts.eu-central-1.amazonaws.com@evil.example.com/"), "wrong-endpoint"),
        ("host as a prefix", changed(host, "https://sts.eu-central-1.amazonaws.com.evil.com/"), "wrong-endpoint"),
        ("a user", changed(host, "https://u@sts.eu-central-1.amazonaws.com/"), "wrong-endpoint"),
        ("another region", changed(host, "https://sts.us-east-1.amazonaws.com/"), "wrong-endpoint"),
        ("another port", changed(host, "https://sts.eu-central-1.amazonaws.com:8443/"), "wrong-endpoint"),
        ("plain", changed("https:", "http:"), "wrong-endpoint"),
        ("a file", changed(host, "file:///etc/passwd"), "wrong-endpoint"),
        ("metadata service", changed(host, "http://169.254.169.254/"), "wrong-endpoint"),
        ("another path", changed(host, "https://sts.eu-central-1.amazonaws.com/x"), "wrong-endpoint"),
        ("a fragment", format!("{BY_BOTOCORE}#x"), "wrong-endpoint"),
        ("another action", changed("=GetCallerIdentity", "=AssumeRole"), "malformed"),
        ("a second action", format!("{BY_BOTOCORE}&Action=AssumeRole"), "malformed"),
        ("a second action in lower case", format!("{BY_BOTOCORE}&action=AssumeRole"), "malformed"),
        ("action in lower case", changed("Action=", "action="), "malformed"),
        ("a further parameter", format!("{BY_BOTOCORE}&RoleArn=x"), "malformed"),
        ("another version", changed("2011-06-15", "2011-06-16"), "malformed"),
        ("another algorithm", changed("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "malformed"),
        ("another service", changed("%2Fsts%2F", "%2Fs3%2F"), "malformed"),
        ("another day", changed("%2F20260131%2F", "%2F20260130%2F"), "malformed"),
        ("server not signed", changed("host%3Bx-portcullis-server", "host"), "not-bound-to-server"),
        ("signed for kubernetes", changed("x-portcullis-server", "x-k8s-aws-id"), "not-bound-to-server"),
        ("more signed", changed("host%3B", "host%3Bx-evil%3B"), "not-bound-to-server"),
        ("host not signed", changed("host%3B", ""), "not-bound-to-server"),
        ("signature short", changed("f1d3da", "f1d3d"), "malformed"),
        ("no signature", changed("&X-Amz-Signature=", "&X-Amz-Signature=x&"), "malformed"),
        ("expires never", changed("Expires=60", "Expires=99999999999"), "malformed"),
        ("expires negative", changed("Expires=60", "Expires=-60"), "malformed"),
        ("expires at once", changed("Expires=60", "Expires=0"), "malformed"),
        ("no date", changed("20260131T235959Z", "20260131T235960"), "malformed"),
        ("date with a sign", changed("20260131T235959Z", "%2B2026131T23595Z"), "malformed"),
        ("line break", changed("Expires=60", "Expires=60%0D%0AHost:%20x"), "malformed"),
        ("no address", "sts".to_owned(), "malformed"),
    ] {
        let refusal = Presigned::parse(&token(&address), &endpoint).unwrap_err();
        assert_eq!(refusal.reason, reason, "{what}: {refusal}");
    }
    for text in ["portcullis-aws-v1.", "portcullis-aws-v1.%%%", "portcullis-aws-v1./w"] {
        assert_eq!(Presigned::parse(text, &endpoint).unwrap_err().reason, "malformed", "{text}");
    }
    let long = token(&format!("{BY_BOTOCORE}{}", "x".repeat(9000)));
    assert_eq!(Presigned::parse(&long, &endpoint).unwrap_err().reason, "too-large");
}

#[tokio::test]
async fn only_identities_that_a_rule_names_come_in_and_only_by_the_word_of_sts() {
    let stub = Stub::start(sts).await;
    for (what, reply, expected) in [
        ("a user", identity("arn:aws:iam::123456789012:user/alice", "123456789012"), "proven"),
        ("another user", identity("arn:aws:iam::123456789012:user/bob", "123456789012"), "not-mapped"),
        ("another account", identity("arn:aws:iam::210987654321:user/alice", "210987654321"), "not-mapped"),
        ("accounts that differ", identity("arn:aws:iam::123456789012:user/alice", "210987654321"), "unknown-arn"),
        ("no ARN", identity("alice", "123456789012"), "unknown-arn"),
        ("expired at STS", Reply::new(403, r#"{"Error":{"Code":"ExpiredToken"}}"#), "refused-by-sts"),
        ("throttled", Reply::new(429, ""), "unavailable"),
        ("down", Reply::new(500, ""), "unavailable"),
        ("elsewhere", Reply::new(302, "").with("location", "https://evil.example.com/"), "unavailable"),
        ("XML", Reply::new(200, "<GetCallerIdentityResponse/>"), "unavailable"),
        ("of another form", Reply::json(&json!({ "Arn": "x" })), "unavailable"),
    ] {
        stub.answers(move |_| reply.clone());
        let provider = provider(settings(stub.at("/")));
        assert_eq!(outcome(&provider, &presigned(&stub, SERVER)).await, expected, "{what}");
    }
    let provider = provider(settings(stub.at("/")));
    for token in ["opaque", "k8s-aws-v1.AAAA", "a.b.c"] {
        assert_eq!(outcome(&provider, token).await, "nobody", "{token}");
    }
}

#[test]
fn settings_without_a_name_or_a_rule_are_refused() {
    let endpoint: ProviderUrl = "https://sts.eu-central-1.amazonaws.com/".parse().unwrap();
    let make = |settings| AwsProvider::new(settings, Fetcher::new(&FetchSettings::default()).unwrap()).map(|_| ());
    assert!(make(settings(endpoint.clone())).is_ok());
    for server in ["", "a b", "a\nb", "ä"] {
        assert!(make(AwsSettings { server: server.into(), ..settings(endpoint.clone()) }).is_err(), "{server:?}");
    }
    assert!(make(AwsSettings { rules: vec![], ..settings(endpoint) }).is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_request_to_our_endpoint_or_refused(text in "\\PC{0,60}", cut in 0usize..500, with in "\\PC{0,3}") {
        let endpoint: ProviderUrl = "https://sts.eu-central-1.amazonaws.com/".parse().unwrap();
        let _ = Presigned::parse(&text, &endpoint);
        let _ = Presigned::parse(&token(&text), &endpoint);
        let mut address = BY_BOTOCORE.to_owned();
        address.insert_str(cut.min(address.len()), &with);
        if let Ok(read) = Presigned::parse(&token(&address), &endpoint) {
            let sent = read.address(&endpoint).unwrap();
            prop_assert_eq!(sent.origin(), endpoint.origin());
            prop_assert_eq!(sent.path(), "/");
        }
    }
}
