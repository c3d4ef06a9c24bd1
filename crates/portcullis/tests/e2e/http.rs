//! HTTP/1.1 and 1.0 as RFC 9110 and RFC 9112 want it passed on.

use crate::harness::{Backend, Nginx, Proxy, Raw, Request, Web, output_of};

#[test]
fn requests_of_one_connection_share_one_upstream_connection() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    for _ in 0..5 {
        client.send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(web.connections(), 1);
    assert_eq!(proxy.log().wait_for_count(5).len(), 5);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    let pipeline: String = (0..10).map(|at| format!("GET /{at} HTTP/1.1\r\nhost: a\r\n\r\n")).collect();
    client.send(pipeline);
    for at in 0..10 {
        assert_eq!(client.response().echo().text("target"), format!("/{at}"));
    }
}

#[test]
fn a_pipelined_request_after_a_body_is_a_request_of_its_own() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send(
        "POST /first HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET /second HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    let first = client.response().echo();
    assert_eq!((first.text("target"), first.text("body")), ("/first", "hello"));
    assert_eq!(client.response().echo().text("target"), "/second");
}

#[test]
fn a_head_that_comes_byte_by_byte_is_the_same_head() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send_bytewise(
        "POST /slow-head HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let echo = client.response().echo();
    assert_eq!((echo.text("target"), echo.text("body")), ("/slow-head", "hello"));
}

#[test]
fn one_empty_line_before_a_request_is_skipped() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_chunked_request_reaches_the_service_whole_with_its_trailers() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n");
    client
        .send("5;name=value\r\nhello\r\n")
        .send("1\r\n \r\n")
        .send("00005\r\nworld\r\n")
        .send("0\r\nx-sum: 11\r\n\r\n");
    let echo = client.response().echo();
    assert_eq!(echo.text("body"), "hello world");
    assert_eq!(echo.header("transfer-encoding"), Some("chunked"));
    assert_eq!(echo.header("content-length"), None);
    assert!(echo.has_trailer("x-sum: 11"), "{echo:?}");
}

#[test]
fn chunk_extensions_end_at_the_proxy() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;secret=\"x\"\r\nhello\r\n0;y\r\n\r\n");
    assert_eq!(client.response().status, 200);
    backend.wait_for("hello\r\n0\r\n\r\n");
    assert!(!backend.received_text().contains("secret"), "{}", backend.received_text());
}

#[test]
fn a_chunked_response_reaches_the_client_whole_with_its_trailers() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let response = proxy.get("web", "/chunked/100000").header("te", "trailers").expects(200);
    assert_eq!(response.body.len(), 100_000);
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert_eq!(response.trailers, [("x-checksum".to_owned(), "filler".to_owned())]);
}

#[test]
fn chunks_are_passed_on_as_they_come_and_not_saved_up() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        // The rest follows only after the client has said that it got the first.
        peer.read_head();
        peer.send("6\r\nsecond\r\n0\r\n\r\n");
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n");
    let head = String::from_utf8(client.take_until(b"first\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    client.send("\r\n\r\n");
    client.expect("6\r\nsecond\r\n0\r\n\r\n");
}

#[test]
fn a_client_that_expects_100_sends_its_body_when_it_is_invited() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.response().status, 100);
    client.send("hello");
    let response = client.response();
    assert_eq!((response.status, response.echo().text("body")), (200, "hello"));
}

#[test]
fn a_client_that_expects_100_is_invited_although_the_service_does_not_know_how() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        assert_eq!(peer.read(5), b"hello");
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.response().status, 100);
    client.send("hello");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_refusal_instead_of_100_reaches_the_client_and_its_body_is_never_taken_for_a_request() {
    let backend = Backend::answering("HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n");
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 33\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (417, Some("close")));
    client.send_if_open("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    client.expect_close();
    assert!(!backend.received_text().contains("smuggled"), "{}", backend.received_text());
}

#[test]
fn interim_responses_reach_clients_that_know_them() {
    let backend = Backend::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let hints = client.response();
    assert_eq!((hints.status, hints.header("link")), (103, Some("</style.css>")));
    assert_eq!(client.response().text(), "ok");

    let mut old = proxy.connect("web");
    old.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(old.response().status, 200);
}

#[test]
fn responses_without_a_body_end_with_their_head() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\netag: \"x\"\r\n\r\n"),
    ] {
        let backend = Backend::answering(head);
        let proxy = Proxy::before(backend.address());
        let mut client = proxy.connect("web");
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"));
            let status: u16 = head[9..12].parse().unwrap();
            assert_eq!(client.response_to(method).status, status, "{method} {head}");
        }
        assert_eq!(backend.connections(), 1, "{method} {head}");
    }
}

#[test]
fn an_absolute_target_says_the_host_and_is_sent_in_origin_form() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("GET http://shop.example/path?q=1 HTTP/1.1\r\nhost: other.example\r\n\r\n");
    let echo = client.response().echo();
    assert_eq!((echo.text("target"), echo.all("host")), ("/path?q=1", vec!["shop.example"]));
    assert_eq!(proxy.log().wait_for_path("/path?q=1").text("host"), "shop.example");
}

#[test]
fn the_asterisk_form_of_options_passes() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    assert_eq!(proxy.request("web", "OPTIONS", "*").expects(200).echo().text("target"), "*");
}

#[test]
fn an_answer_may_come_before_the_request_is_complete() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nstop");
        peer.read_to_end();
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\nthe beginning");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (403, "stop"));
}

