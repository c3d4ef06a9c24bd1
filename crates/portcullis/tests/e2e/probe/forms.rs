//! Forms of the report, exit codes, and what a user without rights is told.

use std::{
    fs,
    process::{Command, Output},
};

use crate::harness::{Proxy, Scenario, Web, free_address};

const SHOP: &str = crate::probe::reach::SHOP;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A proxy whose only service is dead.
fn broken() -> Proxy {
    Proxy::with(SHOP, &[("shop", free_address())])
}

#[test]
fn people_read_what_failed_first_with_line_and_fix_and_a_sum_at_the_end() {
    let output = broken().command(["probe", "--only", "inventory"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let first = said.lines().next().unwrap();
    assert!(first.starts_with("error[dead-endpoint]: endpoint 127.0.0.1:"), "{said}");
    for part in ["  --> ", "portcullis.yaml:", "  tried: ", "  fix: ", " passed, 1 error", "listeners, 0 connections"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("pass["), "{said}");
    let verbose = broken().command(["probe", "--only", "inventory", "--verbose"]);
    assert!(String::from_utf8_lossy(&verbose.stdout).contains("pass[dead-port]: port `web`"));
}

#[test]
fn ci_reads_junit_and_tap() {
    let proxy = broken();
    let junit = proxy.command(["probe", "--only", "inventory", "--format", "junit"]);
    let text = said(&junit);
    assert_eq!(junit.status.code(), Some(1), "{text}");
    for part in ["<testsuite name=\"inventory\"", "failures=\"1\"", "classname=\"dead-endpoint\"", "type=\"error\""] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let tap = said(&proxy.command(["probe", "--only", "inventory", "--format", "tap"]));
    let mut lines = tap.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan: usize = lines.next().and_then(|plan| plan.strip_prefix("1..")).unwrap().parse().unwrap();
    let points = tap.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).count();
    assert_eq!(points, plan);
    assert!(tap.contains("not ok 1 - dead-endpoint: "), "{tap}");
}

#[test]
fn the_textfile_has_every_check_that_was_made() {
    let proxy = broken();
    let path = proxy.directory().join("portcullis.prom");
    let output = proxy.command(["probe", "--only", "inventory", "--textfile", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = fs::read_to_string(&path).unwrap();
    for line in [
        "portcullis_probe_outcomes{check=\"dead-endpoint\",verdict=\"error\"} 1",
        "portcullis_probe_outcomes{check=\"dead-endpoint\",verdict=\"pass\"} 0",
        "portcullis_probe_outcomes{check=\"dead-port\",verdict=\"error\"} 0",
        "# TYPE portcullis_probe_last_run_timestamp_seconds gauge",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let leftovers = fs::read_dir(proxy.directory())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("portcullis.prom."));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_file_that_is_wrong_is_reported_as_check_reports_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["probe", "/nonexistent.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("portcullis.yaml"), "ports:\n  web: { listne: 127.0.0.1:80 }\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let output = command.arg("probe").current_dir(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("did you mean `listen`"), "{}", said(&output));
}

#[test]
fn a_namespace_that_is_not_there_is_said_so() {
    let output = broken().command(["probe", "--from", "no-such-namespace"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("no network namespace `no-such-namespace`"), "{}", said(&output));
}

#[test]
fn without_root_it_says_what_it_could_not_see_and_passes_nothing_unseen() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(SHOP, &[("shop", shop.address())]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_portcullis"), "probe"]);
    command.args(["--only", "inventory"]).arg(proxy.directory().join("portcullis.yaml"));
    // Others may not read a directory that was made for this user alone.
    fs::set_permissions(proxy.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = command.output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("setpriv: ") {
        eprintln!("SKIPPED: this user may not run as another one");
        return;
    }
    let said = said(&output);
    for part in
        ["unknown[wrong-process]: port `web`", "run the probe as root", "not seen: this host: the process", "unknown"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("error["), "{said}");
}

#[test]
fn warnings_fail_a_run_only_when_they_are_to() {
    let text = SHOP.replace("services:", "ranges: { app: { ports: 40000-40009 } }\nservices:");
    let shop = Web::start("shop");
    let proxy = Scenario::new(&text).service("shop", &[shop.address()]).start();
    assert_eq!(proxy.command(["probe", "--only", "inventory"]).status.code(), Some(0));
    assert_eq!(proxy.command(["probe", "--only", "inventory", "--deny-warnings"]).status.code(), Some(1));
}
