//! Ports that other processes hold: what is said when we want one, and when a service is not where it should be.
//!
//! The other process is this test binary again: [`stranger`] is its main function.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that can not go on has failed; pipes are how strangers talk

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use portcullis_kernel::{
    holders::{Use, listening_ports_of, strangers_beside, who_holds, who_listens},
    listen::{ListenError, listen},
    refused::{Lead, identify, nobody_listens},
};
use socket2::{Domain, Socket, Type};

/// A process that holds ports as it is told.
struct Stranger {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Stranger {
    /// Started in `folder`: with the program, that is what services are recognised by, and tests run side by side.
    fn new(folder: &Path) -> Self {
        Self::named("nobody", folder)
    }

    /// With a word on its command line that makes no difference to what it does.
    fn named(name: &str, folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .current_dir(folder)
            .args(["--exact", "stranger", "--nocapture", name])
            .env("STRANGER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn command(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/comm", self.pid())).unwrap().trim().to_owned()
    }

    /// `command` is one of [`obey`]'s; the answer is the local address.
    fn told(&mut self, command: &str) -> SocketAddr {
        writeln!(self.child.stdin.as_mut().unwrap(), "{command}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the stranger has died at {command:?}");
            if let Some((_, address)) = line.trim().split_once("local address ") {
                return address.parse().unwrap();
            }
        }
    }

    fn holding(command: &str) -> (Self, SocketAddr) {
        Self::holding_in(tempfile::tempdir().unwrap().path(), command)
    }

    fn holding_in(folder: &Path, command: &str) -> (Self, SocketAddr) {
        let mut stranger = Self::new(folder);
        let address = stranger.told(command);
        (stranger, address)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn stranger() {
    if std::env::var_os("STRANGER").is_none() {
        return;
    }
    let mut held = Vec::new();
    for line in std::io::stdin().lines() {
        println!("\nlocal address {}", obey(&line.unwrap(), &mut held));
    }
}

/// `listen ADDRESS`, `share ADDRESS`, `dual PORT`, `connect ADDRESS`, `close -`.
fn obey(command: &str, held: &mut Vec<Socket>) -> SocketAddr {
    let (verb, object) = command.split_once(' ').unwrap();
    if verb == "close" {
        return held.pop().unwrap().local_addr().unwrap().as_socket().unwrap();
    }
    let address: SocketAddr = object.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(verb != "dual").unwrap();
    }
    if verb == "connect" {
        socket.connect(&address.into()).unwrap();
    } else {
        socket.set_reuse_port(verb == "share").unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(8).unwrap();
    }
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    held.push(socket);
    address
}

/// Whether this host speaks IPv6 at all; one that does not has nothing to say about half of the cases.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

fn at(ip: &str, of: SocketAddr) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), of.port())
}

#[test]
fn who_holds_a_port_is_said_with_process_user_and_address() {
    // What the stranger does, and which addresses of its port are taken by that; `true` if it shares them.
    let table = [
        ("listen 127.0.0.1:0", vec!["127.0.0.1", "0.0.0.0"], vec!["127.0.0.2", "::1", "::"], Use::Listening),
        ("listen 0.0.0.0:0", vec!["127.0.0.1", "0.0.0.0"], vec!["::1", "::"], Use::Listening),
        ("listen [::1]:0", vec!["::1", "::"], vec!["127.0.0.1", "0.0.0.0"], Use::Listening),
        ("listen [::]:0", vec!["::1", "::"], vec!["127.0.0.1", "0.0.0.0"], Use::Listening),
        ("dual [::]:0", vec!["127.0.0.1", "0.0.0.0", "::1", "::"], vec![], Use::Listening),
        ("share 127.0.0.1:0", vec!["127.0.0.1", "0.0.0.0"], vec!["127.0.0.2"], Use::Sharing),
        ("share 0.0.0.0:0", vec!["127.0.0.1", "0.0.0.0"], vec!["::1"], Use::Sharing),
    ];
    for (command, taken, mut free, usage) in table {
        if !has_ipv6() {
            free.retain(|ip| !ip.contains(':'));
            if command.contains('[') {
                continue;
            }
        }
        let (stranger, theirs) = Stranger::holding(command);
        for ip in taken {
            let wanted = at(ip, theirs);
            let error = listen(wanted, 2).unwrap_err();
            let ListenError::Taken { holders, .. } = &error else { panic!("{command}, {wanted}: {error}") };
            let [holder] = holders.as_slice() else { panic!("{command}, {wanted}: {holders:?}") };
            assert_eq!(holder.process.as_ref().unwrap().pid, stranger.pid());
            assert_eq!((holder.address, holder.usage), (theirs, usage), "{command}, {wanted}");
            let said = error.to_string();
            let who = format!("{wanted} is taken: {} (pid {}, user ", stranger.command(), stranger.pid());
            assert!(said.starts_with(&who), "{said}");
            assert!(said.contains(&format!("listens on {theirs}")), "{said}");
            assert_eq!(said.contains("with SO_REUSEPORT"), usage == Use::Sharing, "{said}");
        }
        for ip in free {
            let opened = listen(at(ip, theirs), 2);
            assert!(opened.is_ok(), "{command}, {ip}: {}", opened.unwrap_err());
        }
    }
}

