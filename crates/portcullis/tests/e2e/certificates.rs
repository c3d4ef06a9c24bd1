//! Client certificates, resumption, and TLS towards services.

use crate::harness::{Authority, Leaf, Nginx, Proxy, Scenario, TlsClient, Web};

const GET: &str = "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n";

const WITH_CLIENTS: &str = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [<certificate>] }
    clients: { certificate: <policy>, ca: <ca> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
  - { port: web, path: /billing/*, service: shop, allow: { certificates: [billing.internal, \"*.team.internal\"] } }
";

fn proxy_with(policy: &str, server: &Authority, clients: &Authority, web: &Web) -> Proxy {
    Scenario::new(WITH_CLIENTS)
        .text("certificate", &server.issue(&["shop.test"]).yaml())
        .text("policy", policy)
        .text("ca", &clients.file().display().to_string())
        .service("shop", &[web.address()])
        .start()
}

/// What a client with this certificate is answered; `None` if the handshake fails, at once or (in TLS 1.3) when the
/// client first reads.
fn status(proxy: &Proxy, client: &TlsClient, path: &str) -> Option<u16> {
    let (mut connection, _) = client.connect(proxy.address("web"), "shop.test").ok()?;
    connection.send_if_open(format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\n\r\n"));
    let head = String::from_utf8(connection.take_until(b"\r\n\r\n")).unwrap();
    head.get(9..12).and_then(|status| status.parse().ok())
}

#[test]
fn where_a_certificate_is_required_only_a_valid_one_opens_the_port() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let proxy = proxy_with("required", &server, &clients, &web);
    let other = Authority::new("other");
    let with = |leaf: &Leaf| TlsClient::with_certificate(&server, leaf);

    assert_eq!(status(&proxy, &with(&clients.issue(&["alice.internal"])), "/"), Some(200));
    assert_eq!(web.served(), 1);
    for (name, client) in [
        ("none", TlsClient::trusting(&server)),
        ("one from elsewhere", with(&other.issue(&["alice.internal"]))),
        ("one that has expired", with(&clients.issue_expired(&["alice.internal"]))),
        ("one of the server's authority", with(&server.issue(&["alice.internal"]))),
    ] {
        assert_eq!(status(&proxy, &client, "/"), None, "{name}");
    }
    assert_eq!(web.served(), 1);
    proxy.log().wait_for_end("tls-client-certificate");
}

#[test]
fn where_a_certificate_is_optional_a_wrong_one_is_still_refused() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let proxy = proxy_with("optional", &server, &clients, &web);
    let other = Authority::new("other");
    assert_eq!(status(&proxy, &TlsClient::trusting(&server), "/"), Some(200));
    let right = TlsClient::with_certificate(&server, &clients.issue(&["alice.internal"]));
    assert_eq!(status(&proxy, &right, "/"), Some(200));
    let wrong = TlsClient::with_certificate(&server, &other.issue(&["alice.internal"]));
    assert_eq!(status(&proxy, &wrong, "/"), None);
}

#[test]
fn routes_admit_by_the_names_on_the_certificate() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let proxy = proxy_with("optional", &server, &clients, &web);
    for (name, expected) in [
        ("billing.internal", 200),
        ("one.team.internal", 200),
        ("team.internal", 403),
        ("alice.internal", 403),
        ("billing.internal.evil", 403),
    ] {
        let client = TlsClient::with_certificate(&server, &clients.issue(&[name]));
        assert_eq!(status(&proxy, &client, "/billing/x"), Some(expected), "{name}");
    }
    assert_eq!(status(&proxy, &TlsClient::trusting(&server), "/billing/x"), Some(403));
    proxy.log().wait_for_end("refused-route");
}

#[test]
fn the_certificate_is_told_to_the_service_and_to_the_log() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let proxy = proxy_with("required", &server, &clients, &web);
    let leaf = clients.issue(&["alice.internal", "spiffe://test/alice"]);
    let (mut client, _) =
        TlsClient::with_certificate(&server, &leaf).connect(proxy.address("web"), "shop.test").unwrap();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-client-cert: Subject=\"CN=root\"\r\n\r\n");
    let echo = client.response().echo();
    let told = echo.all("x-forwarded-client-cert");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["Subject=", "alice.internal", "URI=spiffe://test/alice", "DNS=alice.internal", "Hash="] {
        assert!(told[0].contains(part), "{part} in {told:?}");
    }
    assert!(!told[0].contains("root"), "{told:?}");
    let record = proxy.log().wait_for_end("completed");
    assert!(record.text("client").contains("alice.internal"), "{record:?}");
}

#[test]
fn sessions_are_resumed() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let proxy = proxy_with("optional", &server, &clients, &web);
    for client in [
        TlsClient::trusting(&server),
        TlsClient::only(&server, &rustls::version::TLS12),
        TlsClient::with_certificate(&server, &clients.issue(&["billing.internal"])),
    ] {
        let mut resumed = Vec::new();
        for _ in 0..3 {
            let (mut connection, handshake) = client.connect(proxy.address("web"), "shop.test").unwrap();
            // Tickets of TLS 1.3 arrive behind the handshake.
            assert_eq!(connection.send(GET).response().status, 200);
            resumed.push(handshake.is_resumed);
        }
        assert_eq!(resumed, [false, true, true]);
    }
    proxy.log().wait_for("a resumed session", |record| record.is("resumed"));
}

#[test]
fn a_resumed_session_keeps_the_rights_of_its_certificate_and_no_others() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let proxy = proxy_with("optional", &server, &clients, &web);
    let billing = TlsClient::with_certificate(&server, &clients.issue(&["billing.internal"]));
    for _ in 0..2 {
        assert_eq!(status(&proxy, &billing, "/billing/x"), Some(200));
    }
    let nobody = TlsClient::trusting(&server);
    for _ in 0..2 {
        assert_eq!(status(&proxy, &nobody, "/billing/x"), Some(403));
    }
}

/// CVE-2025-23419: a ticket of a port that asks for nothing must not open one that does.
#[test]
fn a_ticket_never_crosses_a_client_certificate_policy() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let certificate = server.issue(&["shop.test"]).yaml();
    let proxy = Scenario::new(
        "
ports:
  open: { listen: <open>, role: internal, protocol: https, tls: { certificates: [<certificate>] } }
  guarded:
    listen: <guarded>
    role: internal
    protocol: https
    tls: { certificates: [<certificate>] }
    clients: { certificate: required, ca: <ca> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: [open, guarded], service: shop, allow: anyone }
",
    )
    .text("certificate", &certificate)
    .text("ca", &clients.file().display().to_string())
    .service("shop", &[web.address()])
    .start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = TlsClient::only(&server, version);
        let (mut connection, _) = client.connect(proxy.address("open"), "shop.test").unwrap();
        assert_eq!(connection.send(GET).response().status, 200);
        drop(connection);
        // The same client, with the ticket that it got, at the guarded port.
        let at_guarded = client.connect(proxy.address("guarded"), "shop.test").ok().map(|(mut connection, _)| {
            connection.send_if_open(GET);
            connection.take_until(b"\r\n\r\n")
        });
        assert!(at_guarded.is_none_or(|answer| answer.is_empty()));
    }
    proxy.log().wait_for_end("tls-client-certificate");
}

const TO_TLS: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], tls: <tls> }
routes:
  - { port: web, service: shop, allow: anyone }
";

/// nginx that ends TLS with this certificate.
fn tls_nginx(leaf: &Leaf, more: &str) -> Nginx {
    let (cert, key) = (leaf.cert.display(), leaf.key.display());
    let server = format!(
        "ssl_certificate {cert}; ssl_certificate_key {key}; {more}
        location / {{ add_header x-sni $ssl_server_name; add_header x-client $ssl_client_verify; return 200 tls; }}"
    );
    Nginx::start_with(&server, "ssl")
}

fn proxy_to(nginx: &Nginx, tls: &str) -> Proxy {
    Scenario::new(TO_TLS).text("tls", tls).service("shop", &[nginx.address()]).start()
}

#[test]
fn services_are_verified_by_the_authority_and_name_that_the_file_says() {
    let authority = Authority::new("services");
    let nginx = tls_nginx(&authority.issue(&["shop.internal"]), "");
    let ca = authority.file().display().to_string();
    let proxy = proxy_to(&nginx, &format!("{{ ca: {ca}, name: shop.internal }}"));
    let response = proxy.get("web", "/").expects(200);
    assert_eq!((response.text().as_str(), response.header("x-sni")), ("tls", Some("shop.internal")));
}

#[test]
fn a_service_with_an_address_in_its_certificate_needs_no_name() {
    let authority = Authority::new("services");
    let nginx = tls_nginx(&authority.issue(&["127.0.0.1"]), "");
    let proxy = proxy_to(&nginx, &format!("{{ ca: {} }}", authority.file().display()));
    assert_eq!(proxy.get("web", "/").expects(200).text(), "tls");
}

#[test]
fn services_that_do_not_prove_who_they_are_get_nothing() {
    let (authority, other) = (Authority::new("services"), Authority::new("other"));
    let ca = authority.file().display().to_string();
    for (name, leaf, tls) in [
        ("another name", authority.issue(&["evil.internal"]), format!("{{ ca: {ca}, name: shop.internal }}")),
        ("no address", authority.issue(&["shop.internal"]), format!("{{ ca: {ca} }}")),
        ("another authority", other.issue(&["shop.internal"]), format!("{{ ca: {ca}, name: shop.internal }}")),
        ("expired", authority.issue_expired(&["shop.internal"]), format!("{{ ca: {ca}, name: shop.internal }}")),
        (
            "unknown to the system",
            authority.issue(&["shop.internal"]),
            "{ verify: system, name: shop.internal }".to_owned(),
        ),
    ] {
        let nginx = tls_nginx(&leaf, "");
        let proxy = proxy_to(&nginx, &tls);
        proxy.get("web", "/").expects(502);
        let record = proxy.log().wait_for_path("/");
        assert_eq!(record.text("end"), "endpoint-tls-failed", "{name}: {record:?}");
        assert!(record.text("detail").to_lowercase().contains("certificate"), "{name}: {record:?}");
    }
}

#[test]
fn verification_that_is_off_is_a_finding_and_works() {
    let nginx = tls_nginx(&Authority::new("nobody").issue(&["x.internal"]), "");
    let scenario = || Scenario::new(TO_TLS).text("tls", "{ verify: off }").service("shop", &[nginx.address()]);
    assert_eq!(scenario().start().get("web", "/").expects(200).text(), "tls");
    let report = scenario().check();
    let said = String::from_utf8_lossy(&report.stdout).into_owned() + &String::from_utf8_lossy(&report.stderr);
    assert!(said.contains("upstream-unverified"), "{said}");
}

#[test]
fn a_certificate_is_shown_to_services_that_ask_for_one() {
    let authority = Authority::new("services");
    let ca = authority.file().display().to_string();
    let ask = format!("ssl_client_certificate {ca}; ssl_verify_client on;");
    let nginx = tls_nginx(&authority.issue(&["shop.internal"]), &ask);
    let own = authority.issue(&["portcullis.internal"]);
    let tls = format!("{{ ca: {ca}, name: shop.internal, certificate: {} }}", own.yaml());
    assert_eq!(proxy_to(&nginx, &tls).get("web", "/").expects(200).header("x-client"), Some("SUCCESS"));
    // Without it, nginx itself refuses.
    proxy_to(&nginx, &format!("{{ ca: {ca}, name: shop.internal }}")).get("web", "/").expects(400);
}

#[test]
fn a_service_that_speaks_no_tls_gets_nothing() {
    let nginx = Nginx::start("");
    let authority = Authority::new("services");
    let tls = format!("{{ ca: {}, name: shop.internal }}", authority.file().display());
    let proxy = proxy_to(&nginx, &tls);
    proxy.get("web", "/").expects(502);
    proxy.log().wait_for_end("endpoint-tls-failed");
}
