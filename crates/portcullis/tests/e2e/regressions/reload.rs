//! Connections that meet a reload.

use crate::harness::{Authority, Proxy, Raw, TlsClient, Web, wait_until};

const GET: &str = "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n";

const TWO_PORTS: &str = "
workers: 1
ports:
  first: { listen: <first>, role: internal, protocol: http }
  second: { listen: <second>, role: internal, protocol: http }
routes:
  - { port: first, respond: { status: 200, body: first }, allow: anyone }
  - { port: second, respond: { status: 200, body: second }, allow: anyone }
";

/// Ports are known by their place in the plan. A connection that was accepted under one plan and first ran under the
/// next, in which the ports stood in another order, was served by the other port's routes.
#[test]
fn a_connection_that_is_accepted_while_a_reload_applies_is_served_by_its_own_port() {
    let first = "  first: { listen: <first>, role: internal, protocol: http }\n";
    let turned = TWO_PORTS.replace(first, "").replace("routes:\n", &format!("{first}routes:\n"));
    let mut proxy = Proxy::with(TWO_PORTS, &[]);
    for (generation, text) in (2..).zip([&turned, TWO_PORTS, &turned, TWO_PORTS]) {
        // More connections than the worker takes in one turn wait for it when it learns of the next plan.
        proxy.process().signal("STOP");
        let mut waiting: Vec<Raw> = (0..400).map(|_| proxy.connect("second")).collect();
        for client in &mut waiting {
            client.send(GET);
        }
        proxy.rewrite(text);
        proxy.process().signal("HUP");
        proxy.process().signal("CONT");
        for client in &mut waiting {
            assert_eq!(client.response().text(), "second");
        }
        wait_until("the plan is applied", || {
            (proxy.admin().get("/v1/status")["generation"] == generation).then_some(())
        });
    }
}

const TERMS: &str = "
ports:
  web: { listen: <web>, role: internal, <terms> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

/// A kept-alive connection went on under the new plan although it had never shown what the port asks for since.
#[test]
fn a_live_connection_does_not_outlive_the_terms_on_which_it_came() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let tls = format!("protocol: https, tls: {{ certificates: [{}] }}", server.issue(&["shop.test"]).yaml());
    let guarded = format!("{tls}, clients: {{ certificate: required, ca: {} }}", clients.file().display());
    for next in [guarded.as_str(), "protocol: http"] {
        let mut proxy = Proxy::with(&TERMS.replace("<terms>", &tls), &[("shop", web.address())]);
        let (mut client, _) = TlsClient::trusting(&server).connect(proxy.address("web"), "shop.test").unwrap();
        assert_eq!(client.send(GET).response().status, 200);
        let (mut idle, _) = TlsClient::trusting(&server).connect(proxy.address("web"), "shop.test").unwrap();
        assert_eq!(idle.send(GET).response().status, 200);
        let served = web.served();
        // Under way, so that it can not be closed before its request has come.
        client.send("GET /late HTTP/1.1\r\n");
        assert_eq!(proxy.reload(&TERMS.replace("<terms>", next)).status, 200, "{next}");
        idle.expect_close();
        let answer = client.send("host: shop.test\r\n\r\n").response();
        assert_eq!((answer.status, answer.header("connection")), (421, Some("close")), "{}", answer.text());
        assert_eq!(proxy.log().wait_for_path("/late").text("end"), "refused-draining");
        assert_eq!(web.served(), served, "{next}");
    }
}

/// An idle connection of a port that a reload took away stayed open until its next request.
#[test]
fn idle_connections_go_with_their_port() {
    let plain = "protocol: http";
    let text = TERMS.replace("<terms>", plain);
    let second = "  second: { listen: <second>, role: internal, protocol: http, timeouts: { keep-alive: 10m } }\n";
    let two = text.replace("services:\n", &format!("{second}services:\n")).replace("port: web", "port: [web, second]");
    let web = Web::start("a");
    let mut proxy = Proxy::with(&two, &[("shop", web.address())]);
    let (mut stays, mut goes, mut silent) = (proxy.connect("web"), proxy.connect("second"), proxy.connect("second"));
    for client in [&mut stays, &mut goes] {
        assert_eq!(client.send(GET).response().status, 200);
    }
    assert_eq!(proxy.reload(&text).status, 200);
    goes.expect_close();
    silent.expect_close();
    assert_eq!(proxy.log().wait_for_end("refused-draining").text("port"), "second");
    assert_eq!(stays.send(GET).response().status, 200);
}
