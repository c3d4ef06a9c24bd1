//! What the kernel's tables say.

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
};

use socket2::{Domain, Socket, Type};

use crate::harness::{Backend, Netns, Process, Proxy, Scenario, Web, free_address, wait_until};

const SHOP: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";

const INVENTORY: &[&str] = &["--only", "inventory"];

/// A listening socket with one option set before it is bound.
fn listening(address: SocketAddr, backlog: i32, prepare: impl Fn(&Socket)) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    prepare(&socket);
    socket.bind(&address.into()).unwrap();
    socket.listen(backlog).unwrap();
    socket
}

/// The command name of this process, as the kernel keeps it.
fn own_command() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap().trim().to_owned()
}

fn shop_at(address: SocketAddr) -> Scenario {
    Scenario::new(SHOP).service("shop", &[address])
}

#[test]
fn a_machine_that_is_as_declared_passes() {
    let shop = Web::start("shop");
    let proxy = Proxy::with(SHOP, &[("shop", shop.address())]);
    let probed = proxy.probe(INVENTORY);
    assert_eq!(probed.code(), 0, "{:#}", probed.report());
    for check in ["dead-port", "wrong-scope", "wrong-process", "shared-port", "accept-queue"] {
        let got = probed.expects(check, "port `web`", "pass");
        assert!(check == "wrong-scope" || check == "accept-queue" || got.contains("portcullis (pid "), "{got}");
    }
    let endpoint = shop.address().to_string();
    for check in ["dead-endpoint", "wrong-scope", "shared-port", "accept-queue"] {
        probed.expects(check, &endpoint, "pass");
    }
    // Its program is not declared, so there is nothing to compare.
    probed.is_silent_on("wrong-process", &endpoint);
    probed.expects("undeclared-listener", "all listeners", "pass");
    probed.expects("dead-port", "unix:", "pass");
    for check in ["ephemeral-port", "routed-loopback", "short-queue"] {
        probed.expects(check, "", "pass");
    }
}

#[test]
fn a_proxy_and_a_service_that_do_not_run_are_told_with_their_lines() {
    let probed = shop_at(free_address()).probe(INVENTORY);
    assert_eq!(probed.code(), 1);
    let got = probed.expects("dead-port", "port `web`", "fail");
    assert!(got.contains("nobody listens on 127.0.0.1:"), "{got}");
    probed.expects("dead-endpoint", "service `shop`", "fail");
    let place = &probed.report()["outcomes"][0]["place"];
    assert!(
        place["file"].as_str().unwrap().ends_with("portcullis.yaml") && place["line"].as_u64() > Some(2),
        "{place}"
    );
}

#[test]
fn a_service_on_another_port_is_found_there() {
    let declared = free_address();
    let near = SocketAddr::new(declared.ip(), declared.port() + 1);
    let Ok(_moved) = TcpListener::bind(near) else { return };
    let got = shop_at(declared).probe(INVENTORY).expects("dead-endpoint", "service `shop`", "fail");
    assert!(got.contains(&near.to_string()), "{got}");
}

#[test]
fn a_number_that_an_outgoing_connection_holds_is_told_with_the_connection() {
    let backend = Backend::answering("");
    let held = free_address();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&held.into()).unwrap();
    socket.connect(&backend.address().into()).unwrap();
    let probed = shop_at(held).probe(INVENTORY);
    let got = probed.expects("stolen-port", "service `shop`", "fail");
    assert!(got.contains(&format!("uses {held} for an outgoing connection to {}", backend.address())), "{got}");
    probed.is_silent_on("dead-endpoint", "service `shop`");
}

#[test]
fn a_service_on_a_wildcard_is_wider_than_declared() {
    let address = free_address();
    let _wide = TcpListener::bind(("0.0.0.0", address.port())).unwrap();
    let probed = shop_at(address).probe(INVENTORY);
    let got = probed.expects("wrong-scope", "service `shop`", "fail");
    assert!(got.contains(&format!("listens on 0.0.0.0:{}", address.port())), "{got}");
    // It is the listener that is expected there, and no other.
    probed.is_silent_on("undeclared-listener", &format!("tcp 0.0.0.0:{}", address.port()));
}

