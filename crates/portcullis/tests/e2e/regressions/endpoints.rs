//! Endpoints that were wronged, or misnamed.

use std::net::SocketAddr;

use crate::harness::{Authority, Backend, Nginx, Proxy, Scenario, Web, wait_until};

/// The client was told that the service did not accept the connection, which it had.
#[test]
fn a_tls_handshake_that_stalls_is_called_that() {
    let authority = Authority::new("test");
    let backend = Backend::start(|mut peer| drop(peer.read_to_end()));
    let text = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop:
    ports: <shop.ports>
    endpoints: [<shop>]
    tls: { verify: ca, ca: <ca>, name: shop.test }
    timeouts: { connect: 200ms }
    retries: { attempts: 0 }
routes:
  - { port: web, service: shop, allow: anyone }
"
    .replace("<ca>", &authority.file().display().to_string());
    let proxy = Proxy::with(&text, &[("shop", backend.address())]);
    let answer = proxy.get("web", "/").expects(504);
    assert!(answer.text().contains("TLS handshake"), "{}", answer.text());
    let record = proxy.log().wait_for_path("/");
    assert_eq!(record.text("end"), "endpoint-tls-timeout");
    let detail = record.text("detail");
    assert!(detail.contains("accepted the connection") && detail.contains("200ms"), "{detail}");
}

const SHOP: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

