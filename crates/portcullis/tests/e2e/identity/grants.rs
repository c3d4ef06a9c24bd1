//! Access that somebody asks for, and that ends by itself, with what rests on it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Signer;
use crate::harness::{Backend, Proxy, Raw, Response, Scenario, wait_until};

const FILE: &str = "
audit: on
grants:
  webhook: \"http://<hook>/access\"
  services:
    ledger: { ask: { groups: [dba] }, approve: { groups: [leads] }, longest: 2h, break-glass: { groups: [oncall] } }
ports:
  web: { listen: <web>, role: internal, protocol: http }
  numbers: { listen: <numbers>, role: metrics }
services:
  ledger: { ports: <ledger.ports>, endpoints: [<ledger>] }
routes:
  - { name: ledger, port: web, service: ledger, allow: { workloads: [robot], grant: required } }
identity:
  providers:
    robots: { jwt: \"https://id.example.com\", audience: [shop], keys: issuer.pem }
";

/// A ledger that is granted on request, a chat that is told, and who signs tokens.
struct Bank {
    proxy: Proxy,
    signer: Signer,
    chat: Backend,
    _ledger: Backend,
}

const ROBOT: [&str; 3] = ["--as", "robots:robot", "--workload"];

impl Bank {
    fn start() -> Self {
        let chat = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let ledger = Backend::start(|mut peer| {
            let head = peer.read_head();
            if head.to_lowercase().contains("upgrade: lines") {
                peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: lines\r\n\r\n");
                peer.send("welcome\n");
                peer.read_to_end();
            } else {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            }
        });
        let signer = Signer::new();
        let scenario = Scenario::new(FILE);
        let store = scenario.directory().join("store.db").display().to_string();
        let proxy = scenario
            .environment("PORTCULLIS_STORE", &store)
            .service("ledger", &[ledger.address()])
            .text("hook", &chat.address().to_string())
            .file("issuer.pem", &signer.public_pem())
            .start();
        Self { proxy, signer, chat, _ledger: ledger }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.signer.token(json!({})))
    }

    fn ask(&self) -> Response {
        self.proxy.get("web", "/").header("authorization", &self.bearer()).send()
    }

    /// Opens a connection that stays open.
    fn enter(&self) -> Raw {
        let mut connection = self.proxy.connect("web");
        let bearer = self.bearer();
        connection.send(format!(
            "GET /lines HTTP/1.1\r\nhost: ledger\r\nauthorization: {bearer}\r\nconnection: upgrade\r\nupgrade: lines\r\n\r\n"
        ));
        connection.take_until(b"welcome\n");
        connection
    }

    /// What `portcullis access` prints, and its exit code.
    fn access(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.proxy.command([&["access"], arguments].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    }

    /// Asks for the ledger; returns the id of the grant.
    fn request(&self, duration: &str, further: &[&str]) -> String {
        let arguments = [
            &["request", "ledger", "--for", duration, "--reason", "ticket 4711", "--format", "json"],
            &ROBOT[..],
            further,
        ];
        let (code, said) = self.access(&arguments.concat());
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str::<Value>(&said).unwrap()["id"].as_str().unwrap().to_owned()
    }

    fn approve(&self, id: &str) {
        let (code, said) = self.access(&["approve", id, "--as", "boss@example.com", "--groups", "leads"]);
        assert_eq!(code, Some(0), "{said}");
    }

    fn wait_until_let_in(&self) {
        wait_until("the grant lets it in", || (self.ask().status == 200).then_some(()));
    }
}

#[test]
fn access_is_asked_for_approved_by_somebody_else_and_taken_back_with_what_is_open() {
    let bank = Bank::start();
    assert_eq!(bank.ask().status, 403);
    let mistakes = [
        (&["request", "ledger", "--for", "1h", "--reason", "x", "--groups", "ops"][..], "may not ask for `ledger`"),
        (&["request", "ledger", "--for", "3h", "--reason", "x", "--groups", "dba"], "at most 120 min"),
        (&["request", "vault", "--for", "1h", "--reason", "x", "--groups", "dba"], "is not granted on request"),
        (
            &["request", "ledger", "--for", "1h", "--reason", "x", "--break-glass"],
            "may not take access without approval",
        ),
    ];
    for (arguments, expected) in mistakes {
        let (code, said) = bank.access(&[arguments, &ROBOT].concat());
        assert!(code == Some(2) && said.contains(expected), "{arguments:?}: {said}");
    }
    let id = bank.request("1h", &["--groups", "dba"]);
    bank.chat.wait_for("robot (robots) asks for access to ledger for 1 h: ticket 4711");
    assert_eq!(bank.ask().status, 403, "asked is not approved");
    let (code, said) = bank.access(&[&["approve", &id, "--groups", "leads"], &ROBOT[..]].concat());
    assert!(code == Some(2) && said.contains("own"), "{said}");
    let (code, said) = bank.access(&["approve", &id, "--as", "boss@example.com", "--groups", "ops"]);
    assert!(code == Some(2) && said.contains("may not approve for `ledger`"), "{said}");
    bank.approve(&id);
    bank.wait_until_let_in();

    let mut open = bank.enter();
    let (code, said) = bank.access(&["list"]);
    assert!(code == Some(0) && said.contains(&id) && said.contains("approved"), "{said}");
    let (code, said) = bank.access(&["revoke", &id]);
    assert_eq!(code, Some(0), "{said}");
    let revoked = Instant::now();
    open.expect_close();
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
    let ended = bank.proxy.log().wait_for_end("access-ended");
    assert!(ended.text("detail").contains(&id) && ended.number("bytes_out") > 0, "{ended:?}");
    assert_eq!(bank.ask().status, 403);

    let output = bank.proxy.command(["audit", "--since", "1h", "--format", "json"]);
    let records: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_grant: Vec<&str> = records
        .iter()
        .filter(|record| record["grant"] == id.as_str())
        .map(|record| record["event"].as_str().unwrap())
        .collect();
    for step in ["grant-asked", "grant-approved", "decision", "session-end", "grant-ended"] {
        assert!(of_grant.contains(&step), "{step} in {of_grant:?}");
    }
}

#[test]
fn a_grant_ends_by_itself_and_closes_what_rests_on_it() {
    let bank = Bank::start();
    let id = bank.request("5s", &["--groups", "dba"]);
    bank.approve(&id);
    bank.wait_until_let_in();
    bank.enter().expect_close();
    bank.proxy.log().wait_for_end("access-ended");
    assert_eq!(bank.ask().status, 403);
    bank.chat.wait_for(format!("ended: its time is over (grant {id})"));
}

#[test]
fn breaking_the_glass_lets_in_at_once_and_everybody_is_told() {
    let bank = Bank::start();
    let id = bank.request("1h", &["--groups", "oncall", "--break-glass"]);
    bank.wait_until_let_in();
    bank.chat.wait_for("BREAK-GLASS: robot (robots) took access to ledger for 1 h without approval: ticket 4711");
    assert!(bank.proxy.output().contains("BREAK-GLASS"), "{}", bank.proxy.output());
    wait_until("it is counted", || {
        let page = bank.proxy.get("numbers", "/metrics").send().text();
        page.contains("portcullis_break_glass_total 1\n").then_some(())
    });
    let output = bank.proxy.command(["audit", "--since", "1h"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("break-glass") && said.contains(&id), "{said}");
}
