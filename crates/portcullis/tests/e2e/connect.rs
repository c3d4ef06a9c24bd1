//! `portcullis connect`: real clients of databases, through the https port, as whoever they are.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::harness::{Authority, Postgres, Proxy, Redis, Scenario, wait_until};

const FILE: &str = "
ports:
  edge: { listen: <edge>, role: internal, protocol: https, tls: { certificates: [<certificate>] } }
services:
  ledger: { ports: <ledger.ports>, protocol: postgres, endpoints: [<ledger>] }
  cache: { ports: <cache.ports>, protocol: redis, endpoints: [<cache>] }
routes:
  - { port: edge, service: ledger, allow: { groups: [dba] } }
  - { port: edge, service: cache, allow: { groups: [dba, office] } }
identity:
  providers:
    scripts: { tokens: true }
";

struct Access {
    database: Postgres,
    _cache: Redis,
    authority: Authority,
    proxy: Proxy,
}

impl Access {
    fn start() -> Self {
        let (database, cache, authority) = (Postgres::start(), Redis::start(), Authority::new("edge"));
        let certificate = authority.issue(&["localhost"]).yaml();
        let scenario = Scenario::new(FILE)
            .text("certificate", &certificate)
            .service("ledger", &[database.address()])
            .service("cache", &[cache.address()]);
        let store = scenario.directory().join("store.db").display().to_string();
        let proxy = scenario.environment("PORTCULLIS_STORE", &store).start();
        Self { database, _cache: cache, authority, proxy }
    }

    /// A file with a token of somebody in this group.
    fn token(&self, group: &str) -> PathBuf {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["token", "create", group, "--group", group, "--format", "json"]);
        let output = command.env("PORTCULLIS_STORE", self.proxy.directory().join("store.db")).output().unwrap();
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        let file = self.proxy.directory().join(format!("token-{group}"));
        fs::write(&file, made["token"].as_str().unwrap()).unwrap();
        file
    }

    fn connect(&self, service: &str, token: Option<&PathBuf>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let through = format!("https://localhost:{}", self.proxy.address("edge").port());
        command.args(["connect", service, "--through", &through]).arg("--ca").arg(self.authority.file());
        if let Some(token) = token {
            command.arg("--token-file").arg(token);
        }
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "PORTCULLIS_TOKEN"] {
            command.env_remove(variable);
        }
        command.env("no_proxy", "").env("NO_PROXY", "");
        command
    }
}

/// Runs `psql` on it, as soon as the proxy knows the token.
fn query(command: impl Fn() -> Command, query: &str) -> String {
    let psql = ["--exec", "psql", "-U", "portcullis", "-d", "postgres", "-XAtc", query];
    wait_until("the query is answered", || {
        let output = command().args(psql).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    })
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn psql_and_redis_cli_reach_their_servers_through_https_as_somebody() {
    let access = Access::start();
    let token = access.token("dba");
    let answer = query(|| access.connect("ledger", Some(&token)), "select sum(n) from generate_series(1, 100000) n");
    assert_eq!(answer, "5000050000");
    let record = access.proxy.log().wait_for_end("upgraded");
    assert_eq!((record.text("service"), record.number("status")), ("ledger", 101));
    assert!(record.text("principal").contains("dba"), "{record:?}");

    let ping = access.connect("cache", Some(&token)).args(["--exec", "redis-cli", "ping"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ping.stdout).trim(), "PONG", "{}", words(&ping));

    for (script, code) in [("exit 7", 7), ("kill -TERM $$", 143), ("exit 0", 0)] {
        let ended = access.connect("cache", Some(&token)).args(["--exec", "sh", "-c", script]).output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "the code of the program itself: {}", words(&ended));
    }
}

