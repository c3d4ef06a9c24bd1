//! Bodies in flight: a source of chunks, a sink for them, and the relay between the two.
//!
//! Memory is constant whatever the length: a source hands out parts of its read buffer, a sink collects small parts
//! and passes large ones through. A relay flushes exactly when the source has nothing more at hand, so that a head
//! and a short body leave in one write, and a slow stream is never held back.

use std::{cell::Cell, io, time::Duration};

use portcullis_h1::{ChunkError, ChunkedDecoder, Framing, Known, chunked};

use portcullis_plan::{HeaderEdits, RouteTable};

use crate::{
    buffer::{Buffer, LARGE},
    deadline::Deadline,
    io::Io,
};

/// Where a body comes from. HTTP/2 and HTTP/3 streams will be further variants.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Http1(Http1Source<'a>),
}

/// Where a body goes to.
#[derive(Debug)]
pub(crate) enum Sink<'a> {
    Http1(Http1Sink<'a>),
}

/// A body on an HTTP/1 connection.
#[derive(Debug)]
pub(crate) struct Http1Source<'a> {
    pub(crate) io: &'a Io,
    pub(crate) input: &'a mut Buffer,
    pub(crate) decoder: &'a mut ChunkedDecoder,
    pub(crate) deadline: &'a Deadline,
    pub(crate) idle: Duration,
    pub(crate) pace: Pace,
    left: Left,
    /// Bytes of `input` that the last chunk took.
    taken: usize,
    /// Body bytes handed out.
    passed: u64,
    /// Where they are told as well, so that an upload that is given up leaves its number behind.
    tally: Option<&'a Cell<u64>>,
    /// Largest body that is let through.
    limit: u64,
}

#[derive(Debug, Clone, Copy)]
enum Left {
    Nothing,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What a source has at hand.
#[derive(Debug)]
pub(crate) enum Chunk<'a> {
    Data(&'a [u8]),
    /// The body is complete; trailer lines with their CRLF.
    End(&'a [u8]),
    /// Nothing before the next read.
    Starved,
}

/// Why a relay stopped early.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// The source ended before its framing said so.
    Truncated,
    /// The source's chunked coding is malformed.
    Coding(ChunkError),
    /// More than the limit.
    TooLarge,
    /// The source moves too slowly.
    SourceTooSlow,
    /// Reading failed or timed out.
    Read(io::Error),
    /// The sink takes bytes too slowly.
    SinkTooSlow,
    /// Writing failed or timed out.
    Write(io::Error),
}

impl<'a> Http1Source<'a> {
    pub(crate) fn new(
        io: &'a Io,
        input: &'a mut Buffer,
        decoder: &'a mut ChunkedDecoder,
        deadline: &'a Deadline,
        framing: Framing,
    ) -> Self {
        decoder.reset();
        let left = match framing {
            Framing::None => Left::Nothing,
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunked,
            Framing::UntilClose => Left::UntilClose,
        };
        let idle = Duration::from_mins(1);
        Self {
            io,
            input,
            decoder,
            deadline,
            idle,
            pace: Pace::free(),
            left,
            taken: 0,
            passed: 0,
            tally: None,
            limit: u64::MAX,
        }
    }

    /// Tells the bytes that it hands out as it goes.
    pub(crate) fn counted(mut self, tally: &'a Cell<u64>) -> Self {
        self.tally = Some(tally);
        self
    }

    /// With bounds for a peer that may be slow or endless.
    pub(crate) fn bounded(mut self, idle: Duration, pace: Pace, limit: Option<u64>) -> Self {
        (self.idle, self.pace, self.limit) = (idle, pace, limit.unwrap_or(u64::MAX));
        self
    }
}

impl Source<'_> {
    /// Whether bytes of the body are already here.
    pub(crate) fn has_bytes(&self) -> bool {
        let Self::Http1(source) = self;
        !source.input.is_empty()
    }

    /// What is at hand, without waiting.
    pub(crate) fn next(&mut self) -> Result<Chunk<'_>, RelayError> {
        let Self::Http1(source) = self;
        source.next()
    }

    /// Waits for more bytes.
    pub(crate) async fn fill(&mut self) -> Result<(), RelayError> {
        let Self::Http1(source) = self;
        source.fill().await
    }
}

