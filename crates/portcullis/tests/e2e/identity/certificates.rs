//! Programs that are known by their client certificate.

use crate::harness::{Authority, Scenario, TlsClient, Web};

const FILE: &str = "
ports:
  mesh:
    listen: <mesh>
    role: internal
    protocol: https
    tls: { certificates: [<certificate>] }
    clients: { certificate: optional, ca: <ca> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: mesh, service: shop, allow: { workloads: [billing.internal] } }
  - { port: mesh, path: /any/*, service: shop, allow: authenticated }
";

#[test]
fn a_workload_is_known_by_its_certificate() {
    let (web, server, clients) = (Web::start("shop"), Authority::new("server"), Authority::new("clients"));
    let proxy = Scenario::new(FILE)
        .text("certificate", &server.issue(&["shop.test"]).yaml())
        .text("ca", &clients.file().display().to_string())
        .service("shop", &[web.address()])
        .start();
    let status = |client: &TlsClient, path: &str| -> u16 {
        let (mut connection, _) = client.connect(proxy.address("mesh"), "shop.test").unwrap();
        connection.send_if_open(format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\n\r\n"));
        let head = String::from_utf8(connection.take_until(b"\r\n\r\n")).unwrap();
        head[9..12].parse().unwrap()
    };
    let with = |names: &[&str]| TlsClient::with_certificate(&server, &clients.issue(names));
    assert_eq!(status(&with(&["billing.internal"]), "/x"), 200);
    assert_eq!(status(&with(&["shop.internal"]), "/x"), 403);
    assert_eq!(status(&with(&["shop.internal"]), "/any/x"), 200);
    assert_eq!(status(&TlsClient::trusting(&server), "/x"), 401);
    assert_eq!(status(&TlsClient::trusting(&server), "/any/x"), 401);
}
