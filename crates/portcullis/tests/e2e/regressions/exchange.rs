//! Requests and answers that go wrong half-way.

use std::{
    io::Write,
    net::TcpStream,
    sync::{Arc, Barrier, Mutex, mpsc},
};

use crate::harness::{Backend, Proxy};

const BEFORE_ONE_SERVICE: &str = "
workers: 1
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], retries: { attempts: 0 } }
routes:
  - { port: web, service: shop, allow: anyone }
";

/// One DELETE reached an endpoint 48 times, once over each stale connection of the pool.
#[test]
fn a_request_is_repeated_once_at_most_and_on_a_fresh_connection() {
    /// Connections in the pool that the service is about to close, which nobody can see.
    const STALE: usize = 8;
    let all_are_open = Arc::new(Barrier::new(STALE));
    let backend = Backend::start(move |mut peer| {
        let is_stale = peer.index() < STALE;
        loop {
            let head = peer.read_head();
            if head.starts_with("GET /warm ") {
                all_are_open.wait();
            } else if is_stale || !head.starts_with("DELETE /order ") {
                return;
            }
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let proxy = Proxy::with(BEFORE_ONE_SERVICE, &[("shop", backend.address())]);
    let mut clients: Vec<_> = (0..STALE).map(|_| proxy.connect("web")).collect();
    for client in &mut clients {
        client.send("GET /warm HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "ok");
    }

    let arrivals = |what: &str| backend.received_text().matches(what).count();
    proxy.request("web", "DELETE", "/order").expects(200);
    assert_eq!(arrivals("DELETE /order "), 2);
    assert_eq!(proxy.log().wait_for_path("/order").number("retries"), 1);
    // A request that kills whatever serves it does so to one fresh connection and no more.
    proxy.request("web", "DELETE", "/poison").expects(502);
    assert_eq!(arrivals("DELETE /poison "), 2);
}

/// A client that reset its connection during an interim answer was taken for an endpoint that had: the endpoint was
/// ejected for it, and the request was sent once more.
#[test]
fn an_endpoint_is_not_blamed_for_a_client_that_leaves_during_an_interim_answer() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
    let (client_is_gone, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let backend = Backend::start(move |mut peer| {
        if peer.read_head().starts_with("GET /hinted ") {
            peer.send(HINT);
            gone.lock().unwrap().recv().unwrap();
            peer.send(HINT);
        }
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        peer.read_to_end();
    });
    // An ejection needs a second endpoint that is left.
    let text = BEFORE_ONE_SERVICE.replace("[<shop>]", "[<shop>, { address: <other>, weight: 0 }]");
    let text =
        text.replace("<shop.ports>", "1-65535").replace("attempts: 0 }", "attempts: 0 }, eject: { failures: 1 }");
    let proxy = Proxy::with(&text, &[("shop", backend.address())]);
    let mut client = TcpStream::connect(proxy.address("web")).unwrap();
    client.write_all(b"GET /hinted HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    client.peek(&mut [0]).unwrap();
    // Closed with bytes unread, which resets it.
    drop(client);
    client_is_gone.send(()).unwrap();
    let record = proxy.log().wait_for_path("/hinted");
    assert_eq!((record.text("end"), record.number("retries")), ("client-reset", 0));
    let services = proxy.admin().get("/v1/services");
    let endpoint = &services[0]["endpoints"][0];
    assert_ne!(endpoint["state"], "ejected", "{endpoint}");
    proxy.get("web", "/").expects(200);
}
