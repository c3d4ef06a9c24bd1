//! The client side of exchanges: one connection to an endpoint.

use std::{io, sync::Arc};

use portcullis_balance::EndpointState;
use portcullis_h1::{ChunkedDecoder, HeadScanner, Limits, ResponseError, ResponseHead};
use portcullis_observe::metrics::EndpointMetrics;

use crate::{
    body::{Http1Sink, Http1Source, Pace, Sink, Source, TrailerRule},
    buffer::{Buffer, Buffers},
    deadline::Deadline,
    io::Io,
};

/// A connection to an endpoint. HTTP/2 will be a further variant.
#[derive(Debug)]
pub(crate) enum Upstream {
    Http1(Box<Http1>),
}

/// An HTTP/1 connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) endpoint: Arc<EndpointState>,
    pub(crate) io: Io,
    pub(crate) input: Buffer,
    pub(crate) out: Vec<u8>,
    pub(crate) head: ResponseHead,
    pub(crate) decoder: ChunkedDecoder,
    pub(crate) deadline: Deadline,
    _open: OpenCount,
}

/// Counts a connection to an endpoint as closed when it goes, however it goes.
#[derive(Debug)]
pub(crate) struct OpenCount {
    metrics: Arc<EndpointMetrics>,
    worker: usize,
}

impl OpenCount {
    /// For a connection that this worker has just opened and counted.
    pub(crate) fn new(metrics: &Arc<EndpointMetrics>, worker: usize) -> Self {
        Self { metrics: Arc::clone(metrics), worker }
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.metrics.shard(self.worker).closed.add(1);
    }
}

/// Why there is no response head.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The endpoint closed, before the first byte of a head or within it.
    Closed,
    /// Reading failed or timed out.
    Io(io::Error),
    /// The head is not acceptable.
    Refused(ResponseError),
    /// The client went away while it was being told of an interim head; the endpoint has done nothing wrong.
    ClientGone(io::Error),
}

impl Upstream {
    pub(crate) fn http1(io: Io, endpoint: Arc<EndpointState>, deadline: Deadline, open: OpenCount) -> Self {
        Self::Http1(Box::new(Http1 {
            endpoint,
            io,
            input: Buffer::default(),
            out: Vec::new(),
            head: ResponseHead::default(),
            decoder: ChunkedDecoder::default(),
            deadline,
            _open: open,
        }))
    }

    /// The endpoint's state, by which pools are kept.
    pub(crate) fn endpoint(&self) -> &Arc<EndpointState> {
        let Self::Http1(connection) = self;
        &connection.endpoint
    }

    /// Whether it can be used again; see [`Io::is_quiet`].
    pub(crate) fn is_quiet(&self) -> bool {
        let Self::Http1(connection) = self;
        connection.io.is_quiet()
    }
}

impl Http1 {
    /// Makes the buffers ready for an exchange.
    pub(crate) fn prepare(&mut self, buffers: &Buffers) {
        self.input = buffers.take();
        self.out.clear();
    }

    /// Whether nothing is left over, so that the next response is the answer to the next request.
    pub(crate) fn is_clean(&self) -> bool {
        self.input.is_empty() && self.out.is_empty()
    }

    /// The parts that the two directions of an exchange use at the same time.
    pub(crate) fn split(&mut self) -> (Writer<'_>, Reader<'_>) {
        let writer = Writer { io: &self.io, out: &mut self.out };
        let reader = Reader {
            io: &self.io,
            input: &mut self.input,
            head: &mut self.head,
            decoder: &mut self.decoder,
            deadline: &self.deadline,
        };
        (writer, reader)
    }
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) io: &'a Io,
    pub(crate) out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Where the request body goes; `deadline` is that of the uploading side.
    pub(crate) fn body(
        self,
        deadline: &'a Deadline,
        idle: std::time::Duration,
        is_chunked: bool,
        trailers: TrailerRule<'a>,
    ) -> Sink<'a> {
        let pace = Pace::free();
        Sink::Http1(Http1Sink { io: self.io, out: self.out, deadline, idle, pace, is_chunked, trailers, sent: 0 })
    }
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    io: &'a Io,
    input: &'a mut Buffer,
    pub(crate) head: &'a mut ResponseHead,
    decoder: &'a mut ChunkedDecoder,
    pub(crate) deadline: &'a Deadline,
}

impl<'a> Reader<'a> {
    /// Reads one response head; afterwards the buffer begins with it, pinned.
    pub(crate) async fn read_head(&mut self, method_is_head: bool, limits: &Limits) -> Result<(), HeadError> {
        let mut scanner = HeadScanner::default();
        let method: &[u8] = if method_is_head { b"HEAD" } else { b"GET" };
        loop {
            let read = self.head.read(&mut scanner, self.input.filled(), method, limits);
            if let Some(end) = read.map_err(HeadError::Refused)? {
                self.input.pin(end);
                return Ok(());
            }
            self.input.grow(self.input.filled().len() + 1);
            if self.io.read(self.input, self.deadline).await.map_err(HeadError::Io)? == 0 {
                return Err(HeadError::Closed);
            }
        }
    }

    /// The bytes that the head's spans point into.
    pub(crate) fn text(&self) -> &[u8] {
        self.input.all()
    }

    /// Forgets an interim head (1xx).
    pub(crate) fn skip_head(&mut self) {
        self.input.release();
    }

    /// The body of the response whose head was read.
    pub(crate) fn into_body(self, idle: std::time::Duration) -> Source<'a> {
        let framing = self.head.framing;
        let source = Http1Source::new(self.io, self.input, self.decoder, self.deadline, framing);
        Source::Http1(source.bounded(idle, Pace::free(), None))
    }
}
