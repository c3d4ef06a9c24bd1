//! Bounds: sizes, numbers, times, memory (invariant 10).

use std::{thread, time::Duration};

use crate::harness::{Backend, PATIENCE, Proxy, Scenario, Web, output_of, wait_until};

fn proxy_with(port: &str, web: &Web) -> Proxy {
    Scenario::new(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http, <settings> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
",
    )
    .text("settings", port)
    .service("shop", &[web.address()])
    .start()
}

#[test]
fn heads_are_bounded_in_every_dimension() {
    let web = Web::start("a");
    let proxy = proxy_with("limits: { head-bytes: 2KiB, headers: 20, target-bytes: 512 }", &web);
    let long = |count: usize| "x".repeat(count);
    let many = |count: usize| "x: y\r\n".repeat(count);
    for (request, status, end) in [
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(500)), 200, "completed"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(600)), 414, "target-too-long"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(60_000)), 414, "target-too-long"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", long(1900)), 200, "completed"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", long(2100)), 431, "head-too-large"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", long(60_000)), 431, "head-too-large"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", many(19)), 200, "completed"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", many(20)), 431, "head-too-large"),
    ] {
        let shown = &request[..request.len().min(60)];
        let mut client = proxy.connect("web");
        client.send_if_open(&request);
        assert_eq!(client.response().status, status, "{shown}");
        if status != 200 {
            client.expect_close();
            proxy.log().wait_for_end(end);
        }
    }
    assert_eq!(web.served(), 3);
}

#[test]
fn bodies_are_bounded_whether_announced_or_not() {
    let web = Web::start("a");
    let proxy = proxy_with("limits: { body-bytes: 10KiB }", &web);
    assert_eq!(
        proxy.request("web", "POST", "/").body(vec![b'x'; 10_240]).expects(200).echo().number("body_bytes"),
        10_240
    );

    let mut announced = proxy.connect("web");
    announced.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10241\r\n\r\n");
    assert_eq!(announced.response().status, 413);
    announced.expect_close();

    let mut chunked = proxy.connect("web");
    chunked.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..11 {
        chunked.send_if_open(format!("400\r\n{}\r\n", "x".repeat(1024)));
    }
    assert_eq!(chunked.response().status, 413);
    chunked.expect_close();
    proxy.log().wait_for_end("request-too-large");
}

#[test]
fn a_head_that_does_not_end_is_given_up() {
    let web = Web::start("a");
    let proxy = proxy_with("timeouts: { head: 300ms }", &web);
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n");
    // CVE class "slowloris": a byte now and then does not lengthen the time.
    let response = thread::scope(|scope| {
        let mut dripping = proxy.connect("web");
        scope.spawn(move || {
            dripping.send("GET / HTTP/1.1\r\n");
            for _ in 0..40 {
                dripping.send_if_open("x");
                thread::sleep(Duration::from_millis(25));
            }
            dripping.expect_close_after_answer();
        });
        client.response()
    });
    assert_eq!(response.status, 408);
    client.expect_close();
    let records = proxy.log().wait_for_count(2);
    assert!(records.iter().all(|record| record.text("end") == "client-timeout-head"), "{records:?}");
    assert_eq!(web.connections(), 0);
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let web = Web::start("a");
    let proxy = proxy_with("timeouts: { keep-alive: 200ms }", &web);
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.expect_close();
    proxy.connect("web").expect_close();
    assert_eq!(proxy.log().wait_for_count(2).len(), 2);
}

#[test]
fn a_body_that_only_drips_is_given_up() {
    let web = Web::start("a");
    let proxy = proxy_with("limits: { minimum-rate: 1000 }", &web);
    let mut client = proxy.connect("web");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    let began = std::time::Instant::now();
    while proxy.log().records().is_empty() {
        assert!(began.elapsed() < PATIENCE * 2, "a body of 40 bytes a second is taken for ever");
        client.send_if_open("x");
        thread::sleep(Duration::from_millis(25));
    }
    assert_eq!(proxy.log().records()[0].text("end"), "client-too-slow");
}