#[test]
fn a_wildcard_for_both_families_is_wider_than_one() {
    let address = free_address();
    let both = SocketAddr::new("::".parse().unwrap(), address.port());
    let _wide = listening(both, 5, |socket| socket.set_only_v6(false).unwrap());
    let got = shop_at(address).probe(INVENTORY).expects("wrong-scope", "service `shop`", "fail");
    assert!(got.contains("(IPv4 as well)"), "{got}");
}

#[test]
fn another_program_than_the_declared_one_is_told() {
    let shop = Web::start("shop");
    let text = |process: &str| SHOP.replace("endpoints: [<shop>]", &format!("endpoints: [<shop>], process: {process}"));
    let endpoint = shop.address().to_string();
    let probed = Scenario::new(&text("nginx")).service("shop", &[shop.address()]).probe(INVENTORY);
    let got = probed.expects("wrong-process", &endpoint, "fail");
    assert!(got.contains("instead of nginx"), "{got}");
    let own = format!("\"{}\"", own_command());
    Scenario::new(&text(&own)).service("shop", &[shop.address()]).probe(INVENTORY).expects(
        "wrong-process",
        &endpoint,
        "pass",
    );
    let wrong_user = format!("{{ command: {own}, user: nobody }}");
    let probed = Scenario::new(&text(&wrong_user)).service("shop", &[shop.address()]).probe(INVENTORY);
    let got = probed.expects("wrong-process", &endpoint, "fail");
    assert!(got.contains("as user nobody"), "{got}");
}

#[test]
fn a_stranger_on_a_port_of_the_proxy_is_told() {
    let stranger = Web::start("stranger");
    let scenario = shop_at(free_address()).text("web", &stranger.address().to_string());
    let got = scenario.probe(INVENTORY).expects("wrong-process", "port `web`", "fail");
    assert!(got.contains("instead of portcullis") && got.contains(&std::process::id().to_string()), "{got}");
}

#[test]
fn two_programs_that_share_a_port_are_both_named() {
    const PYTHON: &str = "
import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(5); time.sleep(60)
";
    let address = free_address();
    let _first = listening(address, 5, |socket| socket.set_reuse_port(true).unwrap());
    let mut command = Command::new("/usr/bin/python3");
    let _second = Process::start(command.args(["-c", PYTHON, &address.port().to_string()]));
    let got = wait_until("both listen", || {
        let probed = shop_at(address).probe(INVENTORY);
        probed.failures().into_iter().find(|failure| failure.starts_with("shared-port"))
    });
    assert!(got.contains("python3 (pid ") && got.contains(&own_command()), "{got}");
}

#[test]
fn replicas_of_one_program_may_share_a_port() {
    let address = free_address();
    let reuse = |socket: &Socket| socket.set_reuse_port(true).unwrap();
    let (_first, _second) = (listening(address, 5, reuse), listening(address, 5, reuse));
    let got = shop_at(address).probe(INVENTORY).expects("shared-port", "service `shop`", "pass");
    assert!(got.contains("2 sockets"), "{got}");
}

#[test]
fn a_stranger_beneath_a_wildcard_takes_its_connections_away() {
    let text = SHOP.replace("role: internal, protocol: http", "role: public, protocol: http, plaintext: accepted");
    let number = free_address().port();
    let web = format!("0.0.0.0:{number}");
    let shop = Web::start("shop");
    let proxy = Scenario::new(&text).service("shop", &[shop.address()]).text("web", &web).start();
    proxy.probe(INVENTORY).expects("shadowed-port", "port `web`", "pass");
    let beneath = SocketAddr::from(([127, 0, 0, 1], number));
    let _stranger = listening(beneath, 5, |socket| socket.set_reuse_port(true).unwrap());
    let probed = proxy.probe(INVENTORY);
    let got = probed.expects("shadowed-port", "port `web`", "fail");
    assert!(got.contains(&beneath.to_string()), "{got}");
}

