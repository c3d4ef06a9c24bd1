//! Answers of our own, and how a connection ends after the last one.

use std::time::{Duration, Instant};

use portcullis_h1::{Framing, RequestError, RequestHead, Version};
use portcullis_observe::Termination;

use crate::{
    answer::{self, Reply},
    downstream::{Arrival, Downstream, Http1, NoRequest},
    refusal::Refused,
    story::Story,
    visit::{Ended, Visit},
};

/// What happens to the connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Request,
    Close,
}

/// How an exchange that was not refused ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    pub(crate) next: Next,
}

/// Sends an answer of our own. The connection can go on only if no body is left on it.
pub(crate) async fn respond(
    visit: &Visit,
    client: &mut Http1,
    status: u16,
    termination: Termination,
    story: &mut Story<'_>,
    write: impl FnOnce(Reply, &mut Vec<u8>),
) -> Finished {
    let head = &client.head;
    let keep_alive = head.keep_alive && head.framing == Framing::None && !visit.is_last();
    let reply = Reply { version: head.version, keep_alive, to_head: head.method.of(client.text()) == b"HEAD" };
    client.out.clear();
    write(reply, &mut client.out);
    story.status = Some(status);
    let sent = send_answer(client, story).await;
    let next = if keep_alive && sent { Next::Request } else { Next::Close };
    Finished { ended: if sent { termination.into() } else { Termination::ClientReset.into() }, next }
}

async fn send_answer(client: &mut Http1, story: &mut Story<'_>) -> bool {
    client.deadline.set(ANSWER_TIME);
    let sent = client.io.write_all(&client.out, &client.deadline).await.is_ok();
    story.bytes_sent += client.out.len() as u64;
    client.out.clear();
    sent
}

/// Time that a client has to take an answer of ours, and to close after the last one.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Answers a request that is refused.
pub(crate) async fn answer_refusal(
    visit: &Visit,
    client: &mut Http1,
    refused: Refused,
    story: &mut Story<'_>,
) -> Finished {
    let Refused { status, ended, told, lines, form } = refused;
    let is_malformed = matches!(ended.termination, Termination::BadRequest | Termination::RequestTooLarge);
    if is_malformed {
        client.head.keep_alive = false;
    }
    let write = |reply: Reply, out: &mut Vec<u8>| answer::write_refusal(status, told, (&lines, form), reply, out);
    let termination = ended.termination;
    let finished = respond(visit, client, status, termination, story, write).await;
    Finished { ended, next: finished.next }
}

/// Answers a head that could not be read, and tells of it.
pub(crate) async fn refuse_head(visit: &mut Visit, client: &mut Downstream, reason: &NoRequest) {
    let Downstream::Http1(client) = client;
    let refused = match reason {
        NoRequest::Closed | NoRequest::Truncated | NoRequest::Failed => None,
        NoRequest::Timeout => Some(Refused::new(408, Termination::ClientTimeoutHead, "the request head took too long")),
        NoRequest::Refused(RequestError::NotHttp) if client.input.filled().first() == Some(&22) => {
            let ended = Ended::because(Termination::TlsOnPlaintext, "TLS on a plain HTTP port");
            Some(Refused::new(400, ended, "this port speaks plain HTTP"))
        }
        NoRequest::Refused(error) => Some(Refused::malformed(*error)),
    };
    // What the head says has not been believed, so nothing of it is used.
    client.head = RequestHead { version: Version::Http11, ..RequestHead::default() };
    let now = Instant::now();
    let arrival = Arrival { began: now, complete: now };
    let mut story = Story::new(visit.worker.next_id(), arrival, client.input.all().len());
    let ended = match refused {
        None => Termination::ClientClosed.into(),
        Some(refused) => answer_refusal(visit, client, refused, &mut story).await.ended,
    };
    story.tell(visit, client, b"", &ended);
    linger(client).await;
}

/// Ends the connection. Where the client may still be sending, closing at once would destroy the answer.
pub(crate) async fn close(client: &mut Http1, ended: &Ended) {
    let has_all = client.head.framing == Framing::None && client.input.is_empty();
    if !has_all || ended.termination == Termination::BadRequest {
        linger(client).await;
    } else if !client.io.is_plain() {
        client.deadline.set(ANSWER_TIME);
        // A client that is gone needs no close_notify.
        let _ = client.io.shutdown(&client.deadline).await;
    }
}

/// Says that nothing more will come, then takes what the client still sends, for a short while: closing at once would
/// reset the connection and could destroy the answer on its way (RFC 9112 9.6).
async fn linger(client: &mut Http1) {
    client.deadline.set(ANSWER_TIME / 2);
    if client.io.shutdown(&client.deadline).await.is_err() {
        return;
    }
    let mut left: usize = 256 * 1024;
    client.input.release();
    client.input.grow(4096);
    while left > 0 {
        let unused = client.input.filled().len();
        client.input.consume(unused);
        match client.io.read(&mut client.input, &client.deadline).await {
            Ok(0) | Err(_) => return,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
}
