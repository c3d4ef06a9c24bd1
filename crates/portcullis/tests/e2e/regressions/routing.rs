//! Requests that one route was chosen for and a service read as another's.

use crate::harness::{Proxy, Web};

const CONDITIONS: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
  - { port: web, path: /debug, query: { debug: present }, allow: { from: [10.0.0.0/8] }, service: shop }
  - { port: web, path: /form, query: { \"a b\": \"c&d\" }, allow: anyone, respond: { status: 202 } }
  - { port: web, path: /kind, query: { kind: \"~(b|c d)\" }, allow: anyone, respond: { status: 203 } }
  - { port: web, path: /tenant, headers: { x-tenant: present }, allow: { from: [10.0.0.0/8] }, service: shop }
  - { port: web, path: /chat, headers: { upgrade: websocket }, allow: anyone, respond: { status: 204 } }
";

/// Names and values were compared as sent, so that an escape led around the condition.
#[test]
fn a_query_condition_holds_in_every_spelling() {
    let web = Web::start("a");
    let proxy = Proxy::with(CONDITIONS, &[("shop", web.address())]);
    for (target, status) in [
        ("/debug?debug", 403),
        ("/debug?debug=1", 403),
        ("/debug?%64ebug=1", 403),
        ("/debug?x=1&d%65bu%67", 403),
        ("/debug?debug%3d1", 200),
        ("/debug?xdebug=1", 200),
        ("/form?a+b=c%26d", 202),
        ("/form?a%20b=c%26d", 202),
        ("/form?a%20b=c&d", 200),
        ("/kind?kind=%62", 203),
        ("/kind?kind=c+d", 203),
        ("/kind?kind=c%2bd", 200),
    ] {
        assert_eq!(proxy.get("web", target).send().status, status, "{target}");
    }
    // What is compared decoded is sent as it came.
    let echo = proxy.get("web", "/debug?d%65bug2=%31+1").expects(200).echo();
    assert_eq!(echo.text("target"), "/debug?d%65bug2=%31+1");
}

/// A line that did not go on was believed, and one went on that the service takes for the header in question.
#[test]
fn a_header_condition_sees_what_the_service_sees() {
    let web = Web::start("a");
    let proxy = Proxy::with(CONDITIONS, &[("shop", web.address())]);
    let send = |path: &str, lines: &[(&str, &str)]| {
        let request = proxy.get("web", path);
        lines.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
    };
    assert_eq!(send("/tenant", &[("X-Tenant", "a")]).status, 403);
    // Struck by `Connection`: not there for the service, so not there for the route.
    assert_eq!(send("/tenant", &[("connection", "x-tenant"), ("x-tenant", "a")]).status, 200);
    for name in ["X_Tenant", "x.tenant", "X-TENANT_", "x_TENANT"] {
        let answer = send("/tenant", &[(name, "a")]);
        assert_eq!(answer.status, 200, "{name}");
        let passes = name == "X-TENANT_";
        assert_eq!(answer.echo().header(&name.to_ascii_lowercase()).is_some(), passes, "{name}");
    }
    assert_eq!(send("/chat", &[("connection", "upgrade"), ("upgrade", "websocket")]).status, 204);
    assert_eq!(
        send("/chat", &[("upgrade", "websocket")]).status,
        200,
        "an upgrade that is not asked for is not passed on"
    );
}

/// A servlet container leaves `;x=1` out and serves `/admin/secret`.
#[test]
fn path_parameters_lead_around_no_route() {
    let web = Web::start("a");
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
  - { port: web, path: /admin/*, service: shop, allow: { from: [10.0.0.0/8] } }
  - { port: web, path: \"~/item/[0-9]+\", service: shop, allow: anyone }
",
        &[("shop", web.address())],
    );
    for target in [
        "/admin;x=1/secret",
        "/admin;/secret",
        "/admin;x=1",
        "/admin%3bx=1/secret",
        "/admin%3Bx/secret",
        "/;x/admin/secret",
        "/;x/;y/admin",
        "/x/../admin;y/secret",
        "/%61dmin;x",
        "/item/7;v=1",
    ] {
        let answer = proxy.get("web", target).send();
        assert_eq!(answer.status, 400, "{target}");
    }
    assert_eq!(web.served(), 0);
    assert!(proxy.log().wait_for_end("bad-request").text("detail").contains("parameters"));
    // A path that leads to the same route either way is sent as it came.
    for target in ["/shop;v=1/cart", "/shop/cart;jsessionid=1", "/wiki/Semi%3Bcolon"] {
        assert_eq!(proxy.get("web", target).expects(200).echo().text("target"), target);
    }
    proxy.get("web", "/admin/x;v=1").expects(403);
}
