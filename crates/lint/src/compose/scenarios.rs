//! Whole projects, from files to what is published: each case is a set of files and what Compose makes of it.

use std::{fmt::Write, fs, path::Path};

use super::{
    interpolate::shown,
    project::{Role, assemble},
    read,
};
use crate::{
    inputs::{FileId, Inputs},
    walk::walk,
};

/// Each project on a line of its own, each service with its entries of `ports:`; then the rules of what is wrong with
/// the files.
fn told(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    told_of(folder.path())
}

fn told_of(folder: &Path) -> String {
    let inputs = Inputs::beneath([folder.to_owned()]);
    let walked = walk(&inputs, &[folder.to_owned()]);
    let is_compose = |file: &FileId| super::recognises(inputs.path(*file), inputs.text(*file));
    let files: Vec<FileId> = walked.files.into_iter().filter(is_compose).collect();
    let mut told = String::new();
    for mut assembled in assemble(&inputs, &files) {
        let project = read::project(&assembled.root, &assembled.layers, &mut assembled.findings);
        let part = match assembled.part {
            Role::Main => "",
            Role::Variant(_) => "variant ",
            Role::Building => "building ",
        };
        let services: Vec<String> = project
            .services
            .iter()
            .map(|service| {
                let ports: Vec<String> = service.ports.iter().map(|port| shown(&port.text)).collect();
                format!("{}[{}]", service.name.value, ports.join(" "))
            })
            .collect();
        let wrong: Vec<&str> = assembled.findings.iter().map(|finding| finding.rule.id).collect();
        let line = format!("{part}{} {}", services.join(" "), wrong.join(" "));
        writeln!(told, "{}", line.trim_end()).unwrap();
    }
    told
}

const BASE: &str = "services: { a: { image: x, ports: ['1:1'] } }";

#[test]
fn an_override_beside_the_main_file_is_laid_over_it() {
    for (name, over, expected) in [
        ("compose.override.yaml", "services: { a: { ports: ['2:2'] } }", "a[1:1 2:2]\n"),
        ("compose.override.yml", "services: { a: { ports: !override ['2:2'] } }", "a[2:2]\n"),
        ("docker-compose.override.yml", "services: { a: { ports: !reset [] } }", "a[]\n"),
        ("compose.override.yaml", "services: { a: { ports: ['0.0.0.0:1:1/tcp'] } }", "a[0.0.0.0:1:1/tcp]\n"),
        ("compose.override.yaml", "services: { b: { image: y, ports: ['1:1'] } }", "a[1:1] b[1:1]\n"),
    ] {
        assert_eq!(told(&[("compose.yaml", BASE), (name, over)]), expected, "{name}: {over}");
    }
}

#[test]
fn the_file_that_compose_prefers_is_the_main_one() {
    let other = "services: { b: { image: y } }";
    let files = [("compose.yaml", BASE), ("docker-compose.yml", other), ("docker-compose.override.yml", "{}")];
    assert_eq!(told(&files), "b[]\na[1:1]\n", "the second is a project of its own");
    let files = [("docker-compose.yml", BASE), ("sub/compose.yaml", other)];
    assert_eq!(told(&files), "a[1:1]\nb[]\n");
}

#[test]
fn a_file_that_only_completes_the_main_one_is_laid_over_it() {
    let production = ("compose.prod.yaml", "services: { a: { ports: ['2:2'] } }");
    assert_eq!(told(&[("compose.yaml", BASE), production]), "variant a[1:1 2:2]\na[1:1]\n");
    let alone = ("compose.dev.yaml", "services: { a: { image: z, ports: ['2:2'] } }");
    assert_eq!(told(&[("compose.yaml", BASE), alone]), "a[2:2]\na[1:1]\n");
}

#[test]
fn compose_file_in_the_variables_names_the_files() {
    let files = [
        (".env", "COMPOSE_FILE=one.yml:two.yml\n"),
        ("one.yml", "services:\n  a:\n    image: x\n    ports: ['1:1']\n"),
        ("two.yml", "services:\n  a:\n    image: x\n    ports: ['2:2']\n"),
    ];
    assert_eq!(told(&files), "a[1:1 2:2]\n");
}

