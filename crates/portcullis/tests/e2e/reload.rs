//! A configuration replaces another while traffic flows (invariant 5).

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Authority, Backend, PLAIN, Proxy, Scenario, TlsClient, Web, free_address, wait_until};

const ONE: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone, response-headers: { set: { x-plan: one } } }
";

fn two() -> String {
    ONE.replace("x-plan: one", "x-plan: two")
}

fn plan_of(proxy: &Proxy) -> Option<String> {
    proxy.get("web", "/").expects(200).header("x-plan").map(str::to_owned)
}

#[test]
fn a_reload_takes_effect_for_the_next_request_also_on_open_connections() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    let mut open = proxy.connect("web");
    open.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(open.response().header("x-plan"), Some("one"));
    assert_eq!(proxy.reload(&two()).status, 200);
    open.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(open.response().header("x-plan"), Some("two"));
    assert_eq!(plan_of(&proxy).as_deref(), Some("two"));
}

#[test]
fn a_request_ends_under_the_plan_that_it_began_with() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    let mut slow = proxy.connect("web");
    slow.send("GET /slow/500 HTTP/1.1\r\nhost: a\r\n\r\n");
    wait_until("the request is under way", || (web.served() == 1).then_some(()));
    assert_eq!(proxy.reload(&two()).status, 200);
    let response = slow.response();
    assert_eq!((response.text().as_str(), response.header("x-plan")), ("late", Some("one")));
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_says_why() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    for (broken, expected) in [
        (two().replace("service: shop", "service: shpo"), "did you mean `shop`"),
        (two().replace(", allow: anyone", ""), "allow"),
        ("ports: [".to_owned(), "YAML"),
    ] {
        let answer = proxy.reload(&broken);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(expected), "{expected} in {}", answer.text());
        assert_eq!(plan_of(&proxy).as_deref(), Some("one"));
    }
    let status = proxy.admin().get("/v1/status");
    assert_eq!(status["last_reload"]["outcome"], "rejected", "{status}");
    assert_eq!(proxy.reload(&two()).status, 200);
}

#[test]
fn a_port_that_cannot_be_opened_keeps_everything_as_it_was() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    let taken = Web::start("taken");
    let more = format!(
        "\nports:
  more: {{ listen: {}, role: internal, protocol: http }}
  free: {{ listen: <free>, role: internal, protocol: http }}\n",
        taken.address()
    );
    let wanted = two().replace("\nports:\n", &more).replace("port: web", "port: [web, more, free]");
    let answer = proxy.reload(&wanted);
    assert_eq!(answer.status, 422, "{}", answer.text());
    // Who holds it, as `ss` would say.
    let holder = std::process::id().to_string();
    assert!(answer.text().contains(&holder), "pid {holder} in {}", answer.text());
    assert_eq!(plan_of(&proxy).as_deref(), Some("one"));
    assert!(std::net::TcpStream::connect(proxy.address("free")).is_err(), "no port is opened if one fails");
}

#[test]
fn ports_are_opened_and_closed_live() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    let with_second = ONE
        .replace("ports:\n", "ports:\n  second: { listen: <second>, role: internal, protocol: http }\n")
        .replace("port: web", "port: [web, second]");
    assert_eq!(proxy.reload(&with_second).status, 200);
    let mut held = proxy.connect("second");
    held.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(held.response().status, 200);
    let mut under_way = proxy.connect("second");
    under_way.send("GET /slow/300 HTTP/1.1\r\nhost: a\r\n\r\n");
    wait_until("the request is under way", || (web.served() == 2).then_some(()));

    assert_eq!(proxy.reload(ONE).status, 200);
    wait_until("nobody listens on the second port", || {
        std::net::TcpStream::connect(proxy.address("second")).is_err().then_some(())
    });
    let answer = under_way.response();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("late", Some("close")));
    under_way.expect_close();
    held.expect_close();
    proxy.get("web", "/").expects(200);
}

