//! People who log in at a certified OpenID provider: with a real browser, and with whatever attacks one.

use std::net::SocketAddr;

use serde_json::json;

use super::people::{PASSWORD, user};
use crate::harness::{
    Authority, Chromium, OpenIdProvider, Person, Proxy, Response, Scenario, Web, free_address, wait_until,
};

const FILE: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: https, tls: { certificates: [{ cert: web.pem, key: web.key }] } }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: authenticated, authenticate: [corp] }
  - { port: web, path: /admin/*, service: shop, allow: { groups: [dba] }, authenticate: [corp] }
  - { port: web, path: /either/*, service: shop, allow: authenticated }
identity:
  providers:
    corp:
      oidc: \"<issuer>\"
      client-id: proxy
      client-secret: ${env:CORP_SECRET}
      scopes: [email, profile, offline_access]
      refresh: 1s
    people: { local: true }
";

/// The proxy before a service, the provider, and where browsers find the proxy.
struct World {
    proxy: Proxy,
    provider: OpenIdProvider,
    web: Web,
    authority: Authority,
    address: SocketAddr,
    origin: String,
}

impl World {
    fn new() -> Self {
        let (web, authority, address) = (Web::start("shop"), Authority::new("test"), free_address());
        let origin = format!("https://shop.test:{}", address.port());
        let provider = OpenIdProvider::start(&origin, address);
        let leaf = authority.issue(&["shop.test", "127.0.0.1"]);
        let proxy = Scenario::new(FILE)
            .text("web", &address.to_string())
            .text("issuer", provider.issuer())
            .environment("CORP_SECRET", "proxy-secret")
            .file("web.pem", &std::fs::read_to_string(leaf.cert).unwrap())
            .file("web.key", &std::fs::read_to_string(leaf.key).unwrap())
            .service("shop", &[web.address()])
            .start();
        Self { proxy, provider, web, authority, address, origin }
    }

    fn person(&self) -> Person {
        Person::over_tls(&self.authority, self.address, &format!("shop.test:{}", self.address.port()))
    }

    /// From a page through the provider to the address that it sends back to.
    #[track_caller]
    fn returns(&self, person: &mut Person, page: &str, user: &str) -> String {
        let login = person.look_at(page);
        let begun = person.look_at(login.header("location").unwrap_or_else(|| panic!("{login:?}")));
        let address = begun.header("location").unwrap_or_else(|| panic!("{}", begun.text())).to_owned();
        let back = self.provider.log_in(&mut self.provider.visitor(), &address, user);
        back.strip_prefix(&self.origin).unwrap_or_else(|| panic!("{back}")).to_owned()
    }

    #[track_caller]
    fn log_in(&self, person: &mut Person, page: &str, user: &str) -> Response {
        let back = self.returns(person, page, user);
        person.look_at(&back)
    }
}

#[test]
fn a_browser_logs_in_at_a_certified_provider_and_out_again() {
    let world = World::new();
    let mut browser = Chromium::start(&["shop.test"]);
    let page = |path: &str| format!("{}{path}", world.origin);
    browser.go(&page("/admin/report?from=a&to=b#part"));
    browser.until("document.querySelector('[name=user]')");
    assert!(browser.run("location.href").as_str().unwrap().starts_with(world.provider.issuer()));
    browser.fill("user", "alice");
    browser.press("button");
    browser.until("location.host.startsWith('shop.test') && location.pathname === '/admin/report'");
    assert_eq!(browser.run("location.search"), "?from=a&to=b", "the deep link survives");
    assert!(browser.text().contains("x-portcullis-assertion"), "{}", browser.text());
    assert_eq!(browser.run("document.cookie"), "", "no script sees the session");

    // What the provider knows changes: it holds without a new login.
    world.provider.steer("users", &json!({ "alice": { "groups": ["staff"] } }));
    wait_until("alice is no dba any more", || {
        browser.go(&page("/admin/report"));
        browser.until("true");
        browser.text().contains("403").then_some(())
    });
    browser.go(&page("/page"));
    browser.until("document.body.innerText.includes('/page')");

    // Logging out here logs out there.
    browser.go(&page("/.portcullis/logout"));
    browser.until("document.querySelector('form button')");
    browser.press("form button");
    browser.until("document.querySelector('[name=logout]')");
    browser.press("[name=logout]");
    browser.until("location.host.startsWith('shop.test') && location.pathname === '/.portcullis/logout'");
    browser.go(&page("/page"));
    browser.until("document.querySelector('[name=user]')");
}

#[test]
fn a_browser_chooses_among_several_providers() {
    let world = World::new();
    user(&world.proxy, &["add", "carol"], PASSWORD);
    let mut browser = Chromium::start(&["shop.test"]);
    browser.go(&format!("{}/either/x", world.origin));
    browser.until("document.querySelector('[name=password]')");
    assert!(browser.text().contains("corp"), "{}", browser.text());
    browser.fill("user", "carol");
    browser.fill("password", PASSWORD);
    browser.press("form button");
    browser.until("location.pathname === '/either/x' && document.body.innerText.includes('replica')");
    // A route that asks for the other provider does not take this one's word.
    browser.go(&format!("{}/page", world.origin));
    browser.until("document.querySelector('[name=user]')");
    assert!(browser.run("location.href").as_str().unwrap().starts_with(world.provider.issuer()));
}

#[test]
fn a_provider_logs_out_through_the_back_channel() {
    let world = World::new();
    let mut alice = world.person();
    let mut visitor = world.provider.visitor();
    let login = alice.look_at("/page");
    let begun = alice.look_at(login.header("location").unwrap());
    let back = world.provider.log_in(&mut visitor, begun.header("location").unwrap(), "alice");
    assert_eq!(alice.look_at(back.strip_prefix(&world.origin).unwrap()).header("location"), Some("/page"));
    assert_eq!(alice.fetch("/page").status, 200);
    world.provider.steer("logout", &json!({ "user": "alice" }));
    wait_until("the provider's logout holds here", || (alice.fetch("/page").status == 401).then_some(()));
    // A token that nobody has signed logs nobody out.
    world.log_in(&mut alice, "/page", "alice");
    let forged = alice.stranger().form("/.portcullis/backchannel/corp", &[("logout_token", "a.b.c")]).send();
    assert_eq!(forged.status, 400);
    assert_eq!(alice.fetch("/page").status, 200);
}

#[test]
fn keys_that_the_provider_changes_are_followed_and_its_end_is_survived() {
    let mut world = World::new();
    let mut alice = world.person();
    assert_eq!(world.log_in(&mut alice, "/page", "alice").status, 303);
    world.provider.steer("rotate", &json!({}));
    let mut bob = world.person();
    // A key that nobody knows is asked for, but not again and again: strangers could make us storm the provider.
    wait_until("bob logs in with the new key", || (world.log_in(&mut bob, "/page", "bob").status == 303).then_some(()));
    assert_eq!(bob.fetch("/page").status, 200);
    assert_eq!(bob.fetch("/admin/x").status, 403);
    // Somebody who has to leave there is out here.
    world.provider.steer("revoke", &json!({ "user": "bob" }));
    wait_until("a refused refresh ends the session", || (bob.fetch("/page").status == 401).then_some(()));
    world.provider.stop();
    let mut carol = world.person();
    let login = carol.look_at("/page");
    let begun = carol.look_at(login.header("location").unwrap());
    assert!(begun.status == 502 || begun.status == 302 || begun.status == 303, "{begun:?}");
    assert_eq!(alice.fetch("/page").status, 200, "what was proven stays valid");
    assert_eq!(carol.fetch("/page").status, 401, "nobody new is let in");
}

/// Replays of state, nonce and code; a login that began in another browser; a callback that nobody asked for.
#[test]
fn what_comes_back_counts_once_and_in_its_own_browser() {
    let world = World::new();
    let mut alice = world.person();
    let back = world.returns(&mut alice, "/page", "alice");
    // A link with somebody else's code, in a browser that began no login (login CSRF), or another one.
    assert_eq!(world.person().look_at(&back).status, 403);
    let mut mallory = world.person();
    mallory.look_at("/.portcullis/login?to=%2F&provider=corp");
    assert_eq!(mallory.look_at(&back).status, 403);
    // A state that was made up, one that is there twice, and a code for another login.
    let (before, state) = back.split_once("state=").unwrap();
    let state = state.split('&').next().unwrap().to_owned();
    assert_eq!(alice.clone().look_at(&back.replace(&state, "made-up")).status, 403);
    assert_eq!(alice.clone().look_at(&format!("{back}&state={state}")).status, 403);
    assert!(before.contains("code="), "{back}");
    // The way it is meant to be, once.
    let copied = alice.clone();
    assert_eq!(alice.look_at(&back).status, 303);
    assert_eq!(alice.fetch("/page").status, 200);
    let mut replayed = copied;
    assert_ne!(replayed.look_at(&back).status, 303, "neither with the cookies of then");
    assert_eq!(alice.look_at(&back).status, 403);
    assert_eq!(world.web.served(), 1);
    let code = back.split_once("code=").unwrap().1.split('&').next().unwrap();
    world.proxy.log().wait_for_path("/.portcullis/callback/corp");
    let log = std::fs::read_to_string(world.proxy.directory().join("access.log")).unwrap();
    assert!(!log.contains(code) && !world.proxy.output().contains(code), "a code is a secret");
}
