//! `portcullis check` over folders of other tools' files: what a person types, and what CI reads.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("check").args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const BROKEN: (&str, &str) = ("shop/compose.yaml", "services:\n  web: { image: nginx\n  db: { image: postgres }\n");

#[test]
fn a_folder_without_anything_to_check_is_said_so() {
    let folder = folder(&[("notes.txt", "hello")]);
    let output = check(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("nothing beneath . is of a kind that can be checked"), "{}", said(&output));
}

#[test]
fn findings_have_exact_places_and_a_known_end() {
    let folder = folder(&[BROKEN]);
    let output = check(folder.path(), &[".", "--format", "short"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("shop/compose.yaml:3:5: high: not valid YAML"), "{}", said(&output));
    let output = check(folder.path(), &[".", "--fail-on", "critical"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_baseline_lets_only_new_findings_count() {
    let compose = "services:\n  db: { image: 'postgres:17', ports: ['5432:5432'] }\n";
    let folder = folder(&[("shop/compose.yaml", compose)]);
    let known = folder.path().join("known.json");
    let known = known.to_str().unwrap();
    assert_eq!(check(folder.path(), &["shop", "--write-baseline", known]).status.code(), Some(0));
    let output = check(folder.path(), &["shop", "--baseline", known]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("no findings; "), "{}", said(&output));
    fs::write(folder.path().join("shop/docker-compose.yml"), compose).unwrap();
    let output = check(folder.path(), &["shop", "--baseline", known]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn every_form_is_well_formed() {
    let folder = folder(&[BROKEN]);
    for form in ["json", "sarif", "gitlab"] {
        let output = check(folder.path(), &["shop", "--format", form]);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(value.to_string().contains("PC902"), "{form}: {value}");
    }
    for (form, expected) in [
        ("junit", "<testsuites name=\"portcullis check\" tests=\"2\" failures=\"1\""),
        ("github", "::error file=shop/compose.yaml,line=3,col=5"),
        ("markdown", "| high | `shop/compose.yaml:3:5` | [PC902]("),
    ] {
        let output = check(folder.path(), &["shop", "--format", form]);
        assert!(said(&output).contains(expected), "{form}: {}", said(&output));
    }
}

#[test]
fn rules_can_be_asked_for() {
    let folder = folder(&[]);
    let output = check(folder.path(), &["--explain", "pc902"]);
    assert!(said(&output).starts_with("PC902 syntax (high)"), "{}", said(&output));
    let output = check(folder.path(), &["--rules"]);
    assert!(said(&output).contains("unreadable-file"), "{}", said(&output));
    let output = check(folder.path(), &["--explain", "PC000"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

const LEDGER: &str = "ports:
  ledger: { listen: <listen>, protocol: tcp }
services:
  ledger: { port: 5432, protocol: postgres, endpoints: [127.0.0.1:5432] }
routes:
  - { port: ledger, service: ledger, allow: anyone }
";

fn ledger(listen: &str) -> TempDir {
    folder(&[("portcullis.yaml", &LEDGER.replace("<listen>", listen))])
}

#[test]
fn who_reaches_what_is_proven_or_refuted_hop_by_hop() {
    let claim = "public -/-> role:database";
    let output = check(ledger("127.0.0.1:15432, role: internal").path(), &["--prove", claim]);
    // Nobody says what 127.0.0.1:5432 is, but no way from the internet leads there.
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).starts_with("public -/-> role:database: proven"), "{}", said(&output));
    let output = check(ledger("0.0.0.0:15432, role: public").path(), &["--prove", claim]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for hop in
        ["refuted", "portcullis.yaml:2:21: port `ledger` listens on 0.0.0.0:15432/tcp (internet)", "at port 5432"]
    {
        assert!(said(&output).contains(hop), "{hop} in {}", said(&output));
    }
    let output = check(ledger("127.0.0.1:1, role: internal").path(), &["--prove", "public database"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

/// Files of which not all is known, and a word of the reason that is told.
const UNREAD: [(&str, &str, &str); 4] = [
    ("other.yaml", "a: [b\n", "other.yaml:"),
    ("compose.yaml", "services:\n  web: { image: nginx\n", "not valid YAML"),
    (
        "portcullis.yaml",
        "include: [nowhere.yaml]\nports:\n  a: { listen: 127.0.0.1:1, role: internal }\n",
        "nowhere.yaml",
    ),
    ("portcullis.yaml", "prots: {}\n", "prots"),
];

#[test]
fn nothing_is_proven_of_files_that_are_not_read_whole() {
    let extends = "services:\n  a: { extends: { file: nowhere.yaml, service: b } }\n";
    for (name, text, reason) in UNREAD.into_iter().chain([("compose.yaml", extends, "nowhere.yaml")]) {
        let folder = folder(&[(name, text)]);
        let output = check(folder.path(), &[name, "--prove", "public -/-> role:database"]);
        assert_eq!(output.status.code(), Some(1), "{text}: {}", said(&output));
        assert!(said(&output).starts_with("public -/-> role:database: unknown"), "{text}: {}", said(&output));
        assert!(said(&output).contains(reason), "{text}: {}", said(&output));
    }
}

#[test]
fn there_is_no_difference_to_files_that_are_not_read_whole() {
    for (name, text, reason) in UNREAD {
        let (good, bad) = (ledger("127.0.0.1:15432, role: internal"), folder(&[(name, text)]));
        let (good, bad) = (good.path().join("portcullis.yaml"), bad.path().join(name));
        for (old, new) in [(&good, &bad), (&bad, &good)] {
            let arguments = ["--diff", old.to_str().unwrap(), new.to_str().unwrap()];
            let output = check(good.parent().unwrap(), &arguments);
            assert_eq!(output.status.code(), Some(2), "{text}: {}", said(&output));
            assert!(said(&output).contains(reason) && !said(&output).contains("newly"), "{}", said(&output));
        }
    }
}

#[test]
fn neither_map_nor_explain_tells_of_files_that_are_not_read_whole() {
    for (name, text, reason) in UNREAD {
        let folder = folder(&[(name, text), ("PORTS.md", "as it was")]);
        for arguments in [["map", name, "-o", "PORTS.md"], ["explain", "5432", "--config", name]] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_portcullis"));
            let output = program.args(arguments).current_dir(folder.path()).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
            assert!(said(&output).contains(reason), "{arguments:?}: {}", said(&output));
        }
        assert_eq!(fs::read_to_string(folder.path().join("PORTS.md")).unwrap(), "as it was");
    }
}

#[test]
fn what_could_not_be_read_is_never_in_a_baseline() {
    let folder = folder(&[BROKEN]);
    let output = check(folder.path(), &["shop", "--write-baseline", "known.json"]);
    assert!(said(&output).contains("0 findings are known now"), "{}", said(&output));
    let output = check(folder.path(), &["shop", "--baseline", "known.json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn a_difference_tells_what_a_change_exposes() {
    let (old, new) = (ledger("127.0.0.1:15432, role: internal"), ledger("0.0.0.0:15432, role: public"));
    let paths = |one: &TempDir, other: &TempDir| {
        ["--diff".to_owned(), one.path().display().to_string(), other.path().display().to_string()]
    };
    let compare = |one, other| {
        let arguments = paths(one, other);
        check(old.path(), &arguments.each_ref().map(String::as_str))
    };
    let output = compare(&old, &new);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("+ internet: 0.0.0.0:15432/tcp port `ledger` → service `ledger`:5432"),
        "{}",
        said(&output)
    );
    let output = compare(&new, &old);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("0 newly exposed, 2 no longer"), "{}", said(&output));
}

#[test]
fn a_security_group_is_judged_with_what_compose_publishes() {
    let group = "resource \"aws_security_group\" \"machine\" {\n  description = \"machine\"\n  ingress {\n    \
                 description = \"app\"\n    protocol    = \"tcp\"\n    from_port   = var.port\n    to_port     = \
                 var.port\n    cidr_blocks = [\"203.0.113.7/32\"]\n  }\n}\nvariable \"port\" {\n  default = 8081\n}\n\
                 output \"id\" {\n  value = aws_security_group.machine.id\n}\n";
    let compose = "services:\n  web:\n    build: .\n    ports: [\"127.0.0.1:8080:80\", \"0.0.0.0:8082:80\"]\n";
    let dockerfile = "FROM python:3\nEXPOSE 20-25\n";
    let folder = folder(&[("cloud/main.tf", group), ("compose.yaml", compose), ("Dockerfile", dockerfile)]);
    let output = check(folder.path(), &[".", "--format", "short"]);
    for expected in [
        "cloud/main.tf:12:13: medium: security group `machine` opens port 8081/tcp, on which nothing in these files listens",
        "Dockerfile:2:8: medium: the image exposes port 22 (SSH, within 20-25)",
        "maps port 80/tcp of its container, whose Dockerfile exposes 20-25/tcp only",
    ] {
        assert!(said(&output).contains(expected), "{expected}\n{}", said(&output));
    }
}
