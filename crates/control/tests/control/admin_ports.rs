//! Admin and metrics ports: who gets in, what is served where, and what is recorded.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use crate::harness::{Proxy, TOKEN, ask, ask_unix, eventually, exchange, free_port, get, local};

fn file(admin: &str, metrics: u16) -> String {
    format!(
        "ports:\n  admin: {admin}\n  metrics: {{ listen: 127.0.0.1:{metrics}, role: metrics }}\nadmin: {{ token: \
         \"${{file:token}}\" }}\nlog: {{ access: {{ to: DIR/access.log }} }}\n"
    )
}

fn write_token(folder: &std::path::Path) {
    std::fs::write(folder.join("token"), TOKEN).unwrap();
}

fn over_tcp() -> (Proxy, u16, u16) {
    let (admin, metrics) = (free_port(), free_port());
    (
        Proxy::start(&file(&format!("{{ listen: 127.0.0.1:{admin}, role: admin }}"), metrics), write_token),
        admin,
        metrics,
    )
}

#[test]
fn every_resource_answers_json_that_is_never_cached_or_sniffed() {
    let (_proxy, admin, _) = over_tcp();
    for path in [
        "/v1/health",
        "/v1/ready",
        "/v1/status",
        "/v1/ports",
        "/v1/routes",
        "/v1/services",
        "/v1/config",
        "/openapi.json",
    ] {
        let answer = get(admin, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains("content-type: application/json"), "{path}: {}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{path}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{path}");
        answer.json();
    }
}

#[test]
fn no_answer_holds_the_token() {
    let (_proxy, admin, _) = over_tcp();
    for path in ["/v1/status", "/v1/ports", "/v1/config", "/metrics", "/openapi.json"] {
        assert!(!get(admin, path).body.contains(TOKEN), "{path}");
    }
}

