//! `portcullis import`: the file that it writes passes its own checks, and says what it does not say.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::harness::Web;

const COMPOSE: &str = r#"services:
  shop:
    image: example/shop:1
    ports:
      - "8080:3000"
      - "127.0.0.1:9000:9000"
      - "${ADMIN}:9100"
      - "53:53/udp"
      - "3001"
  ledger:
    image: postgres:17
    ports:
      - target: 5432
        published: 5432
        host_ip: 0.0.0.0
"#;

fn import(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_portcullis");
    Command::new(program).arg("import").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_compose_project_is_declared_port_by_port() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), COMPOSE).unwrap();
    let output = import(folder.path(), &["compose", "compose.yaml", "--output", "portcullis.yaml"]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{notes}");
    let text = fs::read_to_string(folder.path().join("portcullis.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(
        lines,
        [
            "  shop-8080: { listen: \"0.0.0.0:8080\", role: public, protocol: tcp } # compose.yaml:5",
            "  shop-8080-v6: { listen: \"[::]:8080\", role: public, protocol: tcp } # compose.yaml:5",
            "  shop-9000: { listen: \"127.0.0.1:9000\", role: internal, protocol: tcp } # compose.yaml:6",
            "  ledger-5432: { listen: \"0.0.0.0:5432\", role: public, protocol: tcp } # compose.yaml:14",
            "  ledger: { port: 5432, protocol: postgres, endpoints: [\"ledger:5432\"] } # compose.yaml:10",
            "  shop: { port: 3000, protocol: tcp, endpoints: [\"shop:3000\"] } # compose.yaml:2",
            "  shop-9000: { port: 9000, protocol: tcp, endpoints: [\"shop:9000\"] } # compose.yaml:2",
            "  - { port: [ledger-5432], service: ledger, allow: anyone }",
            "  - { port: [shop-8080, shop-8080-v6], service: shop, allow: anyone }",
            "  - { port: [shop-9000], service: shop-9000, allow: anyone }",
        ]
    );
    for said in [
        "compose.yaml:7:9: an unknown port of Compose service `shop` is not carried over: its number is not known",
        "compose.yaml:8:9: port 53 of Compose service `shop` is not carried over: it is udp",
        "compose.yaml:9:9: a random port of Compose service `shop` is not carried over: its number is not known",
        "port 5432 of Compose service `ledger` is public, as before, and leads to database",
        "take `ports:` out of compose.yaml",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    // Names of containers mean nothing on this host; all else is right.
    let local = text.replace("\"ledger:", "\"10.9.8.7:").replace("\"shop:", "\"10.9.8.7:");
    fs::write(folder.path().join("portcullis.yaml"), local).unwrap();
    let program = env!("CARGO_BIN_EXE_portcullis");
    let check = Command::new(program)
        .args(["check", "--offline", "portcullis.yaml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    let again = import(folder.path(), &["compose", "compose.yaml", "--output", "portcullis.yaml"]);
    assert_eq!(again.status.code(), Some(2), "nothing is replaced");
}

#[test]
fn what_publishes_nothing_or_is_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), "services: { a: { image: x } }").unwrap();
    fs::write(folder.path().join("other.yaml"), "a: 1\n").unwrap();
    for (file, expected) in
        [("compose.yaml", "publishes nothing"), ("other.yaml", "is not a Compose file"), ("none.yaml", "none.yaml")]
    {
        let output = import(folder.path(), &["compose", file]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_proposal_for_this_machine_passes_its_check_and_reaches_what_listens() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), COMPOSE).unwrap();
    let shop = Web::start("shop");
    let portcullis = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_portcullis")).args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let output = portcullis(&["init", "--output", "portcullis.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = fs::read_to_string(folder.path().join("portcullis.yaml")).unwrap();
    assert!(text.contains(&format!("endpoints: [\"{}\"]", shop.address())), "{text}");
    assert!(text.contains("portcullis import compose compose.yaml"), "{text}");
    let check = portcullis(&["check", "--offline", "portcullis.yaml"]);
    assert_eq!(check.status.code(), Some(0), "{}{text}", String::from_utf8_lossy(&check.stdout));
    assert_eq!(portcullis(&["init", "--output", "portcullis.yaml"]).status.code(), Some(2), "nothing is replaced");
}

const CLUSTER: &str = r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: prod
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
spec:
  tls: [{ hosts: [shop.example.com], secretName: shop-tls }]
  rules:
    - host: shop.example.com
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: shop, port: { name: web } } } }
          - { path: /healthz, pathType: Exact, backend: { service: { name: shop, port: { name: web } } } }
          - { path: "/old/.*", pathType: ImplementationSpecific, backend: { service: { name: shop, port: { number: 80 } } } }
    - host: plain.example.com
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: shop, port: { number: 80 } } } }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: staff
  namespace: prod
  annotations:
    nginx.ingress.kubernetes.io/auth-url: https://login.example.com/check
