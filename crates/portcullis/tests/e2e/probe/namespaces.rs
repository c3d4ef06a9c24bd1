//! From other network namespaces: environments, and machines on the same network.

use crate::harness::{Netns, Scenario};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A machine with one public, one internal and one loopback port, a service on loopback and one on its network.
const MACHINE: &str = "
ports:
  public: { listen: 0.0.0.0:8080, role: public, protocol: http, plaintext: accepted }
  private: { listen: 10.77.1.1:8081, role: internal, protocol: http, from: [10.77.2.0/24] }
  local: { listen: 127.0.0.1:8082, role: internal, protocol: http }
services:
  shop: { port: 3000, endpoints: [127.0.0.1:3000] }
  ledger: { port: 4000, endpoints: [10.77.1.1:4000] }
routes:
  - { port: [public, private, local], service: shop, allow: anyone }
  - { port: [public, private, local], path: /ledger, service: ledger, allow: anyone }
";

/// A machine, and an environment beside it.
fn machine_and_neighbour() -> Option<(Netns, Netns)> {
    let (machine, neighbour) = (Netns::make()?, Netns::make()?);
    machine.link(&neighbour, 1);
    Some((machine, neighbour))
}

#[test]
fn a_neighbour_reaches_what_is_public_and_nothing_else() {
    let Some((machine, neighbour)) = machine_and_neighbour() else { return };
    machine.answer_on("127.0.0.1:3000", OK);
    machine.answer_on("10.77.1.1:4000", OK);
    let proxy = Scenario::new(MACHINE).within(&machine).start();
    let probed = proxy.probe(&["--only", "reach", "--from", neighbour.name()]);
    let from = neighbour.name();
    let got = probed.expects_from(from, "unreachable-port", "port `public`", "pass");
    assert!(got.contains("10.77.1.1:8080 open (HTTP, status 200)"), "{got}");
    let got = probed.expects_from(from, "source-list", "port `private`", "pass");
    assert!(got.contains("as 10.77.1.2"), "{got}");
    for (check, subject) in
        [("exposed-port", "port `local`"), ("exposed-port", "port `public`"), ("exposed-endpoint", "service `shop`")]
    {
        let got = probed.expects_from(from, check, subject, "pass");
        assert!(got.contains("[fd77:1::1]:"), "IPv6 is tried too: {got}");
    }
    // A service that listens on the network is reached beside the proxy, and a person should know.
    let got = probed.expects_from(from, "beside-proxy", "service `ledger`", "fail");
    assert!(got.contains("10.77.1.1:4000 open"), "{got}");
    assert_eq!(probed.code(), 0, "a warning alone: {:?}", probed.failures());
}

#[test]
fn a_service_on_a_wildcard_is_exposed_to_the_neighbour_over_both_families() {
    let Some((machine, neighbour)) = machine_and_neighbour() else { return };
    machine.answer_on("[::]:3000", OK);
    machine.answer_on("10.77.1.1:4000", OK);
    let proxy = Scenario::new(MACHINE).within(&machine).start();
    let probed = proxy.probe(&["--only", "reach", "--from", neighbour.name()]);
    let got = probed.expects_from(neighbour.name(), "exposed-endpoint", "service `shop`", "fail");
    assert!(got.contains("10.77.1.1:3000 open") && got.contains("[fd77:1::1]:3000 open"), "{got}");
    assert_eq!(probed.code(), 1);
}

