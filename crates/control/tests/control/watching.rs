//! What the control plane finds out by itself: endpoints that come and go, certificates that are renewed.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use crate::harness::{Proxy, TOKEN, eventually, free_port, get};

/// A service that answers every connection with one status, until its process ends.
fn serve(listener: TcpListener, status: &'static str) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream): Result<TcpStream, _> = stream else { return };
            let mut request = [0; 1024];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        }
    });
}

fn file(admin: u16, port: u16, service: u16, health: &str) -> String {
    format!(
        "ports:\n  admin: {{ listen: 127.0.0.1:{admin}, role: admin }}\n  web: {{ listen: 127.0.0.1:{port}, role: \
         internal, protocol: http }}\nservices:\n  shop: {{ port: {service}, endpoints: [127.0.0.1], health: {health} \
         }}\nroutes:\n  - {{ port: web, service: shop, allow: anyone }}\nadmin: {{ token: \"${{file:token}}\" }}\nlog: {{ \
         access: {{ to: DIR/access.log }} }}\n"
    )
}

fn write_token(folder: &Path) {
    fs::write(folder.join("token"), TOKEN).unwrap();
}

/// The one endpoint, once it is in this state.
fn endpoint_that_is(admin: u16, state: &str) -> serde_json::Value {
    eventually(&format!("an endpoint that is {state}"), || {
        let endpoint = get(admin, "/v1/services").json()[0]["endpoints"][0].clone();
        (endpoint["state"] == state).then_some(endpoint)
    })
}

#[test]
fn an_endpoint_at_which_nobody_listens_is_down_at_once_and_comes_up_when_somebody_does() {
    let (admin, port, service) = (free_port(), free_port(), free_port());
    let health = "{ http: /healthz, every: 50ms, rise: 2, fall: 2 }";
    let _proxy = Proxy::start(&file(admin, port, service, health), write_token);
    let endpoint = endpoint_that_is(admin, "down");
    let reason = endpoint["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("nobody listens on 127.0.0.1:{service}")), "{reason}");
    serve(TcpListener::bind(("127.0.0.1", service)).unwrap(), "204 No Content");
    let endpoint = endpoint_that_is(admin, "up");
    assert_eq!(endpoint["reason"], serde_json::Value::Null);
    assert!(endpoint["checks_passed"].as_u64().unwrap() >= 2);
}

#[test]
fn a_status_that_is_not_expected_is_down_with_its_number() {
    let (admin, port) = (free_port(), free_port());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = listener.local_addr().unwrap().port();
    serve(listener, "503 Service Unavailable");
    let _proxy = Proxy::start(&file(admin, port, service, "{ http: /healthz, every: 50ms }"), write_token);
    let endpoint = endpoint_that_is(admin, "down");
    assert_eq!(endpoint["reason"], "the check was answered with status 503");
}

#[test]
fn what_checks_have_concluded_survives_a_reload_and_ends_with_the_check() {
    let (admin, port, service) = (free_port(), free_port(), free_port());
    let checked = file(admin, port, service, "{ tcp: true, every: 10m }");
    let proxy = Proxy::start(&checked, write_token);
    let before = endpoint_that_is(admin, "down");
    proxy.reload(&checked);
    // The next check is minutes away, so the state can only be the old one.
    let after = endpoint_that_is(admin, "down");
    assert_eq!(after["checks_failed"], before["checks_failed"]);
    proxy.reload(&checked.replace(", health: { tcp: true, every: 10m }", ""));
    endpoint_that_is(admin, "unchecked");
}

#[test]
fn a_renewed_certificate_is_taken_on_by_itself_and_a_broken_one_is_not() {
    let (admin, port, service) = (free_port(), free_port(), free_port());
    let https = file(admin, port, service, "{ tcp: true }").replace(
        "protocol: http }",
        "protocol: https, tls: { certificates: [{ cert: DIR/web.pem, key: DIR/web.key }] } }",
    );
    let proxy = Proxy::start(&https, |folder| {
        write_token(folder);
        issue(folder, "first.example");
    });
    let names = || get(admin, "/v1/ports").json()[1]["certificates"][0]["names"][0].clone();
    assert_eq!(names(), "first.example");
    issue(&proxy.path(""), "second.example");
    eventually("the renewed certificate", || (names() == "second.example").then_some(()));
    fs::write(proxy.path("web.key"), "no key").unwrap();
    let last = eventually("the broken key to be noticed", || {
        let last = get(admin, "/v1/status").json()["last_reload"].clone();
        (last["outcome"] == "rejected").then_some(last)
    });
    assert_eq!(last["cause"], "certificates");
    assert_eq!(names(), "second.example");
}

fn issue(folder: &Path, name: &str) {
    let issued = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    fs::write(folder.join("web.pem"), issued.cert.pem()).unwrap();
    fs::write(folder.join("web.key"), issued.signing_key.serialize_pem()).unwrap();
}
