//! TLS with clients: ended here or passed through by its server name.

use std::net::TcpStream;

use rustls::{ProtocolVersion, version};

use crate::harness::{Authority, Backend, Proxy, Scenario, TlsClient, Web, free_address, output_of, wait_until};

const HTTPS: &str = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [<certificates>] }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

const GET: &str = "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n";

/// A proxy that speaks https for these lists of names, each with a certificate of its own.
fn proxy_for(authority: &Authority, names: &[&[&str]], web: &Web) -> Proxy {
    let certificates: Vec<String> = names.iter().map(|names| authority.issue(names).yaml()).collect();
    Scenario::new(HTTPS).text("certificates", &certificates.join(", ")).service("shop", &[web.address()]).start()
}

/// The names on a certificate, as openssl reads them.
fn names_on(der: &[u8]) -> String {
    let output = output_of("openssl", ["x509", "-inform", "DER", "-noout", "-ext", "subjectAltName"], der);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn https_is_served_and_recorded() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["shop.test"]], &web);
    let (mut client, _) = TlsClient::trusting(&authority).connect(proxy.address("web"), "shop.test").unwrap();
    client.send(GET);
    let echo = client.response().echo();
    assert_eq!((echo.header("x-forwarded-proto"), echo.header("x-forwarded-client-cert")), (Some("https"), None));
    let record = proxy.log().wait_for_end("completed");
    assert_eq!((record.text("tls"), record.text("sni")), ("TLSv1.3", "shop.test"));
    assert!(!record.text("cipher").is_empty() && !record.is("resumed"), "{record:?}");
    assert!(record.phase("handshake").is_some(), "{record:?}");
}

#[test]
fn the_certificate_is_chosen_by_server_name() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["default.test"], &["shop.test"], &["*.shop.test"], &["one.shop.test"]], &web);
    let client = TlsClient::trusting(&authority);
    for (asked, expected) in [
        ("shop.test", "DNS:shop.test"),
        ("SHOP.Test", "DNS:shop.test"),
        ("two.shop.test", "DNS:*.shop.test"),
        ("TWO.shop.test", "DNS:*.shop.test"),
        ("one.shop.test", "DNS:one.shop.test"),
        ("default.test", "DNS:default.test"),
    ] {
        let (_, handshake) = client.connect(proxy.address("web"), asked).unwrap();
        let names = names_on(&handshake.leaf);
        assert!(names.trim_end().ends_with(expected), "{asked}: {names}");
    }
    // The first is for those who ask for nothing that is known: they see a wrong name and know.
    assert!(client.connect(proxy.address("web"), "unknown.test").is_err());
    assert!(client.connect(proxy.address("web"), "a.b.shop.test").is_err());
}

#[test]
fn both_versions_are_spoken_and_the_minimum_is_kept() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["shop.test"]], &web);
    for (offered, expected) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let client = TlsClient::only(&authority, offered);
        let (mut connection, handshake) = client.connect(proxy.address("web"), "shop.test").unwrap();
        assert_eq!(handshake.version, Some(expected));
        assert_eq!(connection.send(GET).response().status, 200);
    }

    let leaf = authority.issue(&["shop.test"]);
    let strict = Scenario::new(&HTTPS.replace("[<certificates>]", "[<certificates>], minimum: \"1.3\""))
        .text("certificates", &leaf.yaml())
        .service("shop", &[web.address()])
        .start();
    assert!(TlsClient::only(&authority, &version::TLS12).connect(strict.address("web"), "shop.test").is_err());
    strict.log().wait_for_end("tls-handshake-failed");
}

#[test]
fn openssl_and_curl_find_nothing_unusual() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["shop.test"]], &web);
    let address = proxy.address("web").to_string();
    let ca = authority.file().display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = ["s_client", "-connect", &address, "-servername", "shop.test", "-CAfile", &ca];
        let checks = ["-verify_return_error", "-verify_hostname", "shop.test", "-brief", "-alpn", "http/1.1", version];
        let output = output_of("openssl", arguments.iter().chain(&checks), b"");
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let resolve = format!("shop.test:{}:127.0.0.1", proxy.address("web").port());
    let url = format!("https://shop.test:{}/curl", proxy.address("web").port());
    let output =
        output_of("curl", ["--silent", "--show-error", "--fail", "--cacert", &ca, "--resolve", &resolve, &url], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_hybrid_post_quantum_key_exchange_is_offered() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["shop.test"]], &web);
    let mut only_hybrid = rustls::crypto::aws_lc_rs::default_provider();
    only_hybrid.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
    let client = TlsClient::speaking(&authority, only_hybrid);
    let (mut connection, _) = client.connect(proxy.address("web"), "shop.test").unwrap();
    assert_eq!(connection.send(GET).response().status, 200);
}

