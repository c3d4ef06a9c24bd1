//! Holding a port with its socket, on the machine as it is: sockets, connections and namespaces are real.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
};

use portcullis_config::declared::Space;
use portcullis_kernel::{namespace::Namespace, occupancy::Form};
use portcullis_ports::{Demand, Hold, Outcome, PortsError, Project, Registry};

/// A registry of its own, and a service on a range that covers a number that the kernel chose.
struct Scene {
    registry: Registry,
    project: Project,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Scene {
    /// `{port}` in the file is the number; `{range}` a range that begins with it.
    fn around(port: u16, file: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::open(&directory.path().join("store.db")).unwrap();
        let path = Path::new("portcullis.yaml");
        let range = format!("{port}-{}", port.saturating_add(3));
        let loaded =
            portcullis_config::load_str(path, &file.replace("{port}", &port.to_string()).replace("{range}", &range));
        let project = Project::new(path, loaded.declared.unwrap(), loaded.sources);
        Self { registry, project, port, _directory: directory }
    }

    fn demand(&self) -> Demand {
        self.project.demand("shop", "", Some("app")).unwrap()
    }

    fn hold(&mut self, form: Form) -> Result<(SocketAddr, std::os::fd::OwnedFd), PortsError> {
        let wanted = Hold { replica: Some(0), address: None, form, command: "test".to_owned() };
        self.registry.hold(&self.demand(), &wanted).map(|held| (held.address, held.socket))
    }
}

const AUTOMATIC: &str = "ranges: { app: { ports: {range} } }\n";
const PINNED: &str =
    "ranges: { app: { ports: {range} } }\nservices: { shop: { port: {port}, range: app, endpoints: [127.0.0.2] } }\n";

/// A number that nobody has. The kernel gives it to nobody else for a while: it goes through all the others first.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_held_port_is_open_at_once_on_the_address_of_its_endpoint() {
    let mut scene = Scene::around(free_port(), PINNED);
    let (address, _socket) = scene.hold(Form::Listening).unwrap();
    assert_eq!(address, SocketAddr::from(([127, 0, 0, 2], scene.port)));
    assert!(TcpStream::connect(address).is_ok());
    // By this process, which lives.
    let error = scene.hold(Form::Listening).unwrap_err();
    assert!(
        matches!(error, PortsError::Held { pid, .. } if pid == i32::try_from(std::process::id()).unwrap()),
        "{error}"
    );
    let allocation = scene.registry.allocate(&scene.demand(), Some(1), None).unwrap();
    assert_eq!((allocation.ports[0].lease.place.port, allocation.ports[0].outcome), (scene.port, Outcome::Kept));
    assert!(allocation.ports[0].lease.holder.is_some(), "who holds the socket keeps it");
}

#[test]
fn the_declared_port_is_not_held_while_somebody_has_it_and_it_is_said_who() {
    let stranger = TcpListener::bind("0.0.0.0:0").unwrap();
    let mut scene = Scene::around(stranger.local_addr().unwrap().port(), PINNED);
    for form in [Form::Listening, Form::Bound] {
        let error = scene.hold(form).unwrap_err().to_string();
        assert!(error.contains(&format!("(pid {}, user ", std::process::id())), "{error}");
        assert!(error.contains("declares for replica 0 (portcullis.yaml:2:27), is taken"), "{error}");
    }
    drop(stranger);
    scene.hold(Form::Listening).unwrap();
}

#[test]
fn a_server_that_is_started_again_gets_its_port_though_connections_are_left() {
    let mut scene = Scene::around(free_port(), AUTOMATIC);
    let (address, socket) = scene.hold(Form::Listening).unwrap();
    let listener = TcpListener::from(socket);
    let client = TcpStream::connect(address).unwrap();
    // The server closes first, so that TIME_WAIT is on its side.
    drop(listener.accept().unwrap());
    drop(client);
    drop(listener);
    let lease = scene.registry.standing().unwrap().leases.remove(0);
    scene.registry.let_go(&lease).unwrap();
    let (again, _socket) = scene.hold(Form::Listening).unwrap();
    assert_eq!(again, address);
}

