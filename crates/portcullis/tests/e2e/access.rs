//! `portcullis access`, and what `portcullis explain` says of identity and policies.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const FILE: &str = r#"
ranges:
  app: { ports: 3000-3999 }
identity:
  providers:
    corp: { jwt: "https://id.example.com", audience: [portcullis], keys: keys.json }
    robots: { jwt: "https://robots.example.com", audience: [portcullis], keys: keys.json }
ports:
  web: { listen: 127.0.0.1:8080, role: internal, protocol: http }
services:
  shop: { port: 3001, range: app, endpoints: [127.0.0.1:3001] }
  ledger: { port: 3002, range: app, endpoints: [127.0.0.1:3002] }
routes:
  - { name: shop, port: web, host: shop.example.com, service: shop, allow: anyone }
  - name: staff
    port: web
    host: shop.example.com
    path: /staff/*
    service: shop
    allow: authenticated
    authenticate: [corp]
  - name: ledger
    port: web
    host: ledger.example.com
    service: ledger
    allow: { groups: [dba], from: [10.0.0.0/8], grant: required }
    deny: { users: [mallory@example.com] }
policies: [own.cedar]
"#;

/// Of RFC 7517 A.1: nobody signs anything here.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}"#;

const OWN: &str = r#"@id("break-glass")
permit (principal in Group::"corp/oncall", action, resource in Service::"ledger");

// No admin page, for nobody.
forbid (principal, action == Action::"request", resource)
when { context.path like "/admin/*" };
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("portcullis.yaml"), FILE).unwrap();
    fs::write(folder.path().join("own.cedar"), OWN).unwrap();
    fs::write(folder.path().join("keys.json"), KEYS).unwrap();
    folder
}

fn portcullis(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let Output { status, stdout, stderr } = command.args(arguments).current_dir(folder).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

#[test]
fn who_can_reach_a_service_is_listed_with_conditions_exceptions_and_policies() {
    let folder = folder();
    let (code, said) = portcullis(folder.path(), &["access", "who", "ledger"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "ledger  web    groups dba, from 10.0.0.0/8, grant required",
        "except users mallory@example.com",
        "own.cedar:1 (own.cedar#break-glass) may let pass",
        "own.cedar:5 may refuse",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, said) = portcullis(folder.path(), &["access", "who", "legder"]);
    assert!(code == Some(2) && said.contains("there is no service legder; there are shop, ledger"), "{said}");
    let (_, said) = portcullis(folder.path(), &["access", "who", "ledger", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json[0]["conditions"][0]["any_of"][0], "dba", "{said}");
}

#[test]
fn routes_that_are_open_to_everyone_are_listed_too() {
    let folder = folder();
    let file = folder.path().join("portcullis.yaml");
    fs::write(&file, FILE.replace("policies: [own.cedar]\n", "")).unwrap();
    let (code, said) = portcullis(folder.path(), &["access", "who", "shop", "--format", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let json: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
    let listed: Vec<_> = json.iter().map(|one| (one["route"].as_str().unwrap(), one["anyone"] == true)).collect();
    assert_eq!(listed, [("staff", false), ("shop", true)]);
    let (_, said) = portcullis(folder.path(), &["access", "what"]);
    assert!(said.contains("shop     shop    web    yes"), "{said}");
}

#[test]
fn what_somebody_can_reach_is_listed_with_what_else_must_hold() {
    let folder = folder();
    let answers = |arguments: &[&str]| -> Vec<String> {
        let all = [&["access", "what", "--format", "json"], arguments].concat();
        let (code, said) = portcullis(folder.path(), &all);
        assert_eq!(code, Some(0), "{said}");
        let json: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
        json.iter()
            .map(|reach| format!("{} {}", reach["route"].as_str().unwrap(), reach["answer"].as_str().unwrap()))
            .collect()
    };
    for (arguments, expected) in [
        (&[][..], ["shop yes", "staff no", "ledger no"]),
        (&["alice@example.com"], ["shop yes", "staff yes", "ledger no"]),
        (&["alice@example.com", "--groups", "dba,ops"], ["shop yes", "staff yes", "ledger yes"]),
        (&["mallory@example.com", "--groups", "dba"], ["shop yes", "staff yes", "ledger no"]),
        (&["corp:bob", "--groups", "oncall"], ["shop yes", "staff yes", "ledger yes"]),
        (&["robots:bob", "--groups", "oncall", "--workload"], ["shop yes", "staff yes", "ledger no"]),
    ] {
        assert_eq!(answers(arguments), expected, "{arguments:?}");
    }
    let (_, said) = portcullis(folder.path(), &["access", "what", "alice@example.com", "--groups", "dba"]);
    assert!(said.contains("if from 10.0.0.0/8, grant required; own.cedar:5 may refuse"), "{said}");
    let (_, said) = portcullis(folder.path(), &["access", "what", "alice@example.com"]);
    assert!(said.contains("be in group dba"), "{said}");
    let (code, said) = portcullis(folder.path(), &["access", "what", "--groups", "dba"]);
    assert!(code == Some(2) && said.contains("say who it is"), "{said}");
}

#[test]
fn the_policies_that_decide_are_printed_as_cedar_that_cedar_reads() {
    let folder = folder();
    let (code, said) = portcullis(folder.path(), &["access", "policies"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "@id(\"allow of route ledger\")\npermit (principal, action, resource == Route::\"ledger\")",
        "unless { principal is Anonymous }",
        "// own.cedar:1\n@id(\"break-glass\")",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(said.matches("/admin/*").count(), 1, "once, though it is about every route: {said}");
    let (_, schema) = portcullis(folder.path(), &["access", "policies", "--schema"]);
    assert!(schema.contains("entity User in [Group]"), "{schema}");
    let (_, one) = portcullis(folder.path(), &["access", "policies", "shop"]);
    assert!(!one.contains("Route::\"ledger\""), "{one}");
}

#[test]
fn a_mistake_in_a_policy_is_a_finding_with_its_place() {
    let folder = folder();
    fs::write(folder.path().join("own.cedar"), "permit (principal, action,\n  resource in Service::\"legder\");")
        .unwrap();
    let (code, said) = portcullis(folder.path(), &["check", "portcullis.yaml"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("own.cedar:2:15: there is no Service::\"legder\"") && said.contains("did you mean \"ledger\"?"),
        "{said}"
    );
}

#[test]
fn explain_names_the_policy_that_decides_and_the_smallest_change() {
    let folder = folder();
    let explain = |path: &str, arguments: &[&str]| {
        let url = format!("http://{path}");
        portcullis(folder.path(), &[&["explain", url.as_str()], arguments].concat())
    };
    let ledger = "ledger.example.com:8080/";
    let alice = ["--as", "alice@example.com", "--groups", "dba"];
    for (path, arguments, code, expected) in [
        (
            ledger,
            &[][..],
            1,
            &["proves nobody", "prove who you are", "be in group dba", "come from 10.0.0.0/8", "401"][..],
        ),
        (
            ledger,
            &alice,
            1,
            &["alice@example.com, proven by corp", "come from 10.0.0.0/8", "have an active grant for ledger", "403"],
        ),
        (
            ledger,
            &[&alice[..], &["--from", "10.1.2.3", "--granted"]].concat(),
            0,
            &["allowed by allow of route ledger"],
        ),
        (
            ledger,
            &["--as", "mallory@example.com", "--groups", "dba", "--from", "10.1.2.3", "--granted"],
            1,
            &["refused by deny of route ledger", "take mallory@example.com out of `deny: { users }`"],
        ),
        (ledger, &["--as", "corp:bob", "--groups", "oncall"], 0, &["allowed by own.cedar#break-glass", "own.cedar:1"]),
        ("shop.example.com:8080/admin/x", &[], 1, &["refused by own.cedar:5", "change the policy at own.cedar:5"]),
        (
            "shop.example.com:8080/staff/x",
            &["--as", "robots:bob"],
            1,
            &["robots, which knows bob, is not asked here", "401"],
        ),
        (
            "shop.example.com:8080/staff/x",
            &["--as", "bob"],
            0,
            &["bob, proven by corp", "allowed by allow of route staff"],
        ),
    ] {
        let (actual, said) = explain(path, arguments);
        assert_eq!(actual, Some(code), "{path} {arguments:?}: {said}");
        for part in expected {
            assert!(said.contains(part), "{path} {arguments:?}: {part} in {said}");
        }
    }
    let (_, said) = explain(ledger, &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["decision"]["changes"][0]["change"], "sign-in", "{said}");
    assert_eq!(json["decision"]["is_enough"], true, "{said}");
}
