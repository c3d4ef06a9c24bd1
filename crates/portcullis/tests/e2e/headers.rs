//! What heads become on their way: hop-by-hop fields, claims about the source, edits.

use crate::harness::{Backend, Proxy, Web};

#[test]
fn hop_by_hop_fields_of_a_request_end_at_the_proxy() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let echo = proxy
        .get("web", "/")
        .header("connection", "keep-alive, X-Private")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("proxy-authorization", "Basic eDp5")
        .header("te", "gzip")
        .header("trailer", "x-sum")
        .header("upgrade", "foo")
        .header("x-public", "2")
        .expects(200)
        .echo();
    for name in
        ["x-private", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "upgrade", "connection"]
    {
        assert_eq!(echo.header(name), None, "{name}");
    }
    assert_eq!(echo.header("x-public"), Some("2"));
}

#[test]
fn hop_by_hop_fields_of_a_response_end_at_the_proxy() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive, x-private\r\nx-private: 1\r\n\
        keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nx-public: 2\r\n\r\n",
    );
    let proxy = Proxy::before(backend.address());
    let response = proxy.get("web", "/").expects(200);
    for name in ["x-private", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(response.header(name), None, "{name}");
    }
    assert_eq!(response.header("x-public"), Some("2"));
}

#[test]
fn what_the_proxy_says_of_the_source_replaces_what_the_client_claims() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let echo = proxy
        .get("web", "/")
        .header("host", "shop.example")
        .header("X-Forwarded-For", "6.6.6.6")
        .header("x-forwarded-for", "7.7.7.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Port", "1")
        .header("X-Forwarded-User", "root")
        .header("X-Forwarded-Client-Cert", "Subject=\"CN=root\"")
        .header("Forwarded", "for=6.6.6.6")
        .header("X-Real-IP", "6.6.6.6")
        .header("X-Request-Id", "chosen")
        .expects(200)
        .echo();
    assert_eq!(echo.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(echo.all("x-forwarded-proto"), ["http"]);
    assert_eq!(echo.all("x-forwarded-host"), ["shop.example"]);
    assert_eq!(echo.all("x-forwarded-port"), [proxy.address("web").port().to_string()]);
    assert_eq!(echo.all("forwarded"), ["for=127.0.0.1;proto=http;host=\"shop.example\""]);
    assert_eq!(echo.all("via"), ["1.1 portcullis"]);
    assert_eq!(echo.all("x-request-id").len(), 1);
    assert_ne!(echo.header("x-request-id"), Some("chosen"));
    for name in ["x-forwarded-user", "x-forwarded-client-cert", "x-real-ip"] {
        assert_eq!(echo.header(name), None, "{name}");
    }
}

/// RFC 9110 7.6.3: both ways, with the version in which the message came, behind what others have said.
#[test]
fn via_is_said_both_ways_and_a_route_can_keep_it_from_clients() {
    let backend = Backend::start(|mut peer| {
        let request = peer.read_head();
        let version = if request.contains("/old") { "1.0" } else { "1.1" };
        peer.send(format!(
            "HTTP/{version} 200 OK\r\ncontent-length: 0\r\nvia: 1.1 cache\r\nconnection: close, via\r\n\r\n"
        ));
    });
    let text = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
  - { port: web, path: /quiet, service: shop, allow: anyone, response-headers: { remove: [via] } }
";
    let proxy = Proxy::with(text, &[("shop", backend.address())]);
    for (target, expected) in [("/", &["1.1 portcullis"][..]), ("/old", &["1.0 portcullis"]), ("/quiet", &[])] {
        assert_eq!(proxy.get("web", target).expects(200).all("via"), expected, "{target}");
    }
    let answer = proxy.connect("web").send("GET / HTTP/1.0\r\nhost: a\r\nvia: 1.1 before\r\n\r\n").rest();
    assert!(String::from_utf8_lossy(&answer).contains("\r\nvia: 1.1 portcullis\r\n"));
    let received = backend.received_text().to_ascii_lowercase();
    assert!(received.contains("via: 1.1 before\r\n") && received.contains("via: 1.0 portcullis\r\n"), "{received}");
}

