//! Other network namespaces, made by the test itself. Without the right to make them there is nothing to test, and the
//! test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a test that fails")]

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use portcullis_kernel::{
    addresses::local_addresses,
    inventory::{Protocol, State, listeners, sockets},
    namespace::Namespace,
};

/// A namespace that lives as long as the process inside; killed when dropped.
struct Inside {
    process: Child,
    namespace: Namespace,
}

impl Inside {
    /// `None`, and loudly so, without the right.
    fn make() -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "60"]).stdin(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("unshare (util-linux) is installed");
        let pid = i32::try_from(process.id()).unwrap();
        let began = Instant::now();
        loop {
            if process.try_wait().unwrap().is_some() || began.elapsed() > Duration::from_secs(10) {
                eprintln!("SKIPPED: this user may not make network namespaces");
                let _ = process.kill();
                let _ = process.wait();
                return None;
            }
            if let Ok(namespace) = Namespace::of_process(pid)
                && !namespace.is_own()
            {
                return Some(Self { process, namespace });
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_socket_of_another_namespace_is_listed_there_with_its_owner_and_not_here() {
    let Some(inside) = Inside::make() else { return };
    let address = SocketAddr::from(([0, 0, 0, 0], 8443));
    let _listener = inside.namespace.run(|| TcpListener::bind(address)).unwrap().unwrap();
    let there = listeners(&inside.namespace);
    let [socket] = there.sockets.as_slice() else { panic!("{there:?}") };
    assert_eq!((socket.protocol, socket.state, socket.address), (Protocol::Tcp, State::Listening, address));
    let pids: Vec<i32> = socket.processes.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [i32::try_from(std::process::id()).unwrap()], "owners are found whatever their namespace");
    let inode = socket.inode;
    assert!(sockets(&Namespace::own()).sockets.iter().all(|socket| socket.inode != inode));
}

#[test]
fn the_thread_that_entered_a_namespace_does_not_come_back() {
    let Some(inside) = Inside::make() else { return };
    let here = local_addresses();
    let entered = inside.namespace.run(|| (thread::current().id(), local_addresses())).unwrap();
    assert_ne!(entered.0, thread::current().id());
    assert_eq!(entered.1.len(), 0, "its loopback is down");
    assert_eq!(local_addresses(), here);
}

#[test]
fn namespaces_of_processes_are_found_once_each_and_a_dead_one_is_told() {
    let Some(inside) = Inside::make() else { return };
    let (all, _) = Namespace::all();
    let pid = i32::try_from(inside.process.id()).unwrap();
    assert_eq!(all.iter().filter(|namespace| namespace.process() == Some(pid)).count(), 1);
    assert_eq!(all.iter().filter(|namespace| namespace.is_own()).count(), 1);
    let namespace = inside.namespace.clone();
    drop(inside);
    let refused = namespace.run(|| ()).unwrap_err().to_string();
    assert!(refused.contains(&format!("pid:{pid}")), "{refused}");
}
