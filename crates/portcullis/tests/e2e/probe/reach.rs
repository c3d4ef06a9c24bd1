//! What can be connected to, and what it speaks: against real peers.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};

use crate::harness::{Authority, Backend, Leaf, Nginx, Postgres, Proxy, Redis, Scenario, Web, free_address};

pub(super) const SHOP: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

const REACH: &[&str] = &["--only", "reach"];

/// What OpenSSH of Debian 12 says first.
const OPENSSH: &str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u5\r\n";

/// A service of this protocol behind a TCP port of its own.
fn before(protocol: &str, address: SocketAddr) -> Proxy {
    let text = "
ports:
  door: { listen: <door>, role: internal, protocol: tcp }
services:
  peer: { ports: <peer.ports>, endpoints: [<peer>], protocol: <protocol> }
routes:
  - { port: door, service: peer, allow: anyone }
";
    Scenario::new(text).text("protocol", protocol).service("peer", &[address]).start()
}

#[test]
fn real_peers_are_known_by_their_handshake_at_their_own_address_and_through_the_proxy() {
    let nginx = Nginx::start("location / { return 204; }");
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let ssh = Backend::start(|mut peer| {
        peer.send(OPENSSH);
        peer.read_line();
    });
    for (protocol, address, words) in [
        ("http", nginx.address(), "HTTP, status 204"),
        ("postgres", postgres.address(), "PostgreSQL"),
        ("redis", redis.address(), "Redis, +PONG"),
        ("ssh", ssh.address(), "SSH, SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u5"),
    ] {
        let proxy = before(protocol, address);
        let probed = proxy.probe(REACH);
        for subject in ["service `peer`", "port `door`"] {
            let got = probed.expects("wrong-protocol", subject, "pass");
            assert!(got.contains(words), "{protocol}: {got}");
        }
        probed.expects("unreachable-endpoint", "service `peer`", "pass");
        probed.expects("unreachable-port", "port `door`", "pass");
        probed.expects("exposed-endpoint", "service `peer`", "pass");
        probed.expects("exposed-port", "port `door`", "pass");
        assert_eq!(probed.code(), 0, "{:#}", probed.report());
    }
}

#[test]
fn a_peer_that_speaks_something_else_than_declared_is_named() {
    let (nginx, redis) = (Nginx::start("location / { return 204; }"), Redis::start());
    for (protocol, address, words) in [
        ("redis", nginx.address(), "HTTP, status 400"),
        ("postgres", nginx.address(), "open ("),
        ("http", redis.address(), "open (Redis"),
    ] {
        let got = before(protocol, address).probe(&["--only", "reach", "--timeout", "1s"]).expects(
            "wrong-protocol",
            "service `peer`",
            "fail",
        );
        assert!(got.contains(words), "{protocol}: {got}");
    }
}

/// A service that hung was said to speak another protocol than declared.
#[test]
fn a_peer_that_does_not_answer_in_time_is_said_not_to_answer() {
    let redis = Redis::start();
    let hung = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    for (protocol, address) in [("http", hung.address()), ("redis", hung.address()), ("ssh", redis.address())] {
        let probed = before(protocol, address).probe(&["--only", "reach", "--timeout", "1s"]);
        let got = probed.expects("unreachable-endpoint", "service `peer`", "fail");
        assert!(got.ends_with("accepted, then did not answer within 1.0 s"), "{protocol}: {got}");
        probed.is_silent_on("wrong-protocol", "service `peer`");
    }
}

#[test]
fn redis_that_wants_a_password_and_postgres_with_tls_are_still_known() {
    let redis = Backend::answering_once("");
    drop(redis);
    let guarded = Backend::start(|mut peer| {
        peer.read_line();
        peer.send("-NOAUTH Authentication required.\r\n");
        peer.read_to_end();
    });
    let got = before("redis", guarded.address()).probe(REACH).expects("wrong-protocol", "service `peer`", "pass");
    assert!(got.contains("-NOAUTH"), "{got}");
    let authority = Authority::new("test");
    let leaf = authority.issue(&["db.test"]);
    let postgres = Postgres::start_with(Some(&leaf));
    before("postgres", postgres.address()).probe(REACH).expects("wrong-protocol", "service `peer`", "pass");
}

#[test]
fn what_does_not_run_can_not_be_reached() {
    let probed = Scenario::new(SHOP).service("shop", &[free_address()]).probe(REACH);
    assert_eq!(probed.code(), 1);
    let got = probed.expects("unreachable-port", "port `web`", "fail");
    assert!(got.ends_with("refused"), "{got}");
    probed.expects("unreachable-endpoint", "service `shop`", "fail");
}

#[test]
fn a_port_whose_service_is_dead_accepts_and_closes() {
    let got = before("redis", free_address()).probe(REACH).expects("unreachable-port", "port `door`", "fail");
    assert!(got.contains("accepted, then closed without a word"), "{got}");
}