#[test]
fn what_listens_in_a_range_undeclared_is_told_unless_it_is_ignored_with_a_reason() {
    let (shop, drifted) = (Web::start("shop"), Web::start("drifted"));
    let number = drifted.address().port();
    let ranges = |more: &str| format!("ranges: {{ app: {{ ports: {number} }} }}\n{SHOP}\n{more}");
    let run = |text: &str| Scenario::new(text).service("shop", &[shop.address()]).probe(INVENTORY);
    let subject = format!("tcp 127.0.0.1:{number}");
    let probed = run(&ranges(""));
    let got = probed.expects("undeclared-listener", &subject, "fail");
    assert!(got.contains("range `app`") && got.contains(&own_command()), "{got}");
    assert_eq!(probed.severity("undeclared-listener", &subject), "warning", "nobody beyond this host reaches it");
    let ignore = format!("probe: {{ ignore: [{{ port: {number}, because: \"a test of ours\" }}] }}");
    let got = run(&ranges(&ignore)).expects("undeclared-listener", "all listeners", "pass");
    assert!(got.contains("1 ignored"), "{got}");
}

#[test]
fn what_the_network_reaches_undeclared_is_an_error_also_over_udp() {
    let number = free_address().port();
    let _wide = UdpSocket::bind(("0.0.0.0", number)).unwrap();
    let text = format!("ranges: {{ app: {{ ports: {number} }} }}\n{SHOP}");
    let probed = Scenario::new(&text).service("shop", &[free_address()]).probe(INVENTORY);
    let subject = format!("udp 0.0.0.0:{number}");
    probed.expects("undeclared-listener", &subject, "fail");
    assert_eq!(probed.severity("undeclared-listener", &subject), "error");
}

#[test]
fn a_second_door_of_a_declared_service_is_told() {
    const PYTHON: &str = "
import socket, sys, time
held = []
for port in sys.argv[1:]:
    s = socket.socket(); s.bind(('127.0.0.1', int(port))); s.listen(5); held.append(s)
time.sleep(60)
";
    let (declared, second) = (free_address(), free_address());
    let mut command = Command::new("/usr/bin/python3");
    let ports = [declared, second].map(|address| address.port().to_string());
    let _service = Process::start(command.args(["-c", PYTHON]).args(ports));
    let got = wait_until("it listens on both", || {
        let probed = shop_at(declared).probe(INVENTORY);
        probed.failures().into_iter().find(|failure| failure.starts_with(&format!("undeclared-listener: tcp {second}")))
    });
    assert!(got.contains("its process serves endpoint"), "{got}");
}

#[test]
fn a_service_on_both_loopback_addresses_is_as_declared() {
    let declared = free_address();
    let Ok(_six) = TcpListener::bind(("::1", declared.port())) else { return };
    let _four = TcpListener::bind(declared).unwrap();
    shop_at(declared).probe(INVENTORY).is_silent_on("undeclared-listener", &format!("[::1]:{}", declared.port()));
}

#[test]
fn a_full_queue_is_told() {
    let address = free_address();
    let listener = listening(address, 1, |_| ());
    let _waiting = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
    let got = shop_at(address).probe(INVENTORY).expects("accept-queue", "service `shop`", "fail");
    assert!(got.contains("2 of at most 1"), "{got}");
    drop(listener);
}

#[test]
fn a_number_that_outgoing_connections_may_take_is_told() {
    let text = format!("ranges: {{ app: {{ ports: 40000-40009 }} }}\n{SHOP}");
    let probed = Scenario::new(&text).service("shop", &["127.0.0.1:45678".parse().unwrap()]).probe(INVENTORY);
    let got = probed.expects("ephemeral-port", "declared numbers", "fail");
    assert!(got.contains("40000-40009,45678"), "{got}");
    assert_eq!(probed.severity("ephemeral-port", "declared numbers"), "warning");
}

#[test]
fn settings_of_the_kernel_that_undo_the_file_are_told() {
    let Some(netns) = Netns::make() else { return };
    let text = SHOP.replace("<web>", "127.0.0.1:80");
    let probe =
        || Scenario::new(&text).service("shop", &["127.0.0.1:3000".parse().unwrap()]).within(&netns).probe(INVENTORY);
    let before = probe();
    for check in ["unprivileged-port", "routed-loopback", "short-queue"] {
        before.expects(check, "", "pass");
    }
    let [unprivileged, routed, queue] =
        ["net.ipv4.ip_unprivileged_port_start=80", "net.ipv4.conf.all.route_localnet=1", "net.core.somaxconn=128"];
    netns.run("sysctl", &["-q", "-w", unprivileged, routed, queue]);
    let after = probe();
    for check in ["unprivileged-port", "routed-loopback", "short-queue"] {
        after.expects(check, "", "fail");
    }
}