#[test]
fn http_1_1_is_agreed_on_and_nothing_else() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["shop.test"]], &web);
    let client = TlsClient::trusting(&authority);
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("http/1.1")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let (_, handshake) = client.offering(offered).connect(proxy.address("web"), "shop.test").unwrap();
        assert_eq!(handshake.protocol.as_deref(), agreed, "{offered:?}");
    }
}

/// CVE-2026-32305: a ClientHello in pieces must not lose its server name.
#[test]
fn a_client_hello_in_one_byte_segments_still_says_its_name() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["default.test"], &["shop.test"]], &web);
    let client = TlsClient::trusting(&authority);
    let mut connection = client.connect_in_segments(proxy.address("web"), "shop.test", 1).unwrap();
    connection.send(GET);
    assert_eq!(connection.response().status, 200);
}

#[test]
fn plaintext_on_a_tls_port_is_told_so() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["shop.test"]], &web);
    let mut client = proxy.connect("web");
    client.send(GET);
    assert_eq!(client.response().status, 400);
    proxy.log().wait_for_end("plaintext-on-tls");
    assert_eq!(web.connections(), 0);
}

#[test]
fn handshakes_that_do_not_come_to_an_end_leave_a_record() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let leaf = authority.issue(&["shop.test"]);
    let proxy = Scenario::new(&HTTPS.replace("protocol: https", "protocol: https\n    timeouts: { handshake: 300ms }"))
        .text("certificates", &leaf.yaml())
        .service("shop", &[web.address()])
        .start();
    drop(proxy.connect("web"));
    proxy.log().wait_for_end("empty");
    proxy.connect("web").send(b"\x16\x03\x01\x7f").expect_close();
    proxy.log().wait_for_end("client-timeout-handshake");
    let mut garbage = proxy.connect("web");
    garbage.send(b"\x16\x03\x01\x00\x05hello").rest_of_any_kind();
    proxy.log().wait_for_end("tls-handshake-failed");
    // One who does not believe our certificate says so and goes.
    assert!(TlsClient::trusting(&Authority::new("other")).connect(proxy.address("web"), "shop.test").is_err());
}

#[test]
fn a_renewed_certificate_is_shown_without_a_reload() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let leaf = authority.issue(&["shop.test"]);
    let proxy = Scenario::new(HTTPS).text("certificates", &leaf.yaml()).service("shop", &[web.address()]).start();
    let client = TlsClient::trusting(&authority);
    let shown = || client.connect(proxy.address("web"), "shop.test").unwrap().1.leaf;
    let before = shown();
    let (mut open, _) = client.connect(proxy.address("web"), "shop.test").unwrap();
    authority.renew(&leaf, &["shop.test"]);
    wait_until("the renewed certificate is shown", || (shown() != before).then_some(()));
    assert_eq!(open.send(GET).response().status, 200);
}

#[test]
fn a_damaged_renewal_leaves_the_certificate_in_place() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let leaf = authority.issue(&["shop.test"]);
    let proxy = Scenario::new(HTTPS).text("certificates", &leaf.yaml()).service("shop", &[web.address()]).start();
    let client = TlsClient::trusting(&authority);
    std::fs::write(&leaf.cert, "not a certificate").unwrap();
    wait_until("the program says what is wrong", || proxy.output().contains("cert").then_some(()));
    client.connect(proxy.address("web"), "shop.test").unwrap();
}

#[test]
fn a_terminated_tls_port_carries_any_protocol() {
    let authority = Authority::new("test");
    let backend = Backend::start(|mut peer| {
        peer.send("220 ready\r\n");
        let line = peer.read_line();
        peer.send(line.to_uppercase());
    });
    let proxy = Scenario::new(
        "
ports:
  mail:
    listen: <mail>
    role: internal
    protocol: tls
    tls: { certificates: [<certificates>] }
services:
  mta: { ports: <mta.ports>, protocol: tcp, endpoints: [<mta>] }
routes:
  - { port: mail, sni: mail.test, service: mta, allow: anyone }
",
    )
    .text("certificates", &authority.issue(&["mail.test", "other.test"]).yaml())
    .service("mta", &[backend.address()])
    .start();
    let client = TlsClient::trusting(&authority);
    let (mut connection, _) = client.connect(proxy.address("mail"), "MAIL.test").unwrap();
    connection.expect("220 ready\r\n").send("helo\r\n").expect("HELO\r\n").half_close();
    let record = proxy.log().wait_for_end("completed");
    assert_eq!((record.text("sni"), record.text("tls")), ("mail.test", "TLSv1.3"));

    let (mut stranger, _) = client.connect(proxy.address("mail"), "other.test").unwrap();
    stranger.expect_close();
    proxy.log().wait_for_end("no-route");
    assert_eq!(backend.connections(), 1);
}

