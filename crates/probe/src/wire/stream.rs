//! A connection that is bounded in bytes and remembers how the other side began.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::bounds::BYTES;

/// Bytes that are remembered: enough to recognise a protocol.
const REMEMBERED: usize = 256;

/// A TCP connection to a target.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// The first bytes that came, at most [`REMEMBERED`].
    first: Vec<u8>,
    left: usize,
    source: SocketAddr,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let source = stream.local_addr()?;
        Ok(Self { stream, first: Vec::new(), left: BYTES, source })
    }

    /// The local address, by which the other side judges.
    pub(crate) fn source(&self) -> SocketAddr {
        self.source
    }

    /// How the other side began.
    pub(crate) fn first_bytes(&self) -> &[u8] {
        &self.first
    }
}

/// Reads until `is_enough`, the end, an error, or as much as is ever read. An error after some bytes is an end.
pub(crate) async fn read_until(
    stream: &mut (impl AsyncRead + Unpin),
    is_enough: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while bytes.len() < BYTES && !is_enough(&bytes) {
        match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if bytes.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(bytes)
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Past the bound the connection has ended.
        let mut part = [0; 4096];
        let most = self.left.min(buffer.remaining()).min(part.len());
        let mut part = ReadBuf::new(&mut part[..most]);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let came = part.filled();
        let room = REMEMBERED.saturating_sub(self.first.len()).min(came.len());
        self.first.extend_from_slice(&came[..room]);
        self.left -= came.len();
        buffer.put_slice(came);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