/// Compiling a file was enough to bring an endpoint back that the running plan had given up, and to use up a number.
#[test]
fn a_reload_that_is_rejected_leaves_no_trace() {
    let (first, second) = (Web::start("a"), Web::start("b"));
    let mut proxy = Scenario::new(SHOP).service("shop", &[first.address(), second.address()]).start();
    let generation = |proxy: &Proxy| proxy.admin().get("/v1/status")["generation"].as_u64().unwrap();
    let mut clients = [proxy.connect("web"), proxy.connect("web")];
    for client in &mut clients {
        client.send("GET /slow/1500 HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    wait_until("each has one", || (first.served() == 1 && second.served() == 1).then_some(()));

    let without = SHOP.replace("endpoints: [<shop>]", &format!("endpoints: [{}]", first.address()));
    assert_eq!(proxy.reload(&without).status, 200);
    assert_eq!(generation(&proxy), 2);
    let taken = format!("  more: {{ listen: {}, role: internal, protocol: http }}\nservices:", first.address());
    let rejected = SHOP.replace("services:", &taken).replace("port: web", "port: [web, more]");
    for _ in 0..3 {
        let answer = proxy.reload(&rejected);
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    assert_eq!(generation(&proxy), 2);
    for client in &mut clients {
        assert_eq!(client.response().text(), "late");
    }
    wait_until("nothing is kept for an endpoint that no plan names", || (second.open() == 0).then_some(()));
    assert_eq!(first.open(), 1);
    assert_eq!(proxy.reload(SHOP).status, 200);
    assert_eq!(generation(&proxy), 3);
}

const NAMED: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { port: <port>, endpoints: [shop.test], resolve: 1s }
routes:
  - { port: web, service: shop, allow: anyone }
";

fn endpoints_of(proxy: &Proxy) -> Vec<String> {
    let services = proxy.admin().get("/v1/services");
    let endpoints = services[0]["endpoints"].as_array().unwrap().iter();
    endpoints.map(|endpoint| endpoint["address"].as_str().unwrap().to_owned()).collect()
}

/// Names were looked up when the file was loaded, and never again; of a name with IPv4 addresses, IPv6 was left out.
#[test]
fn endpoints_follow_their_names() {
    let first = Web::start("a");
    let port = first.address().port();
    let second = Web::start_at("b", SocketAddr::from(([127, 0, 0, 2], port)));
    let mut proxy = Scenario::new(NAMED).text("port", &port.to_string()).hosts("127.0.0.1 shop.test\n").start();
    let replica = |proxy: &Proxy| proxy.get("web", "/").expects(200).header("x-replica").map(str::to_owned);
    assert_eq!(replica(&proxy).as_deref(), Some("a"));

    proxy.rewrite_hosts("127.0.0.2 shop.test\n");
    wait_until("the name is followed", || (replica(&proxy).as_deref() == Some("b")).then_some(()));
    assert_eq!(endpoints_of(&proxy), [second.address().to_string()]);
    wait_until("nothing is kept for where it led before", || (first.open() == 0).then_some(()));

    proxy.rewrite_hosts("127.0.0.1 shop.test\n127.0.0.2 shop.test\n::1 shop.test\n");
    let all = [first.address().to_string(), second.address().to_string(), format!("[::1]:{port}")];
    wait_until("each address is an endpoint", || (endpoints_of(&proxy) == all).then_some(()));

    // A name that does not resolve any more keeps what it had, also through a reload, and says so.
    proxy.rewrite_hosts("");
    let status = wait_until("that it does not resolve is told", || {
        Some(proxy.admin().get("/v1/status")).filter(|status| status["names"][0]["failure"].is_string())
    });
    assert_eq!(status["names"][0]["name"], "shop.test");
    assert_eq!(endpoints_of(&proxy), all);
    assert!(proxy.output().contains("does not resolve any more"), "{}", proxy.output());
    let verb = proxy.verb("status");
    assert_eq!(verb.status.code(), Some(1), "{verb:?}");
    assert!(String::from_utf8_lossy(&verb.stdout).contains("`shop.test` has not resolved for"), "{verb:?}");
    let text = NAMED.replace("<port>", &port.to_string());
    let answer = proxy.reload(&text);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("endpoint-name-stale"), "{}", answer.text());
    assert_eq!(endpoints_of(&proxy), all);
    // One that nobody has ever known is an error.
    let answer = proxy.reload(&text.replace("shop.test", "shpo.test"));
    assert_eq!(answer.status, 422, "{}", answer.text());

    proxy.rewrite_hosts("127.0.0.1 shop.test\n");
    wait_until("it resolves again", || (endpoints_of(&proxy) == all[..1]).then_some(()));
    assert_eq!(proxy.admin().get("/v1/status")["names"][0]["failure"], serde_json::Value::Null);
    assert_eq!(proxy.verb("status").status.code(), Some(1), "the rejected reload is still an open matter");
    assert_eq!(replica(&proxy).as_deref(), Some("a"));
}

/// It was refused when connecting, after a name had been made up.
#[test]
fn tls_is_spoken_over_unix_sockets_under_the_name_that_the_file_says() {
    let authority = Authority::new("test");
    let leaf = authority.issue(&["shop.test"]);
    let socket = authority.directory().join("shop.sock");
    let _nginx = Nginx::start(&format!(
        "listen unix:{} ssl; ssl_certificate {}; ssl_certificate_key {};
        location / {{ return 200 $ssl_server_name; }}",
        socket.display(),
        leaf.cert.display(),
        leaf.key.display(),
    ));
    let text = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop:
    endpoints: [\"unix:<socket>\"]
    tls: { verify: ca, ca: <ca>, name: <server> }
    health: { http: /, every: 50ms, rise: 1, fall: 1 }
routes:
  - { port: web, service: shop, allow: anyone }
";
    let start = |server: &str| {
        let scenario = Scenario::new(text).text("server", server).text("socket", &socket.display().to_string());
        scenario.text("ca", &authority.file().display().to_string()).start()
    };
    let proxy = start("shop.test");
    for _ in 0..3 {
        assert_eq!(proxy.get("web", "/").expects(200).text(), "shop.test");
    }
    wait_until("the health check speaks TLS too", || {
        (proxy.admin().get("/v1/services")[0]["endpoints"][0]["state"] == "up").then_some(())
    });
    let misled = start("ledger.test");
    misled.get("web", "/").send();
    misled.log().wait_for("a refused certificate", |record| {
        ["endpoint-tls-failed", "no-endpoint"].contains(&record.text("end"))
    });
}