spec:
  rules:
    - host: staff.example.com
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: shop, port: { number: 80 } } } }] }
---
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: prod }
spec:
  selector: { app: shop }
  ports: [{ name: web, port: 80, targetPort: 3000 }]
---
apiVersion: v1
kind: Service
metadata: { name: ledger, namespace: prod }
spec:
  type: LoadBalancer
  loadBalancerSourceRanges: [10.0.0.0/8]
  selector: { app: ledger }
  ports: [{ port: 5432 }, { name: dns, port: 53, protocol: UDP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: prod }
spec:
  listeners: [{ name: api, port: 8080, protocol: HTTP, hostname: "*.example.com" }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: api, namespace: prod }
spec:
  parentRefs: [{ name: edge, sectionName: api }]
  hostnames: [api.example.com]
  rules:
    - matches: [{ path: { value: /v1 } }]
      filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: / } } }]
      backendRefs: [{ name: shop, port: 80, weight: 9 }, { name: canary, port: 80 }]
    - matches: [{ method: POST }]
      backendRefs: [{ name: shop, port: 80 }]
"#;

#[test]
fn what_lets_the_outside_into_a_cluster_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prod.yaml"), CLUSTER).unwrap();
    let output = import(folder.path(), &["k8s", "prod.yaml"]);
    let (text, notes) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{notes}");
    for line in [
        r#"http: { listen: "0.0.0.0:80", role: public, protocol: http, plaintext: accepted } # prod.yaml:14"#,
        r#"tls: { certificates: [{ cert: "tls/shop-tls/tls.crt", key: "tls/shop-tls/tls.key" }] }"#,
        r#"host: "shop.example.com", path: "/healthz", service: shop, allow: anyone }"#,
        r#"host: "shop.example.com", redirect: { to: "https://shop.example.com", status: 308 }"#,
        r#"host: "plain.example.com", service: shop, allow: anyone }"#,
        r#"host: "staff.example.com", service: shop, allow: { from: [127.0.0.0/8, "::1/128"] } } # closed until you decide"#,
        r#"service: ledger, allow: { from: ["10.0.0.0/8"] } }"#,
        r#"host: "api.example.com", prefix: "/v1", service: shop-2, allow: anyone, rewrite: { path-prefix: "/" } }"#,
        r#"endpoints: [{ address: "shop.prod.svc:80", weight: 9 }, "canary.prod.svc:80"]"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for said in [
        "prod.yaml:7:5: the annotation `nginx.ingress.kubernetes.io/proxy-body-size` is not carried over",
        "prod.yaml:16:21: this path is not carried over: `/old/.*` is a pattern",
        "you decide: an authentication service was asked for",
        "port 53 of Service `ledger` is not carried over: Portcullis passes on TCP",
        "this match is not carried over: it asks for headers, a method or a query",
        "run Portcullis there",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
}
