//! `portcullis map`: what is drawn from files, and what open sockets say of it.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use crate::harness::{Proxy, Web, free_address};

const FILE: &str = "
ranges:
  app: { ports: 3000-3099 }
ports:
  web: { listen: <web>, role: internal, protocol: http, from: 127.0.0.0/8 }
  other: { listen: 127.0.0.1:1, role: internal, protocol: tcp }
services:
  shop: { port: 3000, range: app, endpoints: [127.0.0.1:3000] }
routes:
  - { port: web, host: shop.example.com, service: shop, allow: anyone }
  - { port: other, service: shop, allow: anyone }
";

fn folder(web: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("portcullis.yaml"), FILE.replace("<web>", web)).unwrap();
    folder
}

fn map(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("map").args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_hop_has_its_place() {
    let folder = folder("127.0.0.1:8080");
    let output = map(folder.path(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let port = value["ports"].as_array().unwrap().iter().find(|port| port["ports"] == "8080").unwrap();
    assert_eq!((&port["reach"], &port["who"]), (&"host".into(), &"127.0.0.0/8".into()));
    assert_eq!(port["place"]["line"], 5);
    let passage = &port["passages"][0];
    assert_eq!((&passage["service"], &passage["when"]), (&"service `shop`".into(), &"host shop.example.com".into()));
    assert_eq!((&passage["place"]["line"], &passage["endpoints"][0]["place"]["line"]), (&10.into(), &8.into()));
    assert_eq!(value["ranges"][0]["owners"][0][1], "shop");
}

#[test]
fn a_secret_that_lies_elsewhere_keeps_nothing_from_being_drawn() {
    let folder = folder("127.0.0.1:18080");
    let file = folder.path().join("portcullis.yaml");
    let text = fs::read_to_string(&file).unwrap() + "admin: { token: \"${file:./not-here}\" }\n";
    fs::write(&file, text).unwrap();
    let output = map(folder.path(), &["portcullis.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("127.0.0.1:18080") && said(&output).contains("not-here"), "{}", said(&output));
}

#[test]
fn every_form_is_drawn() {
    let folder = folder("127.0.0.1:8080");
    for (form, expected) in [
        ("text", "127.0.0.1:8080/tcp"),
        ("markdown", "| host | `127.0.0.1:8080/tcp` | internal http |"),
        ("mermaid", "host --> p"),
        ("svg", "<svg xmlns"),
        ("html", "<!doctype html>"),
        ("dot", "digraph ports {"),
        ("csv", "127.0.0.1,8080,tcp,host,internal,http,127.0.0.0/8,host shop.example.com,service `shop`,3000"),
    ] {
        let output = map(folder.path(), &["--format", form]);
        assert!(said(&output).contains(expected), "{form}: {}", said(&output));
    }
}

/// Of an admin port that is a file, the map said nothing at all.
#[test]
fn a_port_that_is_a_unix_socket_stands_in_every_form() {
    let folder = folder("127.0.0.1:8080");
    let file = folder.path().join("portcullis.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let admin = "ports:\n  steering: { listen: \"unix:/run/portcullis.sock\", role: admin }\n";
    fs::write(&file, text.replacen("ports:\n", admin, 1)).unwrap();
    for form in ["text", "markdown", "mermaid", "svg", "html", "dot", "csv", "json"] {
        let output = map(folder.path(), &["--format", form]);
        assert!(said(&output).contains("unix:/run/portcullis.sock"), "{form}: {}", said(&output));
    }
}

#[test]
fn a_stale_page_fails_and_a_fresh_one_does_not() {
    let folder = folder("127.0.0.1:8080");
    assert_eq!(map(folder.path(), &["-o", "PORTS.md"]).status.code(), Some(0));
    assert_eq!(map(folder.path(), &["--check", "PORTS.md"]).status.code(), Some(0));
    fs::write(folder.path().join("portcullis.yaml"), FILE.replace("<web>", "127.0.0.1:8081")).unwrap();
    let output = map(folder.path(), &["--check", "PORTS.md"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("+| host | `127.0.0.1:8081/tcp`"), "{}", said(&output));
    assert!(said(&output).contains("portcullis map -o PORTS.md"), "{}", said(&output));
}

#[test]
fn open_sockets_say_what_is_live_dead_wider_or_undeclared() {
    let (declared, stranger) = (TcpListener::bind("0.0.0.0:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let folder = folder(&format!("127.0.0.1:{}", port(&declared)));
    let output = map(folder.path(), &["--live", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let state = |number: u16| {
        let number = number.to_string();
        let ports = value["ports"].as_array().unwrap().iter();
        let mut ports = ports.filter(|port| port["ports"] == number && port["transport"] == "tcp");
        ports.next().map(|port| (port["state"].clone(), port["processes"].clone())).unwrap()
    };
    assert_eq!(state(port(&declared)).0, "wider");
    assert!(state(port(&declared)).1[0].as_str().unwrap().contains(&format!("pid {}", std::process::id())));
    assert_eq!(state(port(&stranger)).0, "undeclared");
    assert_eq!(state(1).0, "dead");
}

const RUN: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, host: shop.test, service: shop, allow: anyone }
";

#[test]
fn the_running_proxy_says_what_is_live_what_is_dead_and_what_is_declared_nowhere() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(RUN, &[("shop", shop.address())]);
    let web = proxy.address("web").to_string();
    let states = |arguments: &[&str]| {
        let output = proxy.command(arguments.iter().copied());
        let map: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let of = |row: &serde_json::Value| {
            let address = format!("{}:{}", row["address"], row["ports"]).replace('"', "");
            (address.trim_end_matches(':').to_owned(), row["state"].clone())
        };
        (map["ports"].as_array().unwrap().iter().map(of).collect::<Vec<_>>(), output.status.code())
    };
    let socket = format!("unix:{}", proxy.directory().join("admin.sock").display());
    let live = (vec![(socket, "live".into()), (web.clone(), "live".into())], Some(0));
    assert_eq!(states(&["map", "--running", "--format", "json"]), live);
    // A file that the proxy does not run.
    let other = free_address();
    let text = fs::read_to_string(proxy.directory().join("portcullis.yaml")).unwrap();
    fs::write(proxy.directory().join("other.yaml"), text.replace(&web, &other.to_string())).unwrap();
    let (states, code) = states(&["map", "-c", "other.yaml", "--running", "--format", "json"]);
    assert_eq!(code, Some(1));
    assert!(states.contains(&(other.to_string(), "dead".into())), "{states:?}");
    assert!(states.contains(&(web, "undeclared".into())), "{states:?}");
}

#[test]
fn without_a_file_the_map_is_that_of_the_running_proxy() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(RUN, &[("shop", shop.address())]);
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = proxy.directory().join("admin.sock");
    let output = map(elsewhere.path(), &["--admin", &format!("unix:{}", socket.display())]);
    let said = said(&output);
    assert!(said.contains(&proxy.address("web").to_string()), "{said}");
    assert!(said.contains(&format!("service shop at {}", shop.address())), "{said}");
}
