//! The text that Prometheus reads.

#![allow(clippy::unwrap_used)] // a test may panic

use std::time::Duration;

use portcullis_observe::{
    Termination,
    metrics::{Buckets, Health, Registry},
};

fn registry() -> Registry {
    let bounds = [Duration::from_millis(1), Duration::from_secs(1)];
    Registry::new(2, Buckets::new(&bounds).unwrap())
}

fn series<'t>(text: &'t str, family: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.starts_with(family)).collect()
}

#[test]
fn counters_of_all_workers_are_one_series() {
    let registry = registry();
    let port = registry.port("web", "public");
    for worker in 0..2 {
        port.shard(worker).connections.add(5);
        port.shard(worker).closed.add(2);
        port.shard(worker).ended(Termination::NoRoute);
    }
    let text = registry.encode().unwrap();
    assert_eq!(
        series(&text, "portcullis_port_connections"),
        [r#"portcullis_port_connections_total{port="web",role="public"} 10"#]
    );
    assert_eq!(
        series(&text, "portcullis_port_active_connections"),
        [r#"portcullis_port_active_connections{port="web",role="public"} 6.0"#]
    );
    assert_eq!(
        series(&text, "portcullis_port_terminations"),
        [r#"portcullis_port_terminations_total{port="web",role="public",reason="no-route"} 2"#]
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_histogram_adds_up_its_buckets_and_counts_what_is_beyond_them() {
    let registry = registry();
    let endpoint = registry.endpoint("shop", "127.0.0.1:3000");
    for (worker, millis) in [(0, 1), (1, 1), (0, 500), (1, 1500)] {
        endpoint.shard(worker).finished(Some(200), Duration::from_millis(millis));
    }
    endpoint.shard(0).finished(None, Duration::from_hours(1));
    let text = registry.encode().unwrap();
    assert_eq!(
        series(&text, "portcullis_endpoint_response_seconds"),
        [
            r#"portcullis_endpoint_response_seconds_sum{service="shop",endpoint="127.0.0.1:3000"} 2.002"#,
            r#"portcullis_endpoint_response_seconds_count{service="shop",endpoint="127.0.0.1:3000"} 4"#,
            r#"portcullis_endpoint_response_seconds_bucket{le="0.001",service="shop",endpoint="127.0.0.1:3000"} 2"#,
            r#"portcullis_endpoint_response_seconds_bucket{le="1.0",service="shop",endpoint="127.0.0.1:3000"} 3"#,
            r#"portcullis_endpoint_response_seconds_bucket{le="+Inf",service="shop",endpoint="127.0.0.1:3000"} 4"#,
        ]
    );
}

#[test]
fn an_endpoint_that_is_not_checked_is_neither_up_nor_down() {
    let registry = registry();
    let [one, other] = ["127.0.0.1:3000", "127.0.0.1:3001"].map(|address| registry.endpoint("shop", address));
    other.set_health(Health::Down);
    assert_eq!(
        series(&registry.encode().unwrap(), "portcullis_endpoint_up"),
        [r#"portcullis_endpoint_up{service="shop",endpoint="127.0.0.1:3001"} 0.0"#]
    );
    one.set_health(Health::Up);
    assert_eq!(series(&registry.encode().unwrap(), "portcullis_endpoint_up").len(), 2);
}

#[test]
fn names_cannot_break_out_of_their_label() {
    let registry = registry();
    let _service = registry.service("a\"} 1\nforged_total 7\\");
    let text = registry.encode().unwrap();
    assert_eq!(
        series(&text, "portcullis_service_retries"),
        [r#"portcullis_service_retries_total{service="a\"} 1\nforged_total 7\\"} 0"#]
    );
    assert_eq!(series(&text, "forged"), [""; 0]);
}

#[test]
fn a_hundred_thousand_idle_routes_do_not_show() {
    let registry = registry();
    let routes: Vec<_> = (0..100_000).map(|number| registry.route("web", &format!("route-{number}"))).collect();
    routes[7].shard(0).finished(Some(404), Duration::ZERO);
    let text = registry.encode().unwrap();
    assert!(text.contains(r#"portcullis_route_finished_total{port="web",route="route-7",status="4xx"} 1"#));
    assert!(text.len() < 20_000, "{} bytes", text.len());
}
