//! The pages as a browser, and whoever attacks one, sees them.

use std::collections::BTreeMap;

use http::header::{LOCATION, SET_COOKIE};
use portcullis_store::{Store, users::UserRow};

use super::*;
use crate::{State, Vault, assertion::AssertionSettings, session::SessionSettings};

const PASSWORD: &str = "correct horse battery";
const HTTPS: Site<'static> = Site { scheme: "https", authority: "shop.example.com" };

type Headers<'a> = &'a [(&'a str, &'a str)];

struct World {
    pages: Pages,
    names: Vec<Arc<str>>,
}

/// A browser: it keeps cookies, and says where its requests come from.
struct Browser<'w> {
    world: &'w World,
    site: Site<'static>,
    cookies: BTreeMap<String, String>,
}

impl World {
    async fn new() -> Self {
        let vault = Vault::new(Store::in_memory().unwrap());
        // A cheap hash: what is tested here is not how dear it is.
        let password = argon2::Argon2::new(
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            argon2::Params::new(8, 1, 1, None).unwrap(),
        );
        let password = argon2::password_hash::PasswordHasher::hash_password(&password, PASSWORD.as_bytes()).unwrap();
        let row = UserRow {
            name: "alice".to_owned(),
            password: password.to_string(),
            groups: vec!["dba".to_owned()],
            created: 1,
            changed: 1,
        };
        vault.write(move |all| all.users().put(&row)).await.unwrap();
        let sessions = Arc::new(Sessions::open(vault.clone(), SessionSettings::default()).await.unwrap());
        let settings = AssertionSettings { issuer: "p".into(), lifetime: std::time::Duration::from_mins(1) };
        let assertions = Arc::new(Assertions::open(vault.clone(), settings).await.unwrap());
        let local = PeopleProvider::Local(Arc::new(LocalProvider::new("people".into(), vault).unwrap()));
        Self { pages: Pages { sessions, providers: vec![local], assertions }, names: vec!["people".into()] }
    }

    fn browser(&self) -> Browser<'_> {
        Browser { world: self, site: HTTPS, cookies: BTreeMap::new() }
    }
}

