//! TCP ports: bytes both ways, whoever speaks first and whoever ends first.

use std::{fs::Permissions, net::TcpListener, os::unix::fs::PermissionsExt};

use crate::harness::{Backend, Proxy, Raw, Redis, Scenario, free_address, redis_cli, wait_until};

const TCP: &str = "
ports:
  db: { listen: <db>, role: internal, protocol: tcp }
services:
  ledger: { ports: <ledger.ports>, protocol: tcp, endpoints: [<ledger>] }
routes:
  - { port: db, service: ledger, allow: anyone }
";

#[test]
fn a_service_may_speak_first() {
    let backend = Backend::start(|mut peer| {
        peer.send("220 ready\r\n");
        assert_eq!(peer.read_line(), "QUIT\r\n");
        peer.send("221 bye\r\n");
    });
    let proxy = Proxy::with(TCP, &[("ledger", backend.address())]);
    proxy.connect("db").expect("220 ready\r\n").send("QUIT\r\n").expect("221 bye\r\n").expect_close();
    let record = proxy.log().wait_for_end("completed");
    assert_eq!((record.text("kind"), record.text("port"), record.text("service")), ("session", "db", "ledger"));
    assert_eq!((record.number("bytes_in"), record.number("bytes_out")), (6, 20));
    assert_eq!(record.text("endpoint"), backend.address().to_string());
}

#[test]
fn the_client_may_end_its_direction_first() {
    let backend = Backend::start(|mut peer| {
        let said = peer.read_to_end();
        peer.send(said.to_ascii_uppercase());
    });
    let proxy = Proxy::with(TCP, &[("ledger", backend.address())]);
    let mut client = proxy.connect("db");
    client.send("until the end").half_close();
    assert_eq!(client.rest(), b"UNTIL THE END");
    proxy.log().wait_for_end("completed");
}

#[test]
fn the_service_may_end_its_direction_first() {
    let backend = Backend::start(|mut peer| {
        peer.send("that is all");
        peer.half_close();
        peer.read_to_end();
    });
    let proxy = Proxy::with(TCP, &[("ledger", backend.address())]);
    let mut client = proxy.connect("db");
    assert_eq!(client.rest(), b"that is all");
    client.send("and still I speak").half_close();
    backend.wait_for("and still I speak");
    proxy.log().wait_for_end("completed");
}

#[test]
fn megabytes_pass_unharmed_both_ways_at_once() {
    let backend = Backend::start(|mut peer| {
        loop {
            let some = peer.read_some();
            if some.is_empty() || !peer.send(some) {
                return;
            }
        }
    });
    let proxy = Proxy::with(TCP, &[("ledger", backend.address())]);
    let sent: Vec<u8> = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect();
    let stream = std::net::TcpStream::connect(proxy.address("db")).unwrap();
    let writer = stream.try_clone().unwrap();
    let returned = std::thread::scope(|scope| {
        scope.spawn(|| {
            Raw::over_tcp(writer).send(&sent).half_close();
        });
        Raw::over_tcp(stream).rest()
    });
    assert!(returned == sent, "{} of {} bytes came back", returned.len(), sent.len());
    let record = proxy.log().wait_for_end("completed");
    assert_eq!((record.number("bytes_in"), record.number("bytes_out")), (20_000_000, 20_000_000));
}

#[test]
fn redis_notices_nothing() {
    let redis = Redis::start();
    let text = TCP.replace("protocol: tcp, endpoints", "protocol: redis, endpoints");
    let proxy = Proxy::with(&text, &[("ledger", redis.address())]);
    assert_eq!(redis_cli(proxy.address("db"), "SET answer 42\nINCR answer\nGET answer\n"), "OK\n43\n43");
    assert_eq!(redis_cli(redis.address(), "GET answer\n"), "43");
}

#[test]
fn a_connection_that_says_nothing_leaves_a_record() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    let proxy = Proxy::with(TCP, &[("ledger", backend.address())]);
    drop(proxy.connect("db"));
    let record = &proxy.log().wait_for_count(1)[0];
    assert_eq!((record.number("bytes_in"), record.number("bytes_out")), (0, 0), "{record:?}");
}

#[test]
fn where_nobody_listens_the_client_is_closed_and_the_record_says_so() {
    let proxy = Proxy::with(TCP, &[("ledger", free_address())]);
    proxy.connect("db").expect_close();
    let record = proxy.log().wait_for("a refused connection", |record| record.text("port") == "db");
    assert_eq!(record.text("end"), "connect-refused", "{record:?}");
    assert!(!record.text("detail").is_empty(), "{record:?}");
}

