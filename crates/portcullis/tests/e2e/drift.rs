//! The running proxy tells what is open and not as declared.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{Proxy, Web, free_address, wait_until};

const SHOP: &str = "
ranges: { app: { ports: <drifted> } }
ports:
  web: { listen: <web>, role: internal, protocol: http }
  numbers: { listen: <numbers>, role: metrics }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

fn told(proxy: &Proxy, check: &str) -> Option<Value> {
    let status = proxy.admin().get("/v1/status");
    status["drift"].as_array().unwrap().iter().find(|drift| drift["check"] == check).cloned()
}

#[test]
fn what_is_open_and_not_declared_is_in_the_log_the_status_and_the_metrics_until_it_is_gone() {
    let shop = Web::start("shop");
    let drifted = free_address();
    let text = SHOP.replace("<drifted>", &drifted.port().to_string());
    let proxy = Proxy::with(&text, &[("shop", shop.address())]);
    let count = |check: &str| {
        let metrics = proxy.get("numbers", "/metrics").expects(200).text();
        let name = format!("portcullis_drift{{check=\"{check}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok())
    };
    wait_until("it was looked", || count("undeclared-listener").filter(|count| *count < 0.5));
    assert_eq!(count("dead-endpoint"), Some(0.0));

    let listener = TcpListener::bind(drifted).unwrap();
    let drift = wait_until("a listener is noticed", || told(&proxy, "undeclared-listener"));
    assert_eq!(drift["subject"], format!("tcp {drifted}"));
    assert!(drift["message"].as_str().unwrap().contains("in range `app`"), "{drift}");
    assert_eq!(count("undeclared-listener"), Some(1.0));
    drop(shop);
    let drift = wait_until("a death is noticed", || told(&proxy, "dead-endpoint"));
    assert!(drift["place"].as_str().unwrap().contains("portcullis.yaml:"), "{drift}");
    let status = proxy.verb("status");
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    assert!(String::from_utf8_lossy(&status.stdout).contains("error[dead-endpoint]: endpoint"), "{status:?}");

    drop(listener);
    wait_until("it is noticed that it went", || told(&proxy, "undeclared-listener").is_none().then_some(()));
    let said = proxy.output();
    for words in ["not as declared: tcp", "as declared again: tcp"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}
