//! What endpoints answer is read as strictly as what clients ask: 502, a record with the reason, a new connection.

use crate::harness::{Backend, Proxy, Web};

const BAD: &[(&str, &[u8])] = &[
    (
        "length and encoding together",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
    ("two equal lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello"),
    ("a length with a sign", b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello"),
    ("an empty length", b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n"),
    ("an unknown coding", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"),
    ("a coding before chunked", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in 1.0", b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked on 204", b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a length on 204", b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
    ("a length on 103", b"HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\nhello"),
    ("101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ("a status of four digits", b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n"),
    ("a status below 100", b"HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n"),
    ("a status above 599", b"HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n"),
    ("a status that is no number", b"HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n"),
    ("another version", b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("a bare LF", b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n"),
    ("a folded line", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: a\r\n b\r\n\r\n"),
    ("a bare CR in a value", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: a\rb\r\n\r\n"),
    ("a NUL in a value", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: a\0b\r\n\r\n"),
    ("a space before the colon", b"HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n"),
    ("an empty name", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n: x\r\n\r\n"),
];

#[test]
fn an_ambiguous_answer_is_refused_with_502() {
    for (name, answer) in BAD {
        let backend = Backend::answering(*answer);
        let proxy = Proxy::before(backend.address());
        println!("{name}");
        proxy.get("web", "/").expects(502);
        let record = proxy.log().wait_for_path("/");
        assert_eq!(record.text("end"), "response-invalid", "{name}: {record:?}");
        assert!(!record.text("detail").is_empty(), "{name}: {record:?}");
        assert_eq!(record.text("endpoint"), backend.address().to_string(), "{name}");
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 200 OK\r\n");
        while peer.send(format!("x-filler: {}\r\n", "x".repeat(8000))) {}
    });
    let proxy = Proxy::before(backend.address());
    proxy.get("web", "/").expects(502);
    proxy.log().wait_for_end("response-invalid");
}

#[test]
fn interim_answers_without_end_are_refused() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        while peer.send("HTTP/1.1 102 Processing\r\n\r\n") {}
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut response = client.response();
    while response.status == 102 {
        response = client.response();
    }
    assert_eq!(response.status, 502);
}

#[test]
fn a_chunk_that_is_malformed_ends_the_answer_as_incomplete() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n0\r\n\r\n");
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = String::from_utf8(client.rest_of_any_kind()).unwrap();
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    proxy.log().wait_for_end("response-invalid");
}

/// CVE-2026-1642 and kin: what an endpoint says before it is asked is not an answer to anybody.
#[test]
fn bytes_that_an_endpoint_sends_unasked_never_become_the_next_answer() {
    let backend = Backend::start(|mut peer| {
        if peer.index() == 0 {
            peer.read_head();
            peer.send(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
            );
            peer.read_to_end();
        } else {
            while !peer.read_head().is_empty() {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        }
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().text(), "ok");
    }
    assert_eq!(backend.connections(), 2);
}

#[test]
fn two_clients_never_share_an_answer() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut client = proxy.connect("web");
                for round in 0..50 {
                    let target = format!("/{worker}/{round}");
                    client.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
                    assert_eq!(client.response().echo().text("target"), target);
                }
            });
        }
    });
}
