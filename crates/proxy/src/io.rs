//! One connection, whatever carries it: TCP, Unix socket, TLS on either side.
//!
//! All calls take `&self`, so that both directions of one connection can be driven from one task at the same time.
//! The cell is borrowed within one poll and never across a wait.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{buffer::Buffer, deadline::Deadline};

/// A connection.
#[derive(Debug)]
pub(crate) struct Io {
    stream: RefCell<Stream>,
    kind: Kind,
}

/// What carries a connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// TLS that ends here.
    ServerTls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// TLS towards an endpoint.
    ClientTls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// TLS towards an endpoint on a Unix socket.
    ClientTlsUnix(Box<tokio_rustls::client::TlsStream<UnixStream>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Tls,
}

impl From<Stream> for Io {
    fn from(stream: Stream) -> Self {
        let kind = match stream {
            Stream::Tcp(_) | Stream::Unix(_) => Kind::Plain,
            Stream::ServerTls(_) | Stream::ClientTls(_) | Stream::ClientTlsUnix(_) => Kind::Tls,
        };
        Self { stream: RefCell::new(stream), kind }
    }
}

impl Io {
    /// Whether bytes on the socket are the bytes of the connection (so that the kernel may move them).
    pub(crate) fn is_plain(&self) -> bool {
        self.kind == Kind::Plain
    }

    /// Gives the stream back.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream.into_inner()
    }

    /// For what only one kind of stream can do. The borrow must end before the next wait.
    pub(crate) fn stream(&self) -> std::cell::Ref<'_, Stream> {
        self.stream.borrow()
    }

    /// Reads what is there, at least one byte; 0 at the end.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        // AsyncRead and not try_read: after a short read it knows that the socket is empty and saves the read that
        // would say so.
        let mut target = ReadBuf::new(space);
        let result = match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, &mut target),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, &mut target),
            Stream::ServerTls(stream) => Pin::new(&mut **stream).poll_read(context, &mut target),
            Stream::ClientTls(stream) => Pin::new(&mut **stream).poll_read(context, &mut target),
            Stream::ClientTlsUnix(stream) => Pin::new(&mut **stream).poll_read(context, &mut target),
        };
        result.map_ok(|()| target.filled().len())
    }

    /// Writes a part of `bytes`.
    pub(crate) fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::ServerTls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
            Stream::ClientTls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
            Stream::ClientTlsUnix(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(_) | Stream::Unix(_) => Poll::Ready(Ok(())),
            Stream::ServerTls(stream) => Pin::new(&mut **stream).poll_flush(context),
            Stream::ClientTls(stream) => Pin::new(&mut **stream).poll_flush(context),
            Stream::ClientTlsUnix(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    /// Ends the sending side; with TLS, says so first (close_notify).
    pub(crate) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::ServerTls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Stream::ClientTls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Stream::ClientTlsUnix(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }

    /// Ready when the socket has something to read. Plain connections only: TLS may hold bytes of its own.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self.stream.borrow() {
            Stream::Tcp(stream) => stream.poll_read_ready(context),
            Stream::Unix(stream) => stream.poll_read_ready(context),
            Stream::ServerTls(_) | Stream::ClientTls(_) | Stream::ClientTlsUnix(_) => Poll::Ready(Ok(())),
        }
    }

    /// Reads into `buffer`; 0 at the end. An error of kind `TimedOut` is the deadline.
    pub(crate) async fn read(&self, buffer: &mut Buffer, deadline: &Deadline) -> io::Result<usize> {
        let space = buffer.space();
        let count = poll_fn(|context| match self.poll_read(context, space) {
            Poll::Pending => deadline.poll_passed(context).map(Err),
            Poll::Ready(result) => Poll::Ready(result),
        })
        .await?;
        buffer.advance(count);
        Ok(count)
    }

    /// Writes all of `bytes` and sends them off.
    pub(crate) async fn write_all(&self, bytes: &[u8], deadline: &Deadline) -> io::Result<()> {
        let mut sent = 0;
        poll_fn(|context| {
            while sent < bytes.len() {
                match self.poll_write(context, &bytes[sent..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => sent += count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return deadline.poll_passed(context).map(Err),
                }
            }
            if self.kind == Kind::Plain {
                return Poll::Ready(Ok(()));
            }
            match self.poll_flush(context) {
                Poll::Pending => deadline.poll_passed(context).map(Err),
                Poll::Ready(result) => Poll::Ready(result),
            }
        })
        .await
    }

    /// One write; returns how much the kernel took.
    pub(crate) async fn write_some(&self, bytes: &[u8], deadline: &Deadline) -> io::Result<usize> {
        poll_fn(|context| match self.poll_write(context, bytes) {
            Poll::Pending => deadline.poll_passed(context).map(Err),
            Poll::Ready(result) => Poll::Ready(result),
        })
        .await
    }

    /// Sends off what TLS holds.
    pub(crate) async fn flush(&self, deadline: &Deadline) -> io::Result<()> {
        if self.kind == Kind::Plain {
            return Ok(());
        }
        deadline.race(poll_fn(|context| self.poll_flush(context))).await
    }

    /// Ends the sending side.
    pub(crate) async fn shutdown(&self, deadline: &Deadline) -> io::Result<()> {
        deadline.race(poll_fn(|context| self.poll_shutdown(context))).await
    }

    /// Whether the peer has reset the connection, also behind bytes that are still to be read.
    pub(crate) fn is_reset(&self) -> bool {
        let error = match &*self.stream.borrow() {
            Stream::Tcp(stream) => stream.take_error(),
            Stream::Unix(stream) => stream.take_error(),
            Stream::ServerTls(stream) => stream.get_ref().0.take_error(),
            Stream::ClientTls(stream) => stream.get_ref().0.take_error(),
            Stream::ClientTlsUnix(stream) => stream.get_ref().0.take_error(),
        };
        !matches!(error, Ok(None))
    }

    /// Whether an idle connection can still be used: the peer has neither closed it nor sent anything unasked. Costs
    /// no system call unless the kernel has reported something.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0; 1];
        let looking = poll_fn(|context| {
            ready!(self.poll_readable(context))?;
            self.poll_read(context, &mut byte)
        });
        // Unconstrained: a task that has used up its budget would be told "nothing there" whatever is there.
        let mut looking = std::pin::pin!(tokio::task::coop::unconstrained(looking));
        looking.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }
}
