//! `portcullis check`, `schema`, and what `run` refuses before anything is open. The findings themselves are tested
//! one by one in `portcullis-config`; here it is the program that prints them.

use std::process::Command;

use crate::harness::{Authority, Scenario, Web, free_address, output_of, wait_until};

const GOOD: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { port: 3000, endpoints: [127.0.0.1:3000] }
routes:
  - { port: web, service: shop, allow: anyone }
";

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_good_file_is_fine() {
    let output = Scenario::new(GOOD).check();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn every_mistake_is_told_in_one_run_with_its_place_and_the_nearest_name() {
    let text = GOOD.replace("service: shop", "service: shpo").replace("protocol: http", "protocl: http");
    let output = Scenario::new(&text).check();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["did you mean `shop`", "did you mean `protocol`", "portcullis.yaml:", "^^^^"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_finding() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["check", "/nonexistent.yaml"]).output().unwrap();
    let said = said(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("/nonexistent.yaml"), "{said}");
}

/// "0 files: no findings" with exit code 0, for anything that was not a Kubernetes manifest: a pass in CI that was none.
#[test]
fn what_comes_through_a_pipe_is_checked_or_it_is_said_that_it_is_not() {
    const COMPOSE: &str = "services:\n  web:\n    image: x\n    ports: [\"0.0.0.0:5432:5432\"]\n";
    let own = GOOD.replace("<web>", "127.0.0.1:8080");
    let broken = own.replace("service: shop", "service: shpo");
    for (text, code, words) in [
        (COMPOSE, 1, "-:4:13: high: port 5432 of `web` is published on 0.0.0.0"),
        (&own, 0, "1 file (1 Portcullis): no findings"),
        (&broken, 1, "did you mean `shop`"),
        ("server {\n  listen 0.0.0.0:80;\n}\n", 0, "1 nginx"),
        ("FROM scratch\nEXPOSE 22\n", 0, "-:2:8"),
        ("garbage\n", 2, "standard input is of no kind that is known by its contents"),
        ("ports: {}\n", 2, "standard input is of no kind that is known by its contents"),
        ("\n", 2, "nothing came through standard input"),
        ("", 2, "nothing came through standard input"),
    ] {
        let output = output_of(env!("CARGO_BIN_EXE_portcullis"), ["check", "-", "--format", "short"], text.as_bytes());
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}: {said}");
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn a_file_that_is_named_is_checked_or_it_is_said_that_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("notes.txt", "hello\n");
    write("empty", "");
    write("hello.yaml", "hello\n");
    write("nginx.conf", "server {\n  listen 127.0.0.1:80;\n}\n");
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    for (paths, code, words) in [
        (&["notes.txt"][..], 2, "notes.txt is of no kind that can be checked"),
        (&["empty"], 2, "empty is of no kind that can be checked"),
        (&["nothing"], 2, "nothing beneath nothing is of a kind that can be checked"),
        (&["hello.yaml"], 1, "expected a mapping"),
        (&["./hello.yaml"], 1, "expected a mapping"),
        (&["nginx.conf", "./notes.txt"], 0, "note: notes.txt is of no kind that can be checked, and was left out"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let output = command.arg("check").args(paths).current_dir(folder.path()).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{paths:?}: {said}");
        assert!(said.contains(words), "{words} in {said}");
    }
}

/// Each unknown key was held against every key of its mapping, and each unknown name against every name: minutes.
#[test]
fn thousands_of_mistakes_in_one_file_take_no_longer_than_others() {
    let mut text = "ports:\n  web:\n    listen: 127.0.0.1:8080\n    role: internal\n".to_owned();
    text.extend((0..8_000).map(|number| format!("    key-{number}: 1\n")));
    text.push_str("services:\n");
    let service =
        |number: usize| format!("  a-service-with-a-long-name-{number}: {{ port: 3000, endpoints: [127.0.0.1] }}\n");
    text.extend((0..2_000).map(service));
    text.push_str("routes:\n");
    text.extend((0..2_000).map(|number| {
        format!(
            "  - {{ port: web, host: h{number}.test, service: a-servcie-with-a-lnog-name-{number}, allow: anyone }}\n"
        )
    }));
    let output = output_of(env!("CARGO_BIN_EXE_portcullis"), ["check", "-", "--format", "short"], text.as_bytes());
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{}", &said[..said.len().min(1000)]);
    assert!(
        said.contains("unknown key `key-7999`") && said.contains("unknown service `a-servcie-with-a-lnog-name-1999`")
    );
}

#[test]
fn unknown_verbs_and_options_are_usage_errors() {
    for arguments in [&["chekc"][..], &["check", "--nonsense"], &["run", "--nonsense"], &[]] {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_broken_file_is_never_run() {
    for (text, rule) in [
        (GOOD.replace(", allow: anyone", ""), "route-without-allow"),
        (GOOD.replace("listen: <web>", "listen: 0.0.0.0:18080"), "exposed-address"),
        (GOOD.replace("127.0.0.1:3000", "127.0.0.1:3001"), "endpoint-port-mismatch"),
        (GOOD.replace("service: shop", "service: shpo"), "unknown-name"),
    ] {
        let (code, said) = Scenario::new(&text).start_in_vain();
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(rule), "{rule} in {said}");
    }
}

/// CVE-2026-27586, CVE-2022-46153: a CA that is not there must never mean that everybody is believed.
#[test]
fn a_client_ca_that_is_missing_empty_or_broken_keeps_the_port_closed() {
    let authority = Authority::new("test");
    let leaf = authority.issue(&["a.test"]);
    let text = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [<certificate>] }
    clients: { certificate: required, ca: <ca> }
routes:
  - { port: web, allow: anyone, respond: { status: 200 } }
";
    let directory = authority.directory();
    std::fs::write(directory.join("empty.pem"), "").unwrap();
    std::fs::write(directory.join("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    for ca in
        [directory.join("missing.pem"), directory.join("empty.pem"), directory.join("broken.pem"), leaf.key.clone()]
    {
        let scenario = Scenario::new(text).text("certificate", &leaf.yaml()).text("ca", &ca.display().to_string());
        let (code, said) = scenario.start_in_vain();
        assert_eq!(code, 1, "{}: {said}", ca.display());
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_who_holds_it() {
    let web = Web::start("taken");
    let (code, said) = Scenario::new(&GOOD.replace("<web>", &web.address().to_string())).start_in_vain();
    assert_ne!(code, 0, "{said}");
    let pid = std::process::id().to_string();
    for part in [&web.address().to_string(), &pid, "e2e"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_second_portcullis_does_not_share_the_ports_of_the_first() {
    let first = Scenario::new(GOOD).start();
    let (code, said) = Scenario::new(&GOOD.replace("<web>", &first.address("web").to_string())).start_in_vain();
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("portcullis"), "{said}");
}

#[test]
fn the_schema_is_json_and_knows_every_section() {
    let output = output_of(env!("CARGO_BIN_EXE_portcullis"), ["schema"], b"");
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for section in ["ports", "services", "routes", "ranges", "defaults", "limits", "log", "metrics", "admin", "include"]
    {
        assert!(schema["properties"].get(section).is_some(), "{section}");
    }
}

#[test]
fn the_example_of_the_demo_is_right() {
    let authority = Authority::new("demo");
    let leaf = authority.issue(&["shop.localhost"]);
    let text = include_str!("../../../../examples/demo/portcullis.yaml");
    let scenario = Scenario::new(&format!("\n{text}")).file("admin-token", "0123456789abcdef0123456789abcdef");
    std::fs::create_dir(scenario.directory().join("tls")).unwrap();
    std::fs::copy(&leaf.cert, scenario.directory().join("tls/web.pem")).unwrap();
    std::fs::copy(&leaf.key, scenario.directory().join("tls/web.key")).unwrap();
    let output = scenario.check();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains("warning"), "{}", said(&output));
}

#[test]
fn a_check_says_who_holds_a_port_and_takes_it_for_no_mistake() {
    let address = free_address();
    let text = GOOD.replace("<web>", &address.to_string()).replacen('\n', "\nlog: { access: { to: stdout } }\n", 1);
    let free = Scenario::new(&text).check_with(&[]);
    assert_eq!(free.status.code(), Some(0), "{}", said(&free));
    assert!(!said(&free).contains("address-unavailable"), "{}", said(&free));
    let _held = Web::start_at("held", address);
    let held = Scenario::new(&text).check_with(&[]);
    assert_eq!(held.status.code(), Some(0), "{}", said(&held));
    for part in ["address-unavailable", &format!("{address} is taken"), &format!("pid {}", std::process::id())] {
        assert!(said(&held).contains(part), "{part} in {}", said(&held));
    }
    assert_eq!(Scenario::new(&text).check_with(&["--deny-warnings"]).status.code(), Some(1));
    let offline = Scenario::new(&text).check_with(&["--deny-warnings", "--offline"]);
    assert_eq!(offline.status.code(), Some(0), "{}", said(&offline));
}

#[test]
fn the_ports_of_the_proxy_that_runs_the_file_are_its_own() {
    let proxy = Scenario::new(GOOD).start();
    wait_until("its record is there", || proxy.directory().join("run").exists().then_some(()));
    let checked = proxy.verb("check");
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert!(!said(&checked).contains("address-unavailable"), "{}", said(&checked));
}

#[test]
fn a_check_says_that_the_log_has_no_place() {
    let text = format!("{GOOD}log: {{ access: {{ to: ./logs/access.log }} }}\n");
    let output = Scenario::new(&text).check_with(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for part in ["access-log-unwritable", "there is no directory ", "mkdir -p "] {
        assert!(said(&output).contains(part), "{part} in {}", said(&output));
    }
    assert!(!said(&Scenario::new(&text).check()).contains("access-log"));
}

#[test]
fn a_port_that_this_host_may_give_to_an_outbound_connection_is_told() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let reserved = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap();
    if !reserved.trim().is_empty() {
        return; // this host keeps some to itself: portcullis-config has the cases
    }
    let last = range.split_whitespace().nth(1).unwrap();
    let output = Scenario::new(&GOOD.replace("<web>", &format!("127.0.0.1:{last}"))).check();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["local-ports", &format!("sysctl net.ipv4.ip_local_reserved_ports={last}"), "portcullis.yaml:"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn the_version_tells_the_commit_where_there_is_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("--version").output().unwrap();
    let said = said(&output);
    let rest = said.trim_end().strip_prefix(concat!("portcullis ", env!("CARGO_PKG_VERSION"))).expect("the version");
    // A tree that came without its history has none.
    let is_commit = |rest: &str| rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')')).is_some();
    assert!(rest.is_empty() || is_commit(rest), "{said}");
}

/// The words of the language's library stood there: "invalid digit found in string", "File exists (os error 17)".
#[test]
fn arguments_that_can_not_be_meant_are_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.yaml"), "mine").unwrap();
    std::fs::write(folder.path().join("compose.yaml"), "services: { a: { image: x, ports: [\"80:80\"] } }\n").unwrap();
    for (arguments, words) in [
        (&["ports", "allocate", "--service", "shop", "--replicas", "x"][..], "expected a whole number from 1 to 1000"),
        (&["ports", "release", "--service", "shop", "--replica", "many"], "expected a whole number from 0 to 999"),
        (&["probe", "--connections", "many"], "expected a whole number from 1 to"),
        (&["audit", "--last", "0"], "expected a whole number from 1 to"),
        (&["init", "--output", "mine.yaml"], "mine.yaml is there already; name another file with --output"),
        (&["import", "compose", "compose.yaml", "--output", "mine.yaml"], "mine.yaml is there already"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{words} in {said}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("mine.yaml")).unwrap(), "mine");
}

#[test]
fn a_token_that_is_not_known_here_is_told_with_the_variable_that_is_missing() {
    const FILE: &str = "
ports:
  steer: { listen: <steer>, role: admin }
admin: { token: \"${env:STEER_TOKEN}\" }
";
    let proxy = Scenario::new(FILE).environment("STEER_TOKEN", "correct-horse-battery-staple").start();
    let other = proxy.directory().join("other.yaml");
    std::fs::write(&other, FILE.replace("<steer>", &proxy.address("steer").to_string())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["status", "--config"]).arg(&other).env_remove("STEER_TOKEN").env_remove("PORTCULLIS_ADMIN_TOKEN");
    let said = said(&command.output().unwrap());
    for words in ["the environment variable `STEER_TOKEN` is not set", "--token-file"] {
        assert!(said.contains(words), "{words} in {said}");
    }
}