#[test]
fn a_port_that_stays_keeps_its_socket() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    let listeners = listening_inodes(proxy.address("web").port());
    assert!(!listeners.is_empty());
    for text in [two(), ONE.to_owned(), two()] {
        assert_eq!(proxy.reload(&text).status, 200);
        assert_eq!(listening_inodes(proxy.address("web").port()), listeners);
    }
}

/// Inodes of the sockets that listen on a port of this host.
fn listening_inodes(port: u16) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let wanted = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut inodes: Vec<String> =
        rows.filter(|row| row[1].ends_with(&wanted) && row[3] == "0A").map(|row| row[9].to_owned()).collect();
    inodes.sort();
    inodes
}

#[test]
fn health_and_pools_outlive_a_reload() {
    let (a, down) = (Web::start("a"), free_address());
    let text = "
workers: 1
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], health: { tcp: true, every: 50ms, rise: 1, fall: 1 } }
routes:
  - { port: web, service: shop, allow: anyone, response-headers: { set: { x-plan: one } } }
";
    let mut proxy = Scenario::new(text).service("shop", &[a.address(), down]).start();
    let is_known_down = |proxy: &Proxy| {
        let services = proxy.admin().get("/v1/services");
        let endpoints = services[0]["endpoints"].as_array().unwrap();
        endpoints.iter().any(|endpoint| endpoint["address"] == down.to_string() && endpoint["state"] == "down")
    };
    wait_until("one endpoint is known to be down", || is_known_down(&proxy).then_some(()));
    let mut client = proxy.connect("web");
    let before = client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").response().echo().number("connection");
    assert_eq!(proxy.reload(&text.replace("x-plan: one", "x-plan: two")).status, 200);
    assert!(is_known_down(&proxy), "what was learnt is forgotten");
    let after = client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").response().echo().number("connection");
    assert_eq!(after, before, "the pool was emptied");
}

#[test]
fn a_signal_and_the_verb_reload_too() {
    let web = Web::start("a");
    let mut proxy = Proxy::with(ONE, &[("shop", web.address())]);
    proxy.rewrite(&two());
    proxy.process().signal("HUP");
    wait_until("the signal took effect", || (plan_of(&proxy).as_deref() == Some("two")).then_some(()));
    proxy.rewrite(ONE);
    let output = proxy.verb("reload");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(plan_of(&proxy).as_deref(), Some("one"));
    proxy.rewrite(&ONE.replace("protocol: http", "protocol: htpt"));
    let output = proxy.verb("reload");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("did you mean `http`"), "{said}");
}

#[test]
fn a_watched_file_is_reloaded_when_it_is_saved() {
    let web = Web::start("a");
    let mut proxy = Scenario::new(ONE).service("shop", &[web.address()]).watched().start();
    proxy.rewrite(&two());
    wait_until("the file was reloaded", || (plan_of(&proxy).as_deref() == Some("two")).then_some(()));
    proxy.rewrite("ports: [");
    wait_until("the mistake is told", || {
        (proxy.admin().get("/v1/status")["last_reload"]["outcome"] == "rejected").then_some(())
    });
    assert_eq!(plan_of(&proxy).as_deref(), Some("two"));
    proxy.rewrite(ONE);
    wait_until("the file was reloaded", || (plan_of(&proxy).as_deref() == Some("one")).then_some(()));
}

#[test]
fn sessions_and_websockets_outlive_a_reload_that_takes_their_port() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n");
        loop {
            let some = peer.read_some();
            if some.is_empty() || !peer.send(some) {
                return;
            }
        }
    });
    let ports = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
  chat: { listen: <chat>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: [web, chat], service: shop, allow: anyone }
";
    let mut proxy = Proxy::with(ports, &[("shop", backend.address())]);
    let mut chat = proxy.connect("chat");
    chat.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n");
    assert_eq!(chat.response().status, 101);
    chat.send("before").expect("before");
    let without =
        ports.replace("  chat: { listen: <chat>, role: internal, protocol: http }\n", "").replace("[web, chat]", "web");
    assert_eq!(proxy.reload(&without).status, 200);
    wait_until("the port is closed", || std::net::TcpStream::connect(proxy.address("chat")).is_err().then_some(()));
    chat.send("after").expect("after");
}

