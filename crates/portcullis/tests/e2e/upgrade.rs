//! `Upgrade`: WebSockets and whatever else a service agrees to.

use crate::harness::{Backend, Proxy, WebSocketServer, talk_websocket};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: chat/1\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat/1\r\n\r\n";

#[test]
fn a_real_websocket_client_talks_to_a_real_websocket_server() {
    let server = WebSocketServer::start();
    let proxy = Proxy::before(server.address());
    let url = format!("ws://{}/talk", proxy.address("web"));
    assert_eq!(talk_websocket(&url, &[0, 1, 125, 126, 65_536, 1_000_000]).as_deref(), Ok("closed 1000"));
    let record = proxy.log().wait_for_path("/talk");
    assert_eq!((record.text("end"), record.number("status")), ("upgraded", 101));
    assert!(record.number("bytes_in") > 1_000_000 && record.number("bytes_out") > 1_000_000, "{record:?}");
}

#[test]
fn both_sides_speak_freely_after_101() {
    let backend = Backend::start(|mut peer| {
        let head = peer.read_head().to_ascii_lowercase();
        assert!(head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: chat/1\r\n"), "{head}");
        // What the service says at once comes right behind its 101.
        peer.send(format!("{AGREE}welcome"));
        assert_eq!(peer.read(5), b"hello");
        peer.send("bye");
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send(ASK);
    let response = client.response();
    assert_eq!((response.status, response.header("upgrade")), (101, Some("chat/1")));
    client.expect("welcome").send("hello").expect("bye").expect_close();
    drop(client);
    assert_eq!(proxy.log().wait_for_path("/chat").text("end"), "upgraded");
}

/// CVE-2026-2833, CVE-2026-73548: until 101 it is not known what these bytes are.
#[test]
fn nothing_that_the_client_sends_ahead_passes_before_101() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno");
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send(format!("{ASK}GET /smuggled HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6\r\n\r\n"));
    assert_eq!(client.response().text(), "no");
    // The service has refused, so what came ahead is a request, and treated as every other.
    assert_eq!(client.response().text(), "no");
    let received = backend.received_text();
    assert!(received.contains("GET /smuggled") && !received.contains("6.6.6.6"), "{received}");
    assert_eq!(received.matches("x-forwarded-for: 127.0.0.1").count(), 2, "{received}");
}

#[test]
fn what_the_client_sends_ahead_follows_after_101() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send(AGREE);
        assert_eq!(peer.read(5), b"ahead");
        peer.send("ok");
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send(format!("{ASK}ahead"));
    assert_eq!(client.response().status, 101);
    client.expect("ok");
}

#[test]
fn another_http_or_tls_is_never_offered_to_the_service() {
    for protocol in ["h2c", "h2", "TLS/1.2", "HTTP/2.0", "websocket, h2c"] {
        let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let proxy = Proxy::before(backend.address());
        let options = "Upgrade, HTTP2-Settings";
        let request = proxy.get("web", "/").header("connection", options).header("upgrade", protocol);
        request.header("http2-settings", "AAMAAABkAAQAAP__").expects(200);
        let received = backend.received_text().to_ascii_lowercase();
        assert!(!received.contains("upgrade") && !received.contains("http2-settings"), "{protocol}: {received}");
    }
}

/// A switch was passed on whatever it was to: the client's bytes became another protocol than it had asked for.
#[test]
fn a_service_switches_to_what_the_client_offered_and_to_nothing_else() {
    const UNNAMED: &str = "101 without Upgrade, so that nobody knows to what protocol";
    const UNOFFERED: &str = "101 to a protocol that the client has not offered";
    for (offered, said, refused) in [
        ("chat/1", "", Some(UNNAMED)),
        ("chat/1", "upgrade: \r\n", Some(UNNAMED)),
        ("chat/1", "upgrade: other\r\n", Some(UNOFFERED)),
        ("chat/1", "upgrade: chat\r\n", Some(UNOFFERED)),
        ("chat/1", "upgrade: chat/1, h2c\r\n", Some(UNOFFERED)),
        ("chat/1", "upgrade: chat/1\r\nupgrade: h2c\r\n", Some(UNOFFERED)),
        ("chat/1, talk", "upgrade: TALK\r\n", None),
    ] {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n{said}\r\n");
        let backend = Backend::start(move |mut peer| {
            peer.read_head();
            peer.send(answer.as_str());
            peer.read_to_end();
        });
        let proxy = Proxy::before(backend.address());
        let request = proxy.get("web", "/").header("connection", "upgrade").header("upgrade", offered);
        let Some(reason) = refused else {
            request.expects(101);
            continue;
        };
        request.expects(502);
        let record = proxy.log().wait_for_end("response-invalid");
        assert_eq!(record.text("detail"), reason, "{said}");
    }
}

#[test]
fn each_side_of_an_upgraded_connection_may_end_its_direction_first() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send(AGREE);
        let said = peer.read_to_end();
        peer.send(said.to_ascii_uppercase());
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send(ASK);
    assert_eq!(client.response().status, 101);
    client.send("until the end").half_close();
    assert_eq!(client.rest(), b"UNTIL THE END");
}
