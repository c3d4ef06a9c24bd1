//! Publishing plans: all of it or nothing of it.

use std::{
    fmt::Write,
    net::{TcpListener, TcpStream},
};

use crate::harness::{Proxy, TOKEN, ask, eventually, free_port, get, local};
use portcullis_control::answers::Outcome;

/// A file with an admin port and TCP ports that lead to a service nobody needs to reach.
fn file(admin: u16, ports: &[u16], more: &str) -> String {
    let (mut listed, mut routed) = (String::new(), String::new());
    for port in ports {
        writeln!(listed, "  p{port}: {{ listen: 127.0.0.1:{port}, role: internal, protocol: tcp }}").unwrap();
        writeln!(routed, "  - {{ port: p{port}, service: shop, allow: anyone }}").unwrap();
    }
    format!(
        "ports:\n  admin: {{ listen: 127.0.0.1:{admin}, role: admin }}\n{listed}services:\n  shop: {{ port: 9, \
         protocol: tcp, endpoints: [127.0.0.1] }}\nroutes:\n{routed}admin: {{ token: \"${{file:token}}\" }}\nlog: {{ \
         access: {{ to: DIR/access.log }} }}\n{more}"
    )
}

fn start(file: &str) -> Proxy {
    Proxy::start(file, |folder| std::fs::write(folder.join("token"), TOKEN).unwrap())
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(local(port)).is_ok()
}

#[test]
fn ports_are_opened_and_closed_live_and_unchanged_ones_stay() {
    let (admin, stays, goes, comes) = (free_port(), free_port(), free_port(), free_port());
    let proxy = start(&file(admin, &[stays, goes], ""));
    assert!(is_open(stays) && is_open(goes) && !is_open(comes));
    let report = proxy.reload(&file(admin, &[stays, comes], ""));
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.report);
    assert_eq!(report.opened, [local(comes).to_string()]);
    assert_eq!(report.closed, [local(goes).to_string()]);
    assert!(is_open(stays) && is_open(comes));
    eventually("the old port to close", || (!is_open(goes)).then_some(()));
    assert_eq!(get(admin, "/v1/status").json()["generation"], report.generation);
}

#[test]
fn a_file_with_an_error_changes_nothing_and_says_why() {
    let (admin, port, other) = (free_port(), free_port(), free_port());
    let proxy = start(&file(admin, &[port], ""));
    let report = proxy.reload(&file(admin, &[other], "workerz: 2\n"));
    assert_eq!(report.outcome, Outcome::Rejected);
    assert!(report.findings.iter().any(|finding| finding.rule == "unknown-key"), "{:?}", report.findings);
    assert!(report.report.contains("workerz"), "{}", report.report);
    assert!(is_open(port) && !is_open(other));
    let status = get(admin, "/v1/status").json();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["last_reload"]["outcome"], "rejected");
    assert!(get(admin, "/metrics").body.contains("portcullis_reloads_total{result=\"failed\"} 1"));
}

#[test]
fn a_port_that_is_taken_keeps_all_new_ones_closed_and_names_its_holder() {
    let (admin, port, new) = (free_port(), free_port(), free_port());
    let proxy = start(&file(admin, &[port], ""));
    // A socket of another process, which alone counts as a stranger.
    let mut stranger = std::process::Command::new("python3")
        .args(["-c", "import socket,sys\ns=socket.create_server(('127.0.0.1',0))\nprint(s.getsockname()[1],flush=True)\nsys.stdin.read()"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stranger.stdout.take().unwrap()), &mut line).unwrap();
    let taken: u16 = line.trim().parse().unwrap();
    let report = proxy.reload(&file(admin, &[new, taken], ""));
    assert_eq!(report.outcome, Outcome::Rejected);
    let reason = report.reason.clone().unwrap();
    assert!(reason.contains(&format!("pid {}", stranger.id())), "{reason}");
    assert!(is_open(port) && !is_open(new));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let report = proxy.reload(&file(admin, &[new, taken], ""));
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.report);
}

#[test]
fn a_log_that_can_not_be_opened_changes_nothing() {
    let (admin, port, new) = (free_port(), free_port(), free_port());
    let proxy = start(&file(admin, &[port], ""));
    let report = proxy.reload(&file(admin, &[new], "").replace("DIR/access.log", "DIR/missing/access.log"));
    assert_eq!(report.outcome, Outcome::Rejected);
    assert!(is_open(port) && !is_open(new));
}

#[test]
fn the_admin_port_moves_and_the_connection_that_asked_gets_its_answer() {
    let (admin, moved, port) = (free_port(), free_port(), free_port());
    let proxy = start(&file(admin, &[port], ""));
    let old = get(admin, "/v1/health");
    assert_eq!(old.status, 200);
    std::fs::write(
        proxy.path("portcullis.yaml"),
        file(moved, &[port], "").replace("DIR", proxy.path("").to_str().unwrap()),
    )
    .unwrap();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let answer = ask(admin, "POST", "/v1/reload", &[&bearer, "Content-Type: application/json"]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["opened"][0], local(moved).to_string());
    eventually("the old admin port to close", || TcpListener::bind(local(admin)).ok());
    assert_eq!(get(moved, "/v1/health").status, 200);
}

#[test]
fn settings_of_the_start_are_noted_until_the_next_one() {
    let (admin, port) = (free_port(), free_port());
    let proxy = start(&file(admin, &[port], "workers: 1\n"));
    for _ in 0..2 {
        let report = proxy.reload(&file(admin, &[port], "workers: 2\n"));
        assert_eq!(report.notes, ["`workers` has changed and takes effect with the next start"]);
    }
    assert!(proxy.reload(&file(admin, &[port], "workers: 1\n")).notes.is_empty());
}

#[test]
fn draining_closes_data_ports_waits_for_connections_and_is_told_by_readiness() {
    let (admin, port) = (free_port(), free_port());
    // Somebody who accepts and keeps silent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let config = file(admin, &[port], "").replace("port: 9,", &format!("port: {silent_port},"));
    let proxy = start(&config);
    let session = TcpStream::connect(local(port)).unwrap();
    eventually("the session", || (proxy.publisher().open_connections() == 1).then_some(()));
    proxy.drain();
    // Looked at by binding: a connection would be one more to wait for.
    drop(eventually("the data port to close", || TcpListener::bind(local(port)).ok()));
    let ready = get(admin, "/v1/ready");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (503, Some(false)));
    assert_eq!(proxy.publisher().open_connections(), 1);
    let report = proxy.reload(&config);
    assert_eq!(report.outcome, Outcome::Rejected, "a process on its way out takes nothing new");
    drop(session);
    drop(silent);
    proxy.wait_until_drained();
}