#[test]
fn whoever_may_not_pass_is_told_before_a_port_is_opened() {
    let access = Access::start();
    let (office, nobody) = (access.token("office"), access.proxy.directory().join("nobody"));
    fs::write(&nobody, "no token").unwrap();
    wait_until("the proxy knows the token", || {
        let output = access.connect("cache", Some(&office)).args(["--exec", "true"]).output().unwrap();
        output.status.success().then_some(())
    });
    for (service, token, said) in [
        ("ledger", None, "it does not know who is calling"),
        ("ledger", Some(&nobody), "the token is not accepted"),
        ("ledger", Some(&office), "may not pass"),
        ("billing", Some(&office), "no route of that port leads to this service"),
    ] {
        let output = access.connect(service, token).args(["--exec", "false"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{service}");
        assert!(words(&output).contains(said), "{said}: {}", words(&output));
    }
    // An ordinary request is told what the route is for, and nothing of it reaches the database.
    let mut elsewhere = access.connect("ledger", None);
    elsewhere.args(["--local", "0"]).arg("--through").arg("https://localhost:1");
    assert_eq!(elsewhere.output().unwrap().status.code(), Some(2));

    let empty = access.proxy.directory().join("empty.pem");
    fs::write(&empty, "no certificate").unwrap();
    for (option, value, said) in [
        ("--ca", empty.to_str().unwrap(), "holds no certificate"),
        ("--through", "https://localhost:1/path", "write https://localhost:1"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["connect", "ledger"]);
        if option != "--through" {
            command.args(["--through", "https://localhost:1"]);
        }
        let output = command.args([option, value]).output().unwrap();
        assert!(output.status.code() == Some(2) && words(&output).contains(said), "{said}: {}", words(&output));
    }
}

#[test]
fn a_port_stays_open_for_one_connection_after_the_other_and_says_what_to_type() {
    let access = Access::start();
    let token = access.token("dba");
    query(|| access.connect("ledger", Some(&token)), "select 1");
    let mut opened = Opened::start(&mut access.connect("ledger", Some(&token)));
    assert!(opened.said.contains(&format!("psql -h 127.0.0.1 -p {}", opened.address.port())), "{}", opened.said);
    for _ in 0..3 {
        assert_eq!(Postgres::query(opened.address, "sslmode=disable", "select 40 + 2").as_deref(), Ok("42"));
    }
    // The database itself was asked, through nothing but the proxy.
    assert_ne!(opened.address, access.database.address());
    opened.child.kill().unwrap();
    opened.child.wait().unwrap();
}

#[test]
fn the_way_may_lead_through_a_proxy_of_the_company() {
    let access = Access::start();
    let token = access.token("dba");
    let (company, tunnels) = forward_proxy();
    let command = || {
        let mut command = access.connect("ledger", Some(&token));
        command.env("HTTPS_PROXY", format!("http://{company}"));
        command
    };
    assert_eq!(query(command, "select 6 * 7"), "42");
    assert!(tunnels.load(Ordering::SeqCst) >= 2, "it was asked, and then connected");
}

/// `portcullis connect` in the background.
struct Opened {
    child: Child,
    said: String,
    address: SocketAddr,
}

impl Opened {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.split_whitespace().find_map(|word| word.trim_end_matches(':').parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("no address: {said}")), said }
    }
}

/// A proxy that knows CONNECT alone (RFC 9110 9.3.6), and how often it was asked.
fn forward_proxy() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || tunnel(client, &counted));
        }
    });
    (address, asked)
}

fn tunnel(mut client: TcpStream, counted: &AtomicUsize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 && client.read_exact(&mut byte).is_ok() {
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else { return };
    let Ok(service) = TcpStream::connect(target.replace("localhost", "127.0.0.1")) else { return };
    counted.fetch_add(1, Ordering::SeqCst);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut up, mut down) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    let upward = thread::spawn(move || {
        let _ = std::io::copy(&mut up, &mut down);
        let _ = down.shutdown(Shutdown::Write);
    });
    let (mut service, mut client) = (service, client);
    let _ = std::io::copy(&mut service, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    let _ = upward.join();
}
