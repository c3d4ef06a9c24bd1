//! Keys of the proxy's own: made, shown, limited, revoked.

use serde_json::Value;

use crate::harness::{Proxy, Scenario, Web, wait_until};

const FILE: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: { groups: [deploy] } }
identity:
  providers:
    scripts: { tokens: true }
";

fn token(proxy: &Proxy, arguments: &[&str]) -> Value {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("token").args(arguments).args(["--format", "json"]);
    let output = command.env("PORTCULLIS_STORE", proxy.directory().join("store.db")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_key_opens_what_it_is_for_until_it_is_revoked() {
    let web = Web::start("shop");
    let scenario = Scenario::new(FILE).service("shop", &[web.address()]);
    let store = scenario.directory().join("store.db").display().to_string();
    let proxy = scenario.environment("PORTCULLIS_STORE", &store).start();
    let made = token(&proxy, &["create", "ci", "--group", "deploy"]);
    let other = token(&proxy, &["create", "other", "--group", "office"]);
    let limited = token(&proxy, &["create", "limited", "--group", "deploy", "--service", "ledger"]);
    let status = |key: &Value| {
        let shown = format!("Bearer {}", key["token"].as_str().unwrap());
        proxy.get("web", "/").header("authorization", &shown).send().status
    };
    wait_until("the proxy knows the key", || (status(&made) == 200).then_some(()));
    for key in [&other, &limited] {
        wait_until("the proxy knows it, too", || (status(key) != 401).then_some(()));
    }
    assert_eq!(status(&other), 403);
    token(&proxy, &["revoke", made["id"].as_str().unwrap()]);
    wait_until("the key is no good any more", || (status(&made) == 401).then_some(()));
}