#[test]
fn the_number_of_a_port_on_the_other_family_is_exposed() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(SHOP, &[("shop", shop.address())]);
    let twin = SocketAddr::new("::1".parse().unwrap(), proxy.address("web").port());
    let Ok(listener) = TcpListener::bind(twin) else { return };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(std::io::Write::write_all(&mut &stream, b"HTTP/1.1 200 OK\r\n\r\n"));
        }
    });
    let got = proxy.probe(REACH).expects("exposed-port", "port `web`", "fail");
    assert!(got.contains(&format!("{twin} open (HTTP, status 200)")), "{got}");
}

#[test]
fn whom_a_port_keeps_out_gets_nothing() {
    let shop = Web::start("shop");
    let text = SHOP.replace("protocol: http }", "protocol: http, from: [10.99.0.0/16] }");
    let proxy = Proxy::with(&text, &[("shop", shop.address())]);
    let got = proxy.probe(REACH).expects("source-list", "port `web`", "pass");
    assert!(got.contains("accepted, then closed without a word as 127.0.0.1"), "{got}");
    // Something that listens in its stead and lets everybody in.
    let stranger = Web::start("stranger");
    let scenario = Scenario::new(&text).service("shop", &[shop.address()]).text("web", &stranger.address().to_string());
    let got = scenario.probe(REACH).expects("source-list", "port `web`", "fail");
    assert!(got.contains("HTTP, status 200) as 127.0.0.1"), "{got}");
}

fn https(leaf: &Leaf, routes: &str) -> Scenario {
    let text = format!(
        "
ports:
  web: {{ listen: <web>, role: internal, protocol: https, tls: {{ certificates: [<leaf>] }} }}
routes:
{routes}
"
    );
    Scenario::new(&text).text("leaf", &leaf.yaml())
}

const SHOP_TEST: &str = "  - { port: web, host: shop.test, allow: anyone, respond: { status: 200 } }";

#[test]
fn the_certificate_of_each_host_is_looked_at() {
    let authority = Authority::new("test");
    let leaf = authority.issue(&["shop.test", "*.wild.test"]);
    let routes = [
        SHOP_TEST,
        "  - { port: web, host: a.wild.test, allow: anyone, respond: { status: 200 } }",
        "  - { port: web, host: other.test, allow: anyone, respond: { status: 200 } }",
    ];
    let probed = https(&leaf, &routes.join("\n")).start().probe(REACH);
    let outcomes = probed.report()["outcomes"].as_array().unwrap().clone();
    let verdict = |host: &str| {
        let tried = format!("asked for {host} in TLS");
        let found = outcomes.iter().find(|outcome| outcome["tried"].as_str().unwrap().contains(&tried));
        found.unwrap_or_else(|| panic!("{host} in {outcomes:#?}"))["verdict"].clone()
    };
    assert_eq!([verdict("shop.test"), verdict("a.wild.test"), verdict("other.test")], ["pass", "pass", "fail"]);
}

#[test]
fn a_certificate_that_is_not_the_one_in_the_file_is_told() {
    let authority = Authority::new("test");
    let (declared, shown) = (authority.issue(&["shop.test"]), authority.issue(&["shop.test"]));
    let nginx = Nginx::start_with(&tls_of(&shown), "ssl");
    let scenario = https(&declared, SHOP_TEST).text("web", &nginx.address().to_string());
    let got = scenario.probe(REACH).expects("wrong-certificate", "port `web`", "fail");
    assert!(got.contains("in none of the declared files"), "{got}");
}

#[test]
fn a_certificate_that_has_ended_is_told() {
    let authority = Authority::new("test");
    let (declared, shown) = (authority.issue(&["shop.test"]), authority.issue_expired(&["shop.test"]));
    let nginx = Nginx::start_with(&tls_of(&shown), "ssl");
    let scenario = https(&declared, SHOP_TEST).text("web", &nginx.address().to_string());
    let got = scenario.probe(REACH).expects("wrong-certificate", "port `web`", "fail");
    assert!(got.contains("not valid now"), "{got}");
}

/// nginx directives for a certificate.
fn tls_of(leaf: &Leaf) -> String {
    let path = |path: &Path| path.display().to_string();
    format!(
        "ssl_certificate {}; ssl_certificate_key {}; location / {{ return 204; }}",
        path(&leaf.cert),
        path(&leaf.key)
    )
}

#[test]
fn past_the_bounds_everything_is_unknown_and_nothing_passes() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(SHOP, &[("shop", shop.address())]);
    let probed = proxy.probe(&["--only", "reach", "--connections", "1"]);
    assert_eq!(probed.report()["connections"], 1);
    assert!(probed.unknown().iter().any(|outcome| outcome.contains("--connections")), "{:?}", probed.unknown());
}

#[test]
fn an_endpoint_on_another_host_is_left_alone() {
    // TEST-NET-3 (RFC 5737): nobody is there, and nobody is asked.
    let text = SHOP.replace("ports: <shop.ports>, endpoints: [<shop>]", "port: 3000, endpoints: [203.0.113.7:3000]");
    let probed = Scenario::new(&text).probe(REACH);
    probed.is_silent_on("unreachable-endpoint", "203.0.113.7");
    probed.is_silent_on("exposed-endpoint", "203.0.113.7");
}
