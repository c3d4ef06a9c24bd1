//! Debian's PostgreSQL, and what libpq 17 does by itself: TLS from the first byte.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::Command,
    thread,
};

use tempfile::TempDir;

use super::{Leaf, Process, free_address, output_of, wait_until};

/// A running PostgreSQL with the superuser `portcullis`.
#[derive(Debug)]
pub(crate) struct Postgres {
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

/// Who runs the server: it refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Without TLS.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// With this certificate for clients that ask for TLS.
    pub(crate) fn start_with(certificate: Option<&Leaf>) -> Self {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        let account = Account::unprivileged();
        account.give(&directory.path().to_path_buf());
        let initdb = ["--username=portcullis", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8", "-D"];
        let made = account.run("initdb").args(initdb).arg(&data).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let address = free_address();
        let mut server = account.run("postgres");
        server.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-k", ""]);
        server.args(["-c", "fsync=off", "-c", "shared_buffers=1MB", "-c", "max_connections=20"]);
        if let Some(leaf) = certificate {
            for (file, name) in [(&leaf.cert, "server.crt"), (&leaf.key, "server.key")] {
                let copy = data.join(name);
                fs::copy(file, &copy).unwrap();
                fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
                account.give(&copy);
            }
            server.args(["-c", "ssl=on"]);
        }
        let log = directory.path().join("log");
        let output = fs::File::create(&log).unwrap();
        server.stdout(output.try_clone().unwrap()).stderr(output);
        let mut process = Process::start(&mut server);
        wait_until("PostgreSQL accepts connections", || {
            assert_eq!(process.has_ended(), None, "{}", fs::read_to_string(&log).unwrap_or_default());
            Self::query(address, "sslmode=disable", "select 1").ok()
        });
        Self { _process: process, _directory: directory, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `psql` prints for a query at `address`, or its complaint. `options` are libpq connection parameters.
    pub(crate) fn query(address: SocketAddr, options: &str, query: &str) -> Result<String, String> {
        let target =
            format!("hostaddr={} port={} user=portcullis dbname=postgres {options}", address.ip(), address.port());
        let arguments =
            ["--no-psqlrc", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1", "-d", &target, "-f", "-"];
        let output = output_of("psql", arguments, query.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Account {
    fn unprivileged() -> Self {
        let id = |kind: &str, user: &str| -> Option<u32> {
            let output = Command::new("id").args([kind, user]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        let own = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap();
        let user = if own == 0 { "postgres".to_owned() } else { own.to_string() };
        let found = id("-u", &user).zip(id("-g", &user));
        let (user, group) = found.expect("there is a user postgres: run scripts/setup");
        Self { user, group }
    }

    fn give(self, path: &PathBuf) {
        chown(path, Some(self.user), Some(self.group)).unwrap();
    }

    /// A program of Debian's newest PostgreSQL, as this user.
    fn run(self, program: &str) -> Command {
        let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL is installed: run scripts/setup")
            .map(|entry| entry.unwrap().path())
            .collect();
        versions.sort();
        let newest = versions.last().expect("PostgreSQL has a version");
        let mut command = Command::new(newest.join("bin").join(program));
        command.uid(self.user).gid(self.group).current_dir("/");
        command
    }
}

/// The packet by which a PostgreSQL client asks for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Stands before a psql that cannot do `sslnegotiation=direct` yet: answers its wish for TLS itself, so that what goes
/// on to `target` begins with the ClientHello. Returns where psql must connect.
pub(crate) fn shim_of_client(target: SocketAddr) -> SocketAddr {
    relay_after(target, |client, _| {
        let mut request = [0; 8];
        std::io::Read::read_exact(client, &mut request)?;
        assert_eq!(request, SSL_REQUEST, "psql asks for TLS");
        std::io::Write::write_all(client, b"S")
    })
}

/// Stands before a PostgreSQL that cannot take TLS from the first byte yet: asks for it on behalf of the client.
pub(crate) fn shim_of_server(target: SocketAddr) -> SocketAddr {
    relay_after(target, |_, server| {
        std::io::Write::write_all(server, &SSL_REQUEST)?;
        let mut answer = [0];
        std::io::Read::read_exact(server, &mut answer)?;
        assert_eq!(answer, *b"S", "PostgreSQL speaks TLS");
        Ok(())
    })
}

type Opening = fn(&mut TcpStream, &mut TcpStream) -> std::io::Result<()>;

fn relay_after(target: SocketAddr, open: Opening) -> SocketAddr {
    let address = free_address();
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || relay(client, target, open));
        }
    });
    address
}

fn relay(mut client: TcpStream, target: SocketAddr, open: Opening) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target)?;
    open(&mut client, &mut server)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(std::net::Shutdown::Write)
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Write)
}
