//! A client that sends bytes exactly as it is told, over TCP, a Unix socket or TLS.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
};

use super::{PATIENCE, Response};

/// What bytes travel over.
pub(crate) trait Transport: Read + Write + Send {
    /// Says that no more bytes will come.
    fn half_close(&mut self) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn half_close(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Transport for UnixStream {
    fn half_close(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// One connection and what it received but has not yet been asked for.
pub(crate) struct Raw {
    transport: Box<dyn Transport>,
    unread: Vec<u8>,
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "connection with {:?} unread", String::from_utf8_lossy(&self.unread))
    }
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        Self::over_tcp(stream)
    }

    pub(crate) fn connect_unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::over(stream))
    }

    pub(crate) fn over_tcp(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Box::new(transport), unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.transport.write_all(bytes.as_ref()).and_then(|()| self.transport.flush()).expect("the peer takes bytes");
        self
    }

    /// Sends as far as the peer takes it: one that refuses early may have closed already.
    pub(crate) fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.transport.write_all(bytes.as_ref()).and_then(|()| self.transport.flush());
        self
    }

    /// Each byte in a segment of its own.
    pub(crate) fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        for byte in bytes.as_ref() {
            self.send([*byte]);
        }
        self
    }

    pub(crate) fn half_close(&mut self) -> &mut Self {
        self.transport.half_close().expect("the connection is open");
        self
    }

    /// Exactly these bytes come next.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let expected = bytes.as_ref();
        let got = self.take(expected.len());
        assert!(got == expected, "expected {:?}, got {:?}", String::from_utf8_lossy(expected), show(&got));
        self
    }

    /// The next response, to a request with this method.
    #[track_caller]
    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        Response::read(self, method)
    }

    /// The next response, to a GET.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Everything until the peer closes in order.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        self.transport.read_to_end(&mut rest).expect("the peer closes in order");
        rest
    }

    /// Everything until the peer closes, in order or not.
    pub(crate) fn rest_of_any_kind(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        let _ = self.transport.read_to_end(&mut rest);
        rest
    }

    /// The peer closes (or resets) and sends nothing more.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) {
        let mut byte = [0];
        loop {
            assert!(self.unread.is_empty(), "bytes instead of a close: {:?}", String::from_utf8_lossy(&self.unread));
            match self.transport.read(&mut byte) {
                Ok(0) => return,
                Ok(_) => self.unread.push(byte[0]),
                Err(error) if is_timeout(&error) => panic!("the peer neither closes nor speaks"),
                Err(_) => return,
            }
        }
    }

    /// The peer closes (or resets), whatever it says before.
    #[track_caller]
    pub(crate) fn expect_close_after_answer(&mut self) {
        while self.receive() > 0 {}
    }

    /// Exactly `count` bytes, or what there was before the end.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.receive() > 0 {}
        let rest = self.unread.split_off(count.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }

    /// Everything up to and including `end`; what there was if the peer closes before.
    pub(crate) fn take_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len());
            }
            if self.receive() == 0 {
                return std::mem::take(&mut self.unread);
            }
        }
    }

    fn receive(&mut self) -> usize {
        let mut chunk = vec![0; 64 * 1024];
        match self.transport.read(&mut chunk) {
            Ok(count) => {
                self.unread.extend_from_slice(&chunk[..count]);
                count
            }
            Err(error) if is_timeout(&error) => panic!("the peer is silent; so far {:?}", show(&self.unread)),
            Err(_) => 0,
        }
    }
}

/// The beginning of some bytes, for messages.
fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).into_owned()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
