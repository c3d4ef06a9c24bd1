//! The PROXY protocol, in from declared sources alone, and out to services that ask for it.

use crate::harness::{Backend, Proxy, Web};

const BEHIND_A_BALANCER: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http, proxy-protocol: { from: [127.0.0.1] } }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version 2 header: `command` 0x20 LOCAL or 0x21 PROXY, TCP over IPv4.
fn version_2(command: u8, source: [u8; 4], source_port: u16, more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + more.len()).unwrap();
    let mut header = [SIGNATURE, &[command, 0x11], &length.to_be_bytes(), &source, &[127, 0, 0, 1]].concat();
    header.extend_from_slice(&source_port.to_be_bytes());
    header.extend_from_slice(&80_u16.to_be_bytes());
    header.extend_from_slice(more);
    header
}

#[test]
fn version_1_names_the_client() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    let mut client = proxy.connect("web");
    client.send("PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\nGET /v1 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().echo().all("x-forwarded-for"), ["203.0.113.7"]);
    let record = proxy.log().wait_for_path("/v1");
    assert_eq!(record.text("source"), "203.0.113.7:56324");
    assert!(record.text("peer").starts_with("127.0.0.1:"), "{record:?}");
}

#[test]
fn version_1_names_a_client_over_ipv6() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    let mut client = proxy.connect("web");
    client.send("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let echo = client.response().echo();
    assert_eq!(echo.all("x-forwarded-for"), ["2001:db8::7"]);
    assert!(echo.header("forwarded").is_some_and(|value| value.contains("for=\"[2001:db8::7]\"")), "{echo:?}");
}

#[test]
fn version_2_names_the_client_whatever_extensions_follow() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    let mut client = proxy.connect("web");
    client.send(version_2(0x21, [203, 0, 113, 8], 4000, &[0x02, 0, 3, b'a', b'b', b'c']));
    client.send("GET /v2 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().echo().all("x-forwarded-for"), ["203.0.113.8"]);
    assert_eq!(proxy.log().wait_for_path("/v2").text("source"), "203.0.113.8:4000");
}

/// sozu PR#1334: an address in a LOCAL header is nobody's.
#[test]
fn local_speaks_for_itself_whatever_address_it_carries() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    for header in [version_2(0x20, [6, 6, 6, 6], 6666, &[]), b"PROXY UNKNOWN 6.6.6.6 6.6.6.6 1 1\r\n".to_vec()] {
        let mut client = proxy.connect("web");
        client.send(header).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().echo().all("x-forwarded-for"), ["127.0.0.1"]);
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_the_same_header() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    for header in [version_2(0x21, [203, 0, 113, 9], 1, &[]), b"PROXY TCP4 203.0.113.9 192.0.2.1 1 443\r\n".to_vec()] {
        let mut client = proxy.connect("web");
        client.send_bytewise(header).send_bytewise("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().echo().all("x-forwarded-for"), ["203.0.113.9"]);
    }
}

#[test]
fn a_declared_source_that_sends_no_header_is_closed() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    proxy.connect("web").send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect_close();
    proxy.log().wait_for_end("proxy-header-missing");
    assert_eq!(web.connections(), 0);
}