#[test]
fn bodies_flow_both_ways_at_once() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n");
        for _ in 0..3 {
            let part = peer.read(1000);
            peer.send(part);
        }
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3000\r\n\r\n");
    for part in 0..3_u8 {
        client.send([b'0' + part; 1000]);
        if part == 0 {
            client.take_until(b"\r\n\r\n");
        }
        client.expect([b'0' + part; 1000]);
    }
}

#[test]
fn a_body_that_ends_with_its_connection_is_chunked_for_the_client() {
    let backend = Backend::answering_once("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let response = client.response();
        assert_eq!(
            (response.header("transfer-encoding"), response.text().as_str()),
            (Some("chunked"), "until the end")
        );
    }
}

#[test]
fn a_client_of_1_0_gets_no_chunks_and_knows_the_end_by_the_close() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("GET /chunked/5000 HTTP/1.0\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(body.len(), 5000);
}

#[test]
fn a_client_of_1_0_may_keep_its_connection() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    for _ in 0..2 {
        client.send("GET /bytes/10 HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!((response.header("connection"), response.body.len()), (Some("keep-alive"), 10));
    }
    client.send("GET /bytes/10 HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body.len(), 10);
    client.expect_close();
}

#[test]
fn a_client_that_says_close_is_closed_after_its_answer() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /ignored HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("close"));
    client.expect_close();
    assert_eq!(web.served(), 1);
}

#[test]
fn a_client_that_ends_its_direction_after_the_request_still_gets_its_answer() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let mut client = proxy.connect("web");
    client.send("GET /slow/50 HTTP/1.1\r\nhost: a\r\n\r\n").half_close();
    assert_eq!(client.response().text(), "late");
}

#[test]
fn an_answer_that_breaks_off_is_not_passed_on_as_complete() {
    for head in ["content-length: 100\r\n\r\nonly this", "transfer-encoding: chunked\r\n\r\n64\r\nonly this"] {
        let backend = Backend::answering_once(format!("HTTP/1.1 200 OK\r\n{head}"));
        let proxy = Proxy::before(backend.address());
        let mut client = proxy.connect("web");
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = String::from_utf8(client.rest_of_any_kind()).unwrap();
        assert!(answer.contains("only this") && !answer.ends_with("0\r\n\r\n"), "{answer}");
        proxy.log().wait_for_end("response-truncated");
    }
}

#[test]
fn a_client_that_breaks_off_its_body_is_not_passed_on_as_complete() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    let proxy = Proxy::before(backend.address());
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    backend.wait_for("hello");
    drop(client);
    let record = proxy.log().wait_for_path("/");
    assert!(["client-closed", "client-reset"].contains(&record.text("end")), "{record:?}");
    assert!(!backend.received_text().ends_with("0\r\n\r\n"), "{}", backend.received_text());
}

#[test]
fn curl_and_nginx_find_nothing_unusual() {
    let nginx = Nginx::start("");
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    nginx.publish("large", &content);
    let proxy = Proxy::before(nginx.address());
    let url = format!("http://{}/large", proxy.address("web"));
    let whole = output_of("curl", ["--silent", "--show-error", "--fail", &url], b"");
    assert!(whole.status.success() && whole.stdout == content, "{}", String::from_utf8_lossy(&whole.stderr));
    let part = output_of("curl", ["--silent", "--fail", "--range", "1000-1999", &url], b"");
    assert_eq!(part.stdout, &content[1000..2000]);
    let head = output_of("curl", ["--silent", "--fail", "--head", &url], b"");
    assert!(String::from_utf8_lossy(&head.stdout).to_lowercase().contains("content-length: 3000000"));
    let missing = output_of("curl", ["--silent", "-o", "/dev/null", "-w", "%{http_code}", &format!("{url}-not")], b"");
    assert_eq!(missing.stdout, b"404");
}

#[test]
fn curl_uploads_after_its_expectation_is_met() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let url = format!("http://{}/", proxy.address("web"));
    let sent = vec![b'x'; 2_000_000];
    let arguments = ["--silent", "--show-error", "--fail", "-H", "Expect: 100-continue", "-T", "-", "-X", "POST", &url];
    let output = output_of("curl", arguments, &sent);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let echo: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(echo["body_bytes"], 2_000_000);
}

#[test]
fn the_record_of_a_request_tells_all_of_it() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let client = Raw::connect(proxy.address("web"));
    let response =
        Request::new(client, "POST", "/order?x=1").header("host", "Shop.Example:80").body("12345").expects(200);
    let record = proxy.log().wait_for_path("/order?x=1");
    for (field, value) in [
        ("kind", "request"),
        ("port", "web"),
        ("role", "internal"),
        ("method", "POST"),
        ("host", "Shop.Example:80"),
        ("service", "shop"),
        ("end", "completed"),
    ] {
        assert_eq!(record.text(field), value, "{field}");
    }
    assert_eq!(record.text("endpoint"), web.address().to_string());
    assert_eq!((record.number("status"), record.number("retries")), (200, 0));
    assert!(record.number("bytes_in") > 5 && record.number("bytes_out") > response.body.len() as u64, "{record:?}");
    assert!(record.text("source").starts_with("127.0.0.1:"), "{record:?}");
    assert_eq!(response.echo().header("x-request-id"), Some(record.text("id")));
    for phase in ["head", "connect", "response", "body", "total"] {
        assert!(record.phase(phase).is_some(), "{phase} in {record:?}");
    }
    assert!(!record.has("tls") && !record.has("peer") && !record.has("detail"), "{record:?}");
}
