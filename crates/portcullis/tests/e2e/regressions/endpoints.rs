//! Endpoints that were wronged, or misnamed.

use crate::harness::{Authority, Backend, Proxy, Scenario, Web, wait_until};

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
