//! Sending bytes through a door, and what comes back.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{Range, door::Door};
use crate::{
    bounds::{BYTES, Budget},
    permit::Target,
    wire::{Answer, Broken, Hello, connect, handshake, has_head, printable, status_of},
};

/// How long a connection that has answered may go on before it counts as kept open.
const QUIET: Duration = Duration::from_millis(400);

/// Bytes to send through a door.
#[derive(Debug, Clone)]
pub(super) struct Shot {
    target: Target,
    hello: Option<Hello>,
    ahead: Option<&'static [u8]>,
    bytes: Vec<u8>,
}

impl Shot {
    /// As the port wants it: within TLS if it speaks TLS.
    pub(super) fn new(door: &Door<'_>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { target: door.target, hello: door.hello.clone(), ahead: door.ahead, bytes: bytes.into() }
    }

    /// Without TLS, whatever the port speaks.
    pub(super) fn bare(door: &Door<'_>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { hello: None, ..Self::new(door, bytes) }
    }

    /// With another first message of TLS.
    pub(super) fn greeting(door: &Door<'_>, hello: Hello, bytes: impl Into<Vec<u8>>) -> Self {
        Self { hello: Some(hello), ..Self::new(door, bytes) }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) enum Reply {
    /// These bytes, and then the connection was closed or kept.
    Answered { bytes: Vec<u8>, end: End },
    /// Closed without a byte.
    Closed,
    /// Nothing, and the connection was kept.
    Silent,
    /// TLS came to no session, or ended at once.
    NoSession(Broken),
    /// It never came to a connection, or it was not tried.
    NoConnection(Answer),
}

/// What became of a connection after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Kept,
}

impl Reply {
    /// The status of the first answer.
    pub(super) fn status(&self) -> Option<u16> {
        status_of(self.bytes())
    }

    /// What was said.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Answered { bytes, .. } => bytes,
            _ => &[],
        }
    }

    /// Why nothing can be said about the port, if so.
    pub(super) fn obstacle(&self) -> Option<String> {
        match self {
            Self::NoConnection(answer) => Some(answer.words()),
            _ => None,
        }
    }

    /// In a few words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Answered { bytes, end } => {
                let said = match status_of(bytes) {
                    Some(status) => format!("status {status}"),
                    None => format!("\"{}\"", printable(bytes)),
                };
                match end {
                    End::Closed => format!("{said}, then closed"),
                    End::Kept => format!("{said}, connection kept"),
                }
            }
            Self::Closed => "closed without an answer".to_owned(),
            Self::Silent => "no answer, connection kept".to_owned(),
            Self::NoSession(broken) => broken.words(),
            Self::NoConnection(answer) => answer.words(),
        }
    }
}

/// Sends all of them, several at one time; the replies in the same order.
pub(super) fn send(range: Range<'_>, shots: Vec<Shot>) -> Vec<Reply> {
    range.runtime.block_on(async {
        let room = Arc::new(Semaphore::new(range.budget.bounds().at_once));
        let mut replies: Vec<Option<Reply>> = shots.iter().map(|_| None).collect();
        let mut running = JoinSet::new();
        for (index, shot) in shots.into_iter().enumerate() {
            let (room, budget) = (Arc::clone(&room), Arc::clone(range.budget));
            running.spawn(async move {
                let _place = room.acquire_owned().await;
                (index, one(&shot, &budget).await)
            });
        }
        while let Some(done) = running.join_next().await {
            if let Ok((index, reply)) = done {
                replies[index] = Some(reply);
            }
        }
        let given_up = || Reply::NoConnection(Answer::NotTried("it was given up".to_owned()));
        replies.into_iter().map(|reply| reply.unwrap_or_else(given_up)).collect()
    })
}

/// Sends one.
pub(super) fn send_one(range: Range<'_>, shot: Shot) -> Reply {
    let given_up = Reply::NoConnection(Answer::NotTried("it was given up".to_owned()));
    send(range, vec![shot]).pop().unwrap_or(given_up)
}

async fn one(shot: &Shot, budget: &Budget) -> Reply {
    let (mut wire, time) = match connect(shot.target, budget).await {
        Ok(connected) => connected,
        Err(answer) => return Reply::NoConnection(answer),
    };
    if let Some(header) = shot.ahead
        && wire.write_all(header).await.is_err()
    {
        return Reply::Closed;
    }
    let deadline = Instant::now() + time;
    let Some(hello) = &shot.hello else { return talk(&mut wire, &shot.bytes, deadline).await };
    match timeout_at(deadline, handshake(wire, hello)).await {
        Err(_) => Reply::Silent,
        Ok(Err(broken)) => Reply::NoSession(broken),
        Ok(Ok(mut session)) => talk(&mut session.stream, &shot.bytes, deadline).await,
    }
}

async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8], deadline: Instant) -> Reply {
    // Who refuses at once closes before all is written, and may have answered all the same.
    let _ = timeout_at(deadline, async {
        stream.write_all(request).await?;
        stream.flush().await
    })
    .await;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let wait = if has_head(&bytes) || (!bytes.is_empty() && status_of(&bytes).is_none()) {
            QUIET.min(deadline.saturating_duration_since(Instant::now()))
        } else {
            deadline.saturating_duration_since(Instant::now())
        };
        match timeout(wait, stream.read(&mut buffer)).await {
            Err(_) if bytes.is_empty() => return Reply::Silent,
            Err(_) => return Reply::Answered { bytes, end: End::Kept },
            Ok(Ok(count)) if count > 0 && bytes.len() + count <= BYTES => bytes.extend_from_slice(&buffer[..count]),
            // A bound on memory: what matters has been said.
            Ok(Ok(count)) if count > 0 => return Reply::Answered { bytes, end: End::Kept },
            Ok(Err(error)) if bytes.is_empty() => return Reply::of_error(&error),
            Ok(_) if bytes.is_empty() => return Reply::Closed,
            Ok(_) => return Reply::Answered { bytes, end: End::Closed },
        }
    }
}

impl Reply {
    /// A server of TLS 1.3 refuses a certificate when the client already believes to be done.
    fn of_error(error: &std::io::Error) -> Self {
        match Broken::of(error, &[]) {
            Broken::Closed => Self::Closed,
            broken => Self::NoSession(broken),
        }
    }
}
