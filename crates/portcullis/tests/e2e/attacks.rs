//! Attacks that have worked on other proxies. `docs/attacks.md` names the test that holds each of them off; those
//! that belong to no other concern are here.

use std::{collections::BTreeSet, fs, path::Path};

use crate::harness::{Authority, Backend, Proxy, Scenario, TlsClient, Web};

const HTTP: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
  - { port: web, path: /fixed, allow: anyone, respond: { status: 200, body: hello } }
  - { port: web, path: /gone, allow: anyone, redirect: /elsewhere }
  - { port: web, path: /denied, allow: { from: [10.0.0.0/8] }, service: shop }
  - { port: web, path: /role, headers: { x-role: guest }, allow: { from: [10.0.0.0/8] }, service: shop }
";

/// CVE-2025-4366: what the proxy answers itself, it answers before the body is read. The body is then the client's
/// next request, written by whoever wrote the body.
#[test]
fn a_body_behind_an_answer_of_our_own_is_never_the_next_request() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = Proxy::with(HTTP, &[("shop", backend.address())]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let bodies = [
        format!("content-length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len()),
        format!("expect: 100-continue\r\ncontent-length: {}\r\n\r\n{smuggled}", smuggled.len()),
    ];
    for (target, status) in [("/fixed", 200), ("/gone", 307), ("/denied", 403)] {
        for body in &bodies {
            let mut client = proxy.connect("web");
            client.send(format!("POST {target} HTTP/1.1\r\nhost: a\r\n{body}"));
            let response = client.response();
            assert_eq!((response.status, response.header("connection")), (status, Some("close")), "{target} {body}");
            client.expect_close();
        }
    }
    assert_eq!(backend.received_text(), "");
}

/// CVE-2021-40346: a length that was kept in one byte made another name of a long one, and hid a second length.
#[test]
fn a_name_that_is_longer_than_a_byte_can_count_is_no_other_name() {
    let web = Web::start("a");
    let proxy = Proxy::with(HTTP, &[("shop", web.address())]);
    for overflow in [256, 512] {
        let name = format!("content-length{}", "0".repeat(overflow));
        let mut client = proxy.connect("web");
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{name}: 0\r\ncontent-length: 5\r\n\r\nhello"));
        let echo = client.response().echo();
        assert_eq!((echo.text("body"), echo.header(&name)), ("hello", Some("0")));
    }
}

/// CVE-2026-26308: a condition saw several lines as one value, and the service saw the one that the rule was about.
#[test]
fn a_header_that_is_repeated_is_judged_line_by_line() {
    let web = Web::start("a");
    let proxy = Proxy::with(HTTP, &[("shop", web.address())]);
    for lines in [["guest", "root"], ["root", "guest"]] {
        proxy.get("web", "/role").header("x-role", lines[0]).header("X-Role", lines[1]).expects(403);
    }
    assert_eq!(web.served(), 0);
}

/// CVE-2026-47692: extensions that a balancer before us has sent became bytes of the stream behind us.
#[test]
fn extensions_of_a_proxy_header_are_not_told_on() {
    let backend = Backend::start(|mut peer| {
        let all = peer.read(28 + 5);
        peer.send(all);
    });
    let text = "
ports:
  db: { listen: <db>, role: internal, protocol: tcp, proxy-protocol: { from: [127.0.0.1] } }
services:
  ledger: { ports: <ledger.ports>, protocol: tcp, endpoints: [<ledger>], proxy-protocol: v2 }
routes:
  - { port: db, service: ledger, allow: anyone }
";
    let proxy = Proxy::with(text, &[("ledger", backend.address())]);
    let injected = b"\x02\0\x0dDROP TABLE x;";
    let addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0xdc, 4, 0x15, 0x38];
    let length = u16::try_from(addresses.len() + injected.len()).unwrap().to_be_bytes();
    let signature: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let header = [signature, &[0x21, 0x11], &length, &addresses, injected].concat();
    let said = proxy.connect("db").send(header).send("hello").rest();
    assert_eq!(said[12..16], [0x21, 0x11, 0, 12], "addresses, and nothing behind them");
    assert_eq!((&said[16..20], &said[28..]), (&addresses[..4], &b"hello"[..]));
}

/// CVE-2026-1642: bytes that somebody on the way puts before the handshake were taken for the answer.
#[test]
fn what_an_endpoint_says_before_its_handshake_is_never_an_answer() {
    let backend = Backend::start(|mut peer| {
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\ninjected");
        peer.read_some();
    });
    let authority = Authority::new("services");
    let text = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], tls: { ca: <ca>, name: shop.internal } }
routes:
  - { port: web, service: shop, allow: anyone }
";
    let ca = authority.file().display().to_string();
    let proxy = Scenario::new(text).text("ca", &ca).service("shop", &[backend.address()]).start();
    let response = proxy.get("web", "/").expects(502);
    assert!(!response.text().contains("injected"), "{}", response.text());
    assert!(!backend.received_text().contains("GET"), "nothing is said without TLS");
}

/// GHSA-5r4w-85f3-pw66, CVE-2026-32305: policies that were looked up by server name were missed by another spelling,
/// by none, and by a ClientHello in pieces. Here the policy is the port's, and no name leads around it.
#[test]
fn a_required_certificate_is_required_under_every_server_name() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let text = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [<first>, <second>] }
    clients: { certificate: required, ca: <ca> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, host: shop.test, service: shop, allow: anyone }
  - { port: web, service: shop, allow: anyone }
";
    let proxy = Scenario::new(text)
        .text("first", &server.issue(&["127.0.0.1", "shop.test", "*.apps.test"]).yaml())
        .text("second", &server.issue(&["other.test"]).yaml())
        .text("ca", &clients.file().display().to_string())
        .service("shop", &[web.address()])
        .start();
    let stranger = TlsClient::trusting(&server);
    for name in ["shop.test", "SHOP.test", "a.apps.test", "other.test", "Other.Test", "127.0.0.1"] {
        for segment in [usize::MAX, 1, 40] {
            let Ok(mut client) = stranger.connect_in_segments(proxy.address("web"), name, segment) else { continue };
            // In TLS 1.3 a client is done before its server has judged it.
            client.send_if_open("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
            assert_eq!(client.take_until(b"\r\n\r\n"), b"", "{name} in segments of {segment}");
        }
    }
    assert_eq!(web.served(), 0);
}

/// Each test that the page names exists.
#[test]
fn the_page_of_attacks_names_tests_that_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(crates.join("../docs/attacks.md")).unwrap();
    let named: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 40, "{named:?}");
    let mut sources = String::new();
    read_all(&crates, &mut sources);
    for name in named {
        let function = name.rsplit("::").next().unwrap();
        assert!(
            sources.contains(&format!("fn {function}(")),
            "docs/attacks.md names `{name}`, and there is no such test"
        );
    }
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            read_all(&entry.path(), into);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(entry.path()).unwrap());
        }
    }
}