const PASSTHROUGH: &str = "
ports:
  edge: { listen: <edge>, role: internal, protocol: tls, tls: { passthrough: true } }
services:
  one: { ports: <one.ports>, protocol: tcp, endpoints: [<one>] }
  two: { ports: <two.ports>, protocol: tcp, endpoints: [<two>] }
routes:
  - { port: edge, sni: one.test, service: one, allow: anyone }
  - { port: edge, sni: \"*.two.test\", service: two, allow: anyone }
";

/// A service that ends TLS itself.
fn tls_service(authority: &Authority, names: &[&str]) -> crate::harness::Nginx {
    let leaf = authority.issue(names);
    let (cert, key) = (leaf.cert.display(), leaf.key.display());
    let server =
        format!("ssl_certificate {cert}; ssl_certificate_key {key}; location / {{ return 200 {}; }}", names[0]);
    crate::harness::Nginx::start_with(&server, "ssl")
}

#[test]
fn passthrough_leads_to_the_service_that_the_server_name_says() {
    let authority = Authority::new("test");
    let one = tls_service(&authority, &["one.test"]);
    let two = tls_service(&authority, &["a.two.test"]);
    let proxy = Proxy::with(PASSTHROUGH, &[("one", one.address()), ("two", two.address())]);
    let client = TlsClient::trusting(&authority);
    for name in ["one.test", "a.two.test"] {
        let (mut connection, handshake) = client.connect(proxy.address("edge"), name).unwrap();
        assert!(names_on(&handshake.leaf).contains(name));
        connection.send(GET);
        assert_eq!(connection.response().text(), name);
        drop(connection);
        let record = proxy.log().wait_for(name, |record| record.text("sni") == name);
        assert!(!record.has("tls"), "{record:?}");
    }
    assert!(client.connect(proxy.address("edge"), "three.test").is_err());
    proxy.log().wait_for_end("no-route");
}

#[test]
fn passthrough_finds_the_name_in_a_client_hello_of_many_segments() {
    let authority = Authority::new("test");
    let one = tls_service(&authority, &["one.test"]);
    let proxy = Proxy::with(PASSTHROUGH, &[("one", one.address()), ("two", free_address())]);
    let client = TlsClient::trusting(&authority);
    for segment in [1, 5, 100] {
        let mut connection = client.connect_in_segments(proxy.address("edge"), "one.test", segment).unwrap();
        connection.send(GET);
        assert_eq!(connection.response().text(), "one.test", "{segment} bytes at a time");
    }
}

#[test]
fn passthrough_finds_the_name_in_a_client_hello_of_several_records() {
    let backend = Backend::start(|mut peer| {
        peer.read_some();
        peer.send("found");
    });
    let proxy = Proxy::with(PASSTHROUGH, &[("one", backend.address()), ("two", free_address())]);
    let hello = TlsClient::trusting(&Authority::new("test")).hello("one.test");
    // RFC 8446 5.1: a handshake message may be spread over any number of records.
    let mut records = Vec::new();
    for fragment in hello[5..].chunks(7) {
        records.extend_from_slice(&[22, 3, 1, 0, u8::try_from(fragment.len()).unwrap()]);
        records.extend_from_slice(fragment);
    }
    proxy.connect("edge").send(&records).expect("found");
    backend.wait_for(&records);
}

#[test]
fn passthrough_refuses_what_is_not_tls() {
    let backend = Backend::answering("never");
    let proxy = Proxy::with(PASSTHROUGH, &[("one", backend.address()), ("two", backend.address())]);
    proxy.connect("edge").send("GET / HTTP/1.1\r\nhost: one.test\r\n\r\n").rest_of_any_kind();
    proxy.log().wait_for_end("plaintext-on-tls");
    assert_eq!(backend.connections(), 0);
}

#[test]
fn an_address_without_a_server_name_gets_the_first_certificate() {
    let (web, authority) = (Web::start("a"), Authority::new("test"));
    let proxy = proxy_for(&authority, &[&["127.0.0.1"], &["shop.test"]], &web);
    let stream = TcpStream::connect(proxy.address("web")).unwrap();
    let (mut connection, _) = TlsClient::trusting(&authority).connect_through(stream, "127.0.0.1", usize::MAX).unwrap();
    assert_eq!(connection.send(GET).response().status, 200);
    assert!(!proxy.log().wait_for_end("completed").has("sni"));
}
