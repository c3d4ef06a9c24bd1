//! Which route takes a request, and what routes do besides forwarding.

use crate::harness::{Proxy, Scenario, Web};

/// Each route answers with its own name, so that a table can say who must win.
const ROUTES: &str = r#"
ports:
  web: { listen: <web>, role: internal, protocol: http }
routes:
  - { port: web, host: a.test, allow: anyone, respond: { status: 200, body: "a" } }
  - { port: web, host: a.test, path: /exact, allow: anyone, respond: { status: 200, body: "a exact" } }
  - { port: web, host: a.test, path: "~/item/[0-9]+", allow: anyone, respond: { status: 200, body: "a regex" } }
  - { port: web, host: a.test, path: /item/*, allow: anyone, respond: { status: 200, body: "a item" } }
  - { port: web, host: a.test, path: /item/7, allow: anyone, respond: { status: 200, body: "a item seven" } }
  - { port: web, host: a.test, prefix: /deep/er, allow: anyone, respond: { status: 200, body: "a deeper" } }
  - { port: web, host: a.test, prefix: /deep, allow: anyone, respond: { status: 200, body: "a deep" } }
  - { port: web, host: a.test, path: /exact, methods: [POST, PUT], allow: anyone, respond: { status: 200, body: "a post" } }
  - { port: web, host: a.test, path: /exact, headers: { x-beta: "1" }, methods: GET, allow: anyone, respond: { status: 200, body: "a beta" } }
  - { port: web, host: a.test, path: /find, query: { kind: "~(b|c)" }, allow: anyone, respond: { status: 200, body: "a kind" } }
  - { port: web, host: a.test, path: /find, query: { kind: present }, headers: { x-any: present }, allow: anyone, respond: { status: 200, body: "a any" } }
  - { port: web, host: "*.b.test", allow: anyone, respond: { status: 200, body: "b below" } }
  - { port: web, host: "*.c.b.test", allow: anyone, respond: { status: 200, body: "c below" } }
  - { port: web, host: x.b.test, path: /only/*, allow: anyone, respond: { status: 200, body: "x only" } }
  - { port: web, host: "*", path: /anywhere, allow: anyone, respond: { status: 200, body: "anywhere" } }
  - { port: web, host: "*", path: /mine, from: [127.0.0.0/8], allow: anyone, respond: { status: 200, body: "mine" } }
  - { port: web, host: "*", path: /theirs, from: [10.0.0.0/8], allow: anyone, respond: { status: 200, body: "theirs" } }
"#;

/// Method, host, target, headers; the answer.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn the_most_specific_route_takes_a_request() {
    let proxy = Scenario::new(ROUTES).start();
    let cases: &[Case<'_>] = &[
        ("GET", "a.test", "/", &[], "a"),
        ("GET", "A.TEST", "/", &[], "a"),
        ("GET", "a.test.", "/", &[], "a"),
        ("GET", "a.test:8080", "/", &[], "a"),
        ("GET", "a.test", "/exact", &[], "a exact"),
        ("GET", "a.test", "/exact?x=1", &[], "a exact"),
        ("GET", "a.test", "/ex%61ct", &[], "a exact"),
        ("GET", "a.test", "/x/../exact", &[], "a exact"),
        ("GET", "a.test", "//exact", &[], "a exact"),
        ("GET", "a.test", "/exact/", &[], "a"),
        ("GET", "a.test", "/Exact", &[], "a"),
        ("POST", "a.test", "/exact", &[], "a post"),
        ("DELETE", "a.test", "/exact", &[], "a exact"),
        ("GET", "a.test", "/exact", &[("X-Beta", "1")], "a beta"),
        ("GET", "a.test", "/exact", &[("x-beta", "2")], "a exact"),
        ("GET", "a.test", "/item/12", &[], "a regex"),
        ("GET", "a.test", "/item/12/x", &[], "a item"),
        ("GET", "a.test", "/item/7", &[], "a item seven"),
        ("GET", "a.test", "/item/seven", &[], "a item"),
        ("GET", "a.test", "/item", &[], "a item"),
        ("GET", "a.test", "/items", &[], "a"),
        ("GET", "a.test", "/deep", &[], "a deep"),
        ("GET", "a.test", "/deep/x", &[], "a deep"),
        ("GET", "a.test", "/deep/er/x", &[], "a deeper"),
        ("GET", "a.test", "/deeper", &[], "a"),
        ("GET", "a.test", "/deep/erx", &[], "a deep"),
        ("GET", "a.test", "/find?kind=b", &[], "a kind"),
        ("GET", "a.test", "/find?x=1&kind=c", &[], "a kind"),
        ("GET", "a.test", "/find?kind=d", &[], "a"),
        ("GET", "a.test", "/find?kind=b", &[("x-any", "")], "a any"),
        ("GET", "one.b.test", "/", &[], "b below"),
        ("GET", "one.two.b.test", "/", &[], "b below"),
        ("GET", "b.test", "/anywhere", &[], "anywhere"),
        ("GET", "one.c.b.test", "/", &[], "c below"),
        ("GET", "c.b.test", "/", &[], "b below"),
        ("GET", "x.b.test", "/only/this", &[], "x only"),
        ("GET", "x.b.test", "/else", &[], "b below"),
        ("GET", "else.test", "/mine", &[], "mine"),
    ];
    for (method, host, target, headers, expected) in cases {
        let request = proxy.request("web", method, target).header("host", host);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        assert_eq!(request.expects(200).text(), *expected, "{method} {host}{target} {headers:?}");
    }
}

#[test]
fn what_no_route_takes_is_not_found_and_recorded() {
    let proxy = Scenario::new(ROUTES).start();
    for (host, target) in [("b.test", "/"), (".b.test", "/"), ("xb.test", "/"), ("a.test.evil", "/"), ("c", "/theirs")]
    {
        proxy.get("web", target).header("host", host).expects(404);
    }
    let record = proxy.log().wait_for_end("no-route");
    assert!(!record.has("route") && !record.has("service"), "{record:?}");
}

#[test]
fn a_hundred_thousand_hosts_load_and_cost_no_more_than_ten() {
    let web = Web::start("a");
    let routes: String = (0..100_000)
        .map(|at| format!("  - {{ port: web, host: h{at}.test, service: shop, allow: anyone }}\n"))
        .collect();
    let few: String = routes.lines().take(10).map(|line| format!("{line}\n")).collect();
    let head = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
";
    let time_of = |routes: &str, host: &str| {
        let proxy = Proxy::with(&format!("{head}{routes}"), &[("shop", web.address())]);
        let mut client = proxy.connect("web");
        let mut times: Vec<_> = (0..300)
            .map(|_| {
                let began = std::time::Instant::now();
                client.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
                assert_eq!(client.response().status, 200);
                began.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    let (ten, all) = (time_of(&few, "H7.test"), time_of(&routes, "H77777.Test"));
    // The median of a busy machine is no precise clock; a search through the list would be hundreds of times as slow.
    assert!(all < ten * 4, "{all:?} with 100,000 hosts, {ten:?} with 10");
}

#[test]
fn redirects_lead_where_the_file_says() {
    let proxy = Scenario::new(
        r#"
ports:
  web: { listen: <web>, role: internal, protocol: http }
routes:
  - { port: web, host: old.test, redirect: "https://new.test" }
  - { port: web, host: old.test, path: /gone/*, redirect: { to: "https://new.test/archive", status: 301 } }
  - { port: web, host: same.test, path: /a, redirect: /b }
"#,
    )
    .start();
    for (method, host, target, status, location) in [
        ("GET", "old.test", "/x/y?q=1", 307, "https://new.test/x/y?q=1"),
        ("POST", "old.test", "/gone/x", 301, "https://new.test/archive"),
        ("HEAD", "old.test", "/", 307, "https://new.test/"),
        ("GET", "same.test", "/a", 307, "http://same.test/b"),
    ] {
        let response = proxy.request("web", method, target).header("host", host).expects(status);
        assert_eq!(response.header("location"), Some(location), "{method} {host}{target}");
    }
    proxy.log().wait_for_end("redirected");
}

#[test]
fn a_whole_port_redirects_to_https() {
    let authority = crate::harness::Authority::new("test");
    let proxy = Scenario::new(
        "
ports:
  plain: { listen: <plain>, role: internal, protocol: http, redirect: web }
  web: { listen: <web>, role: internal, protocol: https, tls: { certificates: [<certificate>] } }
routes:
  - { port: web, allow: anyone, respond: { status: 200, body: ok } }
",
    )
    .text("certificate", &authority.issue(&["a.test"]).yaml())
    .start();
    let https = proxy.address("web").port();
    let response = proxy.get("plain", "/x?q=1").header("host", "a.test:8080").send();
    assert!([301, 308].contains(&response.status), "{}", response.status);
    assert_eq!(response.header("location"), Some(format!("https://a.test:{https}/x?q=1").as_str()));
    assert_eq!(proxy.request("plain", "POST", "/").body("x").send().status, 308);
    // CRLF cannot get into the answer, nor can another host.
    for target in ["/x%0d%0aset-cookie:a", "//evil.test/x", "/\\evil.test"] {
        let response = proxy.get("plain", target).header("host", "a.test").send();
        assert_eq!(response.header("set-cookie"), None, "{target}");
        let location = response.header("location").unwrap_or("https://a.test");
        assert!(location.starts_with("https://a.test"), "{target}: {location}");
    }
}

/// Open redirect and cache poisoning: where a port redirect leads is what the client's own Host says.
#[test]
fn a_port_redirects_to_the_hosts_that_the_https_port_is_known_by_and_to_no_other() {
    let authority = crate::harness::Authority::new("test");
    let text = "
ports:
  plain: { listen: <plain>, role: internal, protocol: http, redirect: web }
  web: { listen: <web>, role: internal, protocol: https, tls: { certificates: [<certificate>] } }
routes:
  - { port: web, host: shop.test, allow: anyone, respond: { status: 200 } }
  - { port: web, host: \"*.apps.test\", allow: anyone, respond: { status: 200 } }
  - { port: web, path: /healthz, allow: anyone, respond: { status: 200 } }
";
    let proxy = Scenario::new(text).text("certificate", &authority.issue(&["shop.test"]).yaml()).start();
    let https = proxy.address("web").port();
    for host in ["shop.test", "SHOP.test:8080", "shop.test.", "a.apps.test"] {
        let response = proxy.get("plain", "/x").header("host", host).expects(308);
        let location = response.header("location").unwrap().to_ascii_lowercase();
        assert!(location.ends_with(&format!(":{https}/x")) && !location.contains("evil"), "{location}");
    }
    for host in ["evil.test", "shop.test.evil.test", "apps.test", "127.0.0.1"] {
        let response = proxy.get("plain", "/x").header("host", host).expects(404);
        assert_eq!(response.header("location"), None, "{host}");
    }
    let absolute = proxy.get("plain", "http://evil.test/x").header("host", "shop.test").expects(404);
    assert_eq!(absolute.header("location"), None);
    proxy.log().wait_for("the name of the host that was refused", |record| {
        record.text("end") == "no-route" && record.text("detail").contains("`evil.test`")
    });
}

#[test]
fn a_port_redirects_to_every_host_where_a_route_of_the_https_port_takes_every_host() {
    let authority = crate::harness::Authority::new("test");
    let text = "
ports:
  plain: { listen: <plain>, role: internal, protocol: http, redirect: web }
  web: { listen: <web>, role: internal, protocol: https, tls: { certificates: [<certificate>] } }
routes:
  - { port: web, host: shop.test, allow: anyone, respond: { status: 200 } }
  - { port: web, allow: anyone, respond: { status: 200 } }
";
    let proxy = Scenario::new(text).text("certificate", &authority.issue(&["shop.test"]).yaml()).start();
    for host in ["shop.test", "other.test"] {
        let response = proxy.get("plain", "/x").header("host", host).expects(308);
        assert!(response.header("location").unwrap().starts_with(&format!("https://{host}:")));
    }
}

#[test]
fn fixed_answers_are_given_as_written() {
    let proxy = Scenario::new(
        r#"
ports:
  web: { listen: <web>, role: internal, protocol: http }
routes:
  - { port: web, path: /robots.txt, allow: anyone, respond: { status: 200, body: "User-agent: *\n" } }
  - { port: web, path: /json, allow: anyone, respond: { status: 503, body: "{}", content-type: application/json }, response-headers: { set: { retry-after: "60" } } }
  - { port: web, path: /empty, allow: anyone, respond: { status: 204 } }
"#,
    )
    .start();
    let robots = proxy.get("web", "/robots.txt").expects(200);
    assert_eq!(
        (robots.text().as_str(), robots.header("content-type")),
        ("User-agent: *\n", Some("text/plain; charset=utf-8"))
    );
    let json = proxy.get("web", "/json").expects(503);
    assert_eq!((json.header("content-type"), json.header("retry-after")), (Some("application/json"), Some("60")));
    assert_eq!(proxy.get("web", "/empty").expects(204).header("content-length"), None);
    let head = proxy.request("web", "HEAD", "/robots.txt").expects(200);
    assert_eq!(head.header("content-length"), Some("14"));
    proxy.log().wait_for_end("responded");
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let web = Web::start("a");
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, path: /api/*, service: shop, allow: anyone, rewrite: { path-prefix: /v2 } }
  - { port: web, path: /old, service: shop, allow: anyone, rewrite: { path-prefix: /new } }
  - { port: web, path: /strip/*, service: shop, allow: anyone, rewrite: { path-prefix: / } }
  - { port: web, path: /named/*, service: shop, allow: anyone, rewrite: { host: internal.test } }
",
        &[("shop", web.address())],
    );
    for (target, expected) in [
        ("/api/users?q=1", "/v2/users?q=1"),
        ("/api", "/v2"),
        ("/api/", "/v2/"),
        ("/old", "/new"),
        ("/strip/a/b", "/a/b"),
        ("/strip", "/"),
        // CVE-2025-66490: what is stripped is what was compared.
        ("/strip//a", "/a"),
        ("/strip/x/../../strip/%61", "/a"),
    ] {
        assert_eq!(proxy.get("web", target).expects(200).echo().text("target"), expected, "{target}");
    }
    let echo = proxy.get("web", "/named/x").header("host", "outside.test").expects(200).echo();
    assert_eq!((echo.all("host"), echo.header("x-forwarded-host")), (vec!["internal.test"], Some("outside.test")));
}

/// CVE-2025-32431 and kin: one form is compared and the same form is sent.
#[test]
fn a_path_that_is_denied_is_denied_in_every_spelling() {
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
",
        &[("shop", web.address())],
    );
    for target in [
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin/x",
        "/./admin",
        "/public/../admin",
        "/%61dmin",
        "/adm%69n/x",
        "/public/%2e%2e/admin",
        "/public/.%2E/admin",
        "/%2e/admin",
        "http://example.test/admin",
    ] {
        proxy.get("web", target).expects(403);
    }
    for target in [
        "/public/..;/admin",
        "/public/..%2fadmin",
        "/public\\..\\admin",
        "/..%5cadmin",
        "/admin%00",
        "/public/..%3b/admin",
    ] {
        proxy.get("web", target).expects(400);
    }
    assert_eq!(web.served(), 0);
}

#[test]
fn a_port_without_a_matching_source_is_closed_before_http() {
    let web = Web::start("a");
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http, from: [10.0.0.0/8] }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
",
        &[("shop", web.address())],
    );
    proxy.connect("web").send_if_open("GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect_close();
    proxy.log().wait_for_end("refused-source");
}
