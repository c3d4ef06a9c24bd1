//! Somebody else on our ports.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::harness::{Proxy, wait_until};

/// Joins a port that is open already, as any process of the same user can.
fn join(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(8).unwrap();
    socket.into()
}

/// It got a part of the connections, and nobody was told.
#[test]
fn a_stranger_that_joins_a_port_later_is_noticed() {
    let proxy = Proxy::with(
        "
ports:
  web: { listen: <web>, role: internal, protocol: http }
  side: { listen: <side>, role: internal, protocol: http }
  numbers: { listen: <numbers>, role: metrics }
routes:
  - { port: [web, side], respond: { status: 200 }, allow: anyone }
",
        &[],
    );
    let stranger = join(proxy.address("side"));
    let shared = |proxy: &Proxy| {
        let ports = proxy.admin().get("/v1/ports");
        let ports = ports.as_array().unwrap().clone();
        ports.into_iter().filter(|port| port["shared_with"] != serde_json::json!([])).collect::<Vec<_>>()
    };
    let found = wait_until("it is noticed", || Some(shared(&proxy)).filter(|found| !found.is_empty()));
    assert_eq!((found.len(), &found[0]["name"]), (1, &serde_json::json!("side")));
    let who = format!("(pid {}, user ", std::process::id());
    assert!(found[0]["shared_with"][0].as_str().unwrap().contains(&who), "{found:?}");
    let said = proxy.output();
    assert!(said.contains("somebody shares the port") && said.contains(&who), "{said}");
    let metrics = proxy.get("numbers", "/metrics").expects(200).text();
    assert!(metrics.contains("portcullis_port_strangers{port=\"side\"} 1"), "{metrics}");
    assert!(metrics.contains("portcullis_port_strangers{port=\"web\"} 0"), "{metrics}");
    let status = proxy.verb("status");
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    assert!(String::from_utf8_lossy(&status.stdout).contains("connections of `side`"), "{status:?}");

    drop(stranger);
    wait_until("it is noticed that it went", || shared(&proxy).is_empty().then_some(()));
    assert!(proxy.output().contains("no longer shared"));
}
