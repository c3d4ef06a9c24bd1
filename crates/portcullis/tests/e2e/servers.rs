//! `portcullis check` over configurations of HAProxy, nginx and systemd, alone and together with Compose files.

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

/// One line for each finding.
fn found(folder: &TempDir) -> String {
    String::from_utf8(check(folder.path(), &[".", "--format", "short"]).stdout).unwrap()
}

/// The file of haproxy/haproxy#868, which `haproxy -c` calls valid (once the backends are there).
const TWO_FRONTENDS: &str = "\
frontend fe1
    bind :80
    default_backend servers1

# this frontend will never be called
frontend fe2
  bind :80
  default_backend servers2
";

#[test]
fn two_frontends_on_one_port_are_refused_until_the_file_says_that_they_are_meant() {
    let folder = folder(&[("haproxy.cfg", TWO_FRONTENDS)]);
    let output = check(folder.path(), &["haproxy.cfg", "--format", "short", "--fail-on", "critical"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("haproxy.cfg:7:8: critical: frontend `fe2` binds port 80, which frontend `fe1` holds"),
        "{said}"
    );
    let meant = TWO_FRONTENDS
        .replace("  bind :80\n  def", "  # portcullis: ignore PC501: both answer alike\n  bind :80\n  def");
    fs::write(folder.path().join("haproxy.cfg"), meant).unwrap();
    assert_eq!(check(folder.path(), &["haproxy.cfg", "--fail-on", "critical"]).status.code(), Some(0));
}

#[test]
fn a_route_to_a_port_that_its_service_does_not_have_is_found_at_the_route() {
    for (name, path, text, place) in [
        (
            "nginx.conf",
            "/etc/nginx/nginx.conf",
            "events {}\nhttp {\n  server {\n    listen 80;\n    location / {\n      proxy_pass http://api:3001;\n    }\n  }\n}\n",
            "nginx.conf:6:25",
        ),
        (
            "haproxy.cfg",
            "/usr/local/etc/haproxy/haproxy.cfg",
            "defaults\n  mode http\nfrontend web\n  bind :80\n  default_backend api\nbackend api\n  server a api:3001\n",
            "haproxy.cfg:7:12",
        ),
    ] {
        let compose = format!(
            "services:\n  edge:\n    image: edge\n    ports: [\"80:80\"]\n    volumes: [\"./{name}:{path}:ro\"]\n  api:\n    \
             image: api\n    expose: [3000]\n"
        );
        let folder = folder(&[("compose.yaml", &compose), (name, text)]);
        let said = found(&folder);
        let expected =
            format!("{place}: high: Compose service `api` does not say that it listens on 3001, only on 3000");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_database_behind_a_tcp_proxy_is_shown_with_every_hop() {
    for (name, text) in [
        ("nginx.conf", "events {}\nstream {\n  server {\n    listen 5432;\n    proxy_pass db:5432;\n  }\n}\n"),
        ("haproxy.cfg", "defaults\n  mode tcp\nlisten db\n  bind :5432\n  server db db:5432\n"),
    ] {
        let compose = format!(
            "services:\n  edge:\n    image: edge\n    ports: [\"5432:5432\"]\n    volumes: [\"./{name}:/etc/{name}:ro\"]\n  \
             db:\n    image: postgres\n    expose: [5432]\n"
        );
        let folder = folder(&[("compose.yaml", &compose), (name, text)]);
        let output = check(folder.path(), &[".", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let chain = findings.iter().find(|finding| finding["rule"] == "PC151").unwrap_or_else(|| panic!("{report}"));
        assert_eq!(chain["severity"], "critical");
        let hops = chain["related"].as_array().unwrap();
        let files: Vec<&str> = hops.iter().filter_map(|hop| hop["file"].as_str()).collect();
        assert!(files.contains(&name) && files.contains(&"compose.yaml"), "{hops:?}");
    }
}

#[test]
fn one_host_port_for_nginx_and_for_compose_is_found() {
    let nginx = "events {}\nhttp {\n  server {\n    listen 80;\n    root /srv;\n  }\n}\n";
    let compose = "services:\n  web:\n    image: nginx\n    ports: [\"80:80\"]\n";
    let apart = folder(&[("host/nginx.conf", nginx), ("shop/compose.yaml", compose)]);
    let said = found(&apart);
    assert!(said.contains("critical: port 80/tcp is already claimed by"), "{said}");
    // In an image that the service is built from, the same file listens inside of the container.
    let compose = "services:\n  web:\n    build: .\n    ports: [\"80:80\"]\n";
    let dockerfile = "FROM nginx:1.27\nCOPY conf/nginx.conf /etc/nginx/nginx.conf\n";
    let built = folder(&[("conf/nginx.conf", nginx), ("compose.yaml", compose), ("Dockerfile", dockerfile)]);
    assert!(!found(&built).contains("already claimed"), "{}", found(&built));
    let alone = folder(&[("conf/nginx.conf", nginx), ("other/compose.yaml", compose), ("Dockerfile", dockerfile)]);
    assert!(!found(&alone).contains("already claimed"), "{}", found(&alone));
}

#[test]
fn variants_of_a_configuration_are_not_taken_for_one_host() {
    let nginx = "events {}\nhttp {\n  server {\n    listen 80;\n    root /srv;\n  }\n}\n";
    let folder = folder(&[("dev/nginx.conf", nginx), ("live/nginx.conf", nginx)]);
    assert!(!found(&folder).contains("claimed"), "{}", found(&folder));
}

#[test]
fn an_upstream_that_the_file_does_not_declare_is_found() {
    let own = "\
ranges: { app: { ports: 3000-3999 } }
ports:
  web: { listen: 0.0.0.0:8080, role: public, protocol: http, plaintext: accepted }
services:
  shop: { port: 3000, range: app, endpoints: [127.0.0.1:3000] }
routes:
  - { port: web, host: shop.example.com, service: shop, allow: anyone }
";
    let nginx = "events {}\nhttp {\n  server {\n    listen 80;\n    location / {\n      proxy_pass http://10.0.0.9:3000;\n    }\n    \
                 location /new {\n      proxy_pass http://10.0.0.9:3005;\n    }\n  }\n}\n";
    let folder = folder(&[("portcullis.yaml", own), ("nginx.conf", nginx)]);
    let said = found(&folder);
    assert!(
        said.contains("nginx.conf:9:25: medium: nginx passes on to 10.0.0.9:3005, and no service declares port 3005"),
        "{said}"
    );
    assert!(!said.contains("declares port 3000"), "{said}");
}

#[test]
fn safe_fixes_keep_the_rest_of_the_file() {
    let socket = "# ours\n[Socket]\nListenStream=10.0.0.5:8080   \n\n[Install]\nWantedBy=sockets.target\n";
    let haproxy = "defaults\n  mode http\nlisten v6\n  bind :::7000 # six\n  server a 10.0.0.1:80\nlisten v4\n  bind :7000\n  server a 10.0.0.1:80\n";
    let folder = folder(&[("app.socket", socket), ("haproxy.cfg", haproxy)]);
    check(folder.path(), &[".", "--fix"]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("app.socket"), socket.replace("8080   \n", "8080\nFreeBind=yes   \n"));
    assert_eq!(read("haproxy.cfg"), haproxy.replace(":::7000 #", ":::7000 v6only #"));
}

#[test]
fn hostile_files_end_with_one_clear_finding() {
    let deep = "server {\nlisten 80;\n".to_owned() + &"location / {\n".repeat(100_000);
    let large = "x".repeat(17 * 1024 * 1024);
    let circle = "events {}\nhttp { include nginx.conf; }\n";
    let folder = folder(&[("deep/nginx.conf", &deep), ("large/haproxy.cfg", &large), ("circle/nginx.conf", circle)]);
    let said = found(&folder);
    for expected in [
        "deep/nginx.conf:66:1: high: nested too deeply: the rest is not read",
        "large/haproxy.cfg:1:1: high: the file cannot be read: it is larger than 16 MiB",
        "circle/nginx.conf:2:16: high: `nginx.conf` is included by itself, or too deeply",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}
