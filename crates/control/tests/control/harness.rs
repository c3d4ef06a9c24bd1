//! A proxy in this process, with real sockets and a file that can be edited.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use portcullis_control::{
    Control, DriftSeen, Publisher, Reading, Running, Start, Watching,
    answers::{Cause, ReloadReport},
};
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A running proxy. Dropping it stops it.
pub(crate) struct Proxy {
    control: Option<Control>,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Proxy {
    /// Starts with this file; `DIR` in it stands for the folder that `prepare` may fill before.
    pub(crate) fn start(file: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let path = folder.path().join("portcullis.yaml");
        write_file(folder.path(), file);
        let reading = Reading::of(&path);
        let registries = reading.registries();
        let candidate = match reading.compile(&registries) {
            Ok(candidate) => candidate,
            Err(rejection) => panic!("{rejection}: {:#?}", rejection.findings().map(|(findings, _)| findings)),
        };
        let start = Start { path, candidate, registries, log_levels: Box::new(|_| {}) };
        let look = Box::new(|_: &Running| DriftSeen::default());
        let control = Control::start(start, Watching::Material, look).unwrap_or_else(|rejection| panic!("{rejection}"));
        Self { control: Some(control), folder }
    }

    pub(crate) fn publisher(&self) -> &Arc<Publisher> {
        self.control.as_ref().unwrap().publisher()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Edits the file and reloads it.
    pub(crate) fn reload(&self, file: &str) -> Arc<ReloadReport> {
        write_file(self.folder.path(), file);
        self.control.as_ref().unwrap().block_on(self.publisher().reload(Cause::Signal))
    }

    pub(crate) fn drain(&self) {
        self.control.as_ref().unwrap().block_on(async { self.publisher().drain() });
    }

    pub(crate) fn wait_until_drained(&self) {
        self.control.as_ref().unwrap().block_on(self.publisher().drained());
    }

    /// The access log, once it holds this.
    pub(crate) fn log_with(&self, part: &str) -> String {
        let path = self.path("access.log");
        eventually(&format!("`{part}` in the log"), || fs::read_to_string(&path).ok().filter(|log| log.contains(part)))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            control.stop();
        }
    }
}

fn write_file(folder: &Path, text: &str) {
    fs::write(folder.join("portcullis.yaml"), text.replace("DIR", folder.to_str().unwrap())).unwrap();
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A GET with the token.
pub(crate) fn get(port: u16, path: &str) -> Answer {
    ask(port, "GET", path, &[&format!("Authorization: Bearer {TOKEN}")])
}

/// Any request, with these header lines besides Host.
pub(crate) fn ask(port: u16, method: &str, path: &str, headers: &[&str]) -> Answer {
    let stream = TcpStream::connect(local(port)).unwrap();
    exchange(stream, method, path, &format!("127.0.0.1:{port}"), headers)
}

/// A request over a Unix socket.
pub(crate) fn ask_unix(socket: &Path, method: &str, path: &str, headers: &[&str]) -> Answer {
    exchange(UnixStream::connect(socket).unwrap(), method, path, "localhost", headers)
}

/// A request over any stream.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    host: &str,
    headers: &[&str],
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for line in headers {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

pub(crate) fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Waits for a condition, and fails after ten seconds.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