#[test]
fn two_strangers_that_share_a_port_are_both_named() {
    let (mut first, address) = Stranger::holding("share 127.0.0.1:0");
    let (second, _) = Stranger::holding(&format!("share {address}"));
    let found = who_listens(address.port());
    let pids: Vec<i32> = found.iter().map(|holder| holder.process.as_ref().unwrap().pid).collect();
    assert!(pids.contains(&first.pid()) && pids.contains(&second.pid()), "{found:?}");
    assert!(found.iter().all(|holder| holder.usage == Use::Sharing));
    let ListenError::Taken { holders, .. } = listen(address, 1).unwrap_err() else { panic!() };
    assert_eq!(holders.len(), 2);
    drop(second);
    first.told("close -");
    assert_eq!(listening_ports_of(first.pid()), []);
    assert!(listen(address, 1).is_ok());
}

#[test]
fn a_stranger_that_joins_later_is_found() {
    let kept = ["127.0.0.1:0"; 2].map(|address| listen(address.parse().unwrap(), 2).unwrap());
    let own = kept.each_ref().map(|sockets| sockets[0].local_addr().unwrap());
    assert_eq!(strangers_beside(&own), []);
    let (stranger, joined) = Stranger::holding(&format!("share {}", own[1]));
    let found = strangers_beside(&own);
    let [(address, holder)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((*address, holder.address, holder.usage), (own[1], joined, Use::Sharing));
    assert_eq!(holder.process.as_ref().map(|process| process.pid), Some(stranger.pid()));
    drop(stranger);
    assert_eq!(strangers_beside(&own), []);
    drop(kept);
}

#[test]
fn an_outbound_connection_that_took_the_port_is_said_to_have() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = server.local_addr().unwrap();
    let (mut stranger, local) = Stranger::holding(&format!("connect {peer}"));
    let said = listen(local, 1).unwrap_err().to_string();
    let expected = format!("(pid {}, user ", stranger.pid());
    assert!(said.contains(&expected) && said.contains(&format!("uses {local} for a connection with {peer}")), "{said}");
    assert!(said.contains(&format!("net.ipv4.ip_local_reserved_ports={}", local.port())), "{said}");

    // After it has ended the kernel keeps the port for a while, for nobody: there is no process to be found.
    stranger.told("close -");
    drop(server.accept().unwrap());
    let holders = who_holds(local.port());
    assert!(holders.iter().any(|holder| holder.usage == Use::Ended(peer)), "{holders:?}");
    let said = listen(local, 1).unwrap_err().to_string();
    assert!(said.contains(&format!("was used for a connection with {peer} until less than a minute ago")), "{said}");
}

#[test]
fn workers_share_a_port_and_all_of_them_get_connections() {
    let listeners = listen("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    let address = listeners[0].local_addr().unwrap();
    assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
    let _clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let accepted: Vec<usize> =
        listeners.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).collect();
    assert_eq!(accepted.iter().sum::<usize>(), 100);
    assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
}

