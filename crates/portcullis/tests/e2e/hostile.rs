//! `portcullis check` over files that are made to hang, crash or exhaust their reader: each ends with one clear finding,
//! soon, and within bounded memory.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use tempfile::TempDir;

/// The findings in a folder, a line each, without the line that sums them up. 30 seconds of a core and 4 GiB of addresses
/// are far more than any of these needs, also without optimisation.
fn findings(folder: &Path) -> Vec<String> {
    const BOUNDED: &str = "ulimit -v 4194304; ulimit -t 30; exec timeout 600 \"$0\" check . --format short";
    let mut command = Command::new("sh");
    let output = command.args(["-c", BOUNDED, env!("CARGO_BIN_EXE_portcullis")]).current_dir(folder).output().unwrap();
    let (said, mistakes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}\n{said}{mistakes}", output.status);
    let mut lines: Vec<String> = said.lines().map(ToOwned::to_owned).collect();
    lines.pop();
    lines
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Every format, with a text by which it is recognised.
const FORMATS: [(&str, &str); 8] = [
    ("portcullis.yaml", "ports: {}\n"),
    ("compose.yaml", "services:\n  web:\n    image: x\n"),
    ("app.yaml", "apiVersion: v1\nkind: Service\n"),
    ("main.tf", "resource \"aws_vpc\" \"main\" {}\n"),
    ("Dockerfile", "FROM scratch\n"),
    ("app.socket", "[Socket]\nListenStream=127.0.0.1:80\n"),
    ("haproxy.cfg", "frontend web\n  bind 127.0.0.1:8080\n"),
    ("nginx.conf", "server {\n  listen 127.0.0.1:80;\n}\n"),
];

#[test]
fn a_file_that_is_no_text_or_too_large_is_told_of_once() {
    for (name, text) in FORMATS {
        let binary = folder(&[]);
        fs::write(binary.path().join(name), [text.as_bytes(), b"# \xff\xfe\n"].concat()).unwrap();
        let at = text.len() + 2;
        assert_eq!(
            findings(binary.path()),
            [format!("{name}:1:1: high: the file cannot be read: it is not UTF-8 text (byte {at}) [PC901]")]
        );
        let large = folder(&[(name, text)]);
        let file = fs::File::options().write(true).open(large.path().join(name)).unwrap();
        file.set_len(50 * 1024 * 1024).unwrap();
        assert_eq!(
            findings(large.path()),
            [format!("{name}:1:1: high: the file cannot be read: it is larger than 16 MiB [PC901]")]
        );
    }
}

/// `&b [*a, *a, …]`, twelve times over: half a million million values.
fn alias_bomb() -> String {
    let line = |(inner, outer)| format!("x-{outer}: &{outer} [{}]\n", vec![format!("*{inner}"); 9].join(", "));
    let lines: String = ('a'..'l').zip('b'..='l').map(line).collect();
    format!("x-a: &a [x, x, x, x, x, x, x, x, x]\n{lines}")
}

#[test]
fn towers_and_bombs_are_told_of_once() {
    let bomb = alias_bomb();
    let tower = "[".repeat(200_000);
    for (name, text, expected) in [
        (
            "portcullis.yaml",
            bomb.clone() + "ports: *l\n",
            "high: more than 2000000 values once aliases are expanded [bounds]",
        ),
        (
            "compose.yaml",
            bomb.clone() + "services: { web: { image: x, ports: *l } }\n",
            "high: more values than any file of people has, once aliases are expanded [PC903]",
        ),
        (
            "app.yaml",
            bomb + "apiVersion: v1\nkind: Service\nspec: { ports: *l }\n",
            "high: more values than any file of people has, once aliases are expanded [PC903]",
        ),
        (
            "portcullis.yaml",
            format!("ports: {tower}\n"),
            "high: not valid YAML: it is nested more deeply than any file of people [syntax]",
        ),
        (
            "compose.yaml",
            format!("services:\n  web:\n    image: x\n    command: {tower}\n"),
            "high: not valid YAML: it is nested more deeply than any file of people [PC902]",
        ),
        (
            "app.yaml",
            format!("apiVersion: v1\nkind: Pod\nspec: {tower}\n"),
            "high: not valid YAML: it is nested more deeply than any file of people [PC902]",
        ),
        (
            "main.tf",
            "resource \"aws_vpc\" \"main\" {\n".to_owned() + &"x {\n".repeat(100_000),
            "high: not the language of Terraform: invalid nesting depth; expected at most 64 nested levels [PC903]",
        ),
        (
            "nginx.conf",
            "server {\nlisten 127.0.0.1:80;\n".to_owned() + &"location / {\n".repeat(100_000),
            "high: nested too deeply: the rest is not read [PC903]",
        ),
    ] {
        let found = findings(folder(&[(name, &text)]).path());
        assert!(found.len() == 1 && found[0].starts_with(name) && found[0].ends_with(expected), "{name}: {found:#?}");
    }
}

#[test]
fn circles_are_told_of_once() {
    let group = "resource \"aws_vpc\" \"main\" {}\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: a, namespace: a }\nspec: { type: ExternalName, externalName: a.example.com }\n";
    let cases: [(&[(&str, &str)], &str); 8] = [
        (
            &[
                ("compose.yaml", "include: [other.yaml]\n"),
                ("other.yaml", "include: [compose.yaml]\nservices: { db: { image: x } }\n"),
            ],
            "other.yaml:1:11: high: this file includes itself, so Compose refuses it [PC902]",
        ),
        (
            &[
                ("compose.yaml", "services:\n  a: { extends: { file: other.yaml, service: b } }\n"),
                ("other.yaml", "services:\n  b: { extends: { file: compose.yaml, service: a } }\n"),
            ],
            "compose.yaml:2:17: high: `a` extends itself, or more than 32 services on the way [PC902]",
        ),
        (
            &[
                ("nginx.conf", "events {}\nhttp { include a.conf; }\n"),
                ("a.conf", "server { listen 127.0.0.1:80; include a.conf; }\n"),
            ],
            "a.conf:1:39: high: `a.conf` is included by itself, or too deeply [PC903]",
        ),
        (
            &[("main.tf", "module \"a\" {\n  source = \"./\"\n}\n"), ("vpc.tf", group)],
            "main.tf:2:12: high: this module calls itself, or is called by one that it calls: Terraform refuses it [PC902]",
        ),
        (
            &[
                ("a/main.tf", "module \"b\" {\n  source = \"../b\"\n}\n"),
                ("b/main.tf", "module \"a\" {\n  source = \"../a\"\n}\n"),
            ],
            "a/main.tf:2:12: high: this module calls itself, or is called by one that it calls: Terraform refuses it [PC902]",
        ),
        (
            &[
                ("a/kustomization.yaml", "resources: [../b, app.yaml]\n"),
                ("a/app.yaml", service),
                ("b/kustomization.yaml", "resources: [../a]\n"),
            ],
            "a/kustomization.yaml:1:13: high: this kustomization takes itself in by `../b`, so Kustomize refuses it [PC902]",
        ),
        (
            &[
                ("compose.yaml", "services:\n  web: { image: x, ports: [\"127.0.0.1:${A}:80\"] }\n"),
                (".env", "A=${B}\nB=${A}\n"),
            ],
            "compose.yaml:2:28: unknown: the host port of `web` depends on `A`, which no file sets [PC217]",
        ),
        (
            &[("Dockerfile", "FROM a AS b\nFROM b AS a\nCOPY --from=a /x /x\nARG A=${B}\nARG B=${A}\nEXPOSE ${A}\n")],
            "Dockerfile:6:8: unknown: which port is exposed depends on `B`, which has no value in this file [PC904]",
        ),
    ];
    for (files, expected) in cases {
        assert_eq!(findings(folder(files).path()), [expected], "{files:?}");
    }
}

#[test]
fn what_is_no_file_is_told_of_and_never_opened() {
    let folder = folder(&[(
        "docker-compose.yml",
        "include: [pipe.yaml]\nservices:\n  web: { image: x, env_file: ring.yaml, extends: { file: socket.yaml, service: x } }\n",
    )]);
    let path = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(path("pipe.yaml")).status().unwrap().success());
    let _socket = UnixListener::bind(path("socket.yaml")).unwrap();
    symlink("/dev/zero", path("nginx.conf")).unwrap();
    symlink("ring.yaml", path("ring.yaml")).unwrap();
    // Neither the one above nor one that leads nowhere is anybody's mistake.
    symlink("..", path("above")).unwrap();
    symlink("nowhere", path("gone.yaml")).unwrap();
    assert_eq!(
        findings(folder.path()),
        [
            "docker-compose.yml:1:11: high: `pipe.yaml` cannot be read: it is not a regular file [PC901]",
            "docker-compose.yml:3:58: high: `socket.yaml` cannot be read: it is not a regular file [PC901]",
            "nginx.conf:1:1: high: the file cannot be read: it is not a regular file [PC901]",
            "pipe.yaml:1:1: high: the file cannot be read: it is not a regular file [PC901]",
            "ring.yaml:1:1: high: the file cannot be read: Too many levels of symbolic links (os error 40) [PC901]",
            "socket.yaml:1:1: high: the file cannot be read: it is not a regular file [PC901]",
        ]
    );
}

#[test]
fn a_crowd_takes_time_by_its_number_and_not_by_its_square() {
    let services: String =
        (0..8_000).map(|n| format!("  s{n}: {{ image: x, ports: [\"127.0.0.1:{}:80\"] }}\n", 1024 + n)).collect();
    let modules: String = (0..5_000).map(|n| format!("module \"m{n}\" {{\n  source = \"./m{n}\"\n}}\n")).collect();
    let upstreams: String =
        (0..8_000).map(|n| format!("listen l{n}\n  bind 127.0.0.1:{}\n  server a 10.0.0.1:80\n", 1024 + n)).collect();
    for (name, text) in [
        ("compose.yaml", format!("services:\n{services}")),
        ("main.tf", modules),
        ("haproxy.cfg", format!("defaults\n  mode tcp\n{upstreams}")),
    ] {
        findings(folder(&[(name, &text)]).path());
    }
}
