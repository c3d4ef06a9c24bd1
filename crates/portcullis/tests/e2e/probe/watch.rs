//! `--watch`: what changes is told within a second.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::reach::SHOP;
use crate::harness::{Backend, PATIENCE, Proxy, Web, free_address, wait_until};

/// A probe that goes on, and what it says.
struct Watching {
    child: Child,
    events: Receiver<Value>,
}

impl Watching {
    fn start(proxy: &Proxy, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["probe", "--watch", "--format", "json"]).args(arguments).current_dir(proxy.directory());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let watching = Self { child, events };
        watching.wait_for("note", |event| event["message"].as_str().unwrap().contains("watching"));
        watching
    }

    /// The next event of a kind for which `is_meant` holds.
    #[track_caller]
    fn wait_for(&self, kind: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        let mut others = Vec::new();
        while let Ok(event) = self.events.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            if event["event"] == kind && is_meant(&event) {
                return event;
            }
            others.push(event);
        }
        panic!("no {kind} among {others:#?}")
    }

    /// Asks it to end; its exit code.
    fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_at(address: &str) -> impl Fn(&Value) -> bool + '_ {
    move |event| event["address"] == address
}

#[test]
fn a_listener_that_appears_is_told_within_a_second_and_resolved_when_it_goes() {
    let shop = Web::start("shop");
    let drifted = free_address();
    let text = SHOP.replace("services:", &format!("ranges: {{ app: {{ ports: {} }} }}\nservices:", drifted.port()));
    let proxy = Proxy::with(&text, &[("shop", shop.address())]);
    let watching = Watching::start(&proxy, &["--only", "inventory"]);
    let (began, listener) = (Instant::now(), TcpListener::bind(drifted).unwrap());
    let drifted = drifted.to_string();
    watching.wait_for("appeared", is_at(&drifted));
    let took = began.elapsed();
    // The machine may be busy with other tests; by itself it takes a quarter of a second.
    assert!(took < Duration::from_secs(4), "{took:?}");
    let is_drift =
        |event: &Value| event["check"] == "undeclared-listener" && event["subject"] == format!("tcp {drifted}");
    watching.wait_for("failed", is_drift);
    drop(listener);
    watching.wait_for("gone", is_at(&drifted));
    watching.wait_for("resolved", is_drift);
    assert_eq!(watching.stop(), 0);
}

#[test]
fn a_service_that_dies_fails_every_check_that_needs_it_and_the_exit_code_says_so() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(SHOP, &[("shop", shop.address())]);
    let metrics = proxy.directory().join("probe.prom");
    let watching = Watching::start(&proxy, &["--textfile", metrics.to_str().unwrap()]);
    drop(shop);
    watching.wait_for("failed", |event| event["check"] == "dead-endpoint");
    watching.wait_for("failed", |event| event["check"] == "unreachable-endpoint");
    let dead = "portcullis_probe_outcomes{check=\"dead-endpoint\",verdict=\"error\"} 1";
    assert!(std::fs::read_to_string(&metrics).unwrap().contains(dead));
    assert_eq!(watching.stop(), 1);
}

#[test]
fn the_file_is_read_again_when_it_changes_and_while_it_is_wrong_the_last_one_counts() {
    let shop = Web::start("shop");
    let mut proxy = Proxy::with(SHOP, &[("shop", shop.address())]);
    let watching = Watching::start(&proxy, &["--only", "inventory"]);
    proxy.rewrite(&SHOP.replace("role: internal", "rle: internal"));
    watching.wait_for("note", |event| event["message"].as_str().unwrap().contains("has 1 error"));
    let moved = SHOP.replace("<shop>", "127.0.0.1:1").replace("<shop.ports>", "1");
    proxy.rewrite(&moved);
    watching.wait_for("note", |event| event["message"].as_str().unwrap().ends_with("has changed"));
    watching.wait_for("failed", |event| event["check"] == "dead-endpoint");
    assert_eq!(watching.stop(), 1);
}

#[test]
fn a_service_that_never_answers_holds_up_neither_a_look_nor_the_end() {
    let mute = Backend::start(|mut peer| drop(peer.read_to_end()));
    let proxy = Proxy::with(SHOP, &[("shop", mute.address())]);
    let watching = Watching::start(&proxy, &["--timeout", "1m", "--deadline", "10m"]);
    wait_until("it is being asked", || mute.received_text().contains("GET").then_some(()));
    let began = Instant::now();
    drop(mute);
    watching.wait_for("failed", |event| event["check"] == "dead-endpoint");
    assert_eq!(watching.stop(), 1);
    assert!(began.elapsed() < PATIENCE / 2, "{:?}: the one who asks waits a minute", began.elapsed());
}

#[test]
fn a_report_that_has_no_end_has_no_form_for_ci() {
    let proxy = Proxy::with(SHOP, &[("shop", free_address())]);
    let output = proxy.command(["probe", "--watch", "--format", "junit"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--watch has no end"));
}
