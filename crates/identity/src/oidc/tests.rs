//! The protocol against a stand-in provider, whose every answer a test can bend.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::*;
use crate::{
    Site, Vault,
    jwt::signing::SigningKey,
    pages::ReturnTo,
    session::{Login, SessionSettings, Sessions, Which},
    standing::now,
    stub::{Asked, Reply, Stub},
};

const SITE: Site<'static> = Site { scheme: "https", authority: "shop.example.com" };
const CALLBACK: &str = "https://shop.example.com/.portcullis/callback/corp";

/// How the provider behaves.
#[derive(Clone)]
struct Behaviour {
    /// Claims over those of an honest ID token; `null` takes one away.
    bend: Value,
    header: Value,
    /// Answer of the token endpoint in place of tokens.
    error: Option<(u16, &'static str)>,
    groups: Vec<&'static str>,
    /// Another key than the published one signs.
    foreign_key: bool,
}

/// A provider and us at it.
pub(crate) struct World {
    stub: Stub,
    pub(crate) provider: Arc<OidcProvider>,
    behaviour: Arc<Mutex<Behaviour>>,
    /// Nonces and challenges by code.
    codes: Arc<Mutex<BTreeMap<String, (String, String)>>>,
    key: Arc<SigningKey>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(UserInfo::NotAsked).await
    }

    async fn with(user_info: UserInfo) -> Self {
        let key = Arc::new(SigningKey::new(Algorithm::Es256));
        let other = SigningKey::new(Algorithm::Es256);
        let behaviour = Arc::new(Mutex::new(Behaviour {
            bend: json!({}),
            header: json!({ "alg": "ES256", "kid": "k1" }),
            error: None,
            groups: vec!["staff"],
            foreign_key: false,
        }));
        let codes = Arc::<Mutex<BTreeMap<String, (String, String)>>>::default();
        let stub = Stub::start(|_| Reply::new(503, "not yet")).await;
        let issuer = stub.origin();
        stub.answers({
            let (key, behaviour, codes, issuer) =
                (Arc::clone(&key), Arc::clone(&behaviour), Arc::clone(&codes), issuer.clone());
            move |asked| {
                let behaviour = behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let signer = if behaviour.foreign_key { &other } else { &*key };
                match asked.path.as_str() {
                    "/.well-known/openid-configuration" => Reply::json(&metadata(&issuer)),
                    "/jwks" => Reply::json(&json!({ "keys": [key.named("k1")] })),
                    "/token" => tokens(asked, &behaviour, &codes, &issuer, signer),
                    "/me" => Reply::json(&json!({ "sub": "00u1", "groups": ["from-userinfo"] })),
                    path => Reply::new(404, path),
                }
            }
        });
        let settings = OidcSettings {
            name: "corp".into(),
            issuer: issuer.into(),
            client_id: "proxy".into(),
            client_secret: Some(Secret::new("client secret")),
            scopes: vec!["email".into()],
            refresh: Duration::ZERO,
            user_info,
            claims: ClaimMapping::default(),
            algorithms: vec![Algorithm::Es256],
            leeway: Duration::from_secs(5),
        };
        let fetcher = Fetcher::new(&crate::fetch::FetchSettings::default()).unwrap();
        let provider = Arc::new(OidcProvider::new(settings, fetcher).unwrap());
        Self { stub, provider, behaviour, codes, key }
    }

    fn bend(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    /// What the person does at the provider: agree. Returns the code.
    pub(crate) fn agree(&self, address: &str) -> String {
        let query: BTreeMap<_, _> = Url::parse(address).unwrap().query_pairs().into_owned().collect();
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}", codes.len());
        codes.insert(code.clone(), (query["nonce"].clone(), query["code_challenge"].clone()));
        code
    }

    async fn log_in(&self) -> Result<Login, OidcError> {
        let (address, flow) = self.provider.begin(SITE, &ReturnTo::root()).await.unwrap();
        self.provider.finish(SITE, &flow, returned(&self.agree(&address))).await
    }

    fn logout_token(&self, bend: &Value, header: &Value) -> String {
        let claims = json!({
            "iss": self.stub.origin(), "aud": "proxy", "iat": now(), "exp": now() + 60, "jti": "j1", "sid": "sid-1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        self.key.token(Algorithm::Es256, header, &bent(claims, bend))
    }
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "end_session_endpoint": format!("{issuer}/end"),
        "code_challenge_methods_supported": ["S256"],
    })
}