#[test]
fn variables_come_from_the_file_beside_the_project() {
    let compose = ("compose.yaml", "services: { a: { image: x, ports: ['${A}:1', '${B:-2}:2', '${C}:3', '$$:4'] } }");
    assert_eq!(told(&[compose, (".env", "A=127.0.0.1:1\n")]), "a[127.0.0.1:1:1 2:2 ${C}:3 $:4]\n");
    assert_eq!(told(&[compose, (".env", "A=1\nnot a line\n")]), "a[${A}:1 2:2 ${C}:3 $:4] PC902\n");
    let broken = ("compose.yaml", "services: { a: { image: x, ports: ['${A:1'] } }");
    assert_eq!(told(&[broken]), "a[${}] PC902\n");
}

#[test]
fn services_extend_those_of_this_and_of_other_files() {
    let common = ("common/base.yml", "services:\n  base:\n    image: x\n    ports: ['1:1']\n    expose: ['5']\n");
    let inner = "services:\n  a:\n    extends: { file: common/base.yml, service: base }\n    ports: ['2:2']\n  \
                 b:\n    extends: a\n    ports: ['3:3']\n";
    assert_eq!(told(&[("compose.yaml", inner), common]), "a[1:1 2:2] b[1:1 2:2 3:3]\nbuilding base[1:1]\n");
    for (extends, expected) in [
        ("{ service: nobody }", "a[] PC902\n"),
        ("{ file: nowhere.yml, service: base }", "a[] PC901\n"),
        ("{ service: a }", "a[] PC902\n"),
        ("{ service: a, file: compose.yaml }", "a[] PC902\n"),
        ("{ service: a, file: '${WHERE}' }", "a[] PC901\n"),
    ] {
        let file = format!("services: {{ a: {{ image: x, extends: {extends} }} }}");
        assert_eq!(told(&[("compose.yaml", &file)]), expected, "{extends}");
    }
}

#[test]
fn what_is_included_is_read_with_its_own_variables_beneath_those_around_it() {
    let main = "include:\n  - sub/compose.yaml\n  - { path: [other/one.yml, other/two.yml], env_file: other.env }\n\
                services:\n  a:\n    image: x\n    ports: ['${A}:1']\n";
    let files = [
        ("compose.yaml", main),
        (".env", "A=10\n"),
        ("sub/compose.yaml", "services: { b: { image: x, ports: ['${A}:2', '${B}:2'] } }"),
        ("sub/.env", "A=20\nB=21\n"),
        ("other/one.yml", "services:\n  c:\n    image: x\n    ports: ['${C}:3']\n"),
        ("other/two.yml", "services:\n  c:\n    image: x\n    ports: ['31:3']\n"),
        ("other.env", "C=30\n"),
    ];
    assert_eq!(told(&files), "c[30:3 31:3] b[10:2 21:2] a[10:1]\n");
    let circle = [
        ("compose.yaml", "include: [sub/compose.yaml]\nservices: { a: { image: x } }"),
        ("sub/compose.yaml", "include: [../compose.yaml]\nservices: { b: { image: x } }"),
    ];
    assert_eq!(told(&circle), "b[] a[] PC902\na[] b[] PC902\n");
    let elsewhere = "include: ['oci://registry.example.com/app', missing.yaml]\nservices: { a: { image: x } }";
    assert_eq!(told(&[("compose.yaml", elsewhere)]), "a[] PC901 PC901\n");
}

#[test]
fn anchors_merge_keys_extensions_and_several_documents_are_read() {
    let text = "x-web: &web\n  image: x\n  ports: &ports ['1:1']\nservices:\n  a: *web\n  b:\n    <<: *web\n    ports: \
                ['2:2']\n  c: { image: y, ports: *ports }\n---\nservices:\n  a: { ports: ['3:3'] }\n";
    assert_eq!(told(&[("compose.yaml", text)]), "a[1:1 3:3] b[2:2] c[1:1]\n");
}

