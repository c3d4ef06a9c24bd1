//! Connections that left no record, or waited for ever to leave one.

use crate::harness::{Proxy, Raw, Scenario, Web, wait_until};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn open_connections(proxy: &Proxy) -> u64 {
    proxy.admin().get("/v1/status")["open_connections"].as_u64().unwrap_or_default()
}

fn wait_for_open(proxy: &Proxy, count: u64) {
    wait_until(&format!("{count} connections are open"), || (open_connections(proxy) == count).then_some(()));
}

/// A stop that did not wait ended after a fixed number of turns, whoever was still on the way to its record.
#[test]
fn a_forced_stop_leaves_a_record_of_every_open_connection() {
    const OPEN: usize = 3000;
    portcullis_kernel::limits::raise_open_files();
    let mut proxy = Scenario::new(
        "
limits: { drain: 10m }
ports:
  web: { listen: <web>, role: internal, protocol: http, timeouts: { head: 10m } }
routes:
  - { port: web, respond: { status: 200 }, allow: anyone }
",
    )
    .start();
    // Half a head each: nothing that a drain would end by itself.
    let open: Vec<Raw> = (0..OPEN)
        .map(|_| {
            let mut client = proxy.connect("web");
            client.send("GET / HTTP/1.1\r\n");
            client
        })
        .collect();
    wait_for_open(&proxy, OPEN as u64);
    proxy.process().signal("TERM");
    wait_until("it drains", || (!proxy.admin().is_ready()).then_some(()));
    proxy.process().signal("TERM");
    assert_eq!(proxy.process().wait_for_end(), 2);
    let cut_off = proxy.log().records().iter().filter(|record| record.text("end") == "shutdown").count();
    assert_eq!(cut_off, OPEN);
    drop(open);
}

/// Those who waited in the queue of a port that a reload took away were accepted and dropped if the next plan came
/// first.
#[test]
fn whoever_waits_at_a_port_that_a_reload_takes_away_is_served_and_recorded() {
    const WAITING: usize = 400;
    let text = "
workers: 1
ports:
  web: { listen: <web>, role: internal, protocol: http }
  side: { listen: <side>, role: internal, protocol: http }
routes:
  - { port: web, respond: { status: 200 }, allow: anyone }
  - { port: side, respond: { status: 200 }, allow: anyone }
";
    let without: String = text.lines().filter(|line| !line.contains("side")).flat_map(|line| [line, "\n"]).collect();
    let mut proxy = Proxy::with(text, &[]);
    proxy.process().signal("STOP");
    let mut waiting: Vec<Raw> = (0..WAITING).map(|_| proxy.connect("side")).collect();
    for client in &mut waiting {
        client.send(GET);
    }
    proxy.rewrite(&without);
    proxy.process().signal("HUP");
    proxy.process().signal("CONT");
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    let records = proxy.log().wait_for_count(WAITING);
    assert!(records.iter().all(|record| record.text("port") == "side" && record.number("status") == 200));
}

/// The same when the program is told to end.
#[test]
fn whoever_waits_when_a_drain_begins_is_served() {
    let text = "
workers: 1
ports:
  web: { listen: <web>, role: internal, protocol: http }
routes:
  - { port: web, respond: { status: 200 }, allow: anyone }
";
    let mut proxy = Proxy::with(text, &[]);
    proxy.process().signal("STOP");
    let mut waiting: Vec<Raw> = (0..400).map(|_| proxy.connect("web")).collect();
    for client in &mut waiting {
        client.send(GET);
    }
    proxy.process().signal("TERM");
    proxy.process().signal("CONT");
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(proxy.process().wait_for_end(), 0);
}

/// Requires a log that refuses every record, until it is given another by a reload.
const STUCK: &str = "
log: { access: { to: <log> } }
ports:
  web: { listen: <web>, role: internal, protocol: http, log: required, timeouts: { handshake: 1s, head: 1s } }
  side: { listen: <side>, role: internal, protocol: http, log: required, timeouts: { handshake: 10m, head: 10m } }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: [web, side], service: shop, allow: anyone }
