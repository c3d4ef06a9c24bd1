//! `portcullis explain`: one port number, one request.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

const FILE: &str = "
ranges:
  app: { ports: 3000-3999, pinned: 3000-3099 }
ports:
  web: { listen: 127.0.0.1:8080, role: internal, protocol: http }
  office: { listen: 127.0.0.1:8081, role: internal, protocol: http, from: 10.0.0.0/8 }
services:
  shop: { port: 3001, range: app, endpoints: [127.0.0.1:3001] }
routes:
  - { port: web, host: shop.example.com, service: shop, allow: anyone }
  - { port: web, host: shop.example.com, path: /staff/*, service: shop, allow: { from: 10.0.0.0/8 } }
  - { port: web, host: shop.example.com, path: /old, allow: anyone, redirect: https://new.example.com }
  - { port: office, service: shop, allow: anyone }
";

fn explain(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let Output { status, stdout, stderr } =
        command.arg("explain").args(arguments).current_dir(folder).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("portcullis.yaml"), FILE).unwrap();
    folder
}

#[test]
fn a_number_is_told_with_everything_that_is_known_of_it() {
    let folder = folder();
    let (code, said) = explain(folder.path(), &["3001"]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["internal port of service shop", "portcullis.yaml:8", "app 3000-3999, pinned band", "reached by"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (_, said) = explain(folder.path(), &["127.0.0.1:8081"]);
    for part in ["port office on 127.0.0.1:8081/tcp, internal http", "this host only", "10.0.0.0/8"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (_, said) = explain(folder.path(), &["5432"]);
    assert!(said.contains("nobody declares it") && said.contains("PostgreSQL"), "{said}");
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_, said) = explain(folder.path(), &[&stranger.local_addr().unwrap().port().to_string()]);
    assert!(said.contains(&format!("pid {}", std::process::id())), "{said}");
    for wrong in ["0", "70000", "shop"] {
        assert_eq!(explain(folder.path(), &[wrong]).0, Some(2), "{wrong}");
    }
}

#[test]
fn a_request_is_walked_through_the_file() {
    let folder = folder();
    let url = "http://shop.example.com:8080";
    let cases: [(&[&str], Option<i32>, &str); 10] = [
        // That a list lets somebody in does not bring him here, nor open the port.
        (&["/cart", "--from", "10.1.2.3"], Some(0), "10.1.2.3 does not come to 127.0.0.1:8080"),
        (&["/cart"], Some(0), "NOBODY LISTENS on 127.0.0.1:8080"),
        (&["/cart"], Some(0), "127.0.0.1:3001, NOBODY LISTENS"),
        (&["/staff/x"], Some(1), "come from 10.0.0.0/8"),
        (&["/staff/x", "--from", "10.1.2.3"], Some(0), "allowed by allow of route"),
        (&["/a/../staff/x"], Some(1), "compared and sent as /staff/x"),
        (&["/old"], Some(0), "to https://new.example.com"),
        (&["/", "--on", "office"], Some(1), "the port's `from:` does not name it"),
        (&["/", "--on", "offce"], Some(1), "there is no data port offce; HTTP ports are web (8080), office (8081)"),
        (&["/%2e%2e/"], Some(2), "400"),
    ];
    for (arguments, code, expected) in cases {
        let subject = format!("{url}{}", arguments[0]);
        let mut all = vec![subject.as_str()];
        all.extend(&arguments[1..]);
        let (actual, said) = explain(folder.path(), &all);
        assert_eq!(actual, code, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {expected} in {said}");
    }
    let (code, said) = explain(folder.path(), &["https://shop.example.com:8080/"]);
    assert!(code == Some(1) && said.contains("it speaks no TLS"), "{said}");
    let (code, said) = explain(folder.path(), &["http://other.example.com:8080/"]);
    assert!(code == Some(1) && said.contains("no route takes it: 404"), "{said}");
}