impl Http1Source<'_> {
    fn next(&mut self) -> Result<Chunk<'_>, RelayError> {
        self.input.consume(std::mem::take(&mut self.taken));
        let at_hand = self.input.filled().len();
        let (skip, data) = match &mut self.left {
            Left::Nothing | Left::Length(0) => return Ok(Chunk::End(b"")),
            Left::Length(left) => {
                let data = usize::try_from(*left).unwrap_or(usize::MAX).min(at_hand);
                *left -= data as u64;
                (0, data)
            }
            Left::UntilClose => (0, at_hand),
            Left::Chunked => {
                let progress = self.decoder.decode(self.input.filled()).map_err(RelayError::Coding)?;
                if progress.done {
                    self.input.consume(progress.consumed);
                    self.left = Left::Nothing;
                    return Ok(Chunk::End(self.decoder.trailers()));
                }
                (progress.consumed - progress.data, progress.data)
            }
        };
        self.input.consume(skip);
        if data == 0 {
            return Ok(Chunk::Starved);
        }
        self.taken = data;
        self.passed += data as u64;
        if let Some(tally) = self.tally {
            tally.set(self.passed);
        }
        if self.passed > self.limit {
            return Err(RelayError::TooLarge);
        }
        // A body that does not fit the usual buffer is worth a large one: a quarter of the system calls.
        if at_hand > LARGE / 8 {
            self.input.grow(LARGE);
        }
        Ok(Chunk::Data(&self.input.filled()[..data]))
    }

    async fn fill(&mut self) -> Result<(), RelayError> {
        let started_ms = self.deadline.now_ms();
        let count = loop {
            self.deadline.set(self.pace.patience(self.idle));
            match self.io.read(self.input, self.deadline).await {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let waited = Duration::from_millis(self.deadline.now_ms().saturating_sub(started_ms));
                    if waited >= self.idle {
                        return Err(RelayError::Read(error));
                    }
                    self.pace.waited(waited).map_err(|TooSlow| RelayError::SourceTooSlow)?;
                }
                Err(error) => return Err(RelayError::Read(error)),
            }
        };
        self.deadline.clear();
        let waited = Duration::from_millis(self.deadline.now_ms().saturating_sub(started_ms));
        self.pace.moved(count, waited).map_err(|TooSlow| RelayError::SourceTooSlow)?;
        match (count, self.left) {
            (0, Left::UntilClose) => {
                self.left = Left::Nothing;
                Ok(())
            }
            (0, _) => Err(RelayError::Truncated),
            _ => Ok(()),
        }
    }
}

/// A body on its way out on an HTTP/1 connection. `out` may already hold the head.
#[derive(Debug)]
pub(crate) struct Http1Sink<'a> {
    pub(crate) io: &'a Io,
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) deadline: &'a Deadline,
    pub(crate) idle: Duration,
    pub(crate) pace: Pace,
    pub(crate) is_chunked: bool,
    pub(crate) trailers: TrailerRule<'a>,
    /// Bytes sent, heads included.
    pub(crate) sent: u64,
}

/// Which trailer fields go on. Those that frame, route or authenticate are refused by the decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TrailerRule<'a> {
    /// Towards a client: what the route edits in the head does not come back as a trailer.
    Response(&'a HeaderEdits),
    /// Towards an endpoint: nor does what the proxy itself says in every head, nor what routes are chosen by.
    Request(&'a HeaderEdits, &'a RouteTable),
}

impl TrailerRule<'_> {
    fn passes_all(&self, trailers: &[u8]) -> bool {
        trailer_lines(trailers).all(|(name, _)| !self.strikes(name))
    }

    fn strikes(&self, name: &[u8]) -> bool {
        match self {
            Self::Response(edits) => edits.touches(name),
            Self::Request(edits, routes) => {
                edits.touches(name) || routes.may_read_as_asked(name) || Known::from_name(name) == Known::XRequestId
            }
        }
    }
}

/// Name and whole line of each trailer field.
fn trailer_lines(trailers: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    trailers
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| (line.split(|&byte| byte == b':').next().unwrap_or_default(), line))
}

/// Parts at least this long are written from where they lie; shorter ones are collected.
const DIRECT: usize = 8 * 1024;
/// Collected bytes are written at the latest when there are this many.
const COLLECTED: usize = 32 * 1024;