/// RFC 6749 3.2 and RFC 7636 4.6, as an honest provider does it.
fn tokens(
    asked: &Asked,
    behaviour: &Behaviour,
    codes: &Mutex<BTreeMap<String, (String, String)>>,
    issuer: &str,
    key: &SigningKey,
) -> Reply {
    let form: BTreeMap<_, _> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let refused = |status, word: &str| {
        Reply::new(status, json!({ "error": word }).to_string()).with("content-type", "application/json")
    };
    if let Some((status, word)) = behaviour.error {
        return refused(status, word);
    }
    let nonce = match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some((nonce, challenge)) = codes.lock().unwrap().remove(&form["code"]) else {
                return refused(400, "invalid_grant");
            };
            if flow::challenge(&form["code_verifier"]) != challenge || form["redirect_uri"] != CALLBACK {
                return refused(400, "invalid_grant");
            }
            json!(nonce)
        }
        _ => Value::Null,
    };
    let claims = json!({
        "iss": issuer, "aud": "proxy", "sub": "00u1", "sid": "sid-1", "nonce": nonce, "iat": now(), "exp": now() + 60,
        "email": "Alice@Example.com", "email_verified": true, "groups": behaviour.groups,
    });
    let id_token = key.token(Algorithm::Es256, &behaviour.header, &bent(claims, &behaviour.bend));
    Reply::json(&json!({
        "access_token": "access", "token_type": "Bearer", "id_token": id_token, "refresh_token": "refresh-2",
    }))
}

fn bent(mut claims: Value, bend: &Value) -> Value {
    let map = claims.as_object_mut().unwrap();
    map.extend(bend.as_object().unwrap().clone());
    map.retain(|_, value| !value.is_null());
    claims
}

pub(crate) fn returned(code: &str) -> Returned {
    Returned { code: Some(Secret::new(code)), ..Returned::default() }
}

#[tokio::test]
async fn somebody_logs_in_and_is_who_the_provider_says() {
    let world = World::new().await;
    let (address, flow) = world.provider.begin(SITE, &ReturnTo::parse("/reports").unwrap()).await.unwrap();
    let query: BTreeMap<_, _> = Url::parse(&address).unwrap().query_pairs().into_owned().collect();
    assert_eq!((&*query["response_type"], &*query["code_challenge_method"]), ("code", "S256"));
    assert_eq!((&*query["redirect_uri"], &*query["scope"]), (CALLBACK, "openid email"));
    assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43);
    let login = world.provider.finish(SITE, &flow, returned(&world.agree(&address))).await.unwrap();
    assert_eq!((&*login.principal.subject, &*login.principal.name), ("00u1", "alice@example.com"));
    assert!(login.principal.is_in("staff"));
    assert_eq!(login.provider_session.as_deref(), Some("sid-1"));
    let tokens = login.tokens.unwrap();
    assert_eq!(tokens.refresh.unwrap().expose(), "refresh-2");
    let asked = world.stub.asked();
    let token = asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert!(token.headers["authorization"].starts_with("Basic ") && !token.body.contains("client+secret"));
    assert!(!format!("{flow:?} {:?}", world.provider).contains(&*flow.state));
}

#[tokio::test]
async fn claims_of_the_userinfo_endpoint_come_over_those_of_the_token_if_it_is_asked() {
    let world = World::with(UserInfo::Asked).await;
    assert!(world.log_in().await.unwrap().principal.is_in("from-userinfo"));
    world.bend(|behaviour| behaviour.bend = json!({ "sub": "somebody-else" }));
    let error = world.log_in().await.unwrap_err();
    assert!(error.to_string().starts_with("wrong-subject"), "{error}");
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_here_and_now_is_refused() {
    let none = json!({ "alg": "ES256", "kid": "k1" });
    let table = [
        (json!({ "nonce": "another" }), none.clone(), "wrong-nonce"),
        (json!({ "nonce": null }), none.clone(), "wrong-nonce"),
        (json!({ "aud": "other" }), none.clone(), "wrong-audience"),
        (json!({ "aud": ["proxy", "other"] }), none.clone(), "wrong-party"),
        (json!({ "aud": ["proxy", "other"], "azp": "other" }), none.clone(), "wrong-party"),
        (json!({ "azp": "other" }), none.clone(), "wrong-party"),
        (json!({ "iss": "https://evil.example" }), none.clone(), "wrong-issuer"),
        (json!({ "exp": 1000 }), none.clone(), "expired"),
        (json!({ "exp": null }), none.clone(), "no-expiry"),
        (json!({ "nbf": now() + 600 }), none.clone(), "not-yet-valid"),
        (json!({ "iat": now() + 600 }), none.clone(), "issued-in-the-future"),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), none.clone(), "wrong-at-hash"),
        (json!({ "sub": null }), none.clone(), "no-subject"),
        (json!({}), json!({ "alg": "ES256", "kid": "k1", "typ": "logout+jwt" }), "wrong-type"),
        (json!({}), json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" }), "wrong-type"),
    ];
    let world = World::new().await;
    for (bend, header, reason) in table {
        world.bend(|behaviour| (behaviour.bend, behaviour.header) = (bend.clone(), header));
        let error = world.log_in().await.unwrap_err();
        assert!(error.to_string().starts_with(reason), "{bend}: {error}");
    }
    world.bend(|behaviour| (behaviour.bend, behaviour.header) = (json!({}), none));
    world.bend(|behaviour| behaviour.foreign_key = true);
    let error = world.log_in().await.unwrap_err();
    assert!(matches!(error, OidcError::Unbelievable(_)), "a foreign key: {error}");
    world.bend(|behaviour| behaviour.foreign_key = false);
    world.log_in().await.unwrap();
}

