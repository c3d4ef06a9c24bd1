//! The admin API and the metrics port: who may ask, what they are told, and the way out.

use crate::harness::{Authority, Backend, Proxy, Request, Scenario, TlsClient, Web, free_address, wait_until};

const TOKEN: &str = "correct-horse-battery-staple-0123456789";

const CONTROLLED: &str = "
admin: { token: \"${env:ADMIN_TOKEN}\" }
ports:
  web: { listen: <web>, role: internal, protocol: http }
  control: { listen: <control>, role: admin }
  numbers: { listen: <numbers>, role: metrics }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

fn controlled(web: &Web) -> Proxy {
    Scenario::new(CONTROLLED).environment("ADMIN_TOKEN", TOKEN).service("shop", &[web.address()]).start()
}

/// A request that names the admin port rightly and shows the token.
fn with_token(proxy: &Proxy, method: &str, target: &str) -> Request {
    let request = proxy.request("control", method, target).header("host", &proxy.address("control").to_string());
    request.header("authorization", &format!("Bearer {TOKEN}"))
}

#[test]
fn only_who_knows_the_token_is_answered() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    let host = proxy.address("control").to_string();
    with_token(&proxy, "GET", "/v1/status").expects(200);
    for credentials in [None, Some("Bearer wrong"), Some("Basic eDp5"), Some(&*format!("Bearer {TOKEN}x"))] {
        let request = proxy.get("control", "/v1/status").header("host", &host);
        let request = match credentials {
            Some(credentials) => request.header("authorization", credentials),
            None => request,
        };
        let response = request.expects(401);
        assert!(response.header("www-authenticate").is_some() && !response.text().contains(TOKEN), "{credentials:?}");
    }
}

/// CVE-2026-27589: a web page in the operator's browser must not be able to steer the proxy.
#[test]
fn requests_that_a_web_page_could_send_are_refused() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    let generation = || proxy.admin().get("/v1/status")["generation"].clone();
    let before = generation();
    let own = format!("http://{}", proxy.address("control"));
    for (name, value) in
        [("origin", "http://evil.test"), ("origin", "null"), ("origin", &*own), ("sec-fetch-site", "cross-site")]
    {
        let command = with_token(&proxy, "POST", "/v1/reload").header("content-type", "application/json").body("{}");
        command.header(name, value).expects(403);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let status =
            with_token(&proxy, "POST", "/v1/reload").header("content-type", content_type).body("{}").send().status;
        assert!((400..500).contains(&status), "{content_type}: {status}");
    }
    // DNS rebinding.
    let rebound = proxy.get("control", "/v1/status").header("host", "evil.test");
    let status = rebound.header("authorization", &format!("Bearer {TOKEN}")).send().status;
    assert!([403, 421].contains(&status), "{status}");
    assert_eq!(generation(), before);
}

#[test]
fn a_client_certificate_opens_an_admin_port_that_asks_for_one() {
    let (server, clients) = (Authority::new("server"), Authority::new("clients"));
    let proxy = Scenario::new(
        "
ports:
  control:
    listen: <control>
    role: admin
    tls: { certificates: [<certificate>] }
    clients: { certificate: required, ca: <ca> }
",
    )
    .text("certificate", &server.issue(&["admin.test"]).yaml())
    .text("ca", &clients.file().display().to_string())
    .start();
    let ask = |client: &TlsClient| {
        let (mut connection, _) = client.connect(proxy.address("control"), "admin.test").ok()?;
        connection.send_if_open("GET /v1/health HTTP/1.1\r\nhost: admin.test\r\n\r\n");
        Some(connection.take_until(b"\r\n\r\n")).filter(|head| head.starts_with(b"HTTP/1.1 200 "))
    };
    assert!(ask(&TlsClient::with_certificate(&server, &clients.issue(&["operator"]))).is_some());
    assert!(ask(&TlsClient::with_certificate(&server, &server.issue(&["operator"]))).is_none());
    assert!(ask(&TlsClient::trusting(&server)).is_none());
}

#[test]
fn secrets_are_nowhere_to_be_seen() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    for target in ["/v1/config", "/v1/status", "/v1/ports", "/v1/services", "/v1/routes", "/metrics", "/openapi.json"] {
        let answer = proxy.admin().request("GET", target).expects(200).text();
        assert!(!answer.contains(TOKEN), "{target}");
    }
    assert!(!proxy.output().contains(TOKEN));
    assert_eq!(proxy.admin().get("/v1/config")["admin_token"], true);
}

#[test]
fn every_answer_is_described_by_the_openapi_document() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    proxy.get("web", "/").expects(200);
    let document = proxy.admin().get("/openapi.json");
    let paths = document["paths"].as_object().expect("the document lists paths");
    for (path, operations) in paths {
        if operations.get("get").is_some() {
            proxy.admin().request("GET", path).expects(200);
        }
    }
    let ports = proxy.admin().get("/v1/ports");
    let known = ports.as_array().unwrap().iter().find(|port| port["name"] == "web").unwrap().clone();
    assert_eq!(known["listen"], proxy.address("web").to_string());
    let described = &document["components"]["schemas"]["Port"]["properties"];
    for field in known.as_object().unwrap().keys() {
        assert!(described.get(field).is_some(), "{field} of a port is not described");
    }
}

