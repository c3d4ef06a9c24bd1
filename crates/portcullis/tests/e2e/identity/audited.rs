//! What the proxy decides, as `portcullis audit` shows it afterwards.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Signer;
use crate::harness::{Proxy, Response, Scenario, Web, wait_until};

const FILE: &str = "
audit: { copy: <dir>/copy.jsonl }
ports:
  web: { listen: <web>, role: internal, protocol: http }
  raw: { listen: <raw>, role: internal, protocol: tcp }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
  ledger: { ports: <ledger.ports>, endpoints: [<ledger>] }
routes:
  - { port: web, path: /open/*, service: shop, allow: anyone }
  - { name: dba, port: web, path: /dba/*, service: shop, allow: { groups: [dba] } }
  - { name: strict, port: web, path: /strict/*, service: shop, allow: authenticated, audit: required }
  - { name: raw, port: raw, service: ledger, allow: { from: [127.0.0.0/8] } }
identity:
  providers:
    robots: { jwt: \"https://id.example.com\", audience: [shop], keys: issuer.pem }
";

/// A proxy that keeps an audit, two services, and who signs tokens for it.
struct Audited {
    proxy: Proxy,
    signer: Signer,
    shop: Web,
    _ledger: Web,
}

impl Audited {
    fn start() -> Self {
        let (shop, ledger, signer) = (Web::start("shop"), Web::start("ledger"), Signer::new());
        let scenario = Scenario::new(FILE);
        let store = scenario.directory().join("store.db");
        let proxy = scenario
            .environment("PORTCULLIS_STORE", &store.display().to_string())
            .service("shop", &[shop.address()])
            .service("ledger", &[ledger.address()])
            .file("issuer.pem", &signer.public_pem())
            .start();
        Self { proxy, signer, shop, _ledger: ledger }
    }

    fn ask(&self, path: &str, groups: &[&str]) -> Response {
        let token = self.signer.token(json!({ "groups": groups }));
        self.proxy.get("web", path).header("authorization", &format!("Bearer {token}")).send()
    }

    /// What `portcullis audit` prints, and its exit code.
    fn audit(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.proxy.command([&["audit"], arguments].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    }

    fn records(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, said) = self.audit(&[&["--since", "1h", "--format", "json"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn wait_for(&self, what: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, || self.records(&[]).into_iter().find(|record| is_meant(record)))
    }

    fn store(&self) -> PathBuf {
        self.proxy.directory().join("store.db")
    }

    /// What somebody does who has the file.
    fn by_hand(&self, sql: &str) {
        rusqlite::Connection::open(self.store()).unwrap().execute_batch(sql).unwrap();
    }
}

fn path(record: &Value) -> &str {
    record["action"]["request"]["path"].as_str().unwrap_or_default()
}

#[test]
fn every_decision_is_on_record_with_who_what_from_where_and_by_which_policy() {
    let audited = Audited::start();
    assert_eq!(audited.ask("/dba/x?secret=1", &["dba", "ops"]).status, 200);
    assert_eq!(audited.ask("/dba/refused", &["ops"]).status, 403);
    assert_eq!(audited.proxy.get("web", "/dba/nobody").send().status, 401);
    assert_eq!(audited.proxy.get("web", "/open/x").send().status, 200);
    assert_eq!(audited.proxy.get("raw", "/x").header("connection", "close").send().status, 200);

    let allowed = audited.wait_for("it is recorded", |record| path(record) == "/dba/x");
    assert_eq!((&allowed["event"], &allowed["decision"]), (&json!("decision"), &json!("allowed")), "{allowed}");
    assert_eq!(allowed["principal"]["provider"], "robots", "{allowed}");
    assert_eq!(allowed["principal"]["groups"], json!(["dba", "ops"]), "{allowed}");
    assert_eq!(
        (&allowed["port"], &allowed["route"], &allowed["service"]),
        (&json!("web"), &json!("dba"), &json!("shop"))
    );
    assert_eq!(allowed["policies"], json!(["allow of route dba"]), "{allowed}");
    assert!(allowed["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{allowed}");
    assert!(allowed["bytes_out"].as_u64().unwrap() > 0 && allowed["first"].is_string(), "{allowed}");
    let logged = audited.proxy.log().wait_for("it is logged", |record| record.text("path").starts_with("/dba/x"));
    assert_eq!(allowed["request"], logged.text("id"), "{allowed}");

    let refused = audited.wait_for("it is recorded", |record| path(record) == "/dba/refused");
    assert_eq!(
        (&refused["decision"], &refused["principal"]["name"]),
        (&json!("refused"), &json!("robot")),
        "{refused}"
    );
    assert!(refused["reason"].as_str().unwrap().starts_with("refused-route: robot (robots) may not pass"), "{refused}");
    let nobody = audited.wait_for("it is recorded", |record| path(record) == "/dba/nobody");
    assert!(nobody["decision"] == "refused" && nobody["principal"].is_null(), "{nobody}");
    let ended = audited.wait_for("the session has ended", |record| record["event"] == "session-end");
    assert!(
        ended["action"] == "connect" && ended["port"] == "raw" && ended["bytes_out"].as_u64().unwrap() > 0,
        "{ended}"
    );

    let explained = audited.proxy.command(["explain", "--request", refused["request"].as_str().unwrap()]);
    let said = String::from_utf8(explained.stdout).unwrap() + &String::from_utf8_lossy(&explained.stderr);
    assert_eq!(explained.status.code(), Some(1), "{said}");
    for part in [
        "refused, 20",
        "GET ",
        "robot (robots), in ops",
        "the same request, as portcullis.yaml says it",
        "be in group dba",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let of_nobody = audited.proxy.command(["explain", "--request", "00000000000000000000000000000000"]);
    assert_eq!(of_nobody.status.code(), Some(2), "{of_nobody:?}");

    let of = |arguments: &[&str]| audited.records(arguments).len();
    assert_eq!((of(&["--port", "raw"]), of(&["--service", "ledger"])), (2, 2), "its begin and its end");
    assert_eq!((of(&["--decision", "refused"]), of(&["--principal", "robots:robot"])), (2, 2));
    assert!(audited.records(&[]).iter().all(|record| path(record) != "/open/x"), "nothing was decided about it");
    let (code, csv) = audited.audit(&["export", "--format", "csv"]);
    assert!(code == Some(0) && csv.contains("/dba/refused") && !csv.contains("secret=1"), "{csv}");
    let copied = wait_until("the copy has it, too", || {
        std::fs::read_to_string(audited.proxy.directory().join("copy.jsonl")).ok()
    });
    assert!(copied.lines().any(|line| line.contains("/dba/x")), "{copied}");
}

#[test]
fn what_is_done_to_the_record_of_a_running_proxy_is_found() {
    let audited = Audited::start();
    for number in 0..4 {
        assert_eq!(audited.ask(&format!("/strict/{number}"), &[]).status, 200);
    }
    let (code, said) = audited.audit(&["verify"]);
    assert_eq!(code, Some(0), "{said}");
    let unlocked = "DROP TRIGGER audit_records_are_not_changed; DROP TRIGGER audit_records_are_not_removed;";
    audited.by_hand(&format!("{unlocked} UPDATE audit_records SET body = replace(body, '/strict/1', '/strict/9');"));
    let (code, said) = audited.audit(&["verify"]);
    assert!(code == Some(1) && said.contains("was changed"), "{said}");
    audited.by_hand("DELETE FROM audit_records WHERE id = 3;");
    let (code, said) = audited.audit(&["verify"]);
    assert!(code == Some(1) && said.contains("removed"), "{said}");
}

#[test]
fn what_requires_its_record_does_not_pass_while_the_store_takes_none() {
    let audited = Audited::start();
    assert_eq!(audited.ask("/strict/before", &[]).status, 200);
    let is_there = audited.records(&[]).iter().any(|record| path(record) == "/strict/before");
    assert!(is_there, "it was on the disk before the service was asked");

    audited.by_hand(
        "CREATE TRIGGER the_disk_is_full BEFORE INSERT ON audit_records BEGIN SELECT RAISE(ABORT, 'disk full'); END;",
    );
    let served = audited.shop.served();
    for number in 0..3 {
        let path = format!("/strict/while-full-{number}");
        assert_eq!(audited.ask(&path, &[]).status, 503);
        assert_eq!(audited.proxy.log().wait_for_path(&path).text("end"), "audit-unavailable");
    }
    assert_eq!(audited.shop.served(), served, "nothing passed unseen");
    assert_eq!(audited.ask("/dba/other", &["dba"]).status, 200, "what does not require it goes on");
    wait_until("it says so", || audited.proxy.output().contains("the audit takes no records").then_some(()));

    audited.by_hand("DROP TRIGGER the_disk_is_full;");
    wait_until("it passes again", || (audited.ask("/strict/after", &[]).status == 200).then_some(()));
    let resumed = audited.wait_for("the gap is on record", |record| record["event"] == "audit-resumed");
    assert!(resumed["reason"].as_str().unwrap().contains("were refused"), "{resumed}");
    audited.wait_for("what passed meanwhile is recorded late", |record| path(record) == "/dba/other");
    let (code, said) = audited.audit(&["verify"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn without_a_store_nothing_that_records_decisions_starts() {
    let scenario = Scenario::new(FILE).environment("PORTCULLIS_STORE", "/proc/store.db");
    let (shop, signer) = (Web::start("shop"), Signer::new());
    let scenario = scenario.service("shop", &[shop.address()]).service("ledger", &[shop.address()]);
    let (code, said) = scenario.file("issuer.pem", &signer.public_pem()).start_in_vain();
    assert!(code == 2 && said.contains("the audit can not be kept: "), "{code} {said}");
}
