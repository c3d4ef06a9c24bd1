//! Byte sessions that ended too early.

use std::{thread, time::Duration};

use crate::harness::{Authority, Backend, Proxy, TlsClient};

/// Bytes that waited in the TLS layer had the half-close time and not the idle time, though neither side had closed.
#[test]
fn a_reader_that_pauses_has_the_idle_time_and_not_the_half_close_time() {
    const BYTES: usize = 32 << 20;
    let authority = Authority::new("test");
    let backend = Backend::start(|mut peer| {
        peer.send(vec![b'x'; BYTES]);
        peer.read_to_end();
    });
    let text = "
ports:
  db: { listen: <db>, role: internal, protocol: tls, tls: { certificates: [<certificate>] } }
services:
  ledger: { ports: <ledger.ports>, protocol: tcp, endpoints: [<ledger>], timeouts: { idle: 1m, half-close: 200ms } }
routes:
  - { port: db, service: ledger, allow: anyone }
"
    .replace("<certificate>", &authority.issue(&["db.test"]).yaml());
    let proxy = Proxy::with(&text, &[("ledger", backend.address())]);
    let (mut client, _) = TlsClient::trusting(&authority).connect(proxy.address("db"), "db.test").unwrap();
    assert_eq!(client.take(1), b"x");
    // Long enough that all buffers on the way are full for longer than the half-close time.
    thread::sleep(Duration::from_secs(1));
    assert_eq!(client.take(BYTES - 1).len(), BYTES - 1);
}