#[tokio::test]
async fn what_came_back_once_or_to_another_login_does_not_count() {
    let world = World::new().await;
    let provider = &world.provider;
    let (address, flow) = provider.begin(SITE, &ReturnTo::root()).await.unwrap();
    let (_, other) = provider.begin(SITE, &ReturnTo::root()).await.unwrap();
    let code = world.agree(&address);
    // The code of one browser with the verifier of another (code injection).
    let error = provider.finish(SITE, &other, returned(&code)).await.unwrap_err();
    assert!(matches!(&error, OidcError::Refused(word) if **word == *"invalid_grant"), "{error}");
    let code = world.agree(&address);
    provider.finish(SITE, &flow, returned(&code)).await.unwrap();
    let again = provider.finish(SITE, &flow, returned(&world.agree(&address))).await.unwrap_err();
    assert!(matches!(again, OidcError::Foreign(_)), "{again}");

    let (address, flow) = provider.begin(SITE, &ReturnTo::root()).await.unwrap();
    let (mut old, mut elsewhere) = (flow.clone(), flow.clone());
    old.began = now() - flow::PATIENCE;
    elsewhere.provider = "other".into();
    for flow in [old, elsewhere] {
        let error = provider.finish(SITE, &flow, returned(&world.agree(&address))).await.unwrap_err();
        assert!(matches!(error, OidcError::Foreign(_)), "{error}");
    }
    let mixed = Returned { issuer: Some("https://evil.example".into()), ..returned("code") };
    let error = provider.finish(SITE, &flow, mixed).await.unwrap_err();
    assert!(matches!(error, OidcError::Foreign(_)), "{error}");
}

#[tokio::test]
async fn an_error_of_the_provider_is_told_by_its_word_alone() {
    let world = World::new().await;
    for (error, told) in [("access_denied", "access_denied"), ("<script>", "an error without a proper name")] {
        let (_, flow) = world.provider.begin(SITE, &ReturnTo::root()).await.unwrap();
        let returned = Returned { error: Some(error.into()), ..Returned::default() };
        let refused = world.provider.finish(SITE, &flow, returned).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("the provider refused: {told}"));
    }
    world.bend(|behaviour| behaviour.error = Some((401, "invalid_client")));
    assert!(matches!(world.log_in().await, Err(OidcError::Unavailable(_))));
}

async fn logged_in(world: &World) -> (Arc<Sessions>, Arc<crate::Standing>) {
    let vault = Vault::new(portcullis_store::Store::in_memory().unwrap());
    let sessions = Arc::new(Sessions::open(vault, SessionSettings::default()).await.unwrap());
    let login = world.log_in().await.unwrap();
    let standing = sessions.begin(login, SITE, None).await.unwrap().standing;
    (sessions, standing)
}

#[tokio::test]
async fn what_changes_at_the_provider_holds_without_a_new_login() {
    let world = World::new().await;
    let (sessions, standing) = logged_in(&world).await;
    world.bend(|behaviour| behaviour.groups = vec!["dba", "staff"]);
    let due = sessions.take_due("corp", Duration::ZERO, 1).await.unwrap();
    world.provider.refresh(&sessions, &due[0]).await;
    assert_eq!(standing.state(), crate::State::Superseded);
    assert!(sessions.list()[0].principal.is_in("dba"));
    let due = sessions.take_due("corp", Duration::ZERO, 1).await.unwrap();
    assert_eq!(due[0].tokens.refresh.as_ref().unwrap().expose(), "refresh-2", "the newest refresh token is kept");
}

#[tokio::test]
async fn a_refused_refresh_ends_the_session_and_an_unreachable_provider_does_not() {
    let world = World::new().await;
    let (sessions, standing) = logged_in(&world).await;
    for error in [(500, "server_error"), (401, "invalid_client"), (429, "slow_down")] {
        world.bend(|behaviour| behaviour.error = Some(error));
        let due = sessions.take_due("corp", Duration::ZERO, 1).await.unwrap();
        if let Some(due) = due.first() {
            world.provider.refresh(&sessions, due).await;
            sessions.postpone(&due.id, Duration::ZERO).await.unwrap();
        }
        assert_eq!(standing.state(), crate::State::Current, "{error:?}");
    }
    world.bend(|behaviour| behaviour.error = Some((400, "invalid_grant")));
    let due = sessions.take_due("corp", Duration::ZERO, 1).await.unwrap();
    world.provider.refresh(&sessions, &due[0]).await;
    assert_eq!(standing.state(), crate::State::Ended);
    assert!(sessions.list().is_empty());
}