#[test]
fn ports_are_read_in_every_form() {
    let text = "services:\n  a:\n    image: x\n    ports:\n      - 8080\n      - 80:80\n      - \"81:81\"\n      - target: \
                82\n        published: \"8082-8083\"\n        host_ip: 127.0.0.1\n        protocol: udp\n        mode: \
                host\n        name: n\n        app_protocol: http\n      - { target: \"83\" }\n";
    assert_eq!(told(&[("compose.yaml", text)]), "a[8080 80:80 81:81 127.0.0.1:8082-8083:82/udp ::83/]\n");
    let first_form = "web:\n  image: x\n  ports:\n    - '1:1'\n";
    assert_eq!(told(&[("docker-compose.yml", first_form)]), "web[1:1]\n");
}

#[test]
fn what_is_no_compose_file_by_its_contents_is_told_of_once() {
    for (text, expected) in [
        ("- a\n", " PC902\n"),
        ("services: [a]\n", " PC902\n"),
        ("services: { a: 1 }\n", " PC902\n"),
        ("services: { a: { image: x, ports: '80:80' } }\n", "a[] PC902\n"),
        ("services: { a: { image: x, ports: { 80: 80 } } }\n", "a[] PC902\n"),
        ("services: [\n", " PC902\n"),
        ("", "\n"),
    ] {
        assert_eq!(told(&[("compose.yaml", text)]), expected, "{text}");
    }
}

#[test]
fn hostile_projects_end_within_bounds() {
    let mut chain = "services:\n  s0: { image: x, ports: ['1:1'] }\n".to_owned();
    for level in 1..2000 {
        writeln!(chain, "  s{level}: {{ extends: s{} }}", level - 1).unwrap();
    }
    assert!(told(&[("compose.yaml", &chain)]).contains("PC902"));
    // Each level includes the next one twice.
    let mut files: Vec<(String, String)> = Vec::new();
    for level in 0..31 {
        let next = format!("l{}.yml", level + 1);
        files.push((format!("l{level}.yml"), format!("include: [{next}, {next}]\nservices:\n  a:\n    image: x\n")));
    }
    files.push(("compose.yaml".to_owned(), "include: [l0.yml]\nservices: { b: { image: x } }".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(told(&files).contains("PC903"));
    let many: String = (0..20_000).fold("services:\n  a:\n    image: x\n    ports:\n".to_owned(), |mut text, port| {
        writeln!(text, "      - '127.0.{}.{}:80:80'", port / 250, port % 250).unwrap();
        text
    });
    assert!(told(&[("compose.yaml", &many)]).contains("PC903"));
}

#[test]
fn safe_fixes_change_the_entry_and_nothing_else() {
    let before = "services:\n  a:\n    image: x\n    ports:\n      - \"3000:3000\" # stays\n      - 3001:3001/udp\n      - \
                  \"0.0.0.0:${PORT:-8081}:3002\"\n      - '[::]:3003:3003'\n      - target: 3004\n        published: 3004\n      \
                  - { target: 3005, published: 3005 }\n      - target: 3006\n        host_ip: 0.0.0.0\n      - 3007\n      - \
                  localhost:3008:3008\n      - \"${OTHER}:3009\"\n      - 22:22\n";
    let after = "services:\n  a:\n    image: x\n    ports:\n      - \"127.0.0.1:3000:3000\" # stays\n      - \
                 \"127.0.0.1:3001:3001/udp\"\n      - \"127.0.0.1:${PORT:-8081}:3002\"\n      - \"[::1]:3003:3003\"\n      - \
                 host_ip: 127.0.0.1\n        target: 3004\n        published: 3004\n      - { host_ip: 127.0.0.1, target: 3005, \
                 published: 3005 }\n      - target: 3006\n        host_ip: 127.0.0.1\n      - \"127.0.0.1::3007\"\n      - \
                 \"127.0.0.1:3008:3008\"\n      - \"${OTHER}:3009\"\n      - \"127.0.0.1:22:22\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compose.yaml");
    fs::write(&path, before).unwrap();
    let inputs = Inputs::beneath([folder.path().to_owned()]);
    let file = inputs.open(&path).unwrap();
    let mut findings = super::check(&inputs, &[file]).findings;
    crate::finding::sort(&mut findings, &inputs);
    let fixed = crate::fix::fixes(&findings, &inputs);
    assert_eq!(fixed[0].after, after);
    assert_eq!(fixed[0].before, before);
}