#[test]
fn this_process_may_open_its_port_again_and_a_stranger_that_shares_it_is_still_seen() {
    let first = listen("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let address = first[0].local_addr().unwrap();
    let again = listen(address, 2).unwrap();
    assert!(listen(at("0.0.0.0", address), 1).is_ok());
    let (stranger, _) = Stranger::holding(&format!("share {address}"));
    let ListenError::Taken { holders, .. } = listen(address, 2).unwrap_err() else { panic!() };
    assert_eq!(holders.iter().map(|holder| holder.process.as_ref().unwrap().pid).collect::<Vec<_>>(), [stranger.pid()]);
    drop((first, again));
}

#[test]
fn a_service_that_moved_is_found_by_its_process() {
    let (mut stranger, endpoint) = Stranger::holding("listen 127.0.0.1:0");
    let identity = identify(endpoint).unwrap();
    assert_eq!(identity.pid, stranger.pid());
    stranger.told("close -");
    let silent = nobody_listens(endpoint, Some(&identity), &[]);
    assert_eq!(silent.lead, Lead::Silent(identity.clone()), "{silent}");
    let moved = stranger.told("listen 127.0.0.1:0");
    let found = nobody_listens(endpoint, Some(&identity), &[]);
    assert_eq!(found.lead, Lead::SameProcess);
    assert_eq!(found.listeners.iter().map(|holder| holder.address).collect::<Vec<_>>(), [moved]);
    let said = found.to_string();
    assert!(said.starts_with(&format!("nobody listens on {endpoint}; what served it before listens elsewhere: ")));
    assert!(said.contains(&format!("(pid {}, user ", stranger.pid())) && said.ends_with(&moved.to_string()), "{said}");
    drop(stranger);
    let gone = nobody_listens(endpoint, Some(&identity), &[]);
    assert_eq!(gone.lead, Lead::Gone(identity), "{gone}");
}

#[test]
fn a_service_that_was_killed_has_ended_also_while_its_parent_has_not_waited_for_it() {
    let (mut stranger, endpoint) = Stranger::holding("listen 127.0.0.1:0");
    let identity = identify(endpoint).unwrap();
    stranger.child.kill().unwrap();
    // Its pipe closes when it has let go of everything; as long as nobody waits for it, its entry in /proc stays.
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stranger.answers, &mut rest).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", stranger.pid())).unwrap();
    while !state().contains(") Z ") {
        std::thread::yield_now();
    }
    let gone = nobody_listens(endpoint, Some(&identity), &[]);
    assert_eq!(gone.lead, Lead::Gone(identity), "{gone}");
}

#[test]
fn a_service_that_was_started_anew_is_found_by_its_program_and_replicas_in_place_are_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (old, endpoint) = Stranger::holding_in(folder.path(), "listen 127.0.0.1:0");
    let identity = identify(endpoint).unwrap();
    drop(old);
    let (_new, moved) = Stranger::holding_in(folder.path(), "listen 127.0.0.1:0");
    let found = nobody_listens(endpoint, Some(&identity), &[]);
    assert_eq!(found.lead, Lead::SameProgram, "{found}");
    assert_eq!(found.listeners.iter().map(|holder| holder.address).collect::<Vec<_>>(), [moved]);
    assert_eq!(nobody_listens(endpoint, Some(&identity), &[moved]).lead, Lead::Gone(identity));
}

#[test]
fn of_several_services_that_one_program_runs_the_one_with_the_same_words_on_its_command_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let started = |name: &str| {
        let mut stranger = Stranger::named(name, folder.path());
        let address = stranger.told("listen 127.0.0.1:0");
        (stranger, address)
    };
    let (old, endpoint) = started("shop");
    let identity = identify(endpoint).unwrap();
    drop(old);
    let (_mail, _) = started("mail");
    let (_shop, moved) = started("shop");
    let found = nobody_listens(endpoint, Some(&identity), &[]);
    assert_eq!(found.lead, Lead::SameProgram, "{found}");
    assert_eq!(found.listeners.iter().map(|holder| holder.address).collect::<Vec<_>>(), [moved]);
}

#[test]
fn a_service_on_another_address_or_near_is_mentioned_and_one_elsewhere_is_not_guessed_at() {
    let (mut stranger, theirs) = Stranger::holding("listen 127.0.0.2:0");
    let found = nobody_listens(at("127.0.0.1", theirs), None, &[]);
    assert_eq!((found.lead, found.listeners[0].address), (Lead::OtherAddress, theirs));
    let near = SocketAddr::new(theirs.ip(), theirs.port() ^ 1);
    if who_listens(near.port()).is_empty() {
        let found = nobody_listens(near, None, &[]);
        assert_eq!(found.lead, Lead::Near, "{found}");
        assert!(found.listeners.iter().any(|holder| holder.address == theirs), "{found}");
    }
    assert_eq!(nobody_listens(theirs, None, &[]).lead, Lead::ByNow);
    let other_host: SocketAddr = "203.0.113.7:3000".parse().unwrap();
    assert_eq!(nobody_listens(other_host, None, &[]).to_string(), "nobody listens on 203.0.113.7:3000");
    assert_eq!(identify(other_host), None);
    if !has_ipv6() {
        return;
    }
    // IPv6 loopback, where some runtimes listen for "localhost", is another address as well.
    let six = stranger.told("listen [::1]:0");
    let found = nobody_listens(at("127.0.0.1", six), None, &[]);
    assert_eq!((found.lead, found.listeners[0].address), (Lead::OtherAddress, six));
}
