//! What is imported from HAProxy and nginx answers as they do: the same requests, before and after.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::harness::{Process, Web, free_address, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

const HAPROXY: &str = "\
global
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind <web>
  acl is_shop hdr(host) -i shop.test www.shop.test
  acl is_api path_beg /api/
  http-request deny if { path_beg /secret/ }
  http-request set-header X-Edge edge-1
  http-request return status 200 content-type text/plain string pong if { path /ping }
  redirect location https://docs.test/ code 301 if { path /docs/ }
  use_backend api if is_api
  use_backend shop if is_shop
  use_backend beta if { req.cook(beta) -m found }
  default_backend other
backend api
  balance leastconn
  option httpchk GET /healthz
  server a <api> check
  server spare 127.0.0.1:1 backup
backend shop
  server s <shop>
backend beta
  server b 127.0.0.1:1
backend other
  server o <other>
";

const NGINX: &str = "\
daemon off; master_process off; pid pid; error_log error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream shop { least_conn; server <shop>; }
  server {
    listen <web>;
    server_name shop.test www.shop.test;
    location / { proxy_pass http://shop; proxy_set_header Host $host; proxy_set_header X-Edge edge-1; proxy_http_version 1.1; proxy_set_header Connection \"\"; }
    location /api/ { proxy_pass http://<api>/v1/; proxy_http_version 1.1; proxy_set_header Connection \"\"; }
    location = /ping { return 200 pong; }
    location /docs/ { return 301 https://docs.test/; }
    location /secret/ { deny all; }
    location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }
  }
  server {
    listen <web>;
    server_name other.test;
    location / { proxy_pass http://<other>; proxy_http_version 1.1; proxy_set_header Connection \"\"; }
  }
}
";

/// Requests: host and path.
const REQUESTS: [(&str, &str); 10] = [
    ("shop.test", "/"),
    ("www.shop.test", "/cart?id=1"),
    ("shop.test", "/api/orders"),
    ("other.test", "/"),
    ("other.test", "/api/orders"),
    ("nobody.test", "/x"),
    ("shop.test", "/ping"),
    ("shop.test", "/docs/"),
    ("www.shop.test", "/docs/"),
    ("shop.test", "/secret/x"),
];

/// What came of one request, as far as it must be the same.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    location: Option<String>,
    /// Which service answered, what it was asked for, and of which headers.
    service: Option<(String, String, Option<String>, Option<String>)>,
}

fn ask(address: SocketAddr, host: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.to_owned())
    });
    let service = serde_json::from_str::<Value>(body).ok().filter(Value::is_object).map(|echo| {
        let header = |wanted: &str| {
            let headers = echo["headers"].as_array()?;
            headers.iter().find(|header| header[0] == wanted).map(|header| header[1].as_str().unwrap().to_owned())
        };
        let text = |key: &str| echo[key].as_str().unwrap().to_owned();
        (text("replica"), text("target"), header("host"), header("x-edge"))
    });
    Answer { status: head[9..12].parse().unwrap(), location, service }
}

fn listens(process: &mut Process, address: SocketAddr) {
    wait_until("it listens", || {
        assert_eq!(process.has_ended(), None, "it ended");
        TcpStream::connect(address).ok()
    });
}

/// Imports the file, checks what was written, and gives the notes.
fn import(folder: &Path, tool: &str, file: &str) -> String {
    let import =
        Command::new(PROGRAM).args(["import", tool, file, "-o", "portcullis.yaml"]).current_dir(folder).output();
    let import = import.unwrap();
    let notes = String::from_utf8(import.stderr).unwrap();
    assert_eq!(import.status.code(), Some(0), "{notes}");
    let check = Command::new(PROGRAM).args(["check", "portcullis.yaml"]).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(0), "{said}{}", fs::read_to_string(folder.join("portcullis.yaml")).unwrap());
    notes
}