impl Sink<'_> {
    /// Bytes sent, heads included.
    pub(crate) fn sent(&self) -> u64 {
        let Self::Http1(sink) = self;
        sink.sent
    }

    /// Takes a part of the body; may write.
    pub(crate) async fn data(&mut self, data: &[u8]) -> Result<(), RelayError> {
        let Self::Http1(sink) = self;
        if sink.is_chunked {
            chunked::write_size(data.len(), sink.out);
            sink.out.extend_from_slice(data);
            sink.out.extend_from_slice(b"\r\n");
        } else if data.len() >= DIRECT {
            sink.flush().await?;
            return sink.write(data).await;
        } else {
            sink.out.extend_from_slice(data);
        }
        if sink.out.len() >= COLLECTED { sink.flush().await } else { Ok(()) }
    }

    /// The body is complete.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        let Self::Http1(sink) = self;
        if !sink.is_chunked {
            return;
        }
        if sink.trailers.passes_all(trailers) {
            return chunked::write_end(trailers, sink.out);
        }
        let left: Vec<u8> = trailer_lines(trailers)
            .filter(|(name, _)| !sink.trailers.strikes(name))
            .flat_map(|(_, line)| line)
            .copied()
            .collect();
        chunked::write_end(&left, sink.out);
    }

    /// Writes what is collected.
    pub(crate) async fn flush(&mut self) -> Result<(), RelayError> {
        let Self::Http1(sink) = self;
        sink.flush().await
    }
}

impl Http1Sink<'_> {
    async fn flush(&mut self) -> Result<(), RelayError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(self.out);
        let result = self.write(&out).await;
        *self.out = out;
        self.out.clear();
        result
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), RelayError> {
        let mut at = 0;
        while at < bytes.len() {
            let started_ms = self.deadline.now_ms();
            self.deadline.set(self.pace.patience(self.idle));
            match self.io.write_some(&bytes[at..], self.deadline).await {
                Ok(0) => return Err(RelayError::Write(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    at += count;
                    self.sent += count as u64;
                    let waited = Duration::from_millis(self.deadline.now_ms().saturating_sub(started_ms));
                    self.pace.moved(count, waited).map_err(|TooSlow| RelayError::SinkTooSlow)?;
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let waited = Duration::from_millis(self.deadline.now_ms().saturating_sub(started_ms));
                    if waited >= self.idle {
                        return Err(RelayError::Write(error));
                    }
                    self.pace.waited(waited).map_err(|TooSlow| RelayError::SinkTooSlow)?;
                }
                Err(error) => return Err(RelayError::Write(error)),
            }
        }
        self.io.flush(self.deadline).await.map_err(RelayError::Write)?;
        self.deadline.clear();
        Ok(())
    }
}

/// Moves a whole body.
pub(crate) async fn relay(source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), RelayError> {
    loop {
        match source.next()? {
            Chunk::Data(data) => sink.data(data).await?,
            Chunk::End(trailers) => {
                sink.end(trailers);
                return sink.flush().await;
            }
            Chunk::Starved => {
                sink.flush().await?;
                source.fill().await?;
            }
        }
    }
}

/// Drops peers that trickle: bytes moved against the time that was spent waiting for that peer, and for it alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Bytes per second; 0: any pace will do.
    minimum_rate: u32,
    bytes: u64,
    waited: Duration,
}

/// The peer moved fewer bytes than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// Waiting time over which the pace is judged.
const WINDOW: Duration = Duration::from_secs(10);

impl Pace {
    /// At least this many bytes per second, over windows of ten seconds.
    pub(crate) fn at_least(minimum_rate: u32) -> Self {
        Self { minimum_rate, bytes: 0, waited: Duration::ZERO }
    }

    /// Any pace will do.
    pub(crate) fn free() -> Self {
        Self::at_least(0)
    }

    /// How long to wait before judging.
    fn patience(&self, idle: Duration) -> Duration {
        if self.minimum_rate == 0 { idle } else { idle.min(WINDOW.saturating_sub(self.waited)) }
    }

    fn waited(&mut self, waited: Duration) -> Result<(), TooSlow> {
        self.moved(0, waited)
    }

    fn moved(&mut self, count: usize, waited: Duration) -> Result<(), TooSlow> {
        if self.minimum_rate == 0 {
            return Ok(());
        }
        self.bytes += count as u64;
        self.waited += waited;
        if self.waited < WINDOW {
            return Ok(());
        }
        let expected = self.waited.as_secs() * u64::from(self.minimum_rate);
        let result = if self.bytes < expected { Err(TooSlow) } else { Ok(()) };
        (self.bytes, self.waited) = (0, Duration::ZERO);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_and_waiting_for_the_other_side_does_not_count() {
        let mut pace = Pace::at_least(100);
        for _ in 0..9 {
            assert_eq!(pace.moved(1, Duration::from_secs(1)), Ok(()));
        }
        assert_eq!(pace.moved(1, Duration::from_secs(1)), Err(TooSlow));
        let mut pace = Pace::at_least(100);
        for _ in 0..100 {
            assert_eq!(pace.moved(1, Duration::ZERO), Ok(()));
        }
        assert_eq!(Pace::free().waited(Duration::from_hours(1)), Ok(()));
    }
}
