//! Byte sessions: raw TCP, TLS passed through, TLS opened here, and tunnels after an upgrade.
//!
//! Each direction ends for itself: when one side has said all it had to say, the other is told so (half-close) and
//! may go on. Between plain sockets the bytes never come into this process (splice(2)).

use std::{cell::Cell, io, os::fd::AsFd, pin::pin, rc::Rc, task::Poll, time::Duration};

use portcullis_grants::Grant;
use portcullis_kernel::splice::Pipe;
use portcullis_observe::Termination;
use tokio::io::Interest;

use crate::{
    buffer::Buffers,
    callers::Known,
    deadline::Deadline,
    granted,
    io::{Io, Stream},
    visit::Ended,
    watch::Watches,
};

/// The two ends of a session and what bounds it.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: &'a Io,
    pub(crate) endpoint: &'a Io,
    pub(crate) buffers: &'a Buffers,
    pub(crate) client_deadline: &'a Deadline,
    pub(crate) endpoint_deadline: &'a Deadline,
    /// No byte either way for this long ends it.
    pub(crate) idle: Duration,
    /// After one side has closed, the other has this long.
    pub(crate) half_close: Duration,
    pub(crate) watches: &'a Watches,
    /// Whose proof it rests on.
    pub(crate) caller: Option<&'a Rc<Known>>,
    /// It ends with this grant.
    pub(crate) grant: Option<&'a Grant>,
}

/// What went through.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) from_client: u64,
    pub(crate) from_endpoint: u64,
    pub(crate) termination: Termination,
    pub(crate) detail: Option<String>,
}

/// What the two directions share.
#[derive(Debug)]
struct Shared {
    last_ms: Cell<u64>,
    /// One direction has ended.
    is_half: Cell<bool>,
    idle: Duration,
    half_close: Duration,
}

/// One direction.
struct Direction<'a> {
    from: &'a Io,
    to: &'a Io,
    deadline: &'a Deadline,
    shared: &'a Shared,
    passed: &'a Cell<u64>,
    buffers: &'a Buffers,
}

/// Which side an error came from.
enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

/// How both directions came to their end.
enum Over {
    InOrder,
    Broken(Side, Broken),
    /// The grant that it rests on.
    Grant,
}

impl Passed {
    /// It ended before anything went through.
    pub(crate) fn nothing(ended: Ended) -> Self {
        Self { from_client: 0, from_endpoint: 0, termination: ended.termination, detail: ended.detail }
    }
}

impl Session<'_> {
    /// Relays until both directions have ended, or one breaks, or time runs out.
    pub(crate) async fn relay(&self) -> Passed {
        let shared = Shared {
            last_ms: Cell::new(self.client_deadline.now_ms()),
            is_half: Cell::new(false),
            idle: self.idle,
            half_close: self.half_close,
        };
        let (from_client, from_endpoint) = (Cell::new(0), Cell::new(0));
        let up = Direction {
            from: self.client,
            to: self.endpoint,
            deadline: self.client_deadline,
            shared: &shared,
            passed: &from_client,
            buffers: self.buffers,
        };
        let down = Direction {
            from: self.endpoint,
            to: self.client,
            deadline: self.endpoint_deadline,
            shared: &shared,
            passed: &from_endpoint,
            buffers: self.buffers,
        };
        let (mut upward, mut downward) = (pin!(up.run()), pin!(down.run()));
        let (mut up_done, mut down_done) = (false, false);
        let relaying = std::future::poll_fn(|context| {
            if !up_done && let Poll::Ready(result) = upward.as_mut().poll(context) {
                match result {
                    Ok(()) => up_done = true,
                    Err(broken) => return Poll::Ready(Over::Broken(Side::Client, broken)),
                }
            }
            if !down_done && let Poll::Ready(result) = downward.as_mut().poll(context) {
                match result {
                    Ok(()) => down_done = true,
                    Err(broken) => return Poll::Ready(Over::Broken(Side::Endpoint, broken)),
                }
            }
            if granted::has_ended(self.grant) {
                return Poll::Ready(Over::Grant);
            }
            if up_done && down_done { Poll::Ready(Over::InOrder) } else { Poll::Pending }
        });
        let (termination, detail) = match self.watches.while_stands(self.caller, relaying).await {
            Ok(Over::InOrder) => (Termination::Completed, None),
            Ok(Over::Grant) => {
                let ended = self.grant.map_or_else(|| Termination::AccessEnded.into(), granted::because);
                (ended.termination, ended.detail)
            }
            Ok(Over::Broken(side, broken)) => judge(side, broken, shared.is_half.get()),
            Err(gone) => {
                let ended = Ended::from(gone);
                (ended.termination, ended.detail)
            }
        };
        Passed { from_client: from_client.get(), from_endpoint: from_endpoint.get(), termination, detail }
    }
}

/// Where a direction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Endpoint,
}