/// The answers of a tool, and after it those of Portcullis with what was imported.
fn before_and_after(text: &str, tool: &str, start: impl Fn(&Path) -> Command) -> (String, Vec<(Answer, Answer)>) {
    let folder = tempfile::tempdir().unwrap();
    let (shop, api, other) = (Web::start("shop"), Web::start("api"), Web::start("other"));
    let web = free_address();
    let text = [("<web>", web), ("<shop>", shop.address()), ("<api>", api.address()), ("<other>", other.address())]
        .iter()
        .fold(text.to_owned(), |text, (name, address)| text.replace(name, &address.to_string()));
    fs::write(folder.path().join("tool.conf"), text).unwrap();
    let notes = {
        let mut before = Process::start(start(folder.path()).stderr(Stdio::null()));
        listens(&mut before, web);
        let answers: Vec<Answer> = REQUESTS.iter().map(|(host, path)| ask(web, host, path)).collect();
        drop(before);
        (import(folder.path(), tool, "tool.conf"), answers)
    };
    let mut run = Command::new(PROGRAM);
    run.arg("run").current_dir(folder.path()).env("RUNTIME_DIRECTORY", folder.path().join("run"));
    let mut after = Process::start(run.stdout(Stdio::null()).stderr(Stdio::null()));
    listens(&mut after, web);
    let answers = notes.1.into_iter().zip(REQUESTS).map(|(answer, (host, path))| (answer, ask(web, host, path)));
    (notes.0, answers.collect())
}

#[test]
fn an_imported_haproxy_configuration_answers_as_before() {
    let (notes, answers) = before_and_after(HAPROXY, "haproxy", |folder| {
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", "tool.conf"]).current_dir(folder);
        command
    });
    for ((before, after), request) in answers.iter().zip(REQUESTS) {
        assert_eq!(before, after, "{request:?}");
    }
    for said in [
        "tool.conf:2:3: `maxconn 1000` is not carried over",
        "tool.conf:5:3: `timeout connect 5s` is not carried over",
        "tool.conf:18:3: `use_backend beta if { req.cook(beta) -m …` is not carried over",
        "tool.conf:24:3: `server spare 127.0.0.1:1 backup` is not carried over",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
}

#[test]
fn an_imported_nginx_configuration_answers_as_before() {
    let (notes, answers) = before_and_after(NGINX, "nginx", |folder| {
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(folder.join("tool.conf"));
        command
    });
    for ((before, after), request) in answers.iter().zip(REQUESTS) {
        assert_eq!(before, after, "{request:?}");
    }
    assert!(notes.contains("`location ~ \\.php$` is not carried over: regular expressions"), "{notes}");
    assert!(notes.contains("`client_body_temp_path body` is not carried over"), "{notes}");
}

const CLOSED: &str = "\
defaults
  mode http
frontend web
  bind 127.0.0.1:18443
  http-request auth unless { http_auth(users) }
  default_backend shop
backend shop
  server s 127.0.0.1:3000
";

#[test]
fn a_route_whose_callers_were_kept_out_by_what_has_no_words_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("haproxy.cfg"), CLOSED).unwrap();
    let notes = import(folder.path(), "haproxy", "haproxy.cfg");
    assert!(notes.contains("haproxy.cfg:6:3: this route is closed"), "{notes}");
    let text = fs::read_to_string(folder.path().join("portcullis.yaml")).unwrap();
    assert!(text.contains("allow: { from: [127.0.0.0/8, \"::1/128\"] }"), "{text}");
}

#[test]
fn what_keeps_some_callers_out_beside_another_rule_is_carried_over_or_closes_its_route() {
    let front = |rules: &str, backend: &str| {
        format!(
            "defaults\n  mode http\nfrontend web\n  bind 127.0.0.1:18444\n{rules}  default_backend shop\n\
             backend shop\n{backend}  server s 127.0.0.1:3000\n"
        )
    };
    let nginx = "events {}\nhttp { server { listen 127.0.0.1:18444; location / {\n\
                 limit_except GET { deny all; }\nproxy_pass http://127.0.0.1:3000; } } }\n";
    let closed = "allow: { from: [127.0.0.0/8, \"::1/128\"] }";
    let unless = "  http-request deny unless { src 10.0.0.0/8 }\n";
    for (tool, file, expected) in [
        ("haproxy", front(&format!("  http-request deny if {{ src 10.0.0.66 }}\n{unless}"), ""), "10.0.0.66/32"),
        ("haproxy", front(unless, "  http-request deny unless { src 10.1.0.0/16 }\n"), closed),
        ("haproxy", front("", "  http-request deny if { path /secret }\n"), closed),
        ("haproxy", front(unless, ""), "allow: { from: [\"10.0.0.0/8\"] }"),
        ("nginx", nginx.to_owned(), closed),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("before.cfg"), &file).unwrap();
        let notes = import(folder.path(), tool, "before.cfg");
        let text = fs::read_to_string(folder.path().join("portcullis.yaml")).unwrap();
        assert!(text.contains(expected), "{file}\n{text}");
        assert_eq!(notes.contains("this route is closed"), expected == closed, "{file}\n{notes}");
    }
}