";

/// A proxy whose log is stuck, and a connection on each of its ports that came before that.
fn stuck(web: &Web) -> (Proxy, [Raw; 2]) {
    let text = STUCK.replace("<log>", "<dir>/access.log");
    let mut proxy = Scenario::new(&text).service("shop", &[web.address()]).start();
    let mut before = [proxy.connect("web"), proxy.connect("side")];
    for client in &mut before {
        assert_eq!(client.send(GET).response().status, 200);
    }
    assert_eq!(proxy.reload(&STUCK.replace("<log>", "/dev/full")).status, 200);
    wait_until("the log is stuck", || {
        (proxy.admin().get("/v1/status")["access_log"]["state"] == "failing").then_some(())
    });
    (proxy, before)
}

fn repair(proxy: &mut Proxy) {
    assert_eq!(proxy.reload(&STUCK.replace("<log>", "<dir>/access.log")).status, 200);
}

#[test]
fn a_request_waits_for_its_log_as_long_as_for_its_head_and_is_told_why() {
    let web = Web::start("a");
    let (mut proxy, [mut before, _]) = stuck(&web);
    let answer = before.send("GET /late HTTP/1.1\r\nhost: a\r\n\r\n").response();
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")), "{}", answer.text());
    // Nobody who has not said anything can be told anything.
    proxy.connect("web").expect_close();
    assert_eq!(web.served(), 2, "nothing passes without its record");
    repair(&mut proxy);
    let record = proxy.log().wait_for_path("/late");
    assert_eq!((record.text("end"), record.number("status")), ("log-unavailable", 503));
    proxy.log().wait_for("the silent one", |record| {
        record.text("kind") == "session" && record.text("end") == "log-unavailable"
    });
}

#[test]
fn whoever_waits_for_the_log_may_leave() {
    let web = Web::start("a");
    let (mut proxy, [web_client, side_client]) = stuck(&web);
    drop((web_client, side_client));
    wait_for_open(&proxy, 0);
    let (silent, mut asking) = (proxy.connect("side"), proxy.connect("side"));
    asking.send(GET);
    wait_for_open(&proxy, 2);
    drop(silent);
    wait_for_open(&proxy, 1);
    repair(&mut proxy);
    assert_eq!(asking.response().status, 200, "whoever stays goes on by itself");
    proxy.log().wait_for_end("empty");
}

#[test]
fn a_crowd_that_waits_for_the_log_goes_on_whole() {
    let web = Web::start("a");
    let (mut proxy, _before) = stuck(&web);
    let mut crowd: Vec<Raw> = (0..400).map(|_| proxy.connect("side")).collect();
    for client in &mut crowd {
        client.send("GET /crowd HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    wait_for_open(&proxy, 402);
    assert_eq!(web.served(), 2);
    repair(&mut proxy);
    for client in &mut crowd {
        assert_eq!(client.response().status, 200);
    }
    wait_until("each has its record", || {
        (proxy.log().records().iter().filter(|record| record.text("path") == "/crowd").count() == 400).then_some(())
    });
}

/// The wait for the log did not hear that the program was to end.
#[test]
fn whoever_waits_for_the_log_does_not_hold_up_the_end() {
    let web = Web::start("a");
    let (mut proxy, _before) = stuck(&web);
    let _waiting: Vec<Raw> = (0..50).map(|_| proxy.connect("side")).collect();
    wait_for_open(&proxy, 52);
    proxy.process().signal("TERM");
    wait_until("it drains", || (!proxy.admin().is_ready()).then_some(()));
    proxy.process().signal("TERM");
    assert_eq!(proxy.process().wait_for_end(), 2);
    assert!(!proxy.output().contains("did not end in time"), "{}", proxy.output());
}