#[test]
fn malformed_headers_are_closed() {
    let web = Web::start("a");
    let proxy = Proxy::with(BEHIND_A_BALANCER, &[("shop", web.address())]);
    let mut truncated = version_2(0x21, [1, 2, 3, 4], 1, &[]);
    truncated[15] = 4;
    let mut unknown_version = version_2(0x21, [1, 2, 3, 4], 1, &[]);
    unknown_version[12] = 0x31;
    let cases: [(&str, &[u8]); 8] = [
        ("an address that is none", b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"),
        ("a family that does not fit", b"PROXY TCP4 ::1 ::1 1 2\r\n"),
        ("a port with a sign", b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"),
        ("a bare LF", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"),
        ("another word", b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        ("a line without end (CVE-2021-23351)", &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat()),
        ("a version 2 header whose addresses do not fit (CVE-2019-14243)", &truncated),
        ("a version to come", &unknown_version),
    ];
    for (place, (name, header)) in cases.into_iter().enumerate() {
        proxy.connect("web").send(header).send_if_open("GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect_close();
        let record = &proxy.log().wait_for_count(place + 1)[place];
        assert_eq!(record.text("end"), "proxy-header-invalid", "{name}: {record:?}");
    }
    assert_eq!(web.connections(), 0);
}

/// CVE-2021-23409: a socket must not be held by saying nothing.
#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let web = Web::start("a");
    let text = BEHIND_A_BALANCER.replace("protocol: http,", "protocol: http, timeouts: { handshake: 200ms },");
    let proxy = Proxy::with(&text, &[("shop", web.address())]);
    proxy.connect("web").send("PROXY TCP4").expect_close();
    proxy.log().wait_for_end("client-timeout-handshake");
}

#[test]
fn an_undeclared_source_that_sends_a_header_is_not_believed() {
    let web = Web::start("a");
    let text = BEHIND_A_BALANCER.replace("from: [127.0.0.1]", "from: [192.0.2.1]");
    let proxy = Proxy::with(&text, &[("shop", web.address())]);
    let mut client = proxy.connect("web");
    client.send("PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(web.connections(), 0);
    proxy.get("web", "/").expects(200);
}

#[test]
fn the_source_list_judges_whom_the_header_names() {
    let web = Web::start("a");
    let text = BEHIND_A_BALANCER.replace("protocol: http,", "protocol: http, from: [203.0.113.0/24],");
    let proxy = Proxy::with(&text, &[("shop", web.address())]);
    let ask = |source: &str| {
        let mut client = proxy.connect("web");
        client.send(format!("PROXY TCP4 {source} 192.0.2.1 1 443\r\n"));
        client.send_if_open("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        client
    };
    assert_eq!(ask("203.0.113.7").response().status, 200);
    ask("198.51.100.1").expect_close();
    assert_eq!(proxy.log().wait_for_end("refused-source").text("source"), "198.51.100.1:1");
}

const TO_A_SERVICE: &str = "
ports:
  db: { listen: <db>, role: internal, protocol: tcp }
services:
  ledger: { ports: <ledger.ports>, protocol: tcp, endpoints: [<ledger>], proxy-protocol: <version> }
routes:
  - { port: db, service: ledger, allow: anyone }
";

#[test]
fn a_service_that_asks_for_version_1_learns_the_client() {
    let backend = Backend::start(|mut peer| {
        let line = peer.read_line();
        peer.send(line);
    });
    let proxy = Proxy::with(&TO_A_SERVICE.replace("<version>", "v1"), &[("ledger", backend.address())]);
    let said = String::from_utf8(proxy.connect("db").rest()).unwrap();
    let words: Vec<&str> = said.trim_end().split(' ').collect();
    let port = proxy.address("db").port().to_string();
    assert_eq!((words[..4].join(" "), words[5]), ("PROXY TCP4 127.0.0.1 127.0.0.1".to_owned(), port.as_str()));
    assert!(said.ends_with("\r\n"), "{said:?}");
}

#[test]
fn a_service_that_asks_for_version_2_learns_the_client_before_any_byte_of_it() {
    let backend = Backend::start(|mut peer| {
        let header = peer.read(28);
        let rest = peer.read(5);
        peer.send([header, rest].concat());
    });
    let proxy = Proxy::with(&TO_A_SERVICE.replace("<version>", "v2"), &[("ledger", backend.address())]);
    let said = proxy.connect("db").send("hello").rest();
    assert_eq!(&said[..16], [SIGNATURE, &[0x21, 0x11, 0, 12]].concat());
    assert_eq!(&said[16..24], [127, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(said[26..28], proxy.address("db").port().to_be_bytes());
    assert_eq!(&said[28..], b"hello");
}

#[test]
fn a_header_from_a_declared_source_is_told_on() {
    let backend = Backend::start(|mut peer| {
        let line = peer.read_line();
        peer.send(line);
    });
    let text = TO_A_SERVICE
        .replace("<version>", "v1")
        .replace("protocol: tcp }", "protocol: tcp, proxy-protocol: { from: [127.0.0.1] } }");
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    let said = proxy.connect("db").send("PROXY TCP4 203.0.113.7 192.0.2.1 56324 5432\r\n").rest();
    assert!(said.starts_with(b"PROXY TCP4 203.0.113.7 "), "{:?}", String::from_utf8_lossy(&said));
}

/// What a balancer before us asks for itself (its own health check) is no client's, and is not told on as one.
#[test]
fn a_header_that_names_nobody_is_told_on_as_one_that_names_nobody() {
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    for (version, expected) in [("v1", b"PROXY UNKNOWN\r\n".to_vec()), ("v2", local.clone())] {
        let length = expected.len();
        let backend = Backend::start(move |mut peer| {
            let header = peer.read(length);
            peer.send(header);
        });
        let text = TO_A_SERVICE
            .replace("<version>", version)
            .replace("protocol: tcp }", "protocol: tcp, proxy-protocol: { from: [127.0.0.1] } }");
        let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
        for header in [b"PROXY UNKNOWN\r\n".to_vec(), local.clone()] {
            assert_eq!(proxy.connect("db").send(&header).rest(), expected, "{version} {header:?}");
        }
    }
}

/// With a header for each connection, a connection belongs to one client and is not shared.
#[test]
fn requests_of_two_clients_never_share_a_connection_that_names_one_of_them() {
    let backend = Backend::start(|mut peer| {
        let line = peer.read_line();
        while !peer.read_head().is_empty() {
            let body = line.trim_end();
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let text = BEHIND_A_BALANCER.replace("endpoints: [<shop>]", "endpoints: [<shop>], proxy-protocol: v1");
    let proxy = Proxy::with(&text, &[("shop", backend.address())]);
    for client in 1..5 {
        let mut connection = proxy.connect("web");
        connection.send(format!("PROXY TCP4 203.0.113.{client} 192.0.2.1 {client} 443\r\n"));
        connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let told = connection.response().text();
        assert!(told.starts_with(&format!("PROXY TCP4 203.0.113.{client} ")), "{told}");
    }
}
