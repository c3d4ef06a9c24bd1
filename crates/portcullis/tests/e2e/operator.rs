//! What an operator does by hand: asking a proxy how it is, also when the file is broken.

use std::process::Output;

use crate::harness::{Nginx, Proxy, Scenario, Web, free_address, wait_until};

const CONTROLLED: &str = "
admin: { token: \"${file:admin-token}\" }
ports:
  web: { listen: <web>, role: internal, protocol: http }
  control: { listen: <control>, role: admin }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
log: { access: { to: ./access.log } }
";

const TOKEN: &str = "correct-horse-battery-staple-0123456789";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    said(output)
}

#[test]
fn a_file_is_named_to_every_verb_in_the_same_ways() {
    let web = Web::start("a");
    let mut proxy = Proxy::before(web.address());
    for verb in ["status", "reload"] {
        for arguments in [&[verb][..], &[verb, "portcullis.yaml"], &[verb, "--config", "portcullis.yaml"]] {
            succeeds(&proxy.command(arguments));
        }
    }
    let twice = proxy.command(["status", "portcullis.yaml", "--admin", "unix:admin.sock"]);
    assert_eq!(twice.status.code(), Some(2), "{}", said(&twice));
    let missing = proxy.command(["drain", "portcullis.yml"]);
    assert!(said(&missing).contains("there is portcullis.yaml"), "{}", said(&missing));
    succeeds(&proxy.command(["drain", "portcullis.yaml", "--wait"]));
    assert_eq!(proxy.process().wait_for_end(), 0);
}

#[test]
fn a_running_proxy_is_asked_also_while_its_file_is_broken() {
    let web = Web::start("a");
    let proxy = Scenario::new(CONTROLLED).file("admin-token", TOKEN).service("shop", &[web.address()]).start();
    let good = std::fs::read_to_string(proxy.directory().join("portcullis.yaml")).unwrap();
    for broken in [
        format!("{good}\nroutes: [\n"),
        good.replace("ports:", "ports: [").replace("unix:", "unix: :"),
        good.replace("role: admin", "role: adnim"),
        String::new(),
    ] {
        proxy.overwrite(&broken);
        let status = succeeds(&proxy.command(["status"]));
        assert!(status.contains("is serving"), "{status}");
        let reload = proxy.command(["reload"]);
        assert_eq!(reload.status.code(), Some(1), "{}", said(&reload));
        assert!(said(&reload).contains("everything goes on as before"), "{}", said(&reload));
        let rejected = proxy.command(["status"]);
        assert_eq!(rejected.status.code(), Some(1), "{}", said(&rejected));
        assert!(said(&rejected).contains("the last reload (api) was rejected"), "{}", said(&rejected));
        proxy.overwrite(&good);
        succeeds(&proxy.command(["reload"]));
    }
}

/// The harness adds a Unix socket; without it the token is needed, and stands in a file of its own.
#[test]
fn the_token_is_found_in_a_broken_file_as_well() {
    let web = Web::start("a");
    let mut proxy = Scenario::new(CONTROLLED).file("admin-token", TOKEN).service("shop", &[web.address()]).start();
    let good = std::fs::read_to_string(proxy.directory().join("portcullis.yaml")).unwrap();
    let only_tcp: String =
        good.lines().filter(|line| !line.contains("unix:")).map(|line| format!("{line}\n")).collect();
    proxy.overwrite(&only_tcp);
    succeeds(&proxy.command(["reload"]));
    wait_until("the record names the TCP port alone", || {
        let status = proxy.command(["status"]);
        (!said(&status).contains("unix:") && status.status.success()).then_some(())
    });
    proxy.overwrite(&format!("{only_tcp}\n]"));
    let status = succeeds(&proxy.command(["status"]));
    assert!(status.contains("is serving"), "{status}");
    proxy.process().signal("TERM");
    assert_eq!(proxy.process().wait_for_end(), 0);
    let gone = proxy.command(["status"]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(said(&gone).contains("no proxy that runs it has left a record in"), "{}", said(&gone));
    assert_eq!(
        std::fs::read_dir(proxy.directory().join("run")).unwrap().count(),
        0,
        "the record went with its process"
    );
}

#[test]
fn a_proxy_is_asked_by_the_admin_port_that_is_open_and_not_by_one_that_is_only_written() {
    let web = Web::start("a");
    let proxy = Scenario::new(CONTROLLED).file("admin-token", TOKEN).service("shop", &[web.address()]).start();
    let good = std::fs::read_to_string(proxy.directory().join("portcullis.yaml")).unwrap();
    let moved: String = good.replace("admin.sock", "elsewhere.sock");
    let moved = moved.replace(&proxy.address("control").to_string(), &free_address().to_string());
    proxy.overwrite(&moved);
    succeeds(&proxy.command(["reload"]));
    wait_until("it is asked by its new port", || proxy.command(["status"]).status.success().then_some(()));
}

const CHECKED: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>], HOW }
routes:
  - { port: web, service: shop, allow: anyone }
