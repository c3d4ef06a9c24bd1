//! Debian's nginx as a service behind the proxy.

use std::{fs, net::SocketAddr, net::TcpStream, process::Command};

use tempfile::TempDir;

use super::{Process, free_address, wait_until};

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Process,
    directory: TempDir,
    address: SocketAddr,
}

impl Nginx {
    /// Starts one with these directives in its `server` block, beside `listen` and `root`.
    pub(crate) fn start(server: &str) -> Self {
        Self::start_with(server, "")
    }

    /// The same over TLS: `listen` directives have this option appended, such as `ssl`.
    pub(crate) fn start_with(server: &str, listen_option: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let address = free_address();
        let place = directory.path().display();
        fs::create_dir(directory.path().join("root")).unwrap();
        // As root, nginx would otherwise change to a user who may not read the directory.
        let configuration = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;
            events {{ worker_connections 1024; }}
            http {{
                access_log {place}/access.log;
                client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
                uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
                client_max_body_size 0;
                server {{ listen {address} {listen_option}; root {place}/root; {server} }}
            }}"
        );
        fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(directory.path()).arg("-e").arg(directory.path().join("error.log"));
        let mut process = Process::start(command.arg("-c").arg(directory.path().join("nginx.conf")));
        wait_until("nginx listens", || {
            let ended = process.has_ended();
            assert_eq!(ended, None, "{}", fs::read_to_string(directory.path().join("error.log")).unwrap_or_default());
            TcpStream::connect(address).ok()
        });
        Self { process, directory, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it at once. Nobody waits for it until it is dropped, as with a service whose parent does not care.
    pub(crate) fn kill(&self) {
        self.process.signal("KILL");
    }

    /// Puts a file into its root.
    pub(crate) fn publish(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.directory.path().join("root").join(name), content).unwrap();
    }
}
