//! Which endpoint gets a request, and what happens when endpoints fail.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use crate::harness::{Backend, Process, Proxy, Scenario, Web, free_address, wait_until};

/// A service with these settings, on one worker so that its rotation is seen whole.
fn proxy_for(endpoints: &[SocketAddr], settings: &str) -> Proxy {
    Scenario::new(
        "
workers: 1
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], <settings> }
routes:
  - { port: web, service: shop, allow: anyone }
",
    )
    .text("settings", settings)
    .service("shop", endpoints)
    .start()
}

/// How many of `count` requests each replica answered.
fn spread(proxy: &Proxy, count: usize) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    let mut client = proxy.connect("web");
    for _ in 0..count {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let response = client.response();
        assert_eq!(response.status, 200, "{}", response.text());
        *spread.entry(response.header("x-replica").unwrap_or_default().to_owned()).or_default() += 1;
    }
    spread
}

/// The state that the admin API gives for an endpoint.
fn state_of(proxy: &Proxy, address: SocketAddr) -> (String, String) {
    let services = proxy.admin().get("/v1/services");
    let endpoints = services[0]["endpoints"].as_array().unwrap().clone();
    let endpoint = endpoints.iter().find(|endpoint| endpoint["address"] == address.to_string());
    let endpoint = endpoint.unwrap_or_else(|| panic!("{address} is not among {endpoints:?}"));
    let text = |field: &str| endpoint[field].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

fn wait_for_state(proxy: &Proxy, address: SocketAddr, state: &str) -> String {
    wait_until(&format!("{address} is {state}"), || {
        let (now, reason) = state_of(proxy, address);
        (now == state).then_some(reason)
    })
}

#[test]
fn round_robin_gives_each_its_turn() {
    let replicas = [Web::start("a"), Web::start("b"), Web::start("c")];
    let proxy = proxy_for(&replicas.each_ref().map(Web::address), "balance: round-robin");
    let expected: BTreeMap<String, usize> = ["a", "b", "c"].map(|name| (name.to_owned(), 20)).into();
    assert_eq!(spread(&proxy, 60), expected);
}

#[test]
fn weights_give_each_its_share_and_nothing_for_nothing() {
    let (a, b, c) = (Web::start("a"), Web::start("b"), Web::start("c"));
    let text = format!(
        "
workers: 1
ports:
  web: {{ listen: <web>, role: internal, protocol: http }}
services:
  shop:
    ports: <shop.ports>
    endpoints: [{{ address: {}, weight: 3 }}, {}, {{ address: {}, weight: 0 }}]
routes:
  - {{ port: web, service: shop, allow: anyone }}
",
        a.address(),
        b.address(),
        c.address()
    );
    let proxy = Scenario::new(&text).service("shop", &[a.address(), b.address(), c.address()]).start();
    assert_eq!(spread(&proxy, 40), BTreeMap::from([("a".to_owned(), 30), ("b".to_owned(), 10)]));
}

#[test]
fn least_requests_avoids_the_endpoint_that_is_busy() {
    let (a, b) = (Web::start("a"), Web::start("b"));
    let proxy = proxy_for(&[a.address(), b.address()], "balance: least-requests");
    thread::scope(|scope| {
        let slow = scope.spawn(|| proxy.get("web", "/slow/1500").expects(200).header("x-replica").map(str::to_owned));
        wait_until("the slow request is under way", || (a.served() + b.served() == 1).then_some(()));
        let busy = if a.served() == 1 { "a" } else { "b" };
        let spread = spread(&proxy, 20);
        assert!(!spread.contains_key(busy), "{spread:?} while {busy} is busy");
        assert_eq!(slow.join().unwrap().as_deref(), Some(busy));
    });
}

#[test]
fn an_endpoint_whose_checks_fail_gets_nothing_until_they_pass_again() {
    let (a, b) = (Web::start("a"), Web::start("b"));
    let health = "health: { http: /healthz, every: 50ms, rise: 2, fall: 2 }";
    let proxy = proxy_for(&[a.address(), b.address()], health);
    wait_for_state(&proxy, a.address(), "up");
    wait_for_state(&proxy, b.address(), "up");
    a.set_health(500);
    let reason = wait_for_state(&proxy, a.address(), "down");
    assert!(reason.contains("500"), "{reason}");
    assert_eq!(spread(&proxy, 10), BTreeMap::from([("b".to_owned(), 10)]));
    a.set_health(200);
    wait_for_state(&proxy, a.address(), "up");
    assert_eq!(spread(&proxy, 10).len(), 2);
}

#[test]
fn one_failed_check_is_not_enough() {
    let a = Web::start("a");
    let proxy = proxy_for(&[a.address()], "health: { http: /healthz, every: 50ms, rise: 1, fall: 1000 }");
    wait_for_state(&proxy, a.address(), "up");
    a.set_health(500);
    let before = a.checked();
    wait_until("some checks have failed", || (a.checked() > before + 5).then_some(()));
    assert_eq!(state_of(&proxy, a.address()).0, "up");
    proxy.get("web", "/").expects(200);
}

#[test]
fn checks_expect_the_status_that_the_file_says() {
    let a = Web::start("a");
    a.set_health(401);
    let proxy =
        proxy_for(&[a.address()], "health: { http: /healthz, every: 50ms, rise: 1, fall: 1, status: [200, 401] }");
    wait_for_state(&proxy, a.address(), "up");
    a.set_health(302);
    wait_for_state(&proxy, a.address(), "down");
}

#[test]
fn tcp_checks_find_out_that_nobody_listens_and_say_so() {
    let (a, address) = (Web::start("a"), free_address());
    let proxy = proxy_for(&[a.address(), address], "health: { tcp: true, every: 50ms, rise: 1, fall: 1 }");
    wait_for_state(&proxy, a.address(), "up");
    let reason = wait_for_state(&proxy, address, "down");
    assert!(reason.contains("nobody listens"), "{reason}");
    assert_eq!(spread(&proxy, 10), BTreeMap::from([("a".to_owned(), 10)]));
    let late = Web::start_at("late", address);
    wait_for_state(&proxy, late.address(), "up");
    assert_eq!(spread(&proxy, 10).len(), 2);
}

/// It stayed out for its whole time, and `status` went on to say that nobody listens.
#[test]
fn a_replica_that_was_ejected_because_nobody_listened_is_back_with_the_first_check_that_passes() {
    let folder = tempfile::tempdir().unwrap();
    let (good, address) = (Web::start("good"), free_address());
    let first = file_server(folder.path(), address);
    let settings = "health: { tcp: true, every: 200ms, rise: 1, fall: 1000 }, eject: { failures: 1, for: 5m }";
    let proxy = proxy_for(&[good.address(), address], settings);
    wait_for_state(&proxy, address, "up");
    drop(first);
    wait_until("it is ejected", || {
        proxy.get("web", "/").send();
        (state_of(&proxy, address).0 == "ejected").then_some(())
    });
    let _second = file_server(folder.path(), address);
    assert_eq!(wait_for_state(&proxy, address, "up"), "");
}

#[test]
fn an_endpoint_that_answers_again_is_not_said_to_be_gone_while_it_is_waited_for() {
    let (good, address) = (Web::start("good"), free_address());
    let proxy = proxy_for(&[good.address(), address], "health: { tcp: true, every: 50ms, rise: 1000, fall: 1 }");
    assert!(wait_for_state(&proxy, address, "down").contains("nobody listens"));
    let _late = Web::start_at("late", address);
    wait_until("the reason is another one", || {
        let (state, reason) = state_of(&proxy, address);
        (state == "down" && reason.starts_with("it answers again: ") && reason.contains(" of 1000 ")).then_some(())
    });
}

/// A mismatched port is never silent.
#[test]
fn a_service_that_listens_on_another_port_than_declared_is_named_with_that_port() {
    // A program and its folder are what a service is recognised by: one folder for each test.
    let folder = tempfile::tempdir().unwrap();
    let (declared, actual) = (free_address(), free_address());
    let first = file_server(folder.path(), declared);
    let proxy = proxy_for(&[declared], "health: { tcp: true, every: 50ms, rise: 1, fall: 1 }");
    // Who serves an endpoint is looked up within the check that finds it up, so before the next one.
    wait_for_passed_checks(&proxy, 2);
    drop(first);
    let _second = file_server(folder.path(), actual);
    wait_until("the reason names the port on which the service does listen", || {
        let (state, reason) = state_of(&proxy, declared);
        let expected = "the program that served it before listens elsewhere: ";
        (state == "down" && reason.contains(expected) && reason.contains(&actual.to_string())).then_some(())
    });
}

/// A program of the system that listens on `address`.
fn file_server(folder: &Path, address: SocketAddr) -> Process {
    let mut command = Command::new("/usr/bin/python3");
    command.current_dir(folder).args(["-m", "http.server", "--bind", "127.0.0.1", &address.port().to_string()]);
    let server = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    wait_until(&format!("somebody listens on {address}"), || TcpStream::connect(address).ok());
    server
}

/// Waits until the checks of the only endpoint have passed so often.
fn wait_for_passed_checks(proxy: &Proxy, count: u64) {
    wait_until(&format!("{count} checks have passed"), || {
        let page = proxy.admin().request("GET", "/metrics").expects(200).text();
        let is_meant = |line: &&str| line.starts_with("portcullis_endpoint_health_checks") && line.contains("passed");
        let passed = page.lines().find(is_meant)?.rsplit_once(' ')?.1.parse::<u64>().ok()?;
        (passed >= count).then_some(())
    });
}

#[test]
fn when_all_are_down_the_answer_is_503_at_once_with_the_reason() {
    let (a, b) = (Web::start("a"), Web::start("b"));
    let proxy = proxy_for(&[a.address(), b.address()], "health: { http: /healthz, every: 50ms, rise: 1, fall: 1 }");
    wait_for_state(&proxy, a.address(), "up");
    a.set_health(500);
    b.set_health(503);
    wait_for_state(&proxy, a.address(), "down");
    wait_for_state(&proxy, b.address(), "down");
    let began = Instant::now();
    proxy.get("web", "/all-down").expects(503);
    assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
    let record = proxy.log().wait_for_path("/all-down");
    assert_eq!(record.text("end"), "no-endpoint");
    for part in ["shop", &a.address().to_string(), &b.address().to_string(), "500", "503"] {
        assert!(record.text("detail").contains(part), "{part} in {record:?}");
    }
}

#[test]
fn an_endpoint_that_fails_again_and_again_is_left_alone_for_a_while() {
    let bad = Backend::start(drop);
    let good = Web::start("good");
    let settings = "eject: { failures: 3, for: 500ms }, retries: { attempts: 1, budget: 100% }";
    let proxy = proxy_for(&[bad.address(), good.address()], settings);
    for _ in 0..20 {
        proxy.get("web", "/").expects(200);
    }
    let met = bad.connections();
    assert!((1..=4).contains(&met), "the bad endpoint was tried {met} times");
    wait_until("it is tried again", || {
        proxy.get("web", "/").expects(200);
        (bad.connections() > met).then_some(())
    });
}

#[test]
fn the_last_endpoint_is_never_ejected() {
    let bad = Backend::start(drop);
    let proxy = proxy_for(&[bad.address()], "eject: { failures: 1, for: 60s }, retries: { attempts: 0 }");
    for tried in 1..=3 {
        proxy.get("web", "/").expects(502);
        assert_eq!(bad.connections(), tried);
    }
}

#[test]
fn a_refused_connection_is_retried_elsewhere_whatever_the_method() {
    let good = Web::start("good");
    let settings = "eject: off, retries: { attempts: 1, budget: 100% }";
    let proxy = proxy_for(&[free_address(), good.address()], settings);
    for _ in 0..4 {
        assert_eq!(proxy.request("web", "POST", "/").body("once").expects(200).echo().text("body"), "once");
    }
    assert_eq!(good.served(), 4);
    proxy.log().wait_for("a retried request", |record| record.number("retries") == 1);
}

#[test]
fn a_request_that_may_have_been_served_is_not_sent_twice() {
    let first = Backend::start(|mut peer| {
        peer.read_head();
    });
    let settings = "eject: off, retries: { attempts: 2, budget: 100% }";
    let proxy = proxy_for(&[first.address()], settings);
    proxy.request("web", "POST", "/pay").body("10").expects(502);
    assert_eq!(first.received_text().matches("POST /pay").count(), 1);
    assert_eq!(proxy.log().wait_for_path("/pay").text("end"), "endpoint-closed");
}

#[test]
fn an_idle_connection_that_the_service_has_closed_costs_no_request() {
    let backend = Backend::start(|mut peer| {
        // One request a connection, without saying so.
        if !peer.read_head().is_empty() {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let proxy = proxy_for(&[backend.address()], "retries: { attempts: 0 }");
    let mut client = proxy.connect("web");
    for round in 0..20 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().text(), "ok", "round {round}");
    }
}

#[test]
fn retries_stay_within_their_budget() {
    let bad = Backend::start(drop);
    let settings = "eject: off, retries: { attempts: 3, budget: 10% }";
    let proxy = proxy_for(&[bad.address(), bad_twin(&bad)], settings);
    for _ in 0..50 {
        let status = proxy.get("web", "/").send().status;
        assert!([502, 503].contains(&status), "{status}");
    }
    let tried = bad.connections();
    assert!(tried < 50 * 2, "50 requests became {tried} attempts");
}

/// Another address of the same backend.
fn bad_twin(backend: &Backend) -> SocketAddr {
    // All of 127.0.0.0/8 is this host, but the backend is bound to one address of it: refused, like any dead replica.
    SocketAddr::new([127, 0, 0, 2].into(), backend.address().port())
}

#[test]
fn an_answer_that_does_not_come_in_time_is_504() {
    let web = Web::start("a");
    let proxy = proxy_for(&[web.address()], "timeouts: { response: 200ms }, retries: { attempts: 0 }");
    proxy.get("web", "/slow/3000").expects(504);
    assert_eq!(proxy.log().wait_for_path("/slow/3000").text("end"), "response-timeout");
    proxy.get("web", "/").expects(200);
}

#[test]
fn where_nobody_listens_the_client_is_told_at_once() {
    let proxy = proxy_for(&[free_address()], "retries: { attempts: 0 }");
    let began = Instant::now();
    proxy.get("web", "/").expects(503);
    assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
    assert_eq!(proxy.log().wait_for_path("/").text("end"), "connect-refused");
}

#[test]
fn idle_connections_are_kept_for_as_long_and_as_many_as_the_file_says() {
    let web = Web::start("a");
    let proxy = proxy_for(&[web.address()], "idle-connections: 2, timeouts: { keep-alive: 300ms }");
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| proxy.get("web", "/slow/200").expects(200));
        }
    });
    wait_until("no more than two are kept", || (web.open() <= 2).then_some(()));
    wait_until("none is kept for ever", || (web.open() == 0).then_some(()));
}
