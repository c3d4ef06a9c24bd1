//! Kubernetes manifests as they come: lists, JSON, templates, kustomizations, several folders; hostile ones too.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::path::Path;

use portcullis_lint::{
    Outcome, check,
    estate::{Reach, Side, ways},
    finding::Verdict,
    inputs::Inputs,
};
use proptest::prelude::*;

/// What is said about files, given by their paths and texts.
fn checked(files: &[(&str, &str)]) -> (Inputs, Outcome) {
    let inputs = Inputs::default();
    let ids: Vec<_> =
        files.iter().map(|(path, text)| inputs.add(Path::new(path), text.as_bytes().to_vec()).unwrap()).collect();
    let outcome = check(&inputs, &ids, |_| false);
    (inputs, outcome)
}

/// The places of a rule's findings: `file:line:column`.
fn places(files: &[(&str, &str)], rule: &str) -> Vec<String> {
    let (inputs, outcome) = checked(files);
    let findings = outcome.findings.iter().filter(|finding| finding.rule.id == rule);
    findings
        .map(|finding| {
            let at = inputs.position(finding.span);
            format!("{}:{}:{}", inputs.path(finding.span.file).display(), at.line, at.column)
        })
        .collect()
}

fn rules(files: &[(&str, &str)]) -> Vec<&'static str> {
    checked(files).1.findings.iter().map(|finding| finding.rule.id).collect()
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: web, labels: { app: web } }\nspec:\n  containers:\n    - name: web\n      image: registry.example.com/web\n      ports: [{ name: http, containerPort: 8080 }]\n";

fn pod(name: &str, app: &str) -> String {
    POD.replace("name: web, labels: { app: web }", &format!("name: {name}, labels: {{ app: {app} }}"))
}

fn service(name: &str, app: &str, port: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n  selector: {{ app: {app} }}\n  ports: [{port}]\n"
    )
}

#[test]
fn lists_of_any_kind_and_json_are_read() {
    let node_port = "spec: { type: NodePort, selector: { app: web }, ports: [{ port: 80 }] }";
    for text in [
        format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  {node_port}\n"),
        format!("apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {{ name: web }}\n  {node_port}\n"),
        format!("apiVersion: v1\nkind: ConfigMap\n---\napiVersion: v1\nkind: Service\n{node_port}\n"),
        r#"{"kind":"Service","apiVersion":"v1","spec":{"type":"NodePort","ports":[{"port":80}]}}"#.to_owned(),
        "{\n\t\"kind\": \"Service\",\n\t\"apiVersion\": \"v1\",\n\t\"spec\": {\"type\": \"NodePort\",\n\t\t\"ports\": [{\"port\": 80}]}\n}\n"
            .to_owned(),
    ] {
        for path in ["a.yaml", "a.json", "-"] {
            assert_eq!(places(&[(path, &text)], "PC421").len(), 1, "{path}: {text}");
        }
    }
}

#[test]
fn resources_of_other_programs_are_left_alone() {
    for text in [
        "apiVersion: serving.knative.dev/v1\nkind: Service\nspec: { type: NodePort }\n",
        "apiVersion: example.com/v1\nkind: Gateway\nspec: { listeners: [{ port: 80, protocol: HTTP }] }\n",
        "apiVersion: v1\nkind: Config\nclusters: []\n",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: { versions: [] }\n",
        "apiVersion: v2\nname: chart\nkind: application\n",
    ] {
        assert_eq!(rules(&[("a.yaml", text)]), [""; 0], "{text}");
    }
}

#[test]
fn templates_are_told_of_once_for_each_chart() {
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec: { type: NodePort }\n";
    let (inputs, outcome) = checked(&[
        ("chart/templates/a.yaml", template),
        ("chart/templates/sub/b.yaml", template),
        ("other/templates/c.yaml", template),
    ]);
    let told: Vec<_> = outcome
        .findings
        .iter()
        .map(|finding| (finding.rule.id, finding.verdict, inputs.path(finding.span.file).to_str().unwrap()))
        .collect();
    let unknown = Verdict::Unknown;
    assert_eq!(told, [("PC904", unknown, "chart/templates/a.yaml"), ("PC904", unknown, "other/templates/c.yaml")]);
    assert!(outcome.findings[0].message.starts_with("2 templates"), "{}", outcome.findings[0].message);
}