#[test]
fn dropped_refused_and_unreachable_are_told_apart() {
    let Some((machine, neighbour)) = machine_and_neighbour() else { return };
    machine.answer_on("127.0.0.1:3000", OK);
    let rules = "add table inet t; add chain inet t in { type filter hook input priority 0; }; \
                 add rule inet t in ip saddr 10.77.1.2 tcp dport 8080 drop; \
                 add rule inet t in ip6 saddr fd77:1::2 tcp dport 8080 reject";
    machine.run("nft", &[rules]);
    let proxy = Scenario::new(MACHINE).within(&machine).start();
    let probe = || proxy.probe(&["--only", "reach", "--from", neighbour.name(), "--timeout", "500ms"]);
    let got = probe().expects_from(neighbour.name(), "unreachable-port", "port `public`", "fail");
    assert!(got.contains("10.77.1.1:8080 no answer (filtered)"), "{got}");
    // Without a way there nothing is known of a port that should be open, and what should be closed is.
    neighbour.run("ip", &["route", "flush", "all"]);
    let probed = probe();
    let got = probed.expects_from(neighbour.name(), "unreachable-port", "port `public`", "unknown");
    assert!(got.contains("unreachable (no route)"), "{got}");
    probed.expects_from(neighbour.name(), "exposed-port", "port `local`", "pass");
}

#[test]
fn environments_that_reach_each_other_are_told() {
    let (Some(machine), Some(blue), Some(green)) = (Netns::make(), Netns::make(), Netns::make()) else { return };
    blue.answer_on("0.0.0.0:8443", OK);
    green.answer_on("127.0.0.1:8443", OK);
    let text = "
ports:
  web: { listen: 127.0.0.1:8080, role: internal, protocol: http }
routes:
  - { port: web, allow: anyone, respond: { status: 200 } }
";
    let proxy = Scenario::new(text).within(&machine).start();
    let both = format!("{},{}", blue.name(), green.name());
    let isolated = proxy.probe(&["--only", "reach", "--from", &both]);
    let (of_blue, of_green) = (format!("listeners of {}", blue.name()), format!("listeners of {}", green.name()));
    isolated.expects_from(green.name(), "isolation", &of_blue, "pass");
    isolated.expects_from(blue.name(), "isolation", &of_green, "pass");
    blue.link(&green, 3);
    let linked = proxy.probe(&["--only", "reach", "--from", &both]);
    let got = linked.expects_from(green.name(), "isolation", &of_blue, "fail");
    assert!(got.contains("10.77.3.1:8443"), "{got}");
    // On its loopback alone it is still out of reach.
    linked.expects_from(blue.name(), "isolation", &of_green, "pass");
}

#[test]
fn a_service_inside_a_namespace_is_looked_for_there() {
    let (Some(machine), Some(blue)) = (Netns::make(), Netns::make()) else { return };
    let text = format!(
        "
ports:
  web: {{ listen: 127.0.0.1:8080, role: internal, protocol: http }}
services:
  shop: {{ port: 3000, endpoints: [127.0.0.1:3000], space: netns:{} }}
routes:
  - {{ port: web, service: shop, allow: anyone }}
",
        blue.name()
    );
    let probe = || Scenario::new(&text).within(&machine).probe(&["--only", "inventory,reach"]);
    let dead = probe();
    dead.expects_from(blue.name(), "dead-endpoint", "service `shop`", "fail");
    dead.expects_from(blue.name(), "unreachable-endpoint", "service `shop`", "fail");
    blue.answer_on("127.0.0.1:3000", OK);
    let alive = probe();
    alive.expects_from(blue.name(), "dead-endpoint", "service `shop`", "pass");
    alive.expects_from(blue.name(), "unreachable-endpoint", "service `shop`", "pass");
    alive.expects_from(blue.name(), "wrong-protocol", "service `shop`", "pass");
}

#[test]
fn from_another_machine_only_the_named_addresses_are_tried() {
    let Some((machine, neighbour)) = machine_and_neighbour() else { return };
    machine.answer_on("[::]:3000", OK);
    let _proxy = Scenario::new(MACHINE).within(&machine).start();
    let probed =
        Scenario::new(MACHINE).within(&neighbour).probe(&["--target", "10.77.1.1", "--only", "inventory,reach"]);
    // Whatever listens here is not what the file is about.
    probed.is_silent_on("dead-port", "");
    let got = probed.expects("unreachable-port", "port `public`", "pass");
    assert_eq!(got, "10.77.1.1:8080 open (HTTP, status 200)");
    let got = probed.expects("exposed-endpoint", "service `shop`", "fail");
    assert!(got.contains("10.77.1.1:3000 open"), "{got}");
}