#[test]
fn tls_sessions_are_resumed_across_a_reload() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let text = "
ports:
  web: { listen: <web>, role: internal, protocol: https, tls: { certificates: [<certificate>] } }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone, response-headers: { set: { x-plan: one } } }
";
    let text = text.replace("<certificate>", &authority.issue(&["shop.test"]).yaml());
    let mut proxy = Proxy::with(&text, &[("shop", web.address())]);
    let client = TlsClient::trusting(&authority);
    let connect = |proxy: &Proxy| {
        let (mut connection, handshake) = client.connect(proxy.address("web"), "shop.test").unwrap();
        connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        (connection.response().header("x-plan").map(str::to_owned), handshake.is_resumed)
    };
    assert_eq!(connect(&proxy), (Some("one".to_owned()), false));
    assert_eq!(proxy.reload(&text.replace("x-plan: one", "x-plan: two")).status, 200);
    assert_eq!(connect(&proxy), (Some("two".to_owned()), true));
}

/// 15 seconds of `wrk`, 20 reloads that open and close a port, change routes and certificates: not one request fails.
#[test]
fn twenty_reloads_under_load_fail_no_request() {
    let replicas = [Web::start("a"), Web::start("b")];
    let second = "ports:\n  second: { listen: <second>, role: internal, protocol: http }\n";
    let mut proxy = Scenario::new(ONE).service("shop", &replicas.each_ref().map(Web::address)).start();
    let url = format!("http://{}/bytes/100", proxy.address("web"));
    let load = Command::new("wrk")
        .args(["-t1", "-c16", "-d15s", "--timeout", "10s", "--latency", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("wrk is installed: run scripts/setup");
    wait_until("the load has begun", || (replicas[0].served() > 100).then_some(()));
    let began = Instant::now();
    for round in 0..20 {
        let text = match round % 4 {
            0 => two(),
            1 => ONE.replace("ports:\n", second).replace("port: web", "port: [web, second]"),
            2 => two().replace("endpoints: [<shop>]", "endpoints: [<shop>], balance: least-requests"),
            _ => ONE.to_owned(),
        };
        let answer = proxy.reload(&text);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let next = Duration::from_millis(650) * (round + 1);
        thread::sleep(next.saturating_sub(began.elapsed()));
    }
    let output = load.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    std::io::stdout().write_all(said.as_bytes()).unwrap();
    assert!(output.status.success() && said.contains("requests in"), "{said}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    let generation = proxy.admin().get("/v1/status")["generation"].as_u64().unwrap_or_default();
    assert!(generation >= 20, "generation {generation}");
    let failed: Vec<_> = proxy
        .log()
        .records()
        .into_iter()
        .filter(|record| record.text("kind") == "request" && record.number("status") != 200)
        // What wrk had under way when its time was over.
        .filter(|record| !record.text("end").starts_with("client-"))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_waits_for_the_next_start_is_said_by_the_reload_and_by_the_status() {
    let web = Web::start("a");
    let mut proxy = Proxy::before(web.address());
    proxy.rewrite(&format!("workers: 3\nmetrics: {{ buckets: [1ms, 1s] }}\n{PLAIN}"));
    for verb in ["reload", "status"] {
        let output = proxy.verb(verb);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        for setting in ["workers", "metrics.buckets"] {
            let note = format!("`{setting}` has changed and takes effect with the next start");
            assert_eq!(said.matches(&note).count(), 1, "{verb}: {said}");
        }
    }
    // Taken back, there is nothing to wait for.
    proxy.rewrite(PLAIN);
    assert!(!String::from_utf8_lossy(&proxy.verb("reload").stdout).contains("next start"));
}