/// CVE-2025-64484: services behind CGI-like gateways read these as the name with hyphens.
#[test]
fn disguised_spellings_of_claims_do_not_pass_either() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    for name in [
        "X_Forwarded_For",
        "x_forwarded-for",
        "X-FORWARDED_USER",
        "X.Forwarded.For",
        "Transfer_Encoding",
        "Content_Length",
        "Proxy",
    ] {
        let echo = proxy.get("web", "/").header(name, "1").expects(200).echo();
        assert_eq!(echo.header(&name.to_ascii_lowercase()), None, "{name}");
    }
}

/// CVE-2021-32813, CVE-2025-48865.
#[test]
fn a_connection_option_cannot_take_away_what_the_proxy_adds() {
    let web = Web::start("a");
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone, request-headers: { set: { x-tenant: blue } } }
",
        &[("shop", web.address())],
    );
    let options = "x-forwarded-for, X-Forwarded-Proto, via, forwarded, x-request-id, x-tenant, x-forwarded-host";
    let echo = proxy.get("web", "/").header("connection", options).header("x-tenant", "red").expects(200).echo();
    for name in ["x-forwarded-for", "x-forwarded-proto", "via", "forwarded", "x-request-id", "x-forwarded-host"] {
        assert_eq!(echo.all(name).len(), 1, "{name}");
    }
    assert_eq!(echo.all("x-tenant"), ["blue"]);
}

#[test]
fn a_header_that_a_route_removes_does_not_come_back_as_a_trailer() {
    let web = Web::start("a");
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone, request-headers: { remove: [x-debug] } }
",
        &[("shop", web.address())],
    );
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n");
    client.send("X-Debug: 1\r\nx-sum: 2\r\n\r\n");
    let echo = client.response().echo();
    assert!(echo.has_trailer("x-sum: 2") && !echo.has_trailer("X-Debug: 1"), "{echo:?}");
}

#[test]
fn routes_set_append_and_remove_headers_in_both_directions() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nserver: secret/1.0\r\nx-keep: 1\r\nx-powered-by: magic\r\n\r\n",
    );
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - port: web
    service: shop
    allow: anyone
    request-headers: { set: { x-env: live }, append: { x-tag: two }, remove: [x-debug, cookie] }
    response-headers: { set: { server: portcullis }, append: { x-keep: \"2\" }, remove: [X-Powered-By] }
",
        &[("shop", backend.address())],
    );
    let response = proxy
        .get("web", "/")
        .header("X-Env", "test")
        .header("x-env", "dev")
        .header("x-tag", "one")
        .header("X-Debug", "1")
        .header("cookie", "a=b")
        .expects(200);
    assert_eq!(response.all("server"), ["portcullis"]);
    assert_eq!(response.all("x-keep"), ["1", "2"]);
    assert_eq!(response.header("x-powered-by"), None);
    let request = backend.received_text().to_ascii_lowercase();
    assert_eq!(request.matches("x-env:").count(), 1, "{request}");
    assert!(request.contains("x-env: live\r\n") && request.contains("x-tag: one\r\n"), "{request}");
    assert!(request.contains("x-tag: two\r\n"), "{request}");
    assert!(!request.contains("x-debug") && !request.contains("cookie"), "{request}");
}

#[test]
fn unusual_but_valid_header_lines_pass_unharmed() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send(
        b"GET / HTTP/1.1\r\nhost:a\r\nx-tight:1\r\nx-wide: \t 2 \t\r\nx-empty:\r\nx-latin: caf\xe9\r\nX-!#$%&'*+.^`|~: 3\r\nx-twice: a\r\nx-twice: b\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let received = backend.received();
    for line in [
        &b"\r\nx-tight: 1\r\n"[..],
        b"\r\nx-wide: 2\r\n",
        b"\r\nx-empty: \r\n",
        b"\r\nx-latin: caf\xe9\r\n",
        b"\r\nX-!#$%&'*+.^`|~: 3\r\n",
        b"\r\nx-twice: a\r\nx-twice: b\r\n",
    ] {
        let is_there = received.windows(line.len()).any(|window| window == line);
        assert!(is_there, "{:?} in {:?}", String::from_utf8_lossy(line), String::from_utf8_lossy(&received));
    }
}