#[tokio::test]
async fn a_refresh_that_speaks_of_somebody_else_ends_the_session() {
    let world = World::new().await;
    let (sessions, standing) = logged_in(&world).await;
    world.bend(|behaviour| behaviour.bend = json!({ "sub": "mallory" }));
    let due = sessions.take_due("corp", Duration::ZERO, 1).await.unwrap();
    world.provider.refresh(&sessions, &due[0]).await;
    assert_eq!(standing.state(), crate::State::Ended);
}

#[tokio::test]
async fn the_provider_logs_people_out_and_nobody_else_does() {
    let world = World::new().await;
    let typed = json!({ "alg": "ES256", "kid": "k1", "typ": "logout+jwt" });
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let table = [
        (json!({ "nonce": "n" }), typed.clone(), "a nonce: an ID token"),
        (json!({ "events": null }), typed.clone(), "no event"),
        (json!({ "events": { event: "x" } }), typed.clone(), "an event that is no object"),
        (json!({ "sid": null }), typed.clone(), "nobody is named"),
        (json!({ "sid": 7 }), typed.clone(), "a session that is no text"),
        (json!({ "jti": null }), typed.clone(), "no id"),
        (json!({ "iat": null }), typed.clone(), "no time"),
        (json!({ "iat": now() - 3600, "exp": null }), typed.clone(), "old"),
        (json!({ "iat": now() + 3600 }), typed.clone(), "from the future"),
        (json!({ "exp": now() - 60 }), typed.clone(), "expired"),
        (json!({ "aud": "other" }), typed.clone(), "for another client"),
        (json!({ "iss": "https://evil.example" }), typed.clone(), "of another issuer"),
        (json!({}), json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" }), "an access token"),
    ];
    for (bend, header, what) in table {
        let token = world.logout_token(&bend, &header);
        let refused = world.provider.back_channel(&token).await;
        assert!(matches!(refused, Err(LogoutError::Refused(_))), "{what}: {refused:?}");
    }
    let forged =
        SigningKey::new(Algorithm::Es256).token(Algorithm::Es256, &typed, &json!({ "iss": world.stub.origin() }));
    assert!(world.provider.back_channel(&forged).await.is_err());
    assert!(world.provider.back_channel("no.token.at-all").await.is_err());

    let token = world.logout_token(&json!({}), &typed);
    let which = world.provider.back_channel(&token).await.unwrap();
    let expected = Which::ProviderSession { provider: "corp".to_owned(), provider_session: "sid-1".to_owned() };
    assert_eq!(which, expected);
    assert!(world.provider.back_channel(&token).await.is_err(), "a replay");
    let person = world.logout_token(&json!({ "sid": null, "sub": "00u1", "jti": "j2" }), &typed);
    let expected = Which::Subject { provider: "corp".to_owned(), subject: "00u1".to_owned() };
    assert_eq!(world.provider.back_channel(&person).await.unwrap(), expected);
}

#[tokio::test]
async fn a_provider_that_is_down_or_is_another_one_is_told_as_such() {
    let world = World::new().await;
    world.stub.answers(|_| Reply::new(503, "down"));
    let error = world.provider.begin(SITE, &ReturnTo::root()).await.unwrap_err();
    assert!(matches!(error, OidcError::Unavailable(_)), "{error}");

    let world = World::new().await;
    world.stub.answers(|_| Reply::json(&metadata("https://evil.example")));
    let error = world.provider.begin(SITE, &ReturnTo::root()).await.unwrap_err();
    assert!(error.to_string().contains("write exactly that as the issuer"), "{error}");

    let world = World::new().await;
    let mut plain = metadata(&world.stub.origin());
    plain["code_challenge_methods_supported"] = json!(["plain"]);
    world.stub.answers(move |_| Reply::json(&plain));
    let error = world.provider.begin(SITE, &ReturnTo::root()).await.unwrap_err();
    assert!(error.to_string().contains("PKCE"), "{error}");
}

#[tokio::test]
async fn a_logout_goes_on_to_the_provider() {
    let world = World::new().await;
    let address = world.provider.end_session(SITE, Some(&Secret::new("hint"))).await.unwrap();
    let address = Url::parse(&address).unwrap();
    let query: BTreeMap<_, _> = address.query_pairs().into_owned().collect();
    assert_eq!(address.path(), "/end");
    assert_eq!(query["post_logout_redirect_uri"], "https://shop.example.com/.portcullis/logout");
    assert_eq!((&*query["client_id"], &*query["id_token_hint"]), ("proxy", "hint"));
}