#[test]
fn a_leased_port_that_an_outbound_connection_took_is_replaced() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    // Which number the kernel gives to the connection is known only afterwards; the lease is written before.
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let local = client.local_addr().unwrap();
    let accepted = server.accept().unwrap();
    drop((client, accepted));
    let mut scene = Scene::around(
        local.port(),
        PINNED.replace("port: {port}, ", "").replace("endpoints: [127.0.0.2]", "endpoints: [\"unix:/x\"]").as_str(),
    );
    let before = scene.registry.allocate(&scene.demand(), Some(1), None).unwrap().ports.remove(0).lease;
    let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    taken.bind(&SocketAddr::from(([127, 0, 0, 1], before.place.port)).into()).unwrap();
    taken.connect(&server.local_addr().unwrap().into()).unwrap();
    let after = scene.registry.allocate(&scene.demand(), Some(1), None).unwrap().ports.remove(0);
    assert_eq!(after.outcome, Outcome::Moved { from: before.place.port });
    assert_ne!(after.lease.place.port, before.place.port);
}

#[test]
fn what_is_on_another_host_cannot_be_held_here() {
    let mut scene = Scene::around(free_port(), AUTOMATIC);
    let demand = Demand { space: Space::Remote("db-1".to_owned()), ..scene.demand() };
    let wanted = Hold { replica: None, address: None, form: Form::Listening, command: "test".to_owned() };
    let error = scene.registry.hold(&demand, &wanted).unwrap_err();
    assert_eq!(error.to_string(), "the ports of service `shop` are on db-1; run this there");
    assert!(scene.registry.allocate(&demand, Some(2), None).is_ok(), "the bookkeeping is done here");
}

/// A network namespace that ends with the test; `None` where this user may not make one.
struct OwnNamespace(String);

impl OwnNamespace {
    fn new() -> Option<Self> {
        let name = format!("portcullis-test-{}", std::process::id());
        let ip = |arguments: &[&str]| Command::new("ip").args(arguments).status().is_ok_and(|status| status.success());
        if !ip(&["netns", "add", &name]) {
            return None;
        }
        let namespace = Self(name);
        assert!(ip(&["-n", &namespace.0, "link", "set", "lo", "up"]));
        Some(namespace)
    }
}

impl Drop for OwnNamespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn each_namespace_has_every_number_and_is_looked_into() {
    let Some(namespace) = OwnNamespace::new() else { return };
    let inside = Namespace::named(&namespace.0).unwrap();
    let mut scene = Scene::around(free_port(), PINNED);
    let there = Demand { space: Space::Namespace(namespace.0.clone()), ..scene.demand() };
    // Here and there the same number: they are two.
    let (_, _socket) = scene.hold(Form::Listening).unwrap();
    let wanted = Hold {
        replica: Some(0),
        address: Some(IpAddr::from([127, 0, 0, 1])),
        form: Form::Listening,
        command: "test".to_owned(),
    };
    let held = scene.registry.hold(&there, &wanted).unwrap();
    assert_eq!(held.lease.place.port, scene.port);
    assert!(inside.run(|| TcpStream::connect(held.address).is_ok()).unwrap());
    // What somebody has there is found there, and is no matter here.
    let first = u16::try_from(u32::from(scene.port) + 1).unwrap();
    let _stranger = inside.run(|| TcpListener::bind(("127.0.0.1", first)).unwrap()).unwrap();
    let mut worker = scene.project.demand("worker", "", Some("app")).unwrap();
    let mut given = |demand: &Demand| -> Vec<u16> {
        let allocation = scene.registry.allocate(demand, Some(2), None).unwrap();
        allocation.ports.iter().map(|allocated| allocated.lease.place.port).collect()
    };
    let here = given(&worker);
    worker.space = there.space;
    let inside_numbers = given(&worker);
    assert!(!inside_numbers.contains(&first), "{inside_numbers:?}");
    assert!(
        here.iter().any(|port| !inside_numbers.contains(port)) || here.contains(&first),
        "{here:?} {inside_numbers:?}"
    );
}
