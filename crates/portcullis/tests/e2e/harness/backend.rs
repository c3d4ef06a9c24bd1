//! A service that says exactly what it is told, and remembers every byte that reached it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{PATIENCE, free_address, raw::Transport, wait_until};

/// What is remembered of each connection: bodies may be endless, and what tests look at comes first.
const REMEMBERED_BYTES: usize = 1 << 20;

/// A scripted TCP service on loopback.
#[derive(Debug)]
pub(crate) struct Backend {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What each connection sent so far.
    received: Mutex<Vec<Vec<u8>>>,
    open: AtomicUsize,
    is_over: AtomicBool,
}

/// One connection to a backend.
pub(crate) struct Peer {
    stream: Box<dyn Transport>,
    seen: Arc<Seen>,
    index: usize,
    unread: Vec<u8>,
}

impl Backend {
    /// Runs `script` on a thread of its own for each connection.
    pub(crate) fn start(script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        Self::start_at(free_address(), script)
    }

    /// The same at a place that was chosen before.
    pub(crate) fn start_at(address: SocketAddr, script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let seen = Arc::<Seen>::default();
        let accept = move || -> io::Result<Box<dyn Transport>> {
            let (stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        };
        serve(accept, Arc::clone(&seen), script);
        Self { address, seen }
    }

    /// The same on a Unix socket.
    pub(crate) fn start_unix(path: &Path, script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let seen = Arc::<Seen>::default();
        let accept = move || -> io::Result<Box<dyn Transport>> { Ok(Box::new(listener.accept()?.0)) };
        serve(accept, Arc::clone(&seen), script);
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), seen }
    }

    /// Answers each request head with these bytes and keeps the connection.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer| {
            while !peer.read_head().is_empty() {
                peer.send(&answer);
            }
        })
    }

    /// Answers the first request head of a connection with these bytes and closes.
    pub(crate) fn answering_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer| {
            if !peer.read_head().is_empty() {
                peer.send(&answer);
            }
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that all connections sent.
    pub(crate) fn received(&self) -> Vec<u8> {
        self.seen.received.lock().unwrap().concat()
    }

    pub(crate) fn received_text(&self) -> String {
        String::from_utf8_lossy(&self.received()).into_owned()
    }

    /// Waits until these bytes have arrived somewhere.
    #[track_caller]
    pub(crate) fn wait_for(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        wait_until(&format!("the backend got {:?}", String::from_utf8_lossy(bytes)), || {
            self.received().windows(bytes.len()).any(|window| window == bytes).then_some(())
        });
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.seen.received.lock().unwrap().len()
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.seen.is_over.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then gives its socket up.
        let _ = TcpStream::connect(self.address).map(|stream| stream.shutdown(Shutdown::Both));
        wait_until("a backend has stopped listening", || {
            (self.address.port() == 0 || TcpListener::bind(self.address).is_ok()).then_some(())
        });
    }
}

fn serve(
    accept: impl Fn() -> io::Result<Box<dyn Transport>> + Send + 'static,
    seen: Arc<Seen>,
    script: impl Fn(Peer) + Send + Sync + 'static,
) {
    let script = Arc::new(script);
    thread::spawn(move || {
        while let Ok(stream) = accept() {
            if seen.is_over.load(Ordering::Relaxed) {
                return;
            }
            let mut received = seen.received.lock().unwrap();
            received.push(Vec::new());
            let index = received.len() - 1;
            drop(received);
            seen.open.fetch_add(1, Ordering::Relaxed);
            let peer = Peer { stream, seen: Arc::clone(&seen), index, unread: Vec::new() };
            let script = Arc::clone(&script);
            thread::spawn(move || script(peer));
        }
    });
}

impl Peer {
    /// Which connection of its backend this is, from 0.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The next request head with its empty line; empty if the connection ended before it was complete.
    pub(crate) fn read_head(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.unread.split_off(at + 4);
                let head = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8_lossy(&head).into_owned();
            }
            if self.receive() == 0 {
                return String::new();
            }
        }
    }

    /// One line with its ending; what there was if the connection ended.
    pub(crate) fn read_line(&mut self) -> String {
        while !self.unread.contains(&b'\n') && self.receive() > 0 {}
        let end = self.unread.iter().position(|byte| *byte == b'\n').map_or(self.unread.len(), |at| at + 1);
        let rest = self.unread.split_off(end);
        String::from_utf8_lossy(&std::mem::replace(&mut self.unread, rest)).into_owned()
    }

    /// Exactly as many bytes, or what there was before the end.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.receive() > 0 {}
        let rest = self.unread.split_off(count.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }

    /// Some bytes as they come; none at the end.
    pub(crate) fn read_some(&mut self) -> Vec<u8> {
        if self.unread.is_empty() {
            self.receive();
        }
        std::mem::take(&mut self.unread)
    }

    /// Everything until the other side has ended its direction.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.receive() > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Whether all bytes were taken.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    pub(crate) fn half_close(&mut self) {
        let _ = self.stream.half_close();
    }

    fn receive(&mut self) -> usize {
        let mut chunk = vec![0; 64 * 1024];
        let count = self.stream.read(&mut chunk).unwrap_or(0);
        self.unread.extend_from_slice(&chunk[..count]);
        let mut received = self.seen.received.lock().unwrap();
        let kept = count.min(REMEMBERED_BYTES.saturating_sub(received[self.index].len()));
        received[self.index].extend_from_slice(&chunk[..kept]);
        count
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.seen.open.fetch_sub(1, Ordering::Relaxed);
    }
}
