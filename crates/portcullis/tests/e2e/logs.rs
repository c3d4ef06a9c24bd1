//! The access log: nothing is forged, nothing is lost without being counted, nothing waits unless it must.

use std::{
    fs,
    io::Read,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::harness::{Proxy, Scenario, Web, wait_until};

fn text_with(log: &str) -> String {
    format!(
        "
log: {{ access: {log} }}
ports:
  web: {{ listen: <web>, role: internal, protocol: http <port> }}
services:
  shop: {{ ports: <shop.ports>, endpoints: [<shop>] }}
routes:
  - {{ port: web, service: shop, allow: anyone }}
"
    )
}

#[test]
fn control_characters_cannot_forge_a_line_or_steer_a_terminal() {
    let web = Web::start("a");
    for format in ["json", "text"] {
        let proxy = Scenario::new(&text_with(&format!("{{ to: <dir>/access.log, format: {format} }}")))
            .text("port", "")
            .service("shop", &[web.address()])
            .start();
        // What HTTP lets through to the log: bytes beyond ASCII, quotes, backslashes, escapes of the URL.
        let mut client = proxy.connect("web");
        client.send(b"GET /%0d%0a{\"end\":\"forged\"} HTTP/1.1\r\nhost: a\r\n\r\n");
        client.rest_of_any_kind();
        let mut client = proxy.connect("web");
        client.send("GET /\"quoted\"\\end?a=\\n HTTP/1.1\r\nhost: a\r\n\r\n");
        client.rest_of_any_kind();
        proxy.connect("web").send("M\u{1b}[31m / HTTP/1.1\r\n\r\n").rest_of_any_kind();
        let mut client = proxy.connect("web");
        client.send("GET / HTTP/1.1\r\nhost: \u{202e}evil\u{1b}[2J\u{85}\r\n\r\n").rest_of_any_kind();
        proxy.get("web", "/last").expects(200);
        let file = proxy.directory().join("access.log");
        let is_own = |line: &&[u8]| !line.windows(13).any(|window| window == b"harness-admin");
        let bytes = wait_until("all five are recorded", || {
            fs::read(&file)
                .ok()
                .filter(|bytes| bytes.split_inclusive(|byte| *byte == b'\n').filter(is_own).count() == 5)
        });
        let forbidden = |byte: &u8| (*byte < 0x20 && *byte != b'\n') || *byte == 0x7f;
        assert!(!bytes.iter().any(forbidden), "{}", String::from_utf8_lossy(&bytes));
        let text = String::from_utf8(bytes).expect("the log is UTF-8");
        assert!(!text.contains(['\u{202e}', '\u{85}', '\u{9b}']), "{text}");
    }
}

#[test]
fn empty_and_refused_connections_are_recorded_too() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    drop(proxy.connect("web"));
    let record = proxy.log().wait_for_end("empty");
    assert_eq!((record.text("kind"), record.number("bytes_in")), ("session", 0));
    let mut broken = proxy.connect("web");
    broken.send("GET / HT");
    drop(broken);
    proxy.log().wait_for_end("client-closed");
}

#[test]
fn a_rotated_log_is_opened_anew_and_no_record_is_lost() {
    let web = Web::start("a");
    let mut proxy = Proxy::before(web.address());
    let file = proxy.directory().join("access.log");
    let count_in = |path: &std::path::Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| line.contains("\"path\":\"/counted\"")).count()
    };
    let mut rotated = Vec::new();
    for round in 0..3 {
        for _ in 0..20 {
            proxy.get("web", "/counted").expects(200);
        }
        let old = proxy.directory().join(format!("access.log.{round}"));
        fs::rename(&file, &old).unwrap();
        proxy.process().signal("USR1");
        rotated.push(old);
        wait_until("the log is opened anew", || file.exists().then_some(()));
    }
    proxy.get("web", "/counted").expects(200);
    wait_until("every request is in one of the files", || {
        let all: usize = rotated.iter().chain([&file]).map(|path| count_in(path)).sum();
        (all == 61).then_some(())
    });
    assert!(count_in(&file) >= 1);
}

/// A FIFO that the test reads, or does not.
fn fifo(scenario: Scenario) -> Scenario {
    let path = scenario.directory().join("log.fifo");
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    scenario
}

#[test]
fn a_slow_sink_never_delays_a_request_and_what_is_dropped_is_counted() {
    let web = Web::start("a");
    let scenario = fifo(Scenario::new(&text_with("{ to: <dir>/log.fifo, buffer: 64KiB }")));
    // Opened for both, so that there is a reader that reads nothing.
    let reader = fs::OpenOptions::new().read(true).write(true).open(scenario.directory().join("log.fifo")).unwrap();
    let proxy = scenario.text("port", "").service("shop", &[web.address()]).start();
    let mut client = proxy.connect("web");
    let long = "x".repeat(4000);
    for _ in 0..400 {
        client.send(format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    let dropped = wait_until("dropped records are counted", || {
        proxy.admin().get("/v1/status")["access_log"]["dropped_sink_full"].as_u64().filter(|count| *count > 0)
    });
    assert!(dropped < 400, "{dropped}");
    drop(reader);
}

#[test]
fn where_the_log_is_required_traffic_waits_for_it_and_no_record_is_lost() {
    let web = Web::start("a");
    let scenario = fifo(Scenario::new(&text_with("{ to: <dir>/log.fifo, buffer: 64KiB }")));
    let mut sink = fs::OpenOptions::new().read(true).write(true).open(scenario.directory().join("log.fifo")).unwrap();
    let proxy = scenario.text("port", ", log: required").service("shop", &[web.address()]).start();
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let mut client = proxy.connect("web");
    let asking = thread::spawn(move || {
        let long = "x".repeat(4000);
        for round in 0..400 {
            client.send(format!("GET /{round}/{long} HTTP/1.1\r\nhost: a\r\n\r\n"));
            assert_eq!(client.response().status, 200);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    // It stands still somewhere before the end, as long as nobody reads.
    let mut before = usize::MAX;
    wait_until("traffic waits", || {
        thread::sleep(Duration::from_millis(300));
        let now = answered.load(Ordering::Relaxed);
        let stands = now == std::mem::replace(&mut before, now);
        (stands && now > 0).then_some(())
    });
    assert!(answered.load(Ordering::Relaxed) < 400, "nothing waited");
    let reading = thread::spawn(move || {
        let (mut text, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
        let is_last = |text: &[u8]| String::from_utf8_lossy(text).contains("\"path\":\"/399/");
        while !is_last(&text[text.len().saturating_sub(8192)..]) {
            let count = sink.read(&mut chunk).unwrap();
            text.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(text).unwrap()
    });
    asking.join().unwrap();
    let text = reading.join().unwrap();
    for round in 0..400 {
        assert!(text.contains(&format!("\"path\":\"/{round}/")), "request {round} left no record");
    }
}

#[test]
fn records_are_there_when_the_program_has_ended() {
    let web = Web::start("a");
    let mut proxy = Proxy::before(web.address());
    for _ in 0..50 {
        proxy.get("web", "/counted").expects(200);
    }
    proxy.process().signal("TERM");
    assert_eq!(proxy.process().wait_for_end(), 0);
    assert_eq!(proxy.log().records().iter().filter(|record| record.text("path") == "/counted").count(), 50);
}