#[test]
fn endpoints_are_shown_with_their_state_and_reason() {
    let (web, nowhere) = (Web::start("a"), free_address());
    let text = CONTROLLED.replace("[<shop>]", "[<shop>], health: { tcp: true, every: 50ms, rise: 1, fall: 1 }");
    let proxy =
        Scenario::new(&text).environment("ADMIN_TOKEN", TOKEN).service("shop", &[web.address(), nowhere]).start();
    wait_until("one endpoint is up and one is down", || {
        let service = proxy.admin().get("/v1/services")[0].clone();
        let states: Vec<_> =
            service["endpoints"].as_array()?.iter().map(|endpoint| endpoint["state"].clone()).collect();
        (service["available"] == 1 && states == ["up", "down"]).then_some(())
    });
    let output = proxy.verb("status");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "an endpoint that is down is a finding");
    for part in ["shop", &web.address().to_string(), &nowhere.to_string(), "down", "nobody listens"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_metrics_port_shows_numbers_and_steers_nothing() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    for _ in 0..3 {
        proxy.get("web", "/").expects(200);
    }
    proxy.get("web", "/").header("host", "a b").expects(400);
    let is_counted = |page: &str| {
        let mut lines = page.lines();
        lines.any(|line| line.starts_with("portcullis_port_requests_total{port=\"web\"") && line.ends_with(" 4"))
            && lines.any(|line| {
                line.contains("port=\"web\",role=\"internal\",reason=\"bad-request\"") && line.ends_with(" 1")
            })
    };
    let page = wait_until("the requests are counted", || {
        Some(proxy.get("numbers", "/metrics").expects(200).text()).filter(|page| is_counted(page))
    });
    for part in ["reason=\"completed\"", "reason=\"bad-request\"", "service=\"shop\"", "_bucket{", "# TYPE ", "# HELP "]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    for target in ["/v1/status", "/v1/config", "/openapi.json", "/"] {
        let told = proxy.get("numbers", target).expects(404).json()["detail"].as_str().unwrap().to_owned();
        for served in told.split([' ', ',', ';']).filter(|word| word.starts_with('/')) {
            proxy.get("numbers", served).expects(200);
        }
        assert!(told.contains("/metrics"), "{told}");
    }
    let command = proxy.request("numbers", "POST", "/v1/reload").header("content-type", "application/json").body("{}");
    command.expects(404);
}

/// CVE-2025-24030 and the design's third plane rule.
#[test]
fn nothing_on_a_data_port_leads_to_an_admin_or_metrics_port() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    for target in ["/v1/status", "/v1/config", "/metrics", "/openapi.json"] {
        assert_eq!(proxy.get("web", target).expects(200).echo().text("target"), target, "it is the service's own");
    }
    for port in ["control", "numbers"] {
        let wrong = CONTROLLED
            .replace("ports: <shop.ports>, endpoints: [<shop>]", "ports: <wrong.ports>, endpoints: [<wrong>]");
        let report = Scenario::new(&wrong.replace(&format!("<{port}>"), "<wrong>"))
            .environment("ADMIN_TOKEN", TOKEN)
            .service("wrong", &[free_address()])
            .check();
        let said = String::from_utf8_lossy(&report.stdout).into_owned() + &String::from_utf8_lossy(&report.stderr);
        assert!(said.contains("endpoint-is-control-port"), "{said}");
        assert_eq!(report.status.code(), Some(1));
    }
}

#[test]
fn a_drain_refuses_what_is_new_lets_what_is_open_end_and_then_ends() {
    let web = Web::start("a");
    let mut proxy = controlled(&web);
    let mut idle = proxy.connect("web");
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(idle.response().status, 200);
    let mut slow = proxy.connect("web");
    slow.send("GET /slow/700 HTTP/1.1\r\nhost: a\r\n\r\n");
    wait_until("the slow request is under way", || (web.served() == 2).then_some(()));
    proxy.admin().post("/v1/drain").expects(202);
    proxy.admin().request("GET", "/v1/ready").expects(503);
    wait_until("nobody listens on the data port", || {
        std::net::TcpStream::connect(proxy.address("web")).is_err().then_some(())
    });
    idle.expect_close();
    let response = slow.response();
    assert_eq!((response.text().as_str(), response.header("connection")), ("late", Some("close")));
    assert_eq!(proxy.process().wait_for_end(), 0);
}

#[test]
fn a_drain_waits_no_longer_than_the_file_says() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    let mut proxy = Scenario::new(
        "
limits: { drain: 300ms }
ports:
  db: { listen: <db>, role: internal, protocol: tcp }
services:
  ledger: { ports: <ledger.ports>, protocol: tcp, endpoints: [<ledger>] }
routes:
  - { port: db, service: ledger, allow: anyone }
",
    )
    .service("ledger", &[backend.address()])
    .start();
    let mut client = proxy.connect("db");
    client.send("x");
    backend.wait_for("x");
    proxy.process().signal("TERM");
    client.expect_close();
    assert_eq!(proxy.process().wait_for_end(), 0);
    proxy.log().wait_for_end("shutdown");
}

#[test]
fn every_request_to_an_admin_port_leaves_a_record() {
    let web = Web::start("a");
    let proxy = controlled(&web);
    let host = proxy.address("control").to_string();
    proxy.get("control", "/v1/health").header("host", &host).expects(401);
    with_token(&proxy, "GET", "/v1/health").expects(200);
    for status in [401, 200] {
        let record = proxy.log().wait_for("the admin request", |record| {
            record.text("port") == "control" && record.number("status") == status
        });
        assert_eq!((record.text("role"), record.text("path")), ("admin", "/v1/health"));
        assert!(record.text("source").starts_with("127.0.0.1:"), "{record:?}");
    }
}
