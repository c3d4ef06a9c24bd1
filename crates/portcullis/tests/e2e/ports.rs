//! `portcullis ports`: allocation, leases and handing sockets over, by the program and with real servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Process, Ranges, Raw, Request, redis_cli, wait_until};

/// A project with a store of its own. `<range>` in its file is a span of ports that no other test uses.
struct Project {
    directory: TempDir,
    range: Ranges,
}

impl Project {
    fn new(count: u16, file: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let range = Ranges::of(count);
        let text = file.replace("<range>", &range.to_string()).replace("<first>", &range.first().to_string());
        fs::write(directory.path().join("portcullis.yaml"), text).unwrap();
        Self { directory, range }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(self.directory.path()).env("NO_COLOR", "1").env("PORTCULLIS_STORE", self.store());
        command.arg("ports").args(arguments.split_whitespace()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the program prints as JSON.
    #[track_caller]
    fn json(&self, arguments: &str) -> Value {
        let output = self.run(&format!("{arguments} --format json"));
        assert_eq!(output.status.code(), Some(0), "{arguments}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Numbers of an allocation, by replica.
    #[track_caller]
    fn allocated(&self, arguments: &str) -> Vec<u16> {
        ports(&self.json(&format!("allocate {arguments}"))["leases"])
    }

    /// The error that the program ends with.
    #[track_caller]
    fn refused(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", said(&output));
        assert!(output.stdout.is_empty(), "{}", said(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Numbers that are leased now.
    fn leased(&self) -> Vec<u16> {
        ports(&self.json("list")["leases"])
    }
}

fn ports(leases: &Value) -> Vec<u16> {
    leases.as_array().unwrap().iter().map(|lease| u16::try_from(lease["port"].as_u64().unwrap()).unwrap()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const SHOP: &str = "
ranges:
  app: { ports: <range> }
services:
  shop: { port: <first>, range: app, endpoints: [127.0.0.1] }
";

#[test]
fn a_service_gets_the_same_numbers_each_time_whatever_the_others_do() {
    let project = Project::new(40, SHOP);
    let first = project.allocated("--service shop --replicas 3");
    assert_eq!(first[0], project.range.first());
    assert!(first.iter().all(|port| project.range.contains(*port)));
    let staging = project.allocated("--service shop --environment staging --range app");
    let worker = project.allocated("--service worker --range app --replicas 4");
    let all: BTreeSet<u16> = first.iter().chain(&worker).copied().collect();
    assert_eq!(all.len(), 7, "{first:?} {worker:?}");
    assert_eq!(project.allocated("--service shop --replicas 5")[..3], first);
    assert_eq!(
        project.allocated("--service shop"),
        project.allocated("--service shop --replicas 5"),
        "as many as there are"
    );
    assert_eq!(project.allocated("--service worker --range app"), worker);
    // From an empty store, too.
    fs::remove_file(project.store()).unwrap();
    assert_eq!(project.allocated("--service shop --replicas 3"), first);
    assert!(staging.iter().all(|port| !all.contains(port)), "another environment has ports of its own");
}

#[test]
fn scaling_down_takes_numbers_back_and_scaling_up_returns_them() {
    let project = Project::new(20, SHOP);
    let three = project.allocated("--service shop --replicas 3");
    let answer = project.json("allocate --service shop --replicas 1");
    assert_eq!(ports(&answer["reclaimed"]), three[1..]);
    assert_eq!(project.leased(), three[..1]);
    let again = project.json("allocate --service shop --replicas 3");
    assert_eq!(ports(&again["leases"]), three);
    let outcomes: Vec<&str> =
        again["leases"].as_array().unwrap().iter().map(|lease| lease["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["kept", "returned", "returned"]);
}

#[test]
fn what_anybody_has_is_not_handed_out() {
    let project = Project::new(4, "ranges: { app: { ports: <range> } }\n");
    let wanted = project.allocated("--service shop --range app --replicas 1")[0];
    project.run("release --service shop --forget");
    for address in ["127.0.0.1", "0.0.0.0", "127.0.0.7", "[::1]", "[::]"] {
        let _stranger = TcpListener::bind(format!("{address}:{wanted}")).unwrap();
        let given = project.allocated("--service shop --range app --replicas 1")[0];
        assert_ne!(given, wanted, "{address}");
        project.run("release --service shop --forget");
    }
    assert_eq!(project.allocated("--service shop --range app"), [wanted]);
}

#[test]
fn a_full_range_says_who_has_how_many_and_what_to_widen() {
    let project = Project::new(4, "ranges: { app: { ports: <range>, reserve: <first> } }\n");
    let last = project.range.first() + 3;
    let _stranger = TcpListener::bind(local(last)).unwrap();
    project.allocated("--service shop --range app --replicas 2");
    let error = project.refused("allocate --service cart --range app");
    for part in [
        &format!("range `app` ({}) has no port left for replica 0 of cart", project.range),
        "shop has 2",
        "1 is reserved",
        "1 is in use without a lease (e2e-",
        &format!("listens on 127.0.0.1:{last})"),
        "widen the range (portcullis.yaml:1:25)",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn reserved_numbers_are_handed_out_to_nobody_until_they_are_released() {
    let project = Project::new(3, "ranges: { app: { ports: <range> } }\n");
    let (first, second) = (project.range.first(), project.range.first() + 1);
    project.json(&format!("reserve {first}-{second} --reason printers"));
    assert_eq!(project.allocated("--service shop --range app"), [second + 1]);
    assert!(project.refused("allocate --service shop --range app --replicas 2").contains("2 are reserved"));
    let error = project.refused(&format!("reserve {}-{} --reason more", second, second + 1));
    assert!(error.contains(&format!("{} is leased to replica 0 of shop", second + 1)), "{error}");
    let explained = project.json(&format!("explain {second}"));
    assert_eq!(explained["reservations"][0]["reason"], "printers");
    project.json(&format!("release {first}-{second}"));
    assert_eq!(project.allocated("--service shop --range app --replicas 3").len(), 3);
    assert!(project.refused("release --service cart").contains("no lease of service `cart`"));
}

#[test]
fn a_lease_for_a_time_ends_by_itself_and_asking_again_renews_it() {
    let project = Project::new(3, "ranges: { app: { ports: <range> } }\n");
    let first = project.allocated("--service shop --range app --for 300ms");
    wait_until("the lease has ended", || project.leased().is_empty().then_some(()));
    assert_eq!(project.allocated("--service shop --range app --for 1h"), first);
    let lease = &project.json("list")["leases"][0];
    assert!(lease["expires"].is_string(), "{lease}");
    assert_eq!(project.allocated("--service shop --range app"), first);
    assert!(project.json("list")["leases"][0]["expires"].is_null(), "asked for without end");
}

#[test]
fn mistakes_are_told_with_the_nearest_name_and_the_place() {
    let project = Project::new(
        4,
        "
ranges:
  app: { ports: <range> }
services:
  shop: { port: <first>, range: app, replicas: { max: 2 }, endpoints: [127.0.0.1] }
  lone: { port: 18099, endpoints: [127.0.0.1] }
",
    );
    for (arguments, expected) in [
        ("allocate --service shpo", "did you mean `shop`?"),
        ("allocate --service other --range ap", "no range `ap` in portcullis.yaml; did you mean `app`?"),
        ("allocate --service shop --replicas 3", "may have 2 replicas, not 3 (portcullis.yaml:5:"),
        ("allocate --service lone --replicas 2", "service `lone` may have 1 replica, not 2 (portcullis.yaml:6:"),
        ("allocate --service shop --space netns:no-such-namespace", "no network namespace `no-such-namespace`"),
        ("exec --service shop --replica 2 -- true", "may have 2 replicas, not 3"),
        ("exec --service shop -- /no/such/program", "cannot run /no/such/program: No such file"),
        ("release 9", "no lease or reservation of 9"),
    ] {
        let error = project.refused(arguments);
        assert!(error.contains(expected), "{arguments}: {expected} in {error}");
    }
    assert!(project.leased().is_empty(), "nothing is left of what failed");
    fs::write(project.directory.path().join("portcullis.yaml"), "ranges: { app: { prots: 1-2 } }\n").unwrap();
    let output = project.run("allocate --service shop");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(output.stdout.is_empty() && said(&output).contains("did you mean `ports`?"), "{}", said(&output));
}

#[test]
fn explain_names_file_lease_process_and_band() {
    let project = Project::new(5, SHOP);
    let port = project.range.first();
    project.allocated("--service shop");
    let _server = TcpListener::bind(local(port)).unwrap();
    let text = said(&project.run(&format!("explain {port}")));
    for part in [
        &format!("port {port}\n"),
        "service `shop` (portcullis.yaml:5:17)",
        &format!("app {} (portcullis.yaml:3:17), declared", project.range),
        "replica 0 of shop of /",
        &format!("(pid {}, user ", std::process::id()),
        &format!(" listens on 127.0.0.1:{port}"),
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let explained = project.json(&format!("explain {}", port + 1));
    assert_eq!(explained["range"]["band"], "automatic");
    assert_eq!(explained["occupancy"], "vacant");
    assert_eq!(explained["rivals"].as_array().unwrap().len(), 2, "{explained}");
}

#[test]
fn looking_makes_no_store_and_explain_shows_the_lease() {
    let project = Project::new(3, SHOP);
    let port = project.range.first();
    assert_eq!(said(&project.run("list")), "no lease and no reservation\n");
    assert_eq!(project.json(&format!("explain {port}"))["leases"].as_array().map(Vec::len), Some(0));
    assert!(!project.store().exists());
    project.allocated("--service shop");
    let mut explain = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    explain.current_dir(project.directory.path()).args(["explain", &port.to_string(), "--store"]).arg(project.store());
    let text = said(&explain.output().unwrap());
    assert!(text.contains("to replica 0 of shop since 20") && text.contains("ends when released"), "{text}");
}

#[test]
fn a_udp_port_is_handed_over_as_well() {
    let project = Project::new(3, "ranges: { app: { ports: <range> } }\n");
    let script = "import socket; s = socket.socket(fileno=3); print(s.type == socket.SOCK_DGRAM, s.getsockname()[1])";
    let mut command = project.command("exec --service dns --range app --udp --");
    let output = command.args(["python3", "-c", script]).output().unwrap();
    let given = project.allocated("--service dns --range app --udp")[0];
    assert_eq!(said(&output), format!("True {given}\n"));
    let _stranger = std::net::UdpSocket::bind(local(given)).unwrap();
    assert!(said(&project.run(&format!("explain {given}"))).contains("over UDP"));
    assert_ne!(project.allocated("--service other --range app --udp --replicas 2")[0], given);
    assert_eq!(project.allocated("--service dns --range app --udp"), [given], "it may be the service itself");
}

/// Takes the socket from descriptor 3, as sd_listen_fds(3) describes, and serves one directory.
const PYTHON_SERVER: &str = "
import http.server, os, socket, sys
assert os.environ['LISTEN_PID'] == str(os.getpid()) and os.environ['LISTEN_FDS'] == '1'
handed = socket.socket(fileno=3)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = (os.environ['LISTEN_FDNAMES'] + ' ' + os.environ['PORT'] + ' ' + ' '.join(sys.argv[1:])).encode()
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(handed.getsockname(), Handler, bind_and_activate=False)
server.socket.close(); server.socket = handed
server.serve_forever()
";

fn get(address: SocketAddr) -> String {
    let response = Request::new(Raw::connect(address), "GET", "/").send();
    String::from_utf8_lossy(&response.body).into_owned()
}

#[test]
fn a_server_takes_the_socket_that_is_handed_over_and_the_lease_ends_with_it() {
    let project = Project::new(5, SHOP);
    let port = project.range.first();
    let mut command = project.command("exec --service shop --");
    let mut server = Process::start(command.args(["python3", "-c", PYTHON_SERVER, "on-${PORT}"]));
    // The socket listens before the server does anything: no request is refused.
    wait_until("the port is open", || TcpStream::connect(local(port)).ok());
    assert_eq!(get(local(port)), format!("shop {port} on-{port}"));
    let lease = &project.json("list")["leases"][0];
    assert_eq!(lease["holder"]["pid"], server.id(), "{lease}");
    assert_eq!(lease["holder"]["command"], "python3");
    let error = project.refused("exec --service shop --replica 0 -- true");
    assert!(error.contains(&format!("{port} is held by python3 (pid {})", server.id())), "{error}");
    assert!(project.refused(&format!("release {port}")).contains("is held by python3"));
    // A second one runs beside it, as the next replica.
    let second = project.run("exec --service shop -- sh -c printenv\tPORT");
    assert_eq!(second.status.code(), Some(0), "{}", said(&second));
    server.signal("KILL");
    server.wait_for_end();
    assert!(project.leased().is_empty(), "killed, and nothing is left");
    let again = project.run("exec --service shop --replica 0 -- true");
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
}

#[test]
fn the_program_gets_signals_and_gives_its_exit_code() {
    let project = Project::new(3, SHOP);
    let mut ends = project.command("exec --service shop --");
    assert_eq!(ends.args(["sh", "-c", "exit 37"]).status().unwrap().code(), Some(37));
    let mut command = project.command("exec --service shop --");
    let mut process = Process::start(command.args(["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.01; done"]));
    wait_until("the program runs", || {
        let comm = fs::read_to_string(format!("/proc/{}/comm", process.id())).unwrap_or_default();
        (comm.trim() == "sh" && project.leased().len() == 1).then_some(())
    });
    // The shell sets its trap in its own time.
    let code = wait_until("it ends", || {
        process.signal("TERM");
        process.has_ended()
    });
    assert_eq!(code, 9);
    assert!(project.leased().is_empty());
}

#[test]
fn a_program_that_binds_itself_finds_its_port_kept_and_others_do_not_get_it() {
    let project = Project::new(3, SHOP);
    let port = project.range.first();
    let mut command = project.command("exec --service shop --env-only --");
    let flag = project.directory.path().join("go");
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.01; done; exec redis-server --port $0 --bind 127.0.0.1 --save ''",
        flag.display()
    );
    let _redis = Process::start(command.args(["sh", "-c", &script, "${PORT}"]).stdout(Stdio::null()));
    wait_until("the port is leased", || (project.leased() == [port]).then_some(()));
    // Rust's listeners set SO_REUSEADDR; this one does not.
    let plain = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    wait_until("the port is kept", || plain.bind(&local(port).into()).is_err().then_some(()));
    assert!(TcpStream::connect(local(port)).is_err(), "kept, and not open");
    fs::write(flag, "").unwrap();
    wait_until("Redis listens", || TcpStream::connect(local(port)).ok());
    assert_eq!(redis_cli(local(port), "ping"), "PONG");
}

#[test]
fn nginx_starts_on_the_port_that_is_put_into_its_arguments() {
    let project = Project::new(3, SHOP);
    let port = project.range.first();
    let place = project.directory.path().display();
    let configuration =
        "daemon off; master_process off; error_log stderr; pid PLACE/pid; events {} include PLACE/http.conf;";
    fs::write(project.directory.path().join("nginx.conf"), configuration.replace("PLACE", &place.to_string())).unwrap();
    let http = "http { access_log off; client_body_temp_path D/b; proxy_temp_path D/p; fastcgi_temp_path D/f; \
         uwsgi_temp_path D/u; scgi_temp_path D/s; server { listen 127.0.0.1:PORT; return 200 nginx; } }";
    fs::write(project.directory.path().join("http.template"), http.replace("D/", &format!("{place}/"))).unwrap();
    let script = "sed s/PORT/$0/ http.template > http.conf; exec /usr/sbin/nginx -e stderr -c $PWD/nginx.conf";
    let mut command = project.command("exec --service shop --env-only --");
    let _nginx = Process::start(command.args(["sh", "-c", script, "${PORT}"]));
    wait_until("nginx listens", || TcpStream::connect(local(port)).ok());
    assert_eq!(get(local(port)), "nginx");
}

#[test]
fn descriptor_three_is_the_socket_though_something_else_was_open_there() {
    let project = Project::new(3, SHOP);
    let binary = env!("CARGO_BIN_EXE_portcullis");
    let script = format!(
        "exec 3</dev/null 4</dev/null; exec {binary} ports exec --store {} --service shop -- sh -c 'readlink /proc/$$/fd/3; echo $LISTEN_FDS'",
        project.store().display()
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(project.directory.path()).output().unwrap();
    let said = said(&output);
    assert!(said.starts_with("socket:[") && said.ends_with("]\n1\n"), "{said}");
}

/// Eight processes allocate at once, one is killed now and then, and a hostile one grabs whatever it can get.
#[test]
fn many_processes_at_once_and_a_hostile_one_never_get_the_same_number() {
    let project = Project::new(400, "ranges: { app: { ports: <range> } }\n");
    let hostile: Vec<TcpListener> = (0..400)
        .step_by(3)
        .filter_map(|offset| TcpListener::bind(local(project.range.first() + offset)).ok())
        .collect();
    let grabbed: BTreeSet<u16> = hostile.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    let given: Vec<(String, u16)> = std::thread::scope(|scope| {
        let project = &project;
        let process = |number: u32| {
            move || {
                let mut given = Vec::new();
                for round in 0..6 {
                    let service = format!("service-{number}-{round}");
                    let arguments = format!("allocate --service {service} --range app --replicas 4");
                    if round % 3 == 2 {
                        let mut killed = project.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
                        killed.kill().unwrap();
                        killed.wait().unwrap();
                    }
                    for (replica, port) in project.allocated(&arguments["allocate ".len()..]).into_iter().enumerate() {
                        given.push((format!("{service}/{replica}"), port));
                    }
                }
                given
            }
        };
        let processes: Vec<_> = (0..8).map(|number| scope.spawn(process(number))).collect();
        processes.into_iter().flat_map(|process| process.join().unwrap()).collect()
    });
    assert_eq!(given.len(), 8 * 6 * 4);
    let mut owners: BTreeMap<u16, &String> = BTreeMap::new();
    for (owner, port) in &given {
        assert!(!grabbed.contains(port), "{port} was taken");
        assert_eq!(owners.insert(*port, owner), None, "{port} was handed out twice");
    }
    let leased: BTreeSet<u16> = project.leased().into_iter().collect();
    assert_eq!(leased, owners.into_keys().collect());
}