/// Method, path, headers; then status, problem and termination.
type Case<'a> = (&'a str, &'a str, &'a [&'a str], u16, &'a str, &'a str);

#[test]
fn what_is_refused_is_a_problem_document_and_leaves_a_record() {
    let (proxy, admin, _) = over_tcp();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let cases: &[Case<'_>] = &[
        ("GET", "/v1/status", &[], 401, "unauthorized", "refused-route"),
        ("GET", "/v1/status", &["Authorization: Bearer wrong"], 401, "unauthorized", "refused-route"),
        ("GET", "/v1/status", &[&bearer, "Origin: http://evil.example"], 403, "cross-origin", "refused-route"),
        ("POST", "/v1/reload", &[&bearer], 415, "not-json", "bad-request"),
        ("POST", "/v1/drain", &[&bearer, "Content-Type: text/plain"], 415, "not-json", "bad-request"),
        (
            "POST",
            "/v1/drain",
            &[&bearer, "Content-Type: application/json", "Content-Length: 5", "Transfer-Encoding: chunked"],
            400,
            "transfer-encoding",
            "bad-request",
        ),
        (
            "POST",
            "/v1/drain",
            &[&bearer, "Content-Type: application/json", "Transfer-Encoding: chunked", "Content-Length: 5"],
            400,
            "transfer-encoding",
            "bad-request",
        ),
        ("GET", "/v1/nothing", &[&bearer], 404, "not-found", "no-route"),
        ("GET", "/v1/reload", &[&bearer], 405, "method-not-allowed", "no-route"),
    ];
    for (number, (method, path, headers, status, kind, termination)) in cases.iter().enumerate() {
        let marked = format!("{path}?case={number}");
        let answer = ask(admin, method, &marked, headers);
        assert_eq!(answer.status, *status, "{method} {path} {headers:?}");
        assert_eq!(answer.json()["type"], format!("urn:portcullis:problem:{kind}"));
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
        let log = proxy.log_with(&format!("case={number}"));
        let line = log.lines().find(|line| line.contains(&format!("case={number}\""))).unwrap();
        for part in [format!("\"status\":{status}"), format!("\"{termination}\""), "\"admin\"".to_owned()] {
            assert!(line.contains(&part), "{part} in {line}");
        }
    }
    assert!(!std::fs::read_to_string(proxy.path("access.log")).unwrap().contains(TOKEN));
}

#[test]
fn a_connection_that_asks_nothing_leaves_a_record_too() {
    let (proxy, admin, _) = over_tcp();
    drop(TcpStream::connect(local(admin)).unwrap());
    proxy.log_with("\"empty\"");
    let mut garbage = TcpStream::connect(local(admin)).unwrap();
    garbage.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").unwrap();
    garbage.read_to_end(&mut Vec::new()).unwrap();
    proxy.log_with("\"bad-request\"");
}

#[test]
fn a_source_that_may_not_connect_is_recorded_and_gets_nothing() {
    let (admin, metrics) = (free_port(), free_port());
    let port = format!("{{ listen: 127.0.0.1:{admin}, role: admin, from: [10.0.0.0/8] }}");
    let proxy = Proxy::start(&file(&port, metrics), write_token);
    let mut stream = TcpStream::connect(local(admin)).unwrap();
    let mut nothing = Vec::new();
    stream.read_to_end(&mut nothing).unwrap();
    assert_eq!(nothing, b"");
    proxy.log_with("\"refused-source\"");
}

#[test]
fn metrics_ports_serve_metrics_and_nothing_of_the_admin_api() {
    let (_proxy, _, metrics) = over_tcp();
    assert!(ask(metrics, "GET", "/metrics", &[]).body.contains("portcullis_port_connections"));
    assert_eq!(ask(metrics, "GET", "/healthz", &[]).status, 200);
    assert_eq!(ask(metrics, "GET", "/readyz", &[]).status, 200);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for path in ["/v1/status", "/v1/config", "/openapi.json"] {
        assert_eq!(ask(metrics, "GET", path, &[&bearer]).status, 404, "{path}");
    }
    let json = [bearer.as_str(), "Content-Type: application/json"];
    assert_eq!(ask(metrics, "POST", "/v1/drain", &json).status, 404);
    assert_eq!(ask(metrics, "POST", "/metrics", &json).status, 405);
}

#[test]
fn a_body_past_the_bound_is_refused() {
    let (_proxy, admin, _) = over_tcp();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let answer =
        ask(admin, "POST", "/v1/reload", &[&bearer, "Content-Type: application/json", "Content-Length: 70000"]);
    assert_eq!(answer.status, 413);
}

#[test]
fn a_unix_socket_needs_no_token_and_its_file_goes_with_the_port() {
    let (metrics, unix) = (free_port(), "{ listen: \"unix:DIR/admin.sock\", role: admin }");
    let proxy = Proxy::start(&file(unix, metrics), write_token);
    let socket = proxy.path("admin.sock");
    let answer = ask_unix(&socket, "GET", "/v1/status", &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(ask_unix(&socket, "GET", "/v1/status", &["Origin: null"]).status, 403);
    proxy.log_with("unix socket: uid");
    let admin = free_port();
    proxy.reload(&file(&format!("{{ listen: 127.0.0.1:{admin}, role: admin }}"), metrics));
    eventually("the socket's file to go", || (!socket.exists()).then_some(()));
    assert_eq!(get(admin, "/v1/health").status, 200);
}

#[test]
fn over_tls_a_verified_client_certificate_stands_in_for_the_token() {
    let (admin, metrics) = (free_port(), free_port());
    let (ca, ca_key) = authority();
    let client_key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::from_params(&ca.1, &ca_key);
    let client =
        rcgen::CertificateParams::new(vec!["operator".to_owned()]).unwrap().signed_by(&client_key, &issuer).unwrap();
    let server_key = rcgen::KeyPair::generate().unwrap();
    let server =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&server_key, &issuer).unwrap();
    let port = format!(
        "{{ listen: 127.0.0.1:{admin}, role: admin, tls: {{ certificates: [{{ cert: DIR/admin.pem, key: DIR/admin.key \
         }}] }}, clients: {{ certificate: optional, ca: DIR/ca.pem }} }}"
    );
    let _proxy = Proxy::start(&file(&port, metrics), |folder| {
        write_token(folder);
        std::fs::write(folder.join("ca.pem"), ca.0.pem()).unwrap();
        std::fs::write(folder.join("admin.pem"), server.pem()).unwrap();
        std::fs::write(folder.join("admin.key"), server_key.serialize_pem()).unwrap();
    });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.0.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let builder = || {
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&roots))
    };
    let key = rustls::pki_types::PrivateKeyDer::try_from(client_key.serialize_der()).unwrap();
    let known = builder().with_client_auth_cert(vec![client.der().clone()], key).unwrap();
    for (config, expected) in [(known, 200), (builder().with_no_client_auth(), 401)] {
        let name = "localhost".try_into().unwrap();
        let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = rustls::StreamOwned::new(session, TcpStream::connect(local(admin)).unwrap());
        let answer = exchange(stream, "GET", "/v1/status", &format!("localhost:{admin}"), &[]);
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
}

fn authority() -> ((rcgen::Certificate, rcgen::CertificateParams), rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    ((certificate, params), key)
}
