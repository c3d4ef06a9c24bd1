//! Debian's Redis.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Process, free_address, output_of, wait_until};

/// A running Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let address = free_address();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--dir"]);
        let process = Process::start(command.arg(directory.path()).stdout(Stdio::null()));
        wait_until("Redis listens", || TcpStream::connect(address).ok());
        Self { _process: process, _directory: directory, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What `redis-cli` prints for these commands, one on each line.
pub(crate) fn redis_cli(address: SocketAddr, commands: &str) -> String {
    let output = output_of("redis-cli", ["-h", "127.0.0.1", "-p", &address.port().to_string()], commands.as_bytes());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