impl Browser<'_> {
    async fn send(&mut self, mut request: Request<Bytes>) -> Response<Bytes> {
        if !self.cookies.is_empty() {
            let line: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().append("cookie", line.join("; ").parse().unwrap());
        }
        let context = PageContext { site: self.site, source: None, providers: &self.world.names };
        let response = self.world.pages.handle(request, &context).await;
        for line in response.headers().get_all(SET_COOKIE) {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    async fn get(&mut self, path: &str) -> Response<Bytes> {
        let request = Request::get(path).header("sec-fetch-mode", "navigate").header("accept", "text/html");
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(request.body(Bytes::from(body)).unwrap()).await
    }

    /// Opens the login page and sends its form.
    async fn log_in(&mut self, password: &str, to: &str) -> Response<Bytes> {
        let query: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let page = self.get(&format!("/.portcullis/login?to={query}")).await;
        let (token, to) = (field(&page, "token"), field(&page, "to"));
        let fields =
            [("token", &*token), ("provider", "people"), ("to", &*to), ("user", "alice"), ("password", password)];
        self.post("/.portcullis/login", &fields, OWN).await
    }
}

/// What a browser says of a form from our own page.
const OWN: &[(&str, &str)] = &[("sec-fetch-site", "same-origin"), ("origin", "https://shop.example.com")];

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

/// The value of a hidden field.
fn field(page: &Response<Bytes>, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    text(page).split(&mark).nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&")
}

fn location(response: &Response<Bytes>) -> &str {
    response.headers()[LOCATION].to_str().unwrap()
}

#[tokio::test]
async fn somebody_logs_in_comes_back_to_a_deep_link_and_logs_out() {
    let world = World::new().await;
    let mut browser = world.browser();
    let answer = browser.log_in(PASSWORD, "/reports?a=1&b=2").await;
    assert_eq!((answer.status(), location(&answer)), (StatusCode::SEE_OTHER, "/reports?a=1&b=2"));
    let standing = Arc::clone(&world.pages.sessions.list()[0].principal);
    assert!(standing.is_in("dba"));

    let me = browser.get("/.portcullis/me").await;
    assert!(text(&me).contains("alice") && text(&me).contains("dba"), "{}", text(&me));
    let request = Request::get("/.portcullis/me").body(Bytes::new()).unwrap();
    let me: serde_json::Value = serde_json::from_slice(browser.send(request).await.body()).unwrap();
    assert_eq!((&me["name"], &me["groups"][0]), (&"alice".into(), &"dba".into()));

    let page = browser.get("/.portcullis/logout").await;
    assert_eq!(world.pages.sessions.list().len(), 1, "a GET changes nothing");
    let token = field(&page, "token");
    let stolen = browser.cookies.clone();
    let answer = browser.post("/.portcullis/logout", &[("token", &token)], OWN).await;
    assert!(text(&answer).contains("You are logged out"));
    assert!(!browser.cookies.contains_key("__Host-portcullis"));
    let mut thief = world.browser();
    thief.cookies = stolen;
    assert_eq!(thief.get("/.portcullis/me").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_password_is_answered_on_the_form_and_says_nothing_of_the_name() {
    let world = World::new().await;
    let mut browser = world.browser();
    let answer = browser.log_in("wrong", "/reports").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(text(&answer).contains("The name or the password is wrong.") && text(&answer).contains("value=\"alice\""));
    assert_eq!(field(&answer, "to"), "/reports", "the deep link survives the mistake");
    assert!(!text(&answer).contains("wrong\""), "the password is not sent back");
    let mut last = answer;
    for _ in 0..6 {
        last = browser.log_in("wrong", "/").await;
    }
    assert_eq!(last.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(last.headers().contains_key("retry-after"));
    assert_eq!(browser.log_in(PASSWORD, "/").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(world.pages.sessions.list().is_empty());
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_a_login() {
    let world = World::new().await;
    for to in ["//evil.example", "/\\evil.example", "https://evil.example/", "/%2fevil.example", "/\r\nx: y", ""] {
        let mut browser = world.browser();
        assert_eq!(location(&browser.log_in(PASSWORD, to).await), "/", "{to:?} in the query");
        let page = browser.get("/.portcullis/login").await;
        let token = field(&page, "token");
        let fields =
            [("token", &*token), ("provider", "people"), ("to", to), ("user", "alice"), ("password", PASSWORD)];
        let answer = browser.post("/.portcullis/login", &fields, OWN).await;
        assert_eq!(location(&answer), "/", "{to:?} in the form");
    }
}

#[tokio::test]
async fn a_form_that_was_not_sent_from_our_own_page_by_this_browser_does_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get("/.portcullis/login").await;
    let token = field(&page, "token");
    let mut other = world.browser();
    let foreign = field(&other.get("/.portcullis/login").await, "token");
    browser.log_in(PASSWORD, "/").await;
    let log_out = field(&browser.get("/.portcullis/logout").await, "token");
    let origin = ("origin", "https://shop.example.com");
    let table: [(&str, Headers<'_>, &str); 10] = [
        (&token, &[("sec-fetch-site", "cross-site"), origin], "from another site"),
        (&token, &[("sec-fetch-site", "same-site"), origin], "from a neighbour"),
        (&token, &[("sec-fetch-site", "none")], "typed"),
        (&token, &[("origin", "https://evil.example")], "another origin"),
        (&token, &[("origin", "http://shop.example.com")], "another scheme"),
        (&token, &[("origin", "null")], "a sandbox"),
        (&token, &[origin, ("origin", "https://evil.example")], "two origins"),
        (&token, &[], "a program without a word"),
        (&foreign, OWN, "the token of another browser"),
        (&log_out, OWN, "the token of another action"),
    ];
    for (token, headers, what) in table {
        let fields = [("token", token), ("provider", "people"), ("user", "alice"), ("password", PASSWORD)];
        let answer = browser.post("/.portcullis/login", &fields, headers).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{what}");
        assert!(!answer.headers().contains_key(LOCATION), "{what}");
    }
    let mut without_cookie = world.browser();
    let fields = [("token", &*token), ("provider", "people"), ("user", "alice"), ("password", PASSWORD)];
    assert_eq!(without_cookie.post("/.portcullis/login", &fields, OWN).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/.portcullis/logout", &[("token", &token)], OWN).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.pages.sessions.list().len(), 1, "nobody was logged in or out");
}

#[tokio::test]
async fn a_login_gives_a_new_session_whatever_cookie_was_there() {
    let world = World::new().await;
    let mut mallory = world.browser();
    mallory.log_in(PASSWORD, "/").await;
    let planted = mallory.cookies["__Host-portcullis"].clone();
    let mut victim = world.browser();
    victim.cookies.insert("__Host-portcullis".to_owned(), planted.clone());
    victim.log_in(PASSWORD, "/").await;
    assert_ne!(victim.cookies["__Host-portcullis"], planted);
    assert_eq!(mallory.get("/.portcullis/me").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_page_is_kept_from_frames_scripts_caches_and_guessed_types() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.log_in(PASSWORD, "/").await;
    for path in ["login", "logout", "me", "login?provider=none", "nothing", "callback/none"] {
        let answer = browser.get(&format!("/.portcullis/{path}")).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(matches!(&*header("referrer-policy"), "no-referrer" | "same-origin"), "{path}");
        assert!(!text(&answer).contains("<script") && !text(&answer).contains(" style="), "{path}");
    }
}

#[tokio::test]
async fn what_somebody_types_is_shown_as_text() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get("/.portcullis/login").await;
    let token = field(&page, "token");
    let evil = "\"><script>alert(1)</script>";
    let fields = [("token", &*token), ("provider", "people"), ("user", evil), ("password", "x")];
    let answer = browser.post("/.portcullis/login", &fields, OWN).await;
    assert!(!text(&answer).contains("<script"), "{}", text(&answer));
    assert!(text(&answer).contains("&lt;script&gt;"));
}

#[tokio::test]
async fn pages_work_without_script_and_can_be_read_aloud() {
    let world = World::new().await;
    let page = world.browser().get("/.portcullis/login").await;
    let html = text(&page);
    for expected in [
        "<html lang=\"en\">",
        "<title>Log in to shop.example.com</title>",
        "<label for=\"user\">",
        "id=\"user\"",
        "<label for=\"password\">",
        "id=\"password\"",
        "autocomplete=\"current-password\"",
        "name=\"viewport\"",
        "<main>",
        "autofocus",
    ] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
}

#[tokio::test]
async fn methods_and_pages_that_there_are_not_are_refused() {
    let world = World::new().await;
    for (method, path, status) in [
        ("DELETE", "login", 405),
        ("POST", "me", 405),
        ("PUT", "jwks.json", 405),
        ("GET", "", 404),
        ("GET", "../login", 404),
        ("POST", "nothing", 404),
        ("HEAD", "login", 200),
        ("GET", "jwks.json", 200),
        ("GET", "style.css", 200),
    ] {
        let request = Request::builder().method(method).uri(format!("/.portcullis/{path}"));
        let answer = world.browser().send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.body().is_empty(), method == "HEAD", "{method} {path}");
    }
    assert!(Pages::owns("/.portcullis/x") && Pages::owns("/.portcullis") && !Pages::owns("/.portcullisx"));
}

#[tokio::test]
async fn cookie_bombs_and_doubled_cookies_log_nobody_in_and_cost_no_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.log_in(PASSWORD, "/").await;
    let session = browser.cookies["__Host-portcullis"].clone();
    let bomb = format!("c={}; ", "x".repeat(100)).repeat(5000);
    let table = [
        (format!("{bomb}__Host-portcullis={session}"), 200, "among thousands"),
        (format!("__Host-portcullis={session}; __Host-portcullis={session}"), 401, "twice"),
        (format!("__Host-portcullis={}", "A".repeat(1 << 20)), 401, "huge"),
        (format!("portcullis={session}"), 401, "under the name for plain connections"),
        (format!("__host-portcullis={session}"), 401, "in lower case"),
        (format!("__Host-portcullis=\"{session}\""), 401, "quoted"),
    ];
    for (line, status, what) in table {
        let request = Request::get("/.portcullis/me").header("cookie", line).body(Bytes::new()).unwrap();
        assert_eq!(world.browser().send(request).await.status(), status, "{what}");
    }
}

#[tokio::test]
async fn a_provider_that_a_place_does_not_ask_is_not_offered_there() {
    let mut world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get("/.portcullis/login").await;
    let token = field(&page, "token");
    let cookies = browser.cookies;
    world.names = vec!["other".into()];
    let mut browser = Browser { world: &world, site: HTTPS, cookies };
    assert_eq!(browser.get("/.portcullis/login").await.status(), StatusCode::NOT_FOUND);
    let fields = [("token", &*token), ("provider", "people"), ("user", "alice"), ("password", PASSWORD)];
    let answer = browser.post("/.portcullis/login", &fields, OWN).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_logout_ends_what_rests_on_the_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.log_in(PASSWORD, "/").await;
    let presented = Presented {
        session: Some(browser.cookies["__Host-portcullis"].as_str().into()),
        scheme: "https",
        authority: HTTPS.authority.into(),
        ..Presented::default()
    };
    let standing = world.pages.sessions.prove(&presented).unwrap();
    let token = field(&browser.get("/.portcullis/logout").await, "token");
    browser.post("/.portcullis/logout", &[("token", &token)], OWN).await;
    assert_eq!(standing.state(), State::Ended);
}