fn judge(from: Side, broken: Broken, is_half: bool) -> (Termination, Option<String>) {
    let (side, error) = match (from, broken) {
        (from, Broken::Reading(error)) => (from, error),
        (Side::Client, Broken::Writing(error)) => (Side::Endpoint, error),
        (Side::Endpoint, Broken::Writing(error)) => (Side::Client, error),
    };
    if error.kind() == io::ErrorKind::TimedOut {
        return (if is_half { Termination::HalfCloseTimeout } else { Termination::IdleTimeout }, None);
    }
    let termination = if side == Side::Client { Termination::ClientReset } else { Termination::EndpointReset };
    (termination, Some(error.to_string()))
}

impl Direction<'_> {
    async fn run(&self) -> Result<(), Broken> {
        if self.from.is_plain() && self.to.is_plain() {
            self.splice().await?;
        } else {
            self.copy().await?;
        }
        // The other direction now has the half-close time, from this moment.
        self.shared.is_half.set(true);
        self.shared.last_ms.set(self.deadline.now_ms());
        // A peer that is gone already has seen the end.
        let _ = self.patiently(async || self.to.shutdown(self.deadline).await).await;
        Ok(())
    }

    async fn copy(&self) -> Result<(), Broken> {
        let mut buffer = self.buffers.take();
        loop {
            let count = match self.patiently(async || self.from.read(&mut buffer, self.deadline).await).await {
                Ok(count) => count,
                // TLS that ends without close_notify, as many clients do. Whether the protocol inside was complete is
                // for its two ends to know; to them it is the end of the stream either way.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(Broken::Reading(error)),
            };
            if count == 0 {
                self.buffers.give(buffer);
                return Ok(());
            }
            while !buffer.is_empty() {
                let sent = self
                    .patiently(async || self.to.write_some(buffer.filled(), self.deadline).await)
                    .await
                    .map_err(Broken::Writing)?;
                buffer.consume(sent);
                self.moved(sent);
            }
            self.patiently(async || self.to.flush(self.deadline).await).await.map_err(Broken::Writing)?;
        }
    }

    async fn splice(&self) -> Result<(), Broken> {
        let mut pipe = Pipe::new().map_err(Broken::Reading)?;
        loop {
            let count = self
                .patiently(async || self.deadline.race(ready(self.from, Interest::READABLE, |fd| pipe.fill(fd))).await)
                .await
                .map_err(Broken::Reading)?;
            if count == 0 {
                return Ok(());
            }
            while pipe.held() > 0 {
                let sent = self
                    .patiently(async || {
                        self.deadline.race(ready(self.to, Interest::WRITABLE, |fd| pipe.drain(fd))).await
                    })
                    .await
                    .map_err(Broken::Writing)?;
                self.moved(sent);
            }
        }
    }

    fn moved(&self, count: usize) {
        self.passed.set(self.passed.get() + count as u64);
        self.shared.last_ms.set(self.deadline.now_ms());
    }

    /// Tries until the *session* has been still for too long: bytes in the other direction count as life.
    async fn patiently<T>(&self, mut attempt: impl AsyncFnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            let allowed =
                if self.shared.is_half.get() { self.shared.half_close.min(self.shared.idle) } else { self.shared.idle };
            let still = Duration::from_millis(self.deadline.now_ms().saturating_sub(self.shared.last_ms.get()));
            let Some(left) = allowed.checked_sub(still).filter(|left| !left.is_zero()) else {
                return Err(io::ErrorKind::TimedOut.into());
            };
            // The other direction may end while this one waits; then the shorter half-close time counts, so it is
            // looked at again no later than that.
            self.deadline.set(left.min(self.shared.half_close));
            match attempt().await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                result => return result,
            }
        }
    }
}

/// Runs a non-blocking call on the socket of a plain connection until it does not say `WouldBlock`.
async fn ready<T>(
    io: &Io,
    interest: Interest,
    mut call: impl FnMut(std::os::fd::BorrowedFd<'_>) -> io::Result<T>,
) -> io::Result<T> {
    std::future::poll_fn(|context| {
        loop {
            let stream = io.stream();
            let readiness = match (&*stream, interest) {
                (Stream::Tcp(stream), Interest::READABLE) => stream.poll_read_ready(context),
                (Stream::Tcp(stream), _) => stream.poll_write_ready(context),
                (Stream::Unix(stream), Interest::READABLE) => stream.poll_read_ready(context),
                (Stream::Unix(stream), _) => stream.poll_write_ready(context),
                _ => return Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            };
            match readiness {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            let result = match &*stream {
                Stream::Tcp(stream) => stream.try_io(interest, || call(stream.as_fd())),
                Stream::Unix(stream) => stream.try_io(interest, || call(stream.as_fd())),
                _ => Err(io::ErrorKind::Unsupported.into()),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    })
    .await
}
