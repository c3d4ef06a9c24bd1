//! Requests that two readers could read in two ways: each is refused, recorded with its reason, its connection closed,
//! and nothing of it reaches a service (invariant 4). The stories are in the CVEs that the cases name.

use crate::harness::{Backend, Proxy, Web};

/// A head that must be refused, and the status it is refused with.
struct Case {
    name: &'static str,
    status: u16,
    bytes: &'static [u8],
}

const fn case(name: &'static str, status: u16, bytes: &'static [u8]) -> Case {
    Case { name, status, bytes }
}

const HEADS: &[Case] = &[
    // Framing.
    case(
        "length and encoding together",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "encoding and length together",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    ),
    case(
        "two lengths that differ",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    ),
    case(
        "two lengths that agree",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    ),
    case("a list of lengths", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 5\r\n\r\nhello"),
    case(
        "a length with a sign (CVE-2021-32715)",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello",
    ),
    case("a negative length", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\nhello"),
    case("an empty length (CVE-2023-40225)", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\nhello"),
    case("a blank length", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:  \r\n\r\nhello"),
    case("a hexadecimal length", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\nhello"),
    case("a length with a space inside", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5 0\r\n\r\nhello"),
    case("a length with a fraction", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5.0\r\n\r\nhello"),
    case(
        "a length beyond 64 bits",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551621\r\n\r\nhello",
    ),
    case(
        "a length beyond 63 bits",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9223372036854775808\r\n\r\nhello",
    ),
    case("an unknown coding alone", 400, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    case("identity", 400, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n"),
    case(
        "chunked twice in a list",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "chunked on two lines (CVE-2021-21299)",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "a second coding on its own line (CVE-2026-2835)",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    case(
        "chunked and then another coding",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    case(
        "a coding before chunked",
        501,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "an empty member beside chunked",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: , chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "chunked with a parameter",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    ),
    case("chunked in quotes", 400, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    case(
        "chunked after a vertical tab",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "chunked after a no-break space",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \xa0chunked\r\n\r\n0\r\n\r\n",
    ),
    case("an empty encoding", 400, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n\r\n0\r\n\r\n"),
    case(
        "chunked from a client of 1.0 (CVE-2026-2835)",
        400,
        b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    // Header lines.
    case("a folded encoding", 400, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    case("a folded line", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx-long: one\r\n\ttwo\r\n\r\n"),
    case("a first line that begins with a space", 400, b"GET / HTTP/1.1\r\n host: a\r\n\r\n"),
    case(
        "a space before the colon",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    case("a tab before the colon", 400, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length\t: 5\r\n\r\nhello"),
    case("an empty name (CVE-2023-25725)", 400, b"GET / HTTP/1.1\r\nhost: a\r\n: x\r\n\r\n"),
    case("a line without a colon", 400, b"GET / HTTP/1.1\r\nhost: a\r\nnonsense\r\n\r\n"),
    case("a NUL in a value", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n"),
    case("a NUL in a name", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx\0y: a\r\n\r\n"),
    case("a control byte in a value", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x08b\r\n\r\n"),
    case("a DEL in a value", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x7fb\r\n\r\n"),
    case("a byte beyond ASCII in a name", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx\xe9: a\r\n\r\n"),
    case("a parenthesis in a name", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx(): a\r\n\r\n"),
    case("a bare CR in a value", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx: a\rtransfer-encoding: chunked\r\n\r\n"),
    case("a bare CR at the end of a line", 400, b"GET / HTTP/1.1\r\nhost: a\r\nx: a\r\r\n\r\n"),
    case("a bare LF after a header line", 400, b"GET / HTTP/1.1\r\nhost: a\nx: b\r\n\r\n"),
    case("a bare LF after the request line", 400, b"GET / HTTP/1.1\nhost: a\r\n\r\n"),
    case("a bare LF as the empty line", 400, b"GET / HTTP/1.1\r\nhost: a\r\n\n"),
    case(
        "a Connection that names a framing field",
        400,
        b"POST / HTTP/1.1\r\nhost: a\r\nconnection: content-length\r\ncontent-length: 5\r\n\r\nhello",
    ),
    case("a Connection that names Host", 400, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close, host\r\n\r\n"),
    // Host.
    case("no Host", 400, b"GET / HTTP/1.1\r\nx: a\r\n\r\n"),
    case("two Hosts", 400, b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
    case("two equal Hosts", 400, b"GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n"),
    case("two Hosts in 1.0", 400, b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n"),
    case("an empty Host", 400, b"GET / HTTP/1.1\r\nhost:\r\n\r\n"),
    case("a list of Hosts", 400, b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"),
    case("a Host with a user", 400, b"GET / HTTP/1.1\r\nhost: a@b\r\n\r\n"),
    case("a Host with a path", 400, b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    case("a Host with a space", 400, b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n"),
    case("a Host with a port that is none", 400, b"GET / HTTP/1.1\r\nhost: a:+80\r\n\r\n"),
    case("an absolute target without Host", 400, b"GET http://a/ HTTP/1.1\r\n\r\n"),
    case("an absolute target with an impossible Host", 400, b"GET http://a/ HTTP/1.1\r\nhost: a@b\r\n\r\n"),
    case("an absolute target with a user", 400, b"GET http://b@a/ HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("an absolute target of another scheme", 400, b"GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n"),
    // The request line.
    case("two spaces", 400, b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a space in the target", 400, b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("tabs for spaces", 400, b"GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a space before the method", 400, b" GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a space after the version", 400, b"GET / HTTP/1.1 \r\nhost: a\r\n\r\n"),
    case("no version", 400, b"GET /\r\n\r\n"),
    case("a version in lower case", 400, b"GET / http/1.1\r\nhost: a\r\n\r\n"),
    case("a version of one digit", 400, b"GET / HTTP/1\r\nhost: a\r\n\r\n"),
    case("a version to come", 505, b"GET / HTTP/1.2\r\nhost: a\r\n\r\n"),
    case("a version of another line", 505, b"GET / HTTP/3.0\r\nhost: a\r\n\r\n"),
    case("the preface of HTTP/2", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    case("no target", 400, b"GET HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a relative target", 400, b"GET index.html HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("an asterisk for another method", 400, b"GET * HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a fragment (CVE-2023-45539)", 400, b"GET /public#/../admin HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a control byte in the target", 400, b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a byte beyond ASCII in the target", 400, b"GET /caf\xc3\xa9 HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a NUL in the target", 400, b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a method with a separator", 400, b"GE(T / HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("CONNECT", 501, b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"),
    case("several empty lines first", 400, b"\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    case(
        "an expectation that nobody knows",
        417,
        b"POST / HTTP/1.1\r\nhost: a\r\nexpect: miracles\r\ncontent-length: 5\r\n\r\nhello",
    ),
    // Paths that servers read in different ways.
    case("an encoded slash (CVE-2025-66490)", 400, b"GET /a%2fb HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("an encoded backslash", 400, b"GET /a%5cb HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a backslash", 400, b"GET /a\\..\\b HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("an encoded NUL", 400, b"GET /a%00b HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("an encoded line feed", 400, b"GET /a%0ab HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("half an escape", 400, b"GET /a%2 HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a dot segment with parameters (CVE-2026-73511)", 400, b"GET /public/..;/admin HTTP/1.1\r\nhost: a\r\n\r\n"),
    case("a dot segment above the root (CVE-2025-32431)", 400, b"GET /../admin HTTP/1.1\r\nhost: a\r\n\r\n"),
];

#[test]
fn an_ambiguous_head_is_refused_and_nothing_of_it_reaches_the_service() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = Proxy::before(backend.address());
    for (place, case) in HEADS.iter().enumerate() {
        let mut client = proxy.connect("web");
        client.send(case.bytes).send_if_open("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let response = client.response();
        assert_eq!(response.status, case.status, "{}: {}", case.name, response.text());
        assert_eq!(response.header("connection"), Some("close"), "{}", case.name);
        client.expect_close();

        let record = &proxy.log().wait_for_count(place + 1)[place];
        let expected = if case.status == 501 { "not-implemented" } else { "bad-request" };
        assert_eq!(record.text("end"), expected, "{}: {record:?}", case.name);
        assert_eq!(record.number("status"), u64::from(case.status), "{}: {record:?}", case.name);
        assert!(!record.text("detail").is_empty(), "{}: {record:?}", case.name);
        assert_eq!(backend.received_text(), "", "{}", case.name);
    }
    proxy.get("web", "/").expects(200);
}

/// A chunked body that must be refused; its head is not at fault.
const BODIES: &[(&str, &[u8])] = &[
    ("a size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a prefix", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size after a space", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("a size before a space", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("an empty size", b"\r\nhello\r\n0\r\n\r\n"),
    ("a size that is no number", b"five\r\nhello\r\n0\r\n\r\n"),
    ("a size of 17 digits (CVE-2021-32714)", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a size beyond 63 bits", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("a size that ends in a bare LF (CVE-2026-1642 and kin)", b"5\nhello\r\n0\r\n\r\n"),
    ("a size that ends in a bare CR", b"5\rhello\r\n0\r\n\r\n"),
    ("data that ends in a bare LF", b"5\r\nhello\n0\r\n\r\n"),
    ("data that is longer than its size", b"5\r\nhelloworld\r\n0\r\n\r\n"),
    ("data without its end", b"5\r\nhello0\r\n\r\n"),
    ("an extension with a bare LF (TERM.EXT)", b"5;a\nxx\r\nhello\r\n0\r\n\r\n"),
    ("an extension with a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("an extension with a NUL", b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    ("a last chunk that ends in a bare LF", b"5\r\nhello\r\n0\n\r\n"),
    ("a trailer that says Content-Length", b"5\r\nhello\r\n0\r\ncontent-length: 5\r\n\r\n"),
    ("a trailer that says Transfer-Encoding", b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"),
    ("a trailer that says Host", b"5\r\nhello\r\n0\r\nhost: b\r\n\r\n"),
    ("a trailer that says Authorization", b"5\r\nhello\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n"),
    ("a trailer that says X-Forwarded-For", b"5\r\nhello\r\n0\r\nx-forwarded-for: 6.6.6.6\r\n\r\n"),
    ("a folded trailer", b"5\r\nhello\r\n0\r\nx: a\r\n b\r\n\r\n"),
    ("a trailer that ends in a bare LF", b"5\r\nhello\r\n0\r\nx: a\n\r\n"),
    ("a trailer without a colon", b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n"),
];

#[test]
fn an_ambiguous_chunk_is_refused_and_the_service_never_sees_the_end_of_the_request() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    let proxy = Proxy::before(backend.address());
    for (place, (name, body)) in BODIES.iter().enumerate() {
        let mut client = proxy.connect("web");
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").send(body);
        client.send_if_open("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (400, Some("close")), "{name}");
        client.expect_close();

        let record = &proxy.log().wait_for_count(place + 1)[place];
        assert_eq!(record.text("end"), "bad-request", "{name}: {record:?}");
        assert!(!record.text("detail").is_empty(), "{name}: {record:?}");
        let received = backend.received_text();
        assert!(!received.contains("smuggled") && !received.contains("0\r\n\r\n"), "{name}: {received}");
    }
}

#[test]
fn chunk_extensions_without_end_are_refused() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send_if_open(format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1024)));
    assert_eq!(client.response().status, 400);
    client.expect_close();
}

/// What is unusual but has one meaning passes, in the one form that has it.
#[test]
fn what_has_one_meaning_passes_in_its_plain_form() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    for (request, target, body) in [
        ("POST / HTTP/1.1\r\nhost: a\r\nTRANSFER-ENCODING: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "/", "hello"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: \t5 \r\n\r\nhello", "/", "hello"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 005\r\n\r\nhello", "/", "hello"),
        ("GET /a/./b//c/../d HTTP/1.1\r\nhost: a\r\n\r\n", "/a/b/d", ""),
        ("GET /%7euser/%41?q=%2f%00 HTTP/1.1\r\nhost: a\r\n\r\n", "/~user/A?q=%2f%00", ""),
        ("GET /%e2%82%ac HTTP/1.1\r\nhost: a\r\n\r\n", "/%E2%82%AC", ""),
        ("GET http://a?q HTTP/1.1\r\nhost: a\r\n\r\n", "/?q", ""),
        ("GET / HTTP/1.1\r\nhost: a.\r\n\r\n", "/", ""),
        ("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", "/", ""),
    ] {
        let mut client = proxy.connect("web");
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, 200, "{request}");
        let echo = response.echo();
        assert_eq!((echo.text("target"), echo.text("body")), (target, body), "{request}");
    }
}

#[test]
fn bytes_that_are_not_http_are_told_apart_from_malformed_http() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_eq!(client.response().status, 400);
    proxy.log().wait_for_end("tls-on-plaintext");

    let mut client = proxy.connect("web");
    client.send(b"\x00\x01\x02\x03");
    assert_eq!(client.response().status, 400);
    proxy.log().wait_for_end("bad-request");
    assert_eq!(web.connections(), 0);
}
