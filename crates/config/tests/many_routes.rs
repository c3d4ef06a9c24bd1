//! Large files load in seconds, also without optimisation.

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use portcullis_config::{Loaded, load_str, rule::RuleId};

const ROUTES: usize = 100_000;
/// The aim is three seconds on an idle machine; tests share theirs.
const PATIENCE: Duration = Duration::from_secs(30);

const HEAD: &str = "\
ports:
  web: { listen: 127.0.0.1:8080, role: internal, protocol: http }
services:
  shop: { port: 3000, endpoints: [127.0.0.1:3000] }
routes:
";

fn load_routes(routes: usize, route: impl Fn(usize, &mut String)) -> Loaded {
    let mut text = HEAD.to_owned();
    for index in 0..routes {
        route(index, &mut text);
    }
    let began = Instant::now();
    let loaded = load_str(Path::new("many.yaml"), &text);
    let took = began.elapsed();
    println!("{routes} routes, {} bytes: {took:?}", text.len());
    assert!(took < PATIENCE, "{took:?}");
    loaded
}

#[test]
fn a_hundred_thousand_hosts_load_without_finding() {
    let loaded = load_routes(ROUTES, |index, text| {
        let _ = writeln!(text, "- {{ port: web, host: h{index}.example.com, service: shop, allow: anyone }}");
    });
    assert_eq!(loaded.findings, []);
    assert_eq!(loaded.declared.map(|declared| declared.routes.len()), Some(ROUTES));
}

#[test]
fn a_hundred_thousand_tenants_on_one_host_are_told_apart_by_a_header() {
    let loaded = load_routes(ROUTES, |index, text| {
        let _ = writeln!(text, "- {{ port: web, headers: {{ x-tenant: t{index} }}, service: shop, allow: anyone }}");
    });
    assert_eq!(loaded.findings, []);
}

#[test]
fn routes_that_are_too_many_to_compare_are_refused() {
    let loaded = load_routes(5_000, |index, text| {
        let _ = writeln!(text, "- {{ port: web, headers: {{ x-tenant: ~t{index} }}, service: shop, allow: anyone }}");
    });
    let rules: Vec<_> = loaded.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [RuleId::AmbiguousRoutes]);
}

#[test]
fn thousands_of_mistakes_are_all_reported() {
    let loaded = load_routes(20_000, |index, text| {
        let _ = writeln!(text, "- {{ port: web, path: /x, host: h{index}.example.com, service: shpo, alow: anyone }}");
    });
    assert_eq!(loaded.findings.len(), 2 * 20_000, "unknown key and unknown service, for each route");
}