";

/// Reads the status until its text has all of these parts.
#[track_caller]
fn wait_for_status(proxy: &Proxy, parts: &[&str]) -> String {
    wait_until(&format!("the status says {parts:?}"), || {
        let status = said(&proxy.verb("status"));
        parts.iter().all(|part| status.contains(part)).then_some(status)
    })
}

#[test]
fn a_service_that_was_killed_and_not_waited_for_is_said_to_have_ended() {
    let nginx = Nginx::start("");
    let text = CHECKED.replace("HOW", "health: { tcp: true, every: 50ms, rise: 1, fall: 1 }");
    let proxy = Proxy::with(&text, &[("shop", nginx.address())]);
    wait_until("a second check has passed, so that the first one's process is known", || {
        let endpoint = proxy.admin().get("/v1/services")[0]["endpoints"][0].clone();
        (endpoint["checks_passed"].as_u64()? >= 2).then_some(())
    });
    nginx.kill();
    wait_for_status(&proxy, &[" down ", "nginx (pid ", "which served it before, has ended"]);
}

#[test]
fn the_status_says_why_and_for_how_long_and_where_the_process_listens_instead() {
    let (web, elsewhere) = (Web::start("a"), free_address());
    let text = CHECKED.replace("HOW", "health: { tcp: true, every: 50ms, rise: 1, fall: 1 }");
    // The port that is checked is not the one on which the service does listen.
    let proxy = Scenario::new(&text).service("shop", &[elsewhere]).start();
    let on_the_same_port = std::net::SocketAddr::from(([127, 0, 0, 2], elsewhere.port()));
    let _listens = std::net::TcpListener::bind(on_the_same_port).unwrap();
    let instead = format!("listens on {on_the_same_port}");
    wait_for_status(&proxy, &[" down ", "FOR", &format!("nobody listens on {elsewhere}"), &instead]);
    let endpoint = || proxy.admin().get("/v1/services")[0]["endpoints"][0].clone();
    let (since, now) =
        (endpoint()["since"].as_u64().unwrap(), proxy.admin().get("/v1/status")["now"].as_u64().unwrap());
    assert!(since <= now && now - since < 60, "{since} {now}");
    drop(web);
}

#[test]
fn what_only_real_traffic_found_is_told_as_well() {
    let (web, elsewhere) = (Web::start("a"), free_address());
    let text = CHECKED.replace("HOW", "eject: { failures: 1, for: 1m }, retries: { attempts: 1, budget: 100% }");
    let proxy = Scenario::new(&text).service("shop", &[web.address(), elsewhere]).start();
    let listens_at = std::net::SocketAddr::from(([127, 0, 0, 2], elsewhere.port()));
    let _listens = std::net::TcpListener::bind(listens_at).unwrap();
    for _ in 0..4 {
        proxy.get("web", "/").expects(200);
    }
    wait_for_status(
        &proxy,
        &[" ejected ", &format!("nobody listens on {elsewhere}"), &format!("listens on {listens_at}")],
    );
}
