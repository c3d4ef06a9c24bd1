//! What gets past a port: nothing where the proxy listens, and each thing where something weaker does.

use std::process::{Command, Stdio};

use crate::harness::{Authority, Backend, Leaf, Nginx, Probed, Process, Scenario, Web, free_address, wait_until};

const ATTACK: &[&str] = &["--only", "attack"];

const FORTRESS: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
  tls:
    listen: <tls>
    role: internal
    protocol: https
    tls: { certificates: [<leaf>], minimum: \"1.3\" }
  mesh:
    listen: <mesh>
    role: internal
    protocol: https
    tls: { certificates: [<leaf>] }
    clients: { certificate: required, ca: <ca> }
  admin: { listen: <admin>, role: admin }
  metrics: { listen: <metrics>, role: metrics }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: [web, tls], host: shop.test, service: shop, allow: anyone }
  - { port: [web, tls], host: shop.test, path: /orders, service: shop, allow: { users: [ann] } }
  - { port: mesh, host: shop.test, service: shop, allow: { certificates: [shop.internal] } }
admin: { token: \"${env:TOKEN}\" }
probe: { echo: { port: web, host: shop.test, path: /echo } }
";

const TOKEN: &str = "00112233445566778899aabbccddeeff";

fn fortress(authority: &Authority, leaf: &Leaf, shop: &Web) -> Scenario {
    Scenario::new(FORTRESS)
        .service("shop", &[shop.address()])
        .text("leaf", &leaf.yaml())
        .text("ca", &authority.file().display().to_string())
        .environment("TOKEN", TOKEN)
}

#[test]
fn nothing_gets_past_the_proxy() {
    let authority = Authority::new("test");
    let (leaf, shop) = (authority.issue(&["shop.test"]), Web::start("shop"));
    let proxy = fortress(&authority, &leaf, &shop).start();
    let caller = authority.issue(&["shop.internal"]);
    let (cert, key) = (caller.cert.display().to_string(), caller.key.display().to_string());
    let probed = proxy.probe(&["--only", "attack", "--cert", &cert, "--key", &key]);
    assert_eq!(probed.failures(), Vec::<String>::new());
    assert_eq!(probed.unknown(), Vec::<String>::new());
    assert_eq!(probed.code(), 0);
    for (check, subject) in [
        ("no-client-certificate", "port `mesh`"),
        ("foreign-certificate", "port `mesh`"),
        ("plaintext-on-tls", "port `tls`"),
        ("plaintext-on-tls", "port `mesh`"),
        ("old-tls", "port `tls`"),
        ("old-tls", "port `mesh`"),
        ("admin-on-data-port", "port `web`"),
        ("forged-target", "port `tls`"),
        ("open-admin", "port `admin`"),
        ("smuggled-request", "port `web`"),
        ("smuggled-request", "port `tls`"),
        ("smuggled-request", "port `mesh`"),
        ("unauthenticated", "route `shop.test/orders` of port `web`"),
        ("forged-token", "route `shop.test/orders` of port `tls`"),
        ("spoofed-identity", "route `shop.test/orders` of port `tls`"),
        ("spoofed-identity", "what reaches a service through port `web`"),
    ] {
        probed.expects(check, subject, "pass");
    }
    // The token of the admin port is never shown to whoever listens there, nor printed.
    assert!(!probed.report().to_string().contains(TOKEN));
    // Every connection to an internal port has left a record.
    proxy.log().wait_for_count(50);
}

#[test]
fn what_a_certificate_is_needed_for_is_unknown_without_one() {
    let authority = Authority::new("test");
    let (leaf, shop) = (authority.issue(&["shop.test"]), Web::start("shop"));
    let probed = fortress(&authority, &leaf, &shop).start().probe(ATTACK);
    let got = probed.expects("smuggled-request", "port `mesh`", "unknown");
    assert!(got.contains("--cert"), "{got}");
}

/// Everything that is told of a server that answers every port of the file in the proxy's stead.
fn against(port: &str, stranger: &Backend) -> Probed {
    let authority = Authority::new("test");
    let (leaf, shop) = (authority.issue(&["shop.test"]), Web::start("shop"));
    let address = stranger.address().to_string();
    fortress(&authority, &leaf, &shop).text(port, &address).probe(ATTACK)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn a_server_that_answers_everything_lets_everything_through() {
    let probed = against("web", &Backend::answering(OK));
    for check in ["unauthenticated", "forged-token"] {
        let got = probed.expects(check, "port `web`", "fail");
        assert!(got.contains("status 200"), "{check}: {got}");
    }
    probed.expects("spoofed-identity", "route `shop.test/orders` of port `web`", "fail");
    let got = probed.expects("smuggled-request", "port `web`", "fail");
    assert!(got.contains("CL.TE") && got.contains("a bare LF within the head"), "{got}");
    let got = probed.expects("forged-target", "port `web`", "fail");
    assert!(got.contains("CONNECT to 127.0.0.1:"), "{got}");
    assert_eq!(probed.code(), 1);
}

#[test]
fn a_data_port_that_answers_for_the_control_plane_is_told() {
    let health = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\nconnection: close\r\n\r\n{\"status\":\"live\"}";
    let probed = against("web", &Backend::answering_once(health));
    let got = probed.expects("admin-on-data-port", "port `web`", "fail");
    assert!(got.contains("GET /v1/status"), "{got}");
    let got = probed.expects("forged-target", "port `web`", "fail");
    assert!(got.contains("an absolute target of"), "{got}");
}

#[test]
fn an_admin_port_that_asks_for_nothing_is_told() {
    let probed = against("admin", &Backend::answering(OK));
    let got = probed.expects("open-admin", "port `admin`", "fail");
    assert!(got.contains("status 200"), "{got}");
}

#[test]
fn a_tls_port_that_speaks_plain_http_is_told() {
    let probed = against("tls", &Backend::answering(OK));
    let got = probed.expects("plaintext-on-tls", "port `tls`", "fail");
    assert!(got.contains("status 200"), "{got}");
}

#[test]
fn headers_of_a_client_that_reach_a_service_are_told() {
    let authority = Authority::new("test");
    let (leaf, shop, bare) = (authority.issue(&["shop.test"]), Web::start("shop"), Web::start("bare"));
    let probed = fortress(&authority, &leaf, &shop).text("web", &bare.address().to_string()).probe(ATTACK);
    let got = probed.expects("spoofed-identity", "what reaches a service", "fail");
    assert!(got.contains("X-Forwarded-User") && got.contains("X_Forwarded_User"), "{got}");
    let mute = Backend::answering("HTTP/1.1 204 Nothing\r\n\r\n");
    let got = against("web", &mute).expects("spoofed-identity", "what reaches a service", "unknown");
    assert!(got.contains("sends back no header"), "{got}");
}

#[test]
fn a_port_that_asks_for_no_certificate_or_believes_any_is_told() {
    let authority = Authority::new("test");
    let (leaf, shop) = (authority.issue(&["shop.test"]), Web::start("shop"));
    for (directive, no_certificate, foreign) in [
        ("ssl_verify_client off;", "fail", "fail"),
        ("ssl_verify_client optional_no_ca; if ($ssl_client_verify = NONE) { return 444; }", "pass", "fail"),
    ] {
        let files = format!("ssl_certificate {}; ssl_certificate_key {};", leaf.cert.display(), leaf.key.display());
        let nginx = Nginx::start_with(&format!("{files} {directive} location / {{ return 204; }}"), "ssl");
        let scenario = fortress(&authority, &leaf, &shop).text("mesh", &nginx.address().to_string());
        let probed = scenario.probe(ATTACK);
        probed.expects("no-client-certificate", "port `mesh`", no_certificate);
        probed.expects("foreign-certificate", "port `mesh`", foreign);
    }
}

#[test]
fn old_versions_of_tls_are_told_one_by_one() {
    let authority = Authority::new("test");
    let (leaf, shop) = (authority.issue(&["shop.test"]), Web::start("shop"));
    for (option, spoken) in
        [("-tls1", "it speaks TLS 1.0"), ("-tls1_1", "it speaks TLS 1.1"), ("-tls1_2", "it speaks TLS 1.2")]
    {
        let address = free_address();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", option, "-cipher", "ALL:@SECLEVEL=0", "-accept", &address.to_string()]);
        command.arg("-cert").arg(&leaf.cert).arg("-key").arg(&leaf.key).stdout(Stdio::null()).stderr(Stdio::null());
        let _server = Process::start(&mut command);
        let probe = || fortress(&authority, &leaf, &shop).text("tls", &address.to_string()).probe(ATTACK);
        // Another peer's connection must not be what it waits for: the probe itself says when it listens.
        let probed = wait_until("openssl listens", || {
            let probed = probe();
            probed.unknown().iter().all(|told| !told.starts_with("old-tls: port `tls`")).then_some(probed)
        });
        assert_eq!(probed.expects("old-tls", "port `tls`", "fail"), spoken);
    }
}

#[test]
fn a_route_that_changes_something_is_not_tried() {
    let text = FORTRESS.replace("path: /orders,", "path: /orders, methods: [POST],");
    let authority = Authority::new("test");
    let (leaf, shop) = (authority.issue(&["shop.test"]), Web::start("shop"));
    let proxy = Scenario::new(&text)
        .service("shop", &[shop.address()])
        .text("leaf", &leaf.yaml())
        .text("ca", &authority.file().display().to_string())
        .environment("TOKEN", TOKEN)
        .start();
    let got = proxy.probe(ATTACK).expects("unauthenticated", "port `web`", "unknown");
    assert!(got.contains("no method that changes nothing"), "{got}");
}
