//! Network namespaces that a test makes for itself.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use portcullis_kernel::namespace::Namespace;

/// A network namespace with its loopback up; gone when dropped.
#[derive(Debug)]
pub(crate) struct Netns {
    name: String,
}

static MADE: AtomicU32 = AtomicU32::new(0);

impl Netns {
    /// `None`, and loudly so, for a user who may not make any.
    pub(crate) fn make() -> Option<Self> {
        let name = format!("e2e-{}-{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).output().expect("iproute2 is installed");
        if !made.status.success() {
            eprintln!("SKIPPED: no network namespaces here: {}", String::from_utf8_lossy(&made.stderr).trim());
            return None;
        }
        let netns = Self { name };
        netns.run("ip", &["link", "set", "lo", "up"]);
        Some(netns)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A link to another one: 10.77.NET.1 and fd77:NET::1 here, .2 and ::2 there.
    pub(crate) fn link(&self, other: &Self, net: u8) {
        let (here, there) =
            (format!("v{}a{net}", process::id() % 100_000), format!("v{}b{net}", process::id() % 100_000));
        let pair =
            ["link", "add", &here, "netns", &self.name, "type", "veth", "peer", "name", &there, "netns", &other.name];
        let made = Command::new("ip").args(pair).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for (netns, interface, host) in [(self, &here, 1), (other, &there, 2)] {
            netns.run("ip", &["addr", "add", &format!("10.77.{net}.{host}/24"), "dev", interface]);
            netns.run("ip", &["addr", "add", &format!("fd77:{net:x}::{host}/64"), "dev", interface, "nodad"]);
            netns.run("ip", &["link", "set", interface, "up"]);
        }
    }

    /// A program that is to run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a program inside, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Listens inside and answers everybody with these bytes, until the test's process ends.
    pub(crate) fn answer_on(&self, address: &str, answer: &'static str) {
        let address: SocketAddr = address.parse().unwrap();
        let namespace = Namespace::named(&self.name).unwrap();
        let listener = namespace.run(|| TcpListener::bind(address)).unwrap().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream, answer));
            }
        });
    }
}

/// Reads something, if there is something, and answers.
fn serve(mut stream: TcpStream, answer: &str) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let _ = stream.read(&mut [0; 1024]);
    let _ = stream.write_all(answer.as_bytes());
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}