#[test]
fn a_source_has_a_bounded_number_of_connections() {
    let web = Web::start("a");
    let proxy = proxy_with("limits: { connections-per-source: 3 }", &web);
    let mut open: Vec<_> = (0..3).map(|_| proxy.connect("web")).collect();
    for client in &mut open {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    proxy.connect("web").send_if_open("GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect_close();
    proxy.log().wait_for_end("refused-limit-source");
    // Another source has places of its own.
    let url = format!("http://{}/", proxy.address("web"));
    let other = output_of("curl", ["--silent", "--fail", "--interface", "127.0.0.2", &url], b"");
    assert!(other.status.success(), "{other:?}");
    // Whoever leaves makes room.
    open.pop();
    wait_until("there is room again", || {
        let mut client = proxy.connect("web");
        client.send_if_open("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        (!client.take_until(b"\r\n\r\n").is_empty()).then_some(())
    });
}

#[test]
fn a_port_and_the_process_have_a_bounded_number_of_connections() {
    let web = Web::start("a");
    let port = proxy_with("limits: { connections: 2 }", &web);
    let open: Vec<_> =
        (0..2).map(|_| port.connect("web").send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").response()).collect();
    assert!(open.iter().all(|response| response.status == 200));
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut client = port.connect("web");
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            client
        })
        .collect();
    port.connect("web").rest_of_any_kind();
    port.log().wait_for_end("refused-limit-port");
    drop(held);

    let process = Scenario::new(
        "
limits: { connections: 1 }
ports:
  web: { listen: <web>, role: internal, protocol: http }
routes:
  - { port: web, allow: anyone, respond: { status: 200 } }
",
    )
    .start();
    let mut first = process.connect("web");
    assert_eq!(first.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").response().status, 200);
    process.connect("web").rest_of_any_kind();
    process.log().wait_for_end("refused-limit-process");
}

const GIBIBYTE: u64 = 1 << 30;

/// Sends or takes this much beyond what it needs, whatever the length of a body.
const ALLOWED_GROWTH: u64 = 48 << 20;

#[test]
fn a_gibibyte_goes_up_and_down_in_constant_memory() {
    let backend = Backend::start(|mut peer| {
        let head = peer.read_head();
        if head.starts_with("PUT") {
            let mut left = GIBIBYTE;
            while left > 0 {
                let some = peer.read_some().len() as u64;
                assert!(some > 0, "the body ends {left} bytes early");
                left -= some;
            }
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        } else {
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIBIBYTE}\r\n\r\n"));
            let chunk = vec![b'x'; 1 << 20];
            for _ in 0..GIBIBYTE >> 20 {
                if !peer.send(&chunk) {
                    return;
                }
            }
        }
    });
    let proxy = Proxy::before(backend.address());
    let before = proxy.resident_bytes();

    let mut client = proxy.connect("web");
    client.send(format!("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {GIBIBYTE}\r\n\r\n"));
    let chunk = vec![b'x'; 1 << 20];
    let mut most = before;
    for _ in 0..GIBIBYTE >> 20 {
        client.send(&chunk);
        most = most.max(proxy.resident_bytes());
    }
    assert_eq!(client.response().status, 200);

    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.take_until(b"\r\n\r\n");
    for _ in 0..GIBIBYTE >> 20 {
        assert_eq!(client.take(1 << 20).len(), 1 << 20);
        most = most.max(proxy.resident_bytes());
    }
    assert!(most < before + ALLOWED_GROWTH, "{} MiB became {} MiB", before >> 20, most >> 20);
}

#[test]
fn a_client_that_does_not_read_does_not_fill_memory() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
        // Ends when the proxy takes no more, or when the client has been given up.
        while peer.send(&chunk) {}
    });
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], timeouts: { idle: 1s } }
routes:
  - { port: web, service: shop, allow: anyone }
",
        &[("shop", backend.address())],
    );
    let before = proxy.resident_bytes();
    let mut client = proxy.connect("web");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let record = proxy.log().wait_for_path("/");
    assert!(["client-too-slow", "idle-timeout"].contains(&record.text("end")), "{record:?}");
    assert!(proxy.resident_bytes() < before + ALLOWED_GROWTH);
    wait_until("the endpoint is let go", || (backend.open() == 0).then_some(()));
}

#[track_caller]
fn limit(proxy: &Proxy, what: &str) {
    let id = proxy.id().to_string();
    assert!(output_of("prlimit", ["--pid", &id, what], b"").status.success(), "{what}");
}

/// Twenty lines a second told of one shortage, until the disk was full as well.
#[test]
fn a_lack_of_descriptors_is_told_when_it_begins_and_when_it_is_over() {
    let web = Web::start("a");
    let proxy = proxy_with("", &web);
    let highest = std::fs::read_dir(format!("/proc/{}/fd", proxy.id())).unwrap();
    let highest = highest.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max().unwrap();
    let told = |words: &str| proxy.output().lines().filter(|line| line.contains(words)).count();
    limit(&proxy, &format!("--nofile={}:4096", highest + 1));
    let mut waiting = Vec::new();
    wait_until("the shortage is told", || {
        waiting.push(proxy.connect("web"));
        (told("can not be accepted") > 0).then_some(())
    });
    // Long enough for twenty more.
    let began = std::time::Instant::now();
    wait_until("a second has passed", || (began.elapsed() > Duration::from_secs(1)).then_some(()));
    limit(&proxy, "--nofile=4096:4096");
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    wait_until("the end of it is told", || (told("are accepted again") == told("can not be accepted")).then_some(()));
    // Every worker has a socket of its own.
    assert!(told("can not be accepted") <= thread::available_parallelism().unwrap().get(), "{}", proxy.output());
}

/// The kernel's signal for it ended the proxy, and every connection with it.
#[test]
fn a_log_at_its_largest_size_is_a_sink_that_fails_and_no_end() {
    let web = Web::start("a");
    let mut proxy = proxy_with("", &web);
    limit(&proxy, "--fsize=4096");
    for _ in 0..200 {
        proxy.get("web", "/").expects(200);
    }
    wait_until("the log is said to fail", || {
        let status = proxy.admin().get("/v1/status");
        (status["access_log"]["state"] != "working").then_some(())
    });
    proxy.get("web", "/").expects(200);
    assert_eq!(proxy.process().has_ended(), None);
}
