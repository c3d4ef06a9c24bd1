//! People whom the proxy itself knows: from the file to the service, and out again.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::harness::{Authority, Backend, Person, Proxy, Scenario, Web, hidden, wait_until};

const FILE: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: https, tls: { certificates: [{ cert: web.pem, key: web.key }] } }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, host: shop.test, service: shop, allow: authenticated }
  - { port: web, host: shop.test, path: /admin/*, service: shop, allow: { groups: [dba] } }
  - { port: web, host: shop.test, path: /open/*, service: shop, allow: anyone }
  - { port: web, host: shop.test, path: /raw/*, service: shop, allow: authenticated, pass-credentials: true }
identity:
  providers:
    people: { local: true }
";

pub(super) const PASSWORD: &str = "correct horse battery";

/// `portcullis user …` on the proxy's store.
#[track_caller]
pub(super) fn user(proxy: &Proxy, arguments: &[&str], input: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .env("PORTCULLIS_STORE", proxy.directory().join("store.db"))
        .arg("user")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // A verb that wants no password may have ended before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    assert!(child.wait().unwrap().success(), "{arguments:?}");
}

/// A proxy before the service at this address, and alice, who is a dba and at its door.
pub(super) fn house(service: std::net::SocketAddr) -> (Proxy, Person) {
    let authority = Authority::new("test");
    let leaf = authority.issue(&["shop.test"]);
    let proxy = Scenario::new(FILE)
        .file("web.pem", &std::fs::read_to_string(leaf.cert).unwrap())
        .file("web.key", &std::fs::read_to_string(leaf.key).unwrap())
        .service("shop", &[service])
        .start();
    user(&proxy, &["add", "alice", "--group", "dba"], PASSWORD);
    let alice = Person::over_tls(&authority, proxy.address("web"), "shop.test");
    (proxy, alice)
}

#[test]
fn a_person_logs_in_comes_to_where_they_wanted_and_logs_out() {
    let web = Web::start("shop");
    let (proxy, mut alice) = house(web.address());
    let sent = alice.look_at("/reports?from=a&to=b");
    assert_eq!(sent.status, 302);
    assert_eq!(sent.header("location"), Some("/.portcullis/login?to=%2Freports%3Ffrom%3Da%26to%3Db&provider=people"));
    assert_eq!(sent.header("cache-control"), Some("no-store"));
    assert_eq!(web.served(), 0);
    let back = alice.log_in("/reports?from=a&to=b", "alice", PASSWORD);
    assert_eq!((back.status, back.header("location")), (303, Some("/reports?from=a&to=b")));
    let cookie = back.all("set-cookie").into_iter().find(|line| line.starts_with("__Host-portcullis=")).unwrap();
    for attribute in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }

    // The service sees who it is and none of our cookies; what else the browser has goes on.
    alice.cookies.insert("theme".to_owned(), "dark".to_owned());
    let page = alice.look_at("/reports?from=a&to=b").echo();
    assert_eq!(page.header("cookie"), Some("theme=dark"));
    let token = page.header("x-portcullis-assertion").expect("the service is told").to_owned();
    let keys = alice.look_at("/.portcullis/jwks.json").json();
    let claims = asserted(&token, &keys);
    for (claim, expected) in
        [("sub", "alice"), ("aud", "shop"), ("provider", "people"), ("kind", "user"), ("iss", "portcullis")]
    {
        assert_eq!(claims[claim], expected, "{claims}");
    }
    assert_eq!(claims["groups"], serde_json::json!(["dba"]));
    let record = proxy.log().wait_for("a request of alice", |record| record.has("principal"));
    assert_eq!((record.text("principal"), record.text("provider")), ("alice", "people"));
    assert_eq!(alice.look_at("/admin/x").status, 200);
    assert!(alice.look_at("/raw/x").echo().header("cookie").unwrap().contains("__Host-portcullis="));
    let open = alice.look_at("/open/x").echo();
    assert_eq!((open.header("cookie"), open.header("x-portcullis-assertion")), (Some("theme=dark"), None));

    let stolen = alice.clone();
    assert_eq!(alice.log_out().status, 200);
    assert!(!alice.cookies.contains_key("__Host-portcullis"));
    assert_eq!(alice.look_at("/reports").status, 302);
    // What somebody has copied is worth nothing any more.
    let mut thief = stolen;
    assert_eq!(thief.fetch("/reports").status, 401);
    proxy
        .log()
        .wait_for("the reason", |record| record.has("detail") && record.text("detail").contains("ended-session"));
}

/// The claims of a token that a service has got, checked as it would: with the published key of its `kid`.
fn asserted(token: &str, keys: &Value) -> Value {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header.kid.clone().unwrap()).unwrap();
    let coordinate = |name: &str| key[name].as_str().unwrap().to_owned();
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(coordinate("x")).unwrap().len(), 32);
    let key = jsonwebtoken::DecodingKey::from_ec_components(&coordinate("x"), &coordinate("y")).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["shop"]);
    jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
}

#[test]
fn a_program_is_told_and_not_led() {
    let web = Web::start("shop");
    let (_proxy, mut alice) = house(web.address());
    for answer in [
        alice.fetch("/api"),
        alice.form("/api", &[("a", "b")]).header("accept", "text/html").header("sec-fetch-mode", "navigate").send(),
        alice
            .request("GET", "/api")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("accept", "text/html")
            .send(),
    ] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["status"], 401);
        assert!(answer.header("www-authenticate").unwrap().starts_with("Cookie realm="), "{answer:?}");
    }
    assert_eq!(web.served(), 0);
}

#[test]
fn people_are_followed_live() {
    let web = Web::start("shop");
    let (proxy, mut alice) = house(web.address());
    assert_eq!(alice.log_in("/", "alice", PASSWORD).status, 303);
    assert_eq!(alice.look_at("/admin/x").status, 200);
    user(&proxy, &["groups", "alice", "staff"], "");
    wait_until("alice is no dba any more", || (alice.fetch("/admin/x").status == 403).then_some(()));
    assert_eq!(alice.fetch("/x").status, 200);
    user(&proxy, &["password", "alice"], "another staple here");
    wait_until("another password ends the session", || (alice.fetch("/x").status == 401).then_some(()));
    assert_eq!(alice.stranger().log_in("/", "alice", PASSWORD).status, 403);
    assert_eq!(alice.log_in("/", "alice", "another staple here").status, 303);
    assert_eq!(alice.fetch("/x").status, 200);
    user(&proxy, &["remove", "alice"], "");
    wait_until("who is removed is out", || (alice.fetch("/x").status == 401).then_some(()));
    assert_eq!(alice.stranger().log_in("/", "alice", "another staple here").status, 403);
}

#[test]
fn a_login_outlives_a_reload() {
    let web = Web::start("shop");
    let (proxy, mut alice) = house(web.address());
    alice.log_in("/", "alice", PASSWORD);
    let text = std::fs::read_to_string(proxy.directory().join("portcullis.yaml")).unwrap();
    proxy.overwrite(&text.replace("allow: authenticated }", "allow: { users: [alice] } }"));
    assert_eq!(proxy.admin().post("/v1/reload").send().status, 200);
    assert_eq!(alice.fetch("/x").status, 200);
    assert_eq!(alice.look_at("/.portcullis/me").status, 200);
}

#[test]
fn whoever_guesses_passwords_is_slowed_down() {
    let web = Web::start("shop");
    let (_proxy, alice) = house(web.address());
    let mut guesser = alice.stranger();
    let answers: Vec<_> = (0..20).map(|guess| guesser.log_in("/", "alice", &format!("guess number {guess}"))).collect();
    assert_eq!(answers[0].status, 403);
    let slowed = answers.iter().find(|answer| answer.status == 429).expect("guessing is slowed");
    assert!(slowed.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
    // The right password does not help while it is slowed.
    assert_eq!(guesser.log_in("/", "alice", PASSWORD).status, 429);
}

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: shop.test\r\nconnection: Upgrade\r\nupgrade: chat/1\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat/1\r\n\r\nwelcome";

#[test]
fn a_logout_cuts_what_is_open_within_a_second() {
    let backend = Backend::start(|mut peer| {
        let head = peer.read_head();
        if head.contains("/long") {
            // A body that never ends.
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegin");
        } else {
            peer.send(AGREE);
        }
        peer.read_to_end();
    });
    let (proxy, mut alice) = house(backend.address());
    alice.log_in("/", "alice", PASSWORD);
    let cookie = alice.cookie();
    let (mut tunnel, mut download) = (alice.connect(), alice.connect());
    tunnel.send(format!("{ASK}cookie: {cookie}\r\n\r\n"));
    assert_eq!(tunnel.response().status, 101);
    tunnel.expect("welcome");
    download.send(format!("GET /long HTTP/1.1\r\nhost: shop.test\r\ncookie: {cookie}\r\n\r\n"));
    assert!(String::from_utf8(download.take_until(b"\r\n\r\n")).unwrap().starts_with("HTTP/1.1 200"));
    download.expect("begin");
    alice.log_out();
    let began = Instant::now();
    tunnel.expect_close();
    download.rest_of_any_kind();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for path in ["/chat", "/long"] {
        assert_eq!(proxy.log().wait_for_path(path).text("end"), "access-ended", "{path}");
    }
    // And nothing new is opened.
    let mut again = alice.connect();
    again.send(format!("{ASK}cookie: {cookie}\r\n\r\n"));
    assert_eq!(again.response().status, 401);
}

/// Session fixation: a number that was there before the login is none afterwards.
#[test]
fn a_login_never_continues_a_session_that_was_there_before() {
    let web = Web::start("shop");
    let (proxy, mut alice) = house(web.address());
    user(&proxy, &["add", "mallory"], PASSWORD);
    let mut mallory = alice.stranger();
    mallory.log_in("/", "mallory", PASSWORD);
    // Mallory has put her session into alice's browser.
    let planted = mallory.cookies["__Host-portcullis"].clone();
    alice.look_at("/");
    let form = alice.look_at("/.portcullis/login");
    alice.cookies.insert("__Host-portcullis".to_owned(), planted.clone());
    let token = hidden(&form, "token").unwrap();
    let fields =
        [("token", token.as_str()), ("provider", "people"), ("to", "/"), ("user", "alice"), ("password", PASSWORD)];
    assert_eq!(alice.submit("/.portcullis/login", &fields).status, 303);
    assert_ne!(alice.cookies["__Host-portcullis"], planted);
    assert_eq!(mallory.fetch("/x").status, 401, "what was planted has ended");
    // Two of them have no single meaning.
    let two = format!("__Host-portcullis={planted}; __Host-portcullis={}", alice.cookies["__Host-portcullis"]);
    assert_eq!(alice.stranger().request("GET", "/x").header("cookie", &two).send().status, 400);
}

/// A form of ours counts from our own page, in the browser that opened it.
#[test]
fn a_form_that_another_site_sends_is_refused() {
    let web = Web::start("shop");
    let (_proxy, mut alice) = house(web.address());
    let form = alice.look_at("/.portcullis/login?to=%2F");
    let token = hidden(&form, "token").unwrap();
    let fields =
        [("token", token.as_str()), ("provider", "people"), ("to", "/"), ("user", "alice"), ("password", PASSWORD)];
    let refused = |request: crate::harness::Request| assert_eq!(request.send().status, 403);
    let own = alice.origin();
    refused(alice.form("/.portcullis/login", &fields));
    refused(alice.form("/.portcullis/login", &fields).header("origin", "https://evil.example"));
    refused(alice.form("/.portcullis/login", &fields).header("origin", &own).header("sec-fetch-site", "cross-site"));
    refused(alice.form("/.portcullis/login", &fields).header("origin", "null"));
    refused(alice.stranger().form("/.portcullis/login", &fields).header("origin", &own));
    refused(alice.form("/.portcullis/login", &fields[1..]).header("origin", &own));
    assert_eq!(alice.submit("/.portcullis/login", &fields).status, 303);
    // Nor does a link log anybody out.
    let request = alice.request("POST", "/.portcullis/logout").header("origin", "https://evil.example");
    assert_eq!(request.header("content-type", "application/x-www-form-urlencoded").body("a=b").send().status, 403);
    assert_eq!(alice.look_at("/.portcullis/logout").status, 200);
    assert_eq!(alice.fetch("/x").status, 200);
}

/// GHSA-35vc-w93w-75c2 and its kin: a login leads back to a path of this origin and nowhere else.
#[test]
fn a_login_leads_to_no_other_origin() {
    let web = Web::start("shop");
    let (_proxy, alice) = house(web.address());
    for to in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/%2fevil.example",
        "/%5cevil.example",
        "//user@evil.example",
        "/.//evil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "/.portcullis/logout",
        "/a/../.portcullis/logout",
        "/%0d%0aset-cookie:a=b",
    ] {
        let mut person = alice.stranger();
        let form = person.look_at(&format!("/.portcullis/login?to={}", crate::harness::encoded(to)));
        assert_eq!(hidden(&form, "to").as_deref(), Some("/"), "{to}");
        // Nor by a form that somebody has changed.
        let token = hidden(&form, "token").unwrap();
        let fields =
            [("token", token.as_str()), ("provider", "people"), ("to", to), ("user", "alice"), ("password", PASSWORD)];
        let back = person.submit("/.portcullis/login", &fields);
        assert_eq!((back.status, back.header("location")), (303, Some("/")), "{to}");
    }
    // A path that a browser would read as another host is not where the way to the login remembers it.
    let sent = alice.stranger().look_at("//evil.example/%2e%2e");
    assert!(!sent.header("location").unwrap_or_default().contains("evil"), "{sent:?}");
}

/// A protected prefix is protected in every spelling; so are websockets, and HTTP/1.0 without a Host.
#[test]
fn no_spelling_of_a_path_leads_around_the_login() {
    let web = Web::start("shop");
    let (_proxy, alice) = house(web.address());
    for path in [
        "/admin/",
        "/admin/..;/admin/",
        "/open/..;/admin/x",
        "/open/../admin/x",
        "/open/%2e%2e/admin/x",
        "//admin/x",
        "/open/..%2fadmin/x",
        "/ADMIN/x",
        "/./admin/x",
        "/open/.;/../admin/x",
        "/admin%2fx",
        "/open/%252e%252e/../../admin/x",
        "/.portcullis/../admin/x",
    ] {
        let mut connection = alice.connect();
        connection.send(format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n"));
        let head = String::from_utf8_lossy(&connection.rest()).into_owned();
        assert!(head.starts_with("HTTP/1.1 401") || head.starts_with("HTTP/1.1 400"), "{path}: {head}");
    }
    for head in [
        "GET /admin/x HTTP/1.1\r\nhost: shop.test.\r\n",
        "GET /admin/x HTTP/1.1\r\nhost: SHOP.test\r\n",
        "GET /admin/x HTTP/1.1\r\nhost: shop.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
        "GET /admin/x HTTP/1.1\r\nhost: shop.test\r\nuser-agent: kube-probe/1.0\r\n",
        "GET /admin/x HTTP/1.1\r\nhost: shop.test\r\nx-forwarded-uri: /open/x\r\nx-original-url: /open/x\r\n",
        "GET /admin/x HTTP/1.0\r\n",
    ] {
        let mut connection = alice.connect();
        connection.send(format!("{head}\r\n"));
        let status = String::from_utf8(connection.take_until(b"\r\n\r\n")).unwrap()[9..12].to_owned();
        assert!(["400", "401", "404"].contains(&status.as_str()), "{head}: {status}");
    }
    assert_eq!(web.served(), 0);
}

/// Nobody is anybody by a header; nor by a cookie of another name, host or make; and ten thousand cookies are no more
/// than a head that is too large.
#[test]
fn cookies_that_are_not_ours_prove_nothing() {
    let web = Web::start("shop");
    let (proxy, mut alice) = house(web.address());
    alice.log_in("/", "alice", PASSWORD);
    let good = alice.cookies["__Host-portcullis"].clone();
    let status = |cookie: &str| alice.stranger().request("GET", "/x").header("cookie", cookie).send().status;
    assert_eq!(status(&format!("__Host-portcullis={good}")), 200);
    let mut changed = good.clone().into_bytes();
    let last = changed.len() - 1;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let cases = [
        format!("portcullis={good}"),
        format!("__host-portcullis={good}"),
        format!("__Host-portcullis={}", String::from_utf8(changed).unwrap()),
        format!("__Host-portcullis={}", &good[..good.len() - 4]),
        format!("__Host-portcullis-login={good}"),
        "__Host-portcullis=".to_owned(),
    ];
    for cookie in cases {
        assert_eq!(status(&cookie), 401, "{cookie}");
    }
    // A cookie is for the host that set it.
    let mut elsewhere = alice.connect();
    elsewhere.send(format!("GET /x HTTP/1.1\r\nhost: other.test\r\ncookie: __Host-portcullis={good}\r\n\r\n"));
    assert_ne!(elsewhere.response().status, 200);
    let bomb = "a=b; ".repeat(20_000);
    assert!([400, 431].contains(&status(&format!("{bomb}__Host-portcullis={good}"))));
    assert_eq!(alice.fetch("/x").status, 200);
    drop(proxy);
}

/// CVE-2024-39315, and the rest of what our own pages must not do.
#[test]
fn own_pages_show_no_secret_and_reach_no_service() {
    let web = Web::start("shop");
    let (_proxy, mut alice) = house(web.address());
    alice.log_in("/", "alice", PASSWORD);
    let cookie = alice.cookies["__Host-portcullis"].clone();
    let served = web.served();
    let me = alice.look_at("/.portcullis/me");
    assert!(me.text().contains("alice") && !me.text().contains(&cookie), "{}", me.text());
    assert_eq!(me.header("cache-control"), Some("no-store"));
    assert_eq!(alice.fetch("/.portcullis/me").json()["name"], "alice");
    assert_eq!(alice.look_at("/.portcullis/nothing").status, 404);
    assert_eq!(alice.request("DELETE", "/.portcullis/login").send().status, 405);
    let long = "a".repeat(100_000);
    assert_eq!(alice.form("/.portcullis/login", &[("user", &long)]).send().status, 413);
    // A host that nothing is served for has no pages either.
    let mut elsewhere = alice.connect();
    elsewhere.send("GET /.portcullis/login HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    assert_eq!(elsewhere.response().status, 404);
    assert_eq!(web.served(), served);
}
