//! A web service whose answers tell what reached it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::{Backend, Peer, free_address};

/// One replica. It answers with a JSON description of the request, except under
/// `/bytes/N` (N bytes), `/chunked/N` (N bytes in chunks), `/slow/MS` (after a while) and `/healthz`.
#[derive(Debug)]
pub(crate) struct Web {
    backend: Backend,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    name: String,
    /// Status of `/healthz`.
    health: AtomicU16,
    /// Requests other than health checks.
    served: AtomicUsize,
    checked: AtomicUsize,
}

impl Web {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_at(name, free_address())
    }

    /// The same at a place that was chosen before.
    pub(crate) fn start_at(name: &str, address: SocketAddr) -> Self {
        let state = Arc::new(State {
            name: name.to_owned(),
            health: AtomicU16::new(200),
            served: AtomicUsize::new(0),
            checked: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let backend = Backend::start_at(address, move |mut peer| while serve(&mut peer, &shared) {});
        Self { backend, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.backend.address()
    }

    pub(crate) fn set_health(&self, status: u16) {
        self.state.health.store(status, Ordering::Relaxed);
    }

    /// Requests that reached it, health checks not counted.
    pub(crate) fn served(&self) -> usize {
        self.state.served.load(Ordering::Relaxed)
    }

    /// Health checks that reached it.
    pub(crate) fn checked(&self) -> usize {
        self.state.checked.load(Ordering::Relaxed)
    }

    /// Connections that reached it.
    pub(crate) fn connections(&self) -> usize {
        self.backend.connections()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.backend.open()
    }
}

/// Serves one request; false at the end of the connection.
fn serve(peer: &mut Peer, state: &State) -> bool {
    let head = peer.read_head();
    let mut lines = head.split("\r\n");
    let mut start = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(_)) = (start.next(), start.next(), start.next()) else { return false };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    if target == "/healthz" {
        state.checked.fetch_add(1, Ordering::Relaxed);
        let status = state.health.load(Ordering::Relaxed);
        return peer.send(format!("HTTP/1.1 {status} Health\r\ncontent-length: 0\r\n\r\n"));
    }
    state.served.fetch_add(1, Ordering::Relaxed);
    let Some((body, trailers)) = read_body(peer, &headers) else { return false };
    let answer = match target.trim_start_matches('/').split_once('/') {
        Some(("bytes", count)) => answer(state, method, &filler(count)),
        Some(("chunked", count)) => chunked(state, &filler(count)),
        Some(("slow", milliseconds)) => {
            thread::sleep(Duration::from_millis(milliseconds.parse().unwrap_or(0)));
            answer(state, method, b"late")
        }
        _ => {
            let echo = json!({
                "replica": state.name,
                "method": method,
                "target": target,
                "headers": headers,
                "body": String::from_utf8_lossy(&body[..body.len().min(1024)]),
                "body_bytes": body.len(),
                "trailers": trailers,
                "connection": peer.index(),
            });
            answer(state, method, echo.to_string().as_bytes())
        }
    };
    peer.send(answer)
}

fn filler(count: &str) -> Vec<u8> {
    let count = count.split('?').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (0..count).map(|at: usize| b'a' + (at % 26) as u8).collect()
}

fn answer(state: &State, method: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 Answer\r\nx-replica: {}\r\ncontent-length: {}\r\n\r\n", state.name, body.len());
    let mut answer = head.into_bytes();
    if method != "HEAD" {
        answer.extend_from_slice(body);
    }
    answer
}

fn chunked(state: &State, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nx-replica: {}\r\ntransfer-encoding: chunked\r\n\r\n", state.name);
    let mut answer = head.into_bytes();
    for chunk in body.chunks(1000) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\nx-checksum: filler\r\n\r\n");
    answer
}

/// The body and the trailer lines; `None` if the connection ended within them.
fn read_body(peer: &mut Peer, headers: &[(String, String)]) -> Option<(Vec<u8>, Vec<String>)> {
    let value = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if value("expect").is_some() {
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if value("transfer-encoding") == Some("chunked") {
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        loop {
            let line = peer.read_line();
            let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
            if size == 0 {
                break;
            }
            body.extend(peer.read(size));
            peer.read_line();
        }
        loop {
            let line = peer.read_line();
            match line.trim_end() {
                "" => return Some((body, trailers)),
                line => trailers.push(line.to_owned()),
            }
        }
    }
    let length = value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = peer.read(length);
    (body.len() == length).then_some((body, Vec::new()))
}
