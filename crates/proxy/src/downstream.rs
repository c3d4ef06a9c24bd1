//! The server side of exchanges: one client connection and the request that is being served on it.

use std::{future::poll_fn, io, rc::Rc, time::Instant};

use portcullis_h1::{ChunkedDecoder, Framing, HeadScanner, Limits, RequestError, RequestHead};
use portcullis_plan::{HeaderEdits, PortLimits, PortTimeouts};

use crate::{
    body::{Http1Sink, Http1Source, Pace, Sink, Source, TrailerRule},
    buffer::Buffer,
    deadline::Deadline,
    io::Io,
    worker::Worker,
};

/// Where requests come from. HTTP/2 and HTTP/3 will be further variants.
#[derive(Debug)]
pub(crate) enum Downstream {
    Http1(Http1),
}

/// An HTTP/1 client connection.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) io: Io,
    pub(crate) input: Buffer,
    pub(crate) out: Vec<u8>,
    pub(crate) head: RequestHead,
    pub(crate) decoder: ChunkedDecoder,
    pub(crate) deadline: Deadline,
    /// Bytes of the current request's head.
    pub(crate) head_bytes: usize,
}

/// What came instead of a request.
#[derive(Debug)]
pub(crate) enum NoRequest {
    /// The client closed, or was silent for too long, before the first byte of a request.
    Closed,
    /// The client closed within a head.
    Truncated,
    /// The head took too long.
    Timeout,
    /// The connection failed.
    Failed,
    /// The head is not acceptable.
    Refused(RequestError),
}

/// When the head of a request began and was complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) began: Instant,
    pub(crate) complete: Instant,
}

impl Downstream {
    pub(crate) fn http1(io: Io, input: Buffer, deadline: Deadline) -> Self {
        Self::Http1(Http1 {
            io,
            input,
            out: Vec::new(),
            head: RequestHead::default(),
            decoder: ChunkedDecoder::default(),
            deadline,
            head_bytes: 0,
        })
    }

    /// Waits for the next request, for as long as `may_wait` allows it, and reads its head.
    pub(crate) async fn next_request(
        &mut self,
        worker: &Rc<Worker>,
        limits: &PortLimits,
        timeouts: &PortTimeouts,
        may_wait: impl Fn() -> bool,
    ) -> Result<Arrival, NoRequest> {
        let Self::Http1(client) = self;
        client.next_request(worker, limits, timeouts, may_wait).await
    }
}

impl Http1 {
    async fn next_request(
        &mut self,
        worker: &Rc<Worker>,
        limits: &PortLimits,
        timeouts: &PortTimeouts,
        may_wait: impl Fn() -> bool,
    ) -> Result<Arrival, NoRequest> {
        let limits =
            Limits { head_bytes: limits.head_bytes, fields: limits.headers, target_bytes: limits.target_bytes };
        self.input.release();
        if self.input.is_empty() {
            self.wait_for_first_byte(worker, timeouts, may_wait).await?;
        }
        let began = Instant::now();
        self.deadline.set(timeouts.head);
        let mut scanner = HeadScanner::default();
        let mut complete = began;
        loop {
            match self.head.read(&mut scanner, self.input.filled(), &limits).map_err(NoRequest::Refused)? {
                None => {}
                Some(end) => {
                    self.head_bytes = end;
                    self.input.pin(end);
                    self.deadline.clear();
                    return Ok(Arrival { began, complete });
                }
            }
            self.input.grow(self.input.filled().len() + 1024);
            match self.io.read(&mut self.input, &self.deadline).await {
                Ok(0) => return Err(NoRequest::Truncated),
                Ok(_) => complete = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(NoRequest::Timeout),
                Err(_) => return Err(NoRequest::Failed),
            }
        }
    }

    /// An idle connection gives its buffer back and takes one again when bytes are there.
    async fn wait_for_first_byte(
        &mut self,
        worker: &Rc<Worker>,
        timeouts: &PortTimeouts,
        may_wait: impl Fn() -> bool,
    ) -> Result<(), NoRequest> {
        self.deadline.set_idle(timeouts.keep_alive);
        worker.buffers.give(std::mem::take(&mut self.input));
        if self.io.is_plain() {
            let readable = poll_fn(|context| self.io.poll_readable(context));
            self.deadline.race_while(&may_wait, readable).await.map_err(|_| NoRequest::Closed)?;
        }
        self.input = worker.buffers.take();
        match self.deadline.race_while(&may_wait, self.io.read(&mut self.input, &self.deadline)).await {
            Ok(0) | Err(_) => Err(NoRequest::Closed),
            Ok(_) => Ok(()),
        }
    }

    /// The bytes that the head's spans point into.
    pub(crate) fn text(&self) -> &[u8] {
        self.input.all()
    }

    /// The parts that the two directions of an exchange use at the same time.
    pub(crate) fn split(&mut self) -> (BodyReader<'_>, Writer<'_>) {
        let reader = BodyReader {
            io: &self.io,
            input: &mut self.input,
            decoder: &mut self.decoder,
            deadline: &self.deadline,
            framing: self.head.framing,
        };
        (reader, Writer { io: &self.io, out: &mut self.out })
    }
}

/// The receiving half: the request's body.
#[derive(Debug)]
pub(crate) struct BodyReader<'a> {
    pub(crate) io: &'a Io,
    input: &'a mut Buffer,
    decoder: &'a mut ChunkedDecoder,
    pub(crate) deadline: &'a Deadline,
    framing: Framing,
}

impl<'a> BodyReader<'a> {
    /// The body as a source.
    pub(crate) fn into_source(
        self,
        idle: std::time::Duration,
        limits: &PortLimits,
        tally: &'a std::cell::Cell<u64>,
    ) -> Source<'a> {
        let source = Http1Source::new(self.io, self.input, self.decoder, self.deadline, self.framing);
        let pace = Pace::at_least(limits.minimum_rate);
        Source::Http1(source.counted(tally).bounded(idle, pace, limits.body_bytes))
    }
}

/// The sending half: the response.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) io: &'a Io,
    pub(crate) out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Where the response goes, the head that waits in `out` first.
    pub(crate) fn into_sink(
        self,
        deadline: &'a Deadline,
        idle: std::time::Duration,
        minimum_rate: u32,
        is_chunked: bool,
        edits: &'a HeaderEdits,
    ) -> Sink<'a> {
        let pace = Pace::at_least(minimum_rate);
        let trailers = TrailerRule::Response(edits);
        Sink::Http1(Http1Sink { io: self.io, out: self.out, deadline, idle, pace, is_chunked, trailers, sent: 0 })
    }
}