#[test]
fn a_session_goes_to_the_next_endpoint_if_one_refuses() {
    let backend = Backend::start(|mut peer| {
        peer.send("here");
    });
    let proxy = Scenario::new(TCP).service("ledger", &[free_address(), backend.address()]).start();
    for _ in 0..4 {
        assert_eq!(proxy.connect("db").rest(), b"here");
    }
}

#[test]
fn a_unix_socket_may_be_an_endpoint() {
    let scenario = Scenario::new(
        "
ports:
  db: { listen: <db>, role: internal, protocol: tcp }
services:
  ledger: { protocol: tcp, endpoints: [\"unix:<dir>/ledger.sock\"] }
routes:
  - { port: db, service: ledger, allow: anyone }
",
    );
    let path = scenario.directory().join("ledger.sock");
    let _backend = Backend::start_unix(&path, |mut peer| {
        let line = peer.read_line();
        peer.send(line.to_uppercase());
    });
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let proxy = scenario.start();
    proxy.connect("db").send("hello\n").expect("HELLO\n").expect_close();
    let record = proxy.log().wait_for_end("completed");
    assert!(record.text("endpoint").ends_with("ledger.sock"), "{record:?}");
}

#[test]
fn a_session_that_is_silent_for_too_long_is_ended() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
    });
    let text = TCP.replace("endpoints: [<ledger>]", "endpoints: [<ledger>], timeouts: { idle: 200ms }");
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    let mut client = proxy.connect("db");
    client.send("a").expect_close();
    proxy.log().wait_for_end("idle-timeout");
    wait_until("the service's side is closed too", || (backend.open() == 0).then_some(()));
}

#[test]
fn bytes_in_one_direction_keep_a_session_alive() {
    let backend = Backend::start(|mut peer| {
        for _ in 0..8 {
            // Each pause is shorter than the idle time, all of them together are longer.
            std::thread::sleep(std::time::Duration::from_millis(100));
            peer.send("tick");
        }
    });
    let text = TCP.replace("endpoints: [<ledger>]", "endpoints: [<ledger>], timeouts: { idle: 400ms }");
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    assert_eq!(proxy.connect("db").rest(), b"tick".repeat(8));
}

#[test]
fn a_half_closed_session_does_not_last_for_ever() {
    let backend = Backend::start(|mut peer| {
        peer.read_to_end();
        // Never ends its own direction.
        std::thread::sleep(crate::harness::PATIENCE);
    });
    let text = TCP.replace("endpoints: [<ledger>]", "endpoints: [<ledger>], timeouts: { half-close: 200ms }");
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    let mut client = proxy.connect("db");
    client.send("bye").half_close();
    client.expect_close();
    proxy.log().wait_for_end("half-close-timeout");
}

#[test]
fn an_endpoint_that_does_not_accept_in_time_is_given_up() {
    // A full queue: the kernel lets further connections wait.
    let address = free_address();
    let listener = TcpListener::bind(address).unwrap();
    let waiting: Vec<_> = std::iter::from_fn(|| {
        let patience = std::time::Duration::from_millis(100);
        std::net::TcpStream::connect_timeout(&address, patience).ok()
    })
    .collect();
    assert!(!waiting.is_empty());
    let text = TCP.replace(
        "endpoints: [<ledger>]",
        "endpoints: [<ledger>], timeouts: { connect: 200ms }, retries: { attempts: 0 }",
    );
    let proxy = Proxy::with(&text, &[("ledger", address)]);
    proxy.connect("db").expect_close();
    proxy.log().wait_for_end("connect-timeout");
    drop(listener);
}

#[test]
fn sources_that_are_not_admitted_are_closed_and_recorded() {
    let backend = Backend::start(|mut peer| {
        peer.send("never");
    });
    let text = TCP.replace("protocol: tcp }", "protocol: tcp, from: [127.0.0.0/8], deny: [127.0.0.1] }");
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    proxy.connect("db").expect_close();
    let record = proxy.log().wait_for_end("refused-source");
    assert_eq!(record.text("port"), "db");
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_route_lets_only_its_own_sources_pass() {
    let backend = Backend::start(|mut peer| {
        peer.send("never");
    });
    let text = TCP.replace("allow: anyone", "allow: { from: [10.0.0.0/8] }");
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    proxy.connect("db").expect_close();
    proxy.log().wait_for_end("refused-route");
    assert_eq!(backend.connections(), 0);
}