#[test]
fn values_that_are_decided_elsewhere_are_unknown_and_not_wrong() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec:\n  selector:\n    app: ${APP}\n  ports:\n  - port: ${PORT}\n    targetPort: $TARGET\n";
    let (_, outcome) = checked(&[("a.yaml", &format!("{}---\n{text}", pod("web", "web")))]);
    let told: Vec<_> =
        outcome.findings.iter().filter(|f| f.rule.id != "PC461").map(|f| (f.rule.id, f.verdict)).collect();
    assert!(
        !told.is_empty() && told.iter().all(|(rule, verdict)| *rule == "PC904" && *verdict == Verdict::Unknown),
        "{told:?}"
    );
}

#[test]
fn a_selector_is_only_wrong_where_its_pods_should_be() {
    let service = service("web", "wbe", "{ port: 80 }");
    let pod = pod("web", "web");
    let found = |files: &[(&str, &str)]| places(files, "PC426").len();
    // Its own pods lie beside it, or in folders that sort by kind.
    assert_eq!(found(&[("a/service.yaml", &service), ("a/pod.yaml", &pod)]), 1);
    assert_eq!(found(&[("a/services/web.yaml", &service), ("a/pods/web.yaml", &pod)]), 1);
    // Nothing but Services, or pods of somebody else.
    assert_eq!(found(&[("a/service.yaml", &service)]), 0);
    assert_eq!(found(&[("a/service.yaml", &service), ("b/pod.yaml", &pod)]), 0);
    // The pods are made by an operator of that name.
    let operator = "apiVersion: db.example.com/v1\nkind: Database\nmetadata: { name: wbe }\n";
    assert_eq!(found(&[("a/service.yaml", &service), ("a/pod.yaml", &pod), ("a/db.yaml", operator)]), 0);
    // Endpoints are written by hand.
    let endpoints = "apiVersion: v1\nkind: Endpoints\nmetadata: { name: web }\n";
    assert_eq!(found(&[("a/service.yaml", &service), ("a/pod.yaml", &pod), ("a/e.yaml", endpoints)]), 0);
}

#[test]
fn labels_that_controllers_add_are_in_no_file() {
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: db }\nspec:\n  selector: { matchLabels: { app: db } }\n  template:\n    metadata: { labels: { app: db } }\n    spec: { containers: [{ name: db, image: registry.example.com/db, ports: [{ containerPort: 80 }] }] }\n";
    for label in ["statefulset.kubernetes.io/pod-name: db-0", "role: master", "example.com/role: primary"] {
        let service = service("db", &format!("db, {label}"), "{ port: 80 }");
        assert_eq!(places(&[("a.yaml", &format!("{set}---\n{service}"))], "PC426"), [""; 0], "{label}");
    }
}

#[test]
fn kustomizations_tell_patches_from_objects_and_add_what_they_add() {
    let base = format!("{}---\n{}", pod("web", "web"), service("web", "shop", "{ port: 80, targetPort: http }"));
    let kustomization = "resources: [web.yaml]\nnamespace: shop\npatches: [{ path: change.yaml }]\nlabels:\n  - pairs: { app: shop }\n    includeSelectors: true\n";
    let patch = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { selector: { app: nobody }, ports: [{ port: 80 }] }\n";
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("web.yaml", base.as_str()), ("change.yaml", patch), ("kustomization.yaml", kustomization)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let inputs = Inputs::beneath([folder.path().to_owned()]);
    let walked = portcullis_lint::walk::walk(&inputs, &[folder.path().to_owned()]);
    let outcome = check(&inputs, &walked.files, |_| false);
    let told: Vec<&str> = outcome.findings.iter().map(|finding| finding.message.as_str()).collect();
    // The patch selects nobody, which is no mistake; of `app` the pod keeps its own.
    assert!(!told.iter().any(|message| message.contains("nobody")), "{told:?}");
    assert!(told.iter().any(|message| message.ends_with("in namespace `shop`")), "{told:?}");
}

#[test]
fn examples_side_by_side_do_not_get_in_each_others_way() {
    let node_port =
        |name: &str| service(name, "web", "{ port: 80, nodePort: 30080 }").replace("spec:", "spec:\n  type: NodePort");
    let (one, other) = (node_port("one"), node_port("other"));
    let clashes = |files: &[(&str, &str)]| {
        let (_, outcome) = checked(files);
        outcome.findings.iter().filter(|f| f.rule.id == "PC422" && f.message.contains("is also that of")).count()
    };
    assert_eq!(clashes(&[("a/one.yaml", &one), ("a/other.yaml", &other)]), 1);
    assert_eq!(clashes(&[("a/one.yaml", &one), ("b/other.yaml", &other)]), 0);
    // Two files that say the same thing are alternatives.
    let same = node_port("one");
    assert_eq!(clashes(&[("a/one.yaml", &one), ("a/one-dev.yaml", &format!("{same}---\n{other}"))]), 1);
    assert_eq!(clashes(&[("a/one.yaml", &one), ("a/one-dev.yaml", &same)]), 0);
}

#[test]
fn the_way_from_an_ingress_to_the_pods_is_told_hop_by_hop() {
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: web }\nspec:\n  rules:\n    - host: shop.example.com\n      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] }\n";
    let text =
        format!("{ingress}---\n{}---\n{}", service("web", "web", "{ port: 80, targetPort: http }"), pod("web", "web"));
    let (inputs, outcome) = checked(&[("a.yaml", &text)]);
    let ways = ways(&outcome.facts, &inputs);
    let way = ways.ways.iter().find(|way| way.workload.title == "Pod `web`").unwrap();
    assert_eq!((way.reach, way.port), (Some(Reach::Internet), Some(8080)));
    let lines: Vec<usize> = way.hops.iter().map(|hop| inputs.position(hop.place).line).collect();
    assert_eq!(lines, [6, 14, 23]);
    assert!(way.hops[1].text.starts_with("host shop.example.com, Service `web` port 80"), "{}", way.hops[1].text);
}

#[test]
fn what_policies_let_pass_is_told_by_what_it_means() {
    let policy = |selector: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: db }}\nspec:\n  podSelector: {{ matchLabels: {{ app: db }} }}\n  policyTypes: [Ingress]\n  ingress:\n    - from: [{{ podSelector: {selector} }}]\n      ports: [{{ port: 8080 }}, {{ port: http }}]\n"
        )
    };
    let incoming = |selector: &str| {
        let text = format!("{}---\n{}---\n{}", policy(selector), pod("db", "db"), pod("web", "web"));
        let (_, outcome) = checked(&[("a.yaml", &text)]);
        let of_db =
            outcome.facts.allowances.into_iter().filter(|one| one.workload == "Pod `db`" && one.side == Side::Incoming);
        of_db.map(|one| format!("{} {}", one.peer, one.ports)).collect::<Vec<_>>()
    };
    let expected = ["Pod `web` 8080/tcp"];
    assert_eq!(incoming("{ matchLabels: { app: web } }"), expected);
    assert_eq!(incoming("{ matchExpressions: [{ key: app, operator: In, values: [web, api] }] }"), expected);
}

#[test]
fn hostile_files_end_in_findings_and_not_in_a_hang() {
    let many = |what: &dyn Fn(usize) -> String, count: usize| (0..count).map(what).collect::<Vec<_>>().join("---\n");
    let selector = "{ app: web, tier: none }";
    let services = many(&|n| service(&format!("s{n}"), "web, tier: none", "{ port: 80 }"), 3000);
    let pods = many(&|n| pod(&format!("p{n}"), "web"), 3000);
    let policies = many(
        &|n| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: n{n} }}\nspec: {{ podSelector: {{}}, ingress: [{{ from: [{{ podSelector: {{ matchLabels: {selector} }} }}] }}] }}\n"
            )
        },
        300,
    );
    let (_, outcome) = checked(&[("a.yaml", &format!("{services}---\n{pods}---\n{policies}"))]);
    assert!(outcome.findings.len() >= 3000);
    let ports = vec!["{ containerPort: 80, hostPort: 80 }"; 3000].join(", ");
    checked(&[("a.yaml", &POD.replace("{ name: http, containerPort: 8080 }", &ports))]);
    for text in [
        "apiVersion: v1\nkind: List\nitems: [[[[[[[[[[]]]]]]]]]]\n".to_owned(),
        format!("apiVersion: v1\nkind: Pod\nspec: {}\n", "[".repeat(5000)),
        "apiVersion: v1\nkind: Pod\nspec: { containers: { a: b }, hostNetwork: [] }\n".to_owned(),
        "apiVersion: [v1]\nkind: { a: Pod }\n".to_owned(),
        "apiVersion: v1\nkind: Service\nspec: { ports: [80, [], {}, { port: {} }, { port: 99999999999999999999 }] }\n"
            .to_owned(),
    ] {
        checked(&[("a.yaml", &text)]);
    }
}

/// A bit of everything, to be broken at random.
const EVERYTHING: &str = include_str!("kubernetes/everything.yaml");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn broken_manifests_give_findings_within_their_text(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "[-a-z0-9{}\\[\\]:,\"'\\$ \n*/.]{0,12}"), 1..6),
    ) {
        let mut text = EVERYTHING.to_owned();
        for (at, length, replacement) in &cuts {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, replacement);
        }
        let (inputs, outcome) = checked(&[("a.yaml", &text)]);
        for finding in &outcome.findings {
            prop_assert!(finding.span.start <= finding.span.end);
            prop_assert!(finding.span.end as usize <= inputs.text(finding.span.file).len());
        }
    }
}
