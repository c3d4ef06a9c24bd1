//! One attempt at one endpoint: send the request, read the response head, relay both bodies.
//!
//! The request's body and the response flow at the same time: an endpoint may answer while the client still sends.

use std::{
    cell::Cell,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use portcullis_grants::Grant;
use portcullis_h1::{Framing, Limits, ResponseError, Version};
use portcullis_observe::{RequestId, Termination};
use portcullis_plan::{EndpointPlan, PortPlan, RoutePlan, ServicePlan};

use crate::{
    body::{RelayError, Sink, Source, TrailerRule, relay},
    callers::Known,
    clock,
    downstream::Http1 as Client,
    exchange::is_idempotent,
    failure::{Failure, no_head, response_end, unsent_failure, upload_failure},
    forward::Lease,
    io::Io,
    respond::Next,
    session::Session,
    transform::{self, ClientFraming, RequestParts},
    upstream::{HeadError, Http1 as Endpoint, Reader, Upstream},
    visit::{Ended, Visit},
};

/// What an attempt is made with.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) visit: &'a Visit,
    pub(crate) port: &'a PortPlan,
    pub(crate) route: &'a RoutePlan,
    pub(crate) service: &'a ServicePlan,
    pub(crate) endpoint: &'a EndpointPlan,
    pub(crate) request_id: RequestId,
    /// Path in normal form.
    pub(crate) path: &'a [u8],
    /// On whose proof it rests.
    pub(crate) caller: Option<&'a Rc<Known>>,
    /// What the service is told of the caller, as header lines.
    pub(crate) caller_lines: &'a [u8],
    /// The grant that it rests on.
    pub(crate) grant: Option<&'a Grant>,
    /// When there was a connection to send on.
    pub(crate) began: Instant,
}

/// A response was begun.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) status: u16,
    pub(crate) ended: Ended,
    pub(crate) next: Next,
    /// Body bytes from the client.
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) response: Option<Duration>,
    pub(crate) body: Option<Duration>,
    /// When the last byte of it was sent.
    pub(crate) finished: Instant,
}

/// How an attempt with both directions ended.
#[derive(Debug)]
enum BothWays {
    Answered(Served, Reuse),
    /// The endpoint switched protocols; the head for the client is written but not sent.
    Upgraded {
        sent: u64,
        response: Duration,
    },
}

/// Whether the upstream connection can serve again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Never,
    /// If nothing is left over on it.
    IfClean,
}

impl Reuse {
    fn when(is_reusable: bool) -> Self {
        if is_reusable { Self::IfClean } else { Self::Never }
    }
}

/// How long a client that expects 100-continue waits for an endpoint that does not say it.
const CONTINUE_TIME: Duration = Duration::from_secs(1);

/// How far the upload has come.
#[derive(Debug, Default)]
struct Upload {
    /// Sent whole, or given up because the endpoint takes no more.
    is_over: Cell<bool>,
    /// Every byte of it was sent.
    is_complete: Cell<bool>,
    passed: Cell<u64>,
    /// The client waits for 100 before it sends.
    is_awaited: Cell<bool>,
    /// The body may flow: 100 was seen, or nobody waits for it.
    may_flow: Cell<bool>,
    /// We or the endpoint have said 100 to the client.
    was_invited: Cell<bool>,
}

impl Attempt<'_> {
    /// Makes the attempt. The upstream connection goes back to its pool if it can be used again.
    pub(crate) async fn run(&self, client: &mut Client, lease: Lease) -> Result<Served, Failure> {
        let Upstream::Http1(mut upstream) = lease.upstream;
        upstream.prepare(&self.visit.worker.buffers);
        self.write_head(client, &mut upstream);
        let has_body = client.head.framing != Framing::None;
        let result = if has_body || client.head.upgrade.is_some() {
            match self.run_both_ways(client, &mut upstream).await {
                Ok(BothWays::Answered(served, reuse)) => Ok((served, reuse)),
                Ok(BothWays::Upgraded { sent, response }) => {
                    Ok((self.tunnel(client, &mut upstream, sent, response).await, Reuse::Never))
                }
                Err(failure) => Err(failure),
            }
        } else {
            self.run_without_body(client, &mut upstream).await
        };
        let worker = &self.visit.worker;
        let is_reusable = matches!(&result, Ok((_, Reuse::IfClean))) && upstream.is_clean();
        worker.buffers.give(std::mem::take(&mut upstream.input));
        if is_reusable {
            let keep_alive_ms = clock::millis(self.service.timeouts.keep_alive);
            let now_ms = worker.deadlines.now_ms();
            worker.pools.give(Upstream::Http1(upstream), now_ms, keep_alive_ms, self.service.idle_connections);
        }
        result.map(|(served, _)| served)
    }

    fn write_head(&self, client: &Client, upstream: &mut Endpoint) {
        let parts = RequestParts {
            head: &client.head,
            text: client.text(),
            path: self.path,
            route: self.route,
            connection_lines: &self.visit.connection_lines,
            caller_lines: self.caller_lines,
            fallback_host: &self.endpoint.authority,
            request_id: self.request_id,
            keep_alive: self.service.proxy_protocol.is_none() && self.service.idle_connections > 0,
        };
        transform::write_request(&parts, &mut upstream.out);
    }

    /// The usual case: one write, one read, and no second direction to watch.
    async fn run_without_body(&self, client: &mut Client, upstream: &mut Endpoint) -> Result<(Served, Reuse), Failure> {
        let method_is_head = client.head.method.of(client.text()) == b"HEAD";
        let repeatable = is_idempotent(client.head.method.of(client.text()));
        upstream.deadline.set(self.service.timeouts.response);
        let written = upstream.io.write_all(&upstream.out, &upstream.deadline).await;
        upstream.out.clear();
        written.map_err(|error| no_head(HeadError::Io(error), repeatable))?;
        let (version, accepts_interim) = (client.head.version, client.head.version == Version::Http11);
        let upload = Upload::default();
        upload.is_over.set(true);
        upload.is_complete.set(true);
        let (_, writer) = client.split();
        let (_, mut reader) = upstream.split();
        let mut sent = 0;
        self.final_head(&mut reader, writer.io, method_is_head, accepts_interim, &upload, &mut sent)
            .await
            .map_err(|error| Failure { sent, ..no_head(error, repeatable && sent == 0) })?;
        if reader.head.status == 101 {
            return Err(no_head(HeadError::Refused(ResponseError::UnexpectedUpgrade), false));
        }
        let headed_at = Instant::now();
        let response = headed_at - self.began;
        let status = reader.head.status;
        let framing = client_framing(reader.head.framing, version);
        let keep_alive = client.head.keep_alive && !self.visit.is_last() && framing != ClientFraming::UntilClose;
        client.out.clear();
        transform::write_response(
            reader.head,
            reader.text(),
            version,
            framing,
            keep_alive,
            &self.route.response_headers,
            &mut client.out,
        );
        let is_reusable = reader.head.keep_alive;
        let idle = self.service.timeouts.idle;
        let (_, writer) = client.split();
        let edits = &self.route.response_headers;
        let deadline = reader.deadline;
        let mut sink =
            writer.into_sink(deadline, idle, self.port.limits.minimum_rate, framing == ClientFraming::Chunked, edits);
        let mut source = reader.into_body(idle);
        let relayed = relay(&mut source, &mut sink).await;
        let bytes_sent = sink.sent() + sent;
        if let Some(failure) = unsent_failure(&relayed, sink.sent(), sent) {
            return Err(failure);
        }
        let ended = relayed.map_or_else(response_end, |()| Termination::Completed.into());
        let is_whole = ended.termination == Termination::Completed;
        let next = if is_whole && keep_alive { Next::Request } else { Next::Close };
        let finished = Instant::now();
        let (response, body) = (Some(response), Some(finished - headed_at));
        let served = Served { status, ended, next, bytes_received: 0, bytes_sent, response, body, finished };
        Ok((served, Reuse::when(is_whole && is_reusable)))
    }

    /// With a body, or with the wish for an upgrade.
    async fn run_both_ways(&self, client: &mut Client, upstream: &mut Endpoint) -> Result<BothWays, Failure> {
        let method_is_head = client.head.method.of(client.text()) == b"HEAD";
        let repeatable = is_idempotent(client.head.method.of(client.text())) && client.head.framing == Framing::None;
        let (version, framing, keep_alive) = (client.head.version, client.head.framing, client.head.keep_alive);
        let offered = client.head.upgrade.map(|protocols| protocols.of(client.text()).to_vec());
        let idle = self.service.timeouts.idle;
        let upload = Upload::default();
        let is_awaited = client.head.expects_continue && framing != Framing::None;
        upload.is_awaited.set(is_awaited);
        upload.may_flow.set(!is_awaited);

        let (body_reader, client_writer) = client.split();
        let client_deadline = body_reader.deadline;
        let client_io = client_writer.io;
        let mut source = body_reader.into_source(idle, &self.port.limits, &upload.passed);
        let (upstream_writer, mut reader) = upstream.split();
        let trailers = TrailerRule::Request(&self.route.request_headers, &self.port.routes);
        let mut upstream_sink = upstream_writer.body(client_deadline, idle, framing == Framing::Chunked, trailers);
        let mut sending = pin!(send(&mut source, &mut upstream_sink, &upload, client_io, client_deadline));
        let mut upload_error = None;
        let mut sent = 0;

        // First the response head, while the body flows.
        let headed = {
            reader.deadline.clear();
            let deadline = reader.deadline;
            let response_time = self.service.timeouts.response;
            let mut heading = pin!(self.final_head(
                &mut reader,
                client_io,
                method_is_head,
                version == Version::Http11,
                &upload,
                &mut sent
            ));
            std::future::poll_fn(|context| {
                if let Poll::Ready(result) = heading.as_mut().poll(context) {
                    return Poll::Ready(Some(result));
                }
                if poll_upload(sending.as_mut(), &upload, &mut upload_error, context) {
                    deadline.set(response_time);
                    if upload_error.as_ref().is_some_and(is_clients_fault) {
                        return Poll::Ready(None);
                    }
                    // The head may be there already, and its deadline must be waited for.
                    return heading.as_mut().poll(context).map(Some);
                }
                Poll::Pending
            })
            .await
        };
        match headed {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let is_safe = repeatable && sent == 0;
                return Err(Failure { sent, ..no_head(error, is_safe) });
            }
            None => return Err(Failure { sent, ..upload_failure(upload_error) }),
        }
        let headed_at = Instant::now();
        let response = headed_at - self.began;
        let status = reader.head.status;
        if status == 101 {
            // What is left of the body would enter the tunnel as if the client had said it there.
            let agreed = match &offered {
                Some(offered) if upload.is_complete.get() => reader.head.agrees_to(reader.text(), offered),
                _ => Err(ResponseError::UnexpectedUpgrade),
            };
            if let Err(error) = agreed {
                return Err(Failure { sent, ..no_head(HeadError::Refused(error), false) });
            }
            transform::write_interim(reader.head, reader.text(), &self.route.response_headers, client_writer.out);
            return Ok(BothWays::Upgraded { sent, response });
        }

        // Then its body, while the rest of the request flows.
        let client_framing = client_framing(reader.head.framing, version);
        let keep_alive = keep_alive
            && !self.visit.is_last()
            && client_framing != ClientFraming::UntilClose
            && upload.is_complete.get();
        client_writer.out.clear();
        transform::write_response(
            reader.head,
            reader.text(),
            version,
            client_framing,
            keep_alive,
            &self.route.response_headers,
            client_writer.out,
        );
        let is_reusable = reader.head.keep_alive;
        let deadline = reader.deadline;
        let is_chunked = client_framing == ClientFraming::Chunked;
        let edits = &self.route.response_headers;
        let mut sink = client_writer.into_sink(deadline, idle, self.port.limits.minimum_rate, is_chunked, edits);
        let mut response_body = reader.into_body(idle);
        let relayed = {
            let mut relaying = pin!(relay(&mut response_body, &mut sink));
            std::future::poll_fn(|context| {
                poll_upload(sending.as_mut(), &upload, &mut upload_error, context);
                relaying.as_mut().poll(context)
            })
            .await
        };
        if let Some(failure) = unsent_failure(&relayed, sink.sent(), sent) {
            return Err(failure);
        }
        let ended = relayed.map_or_else(response_end, |()| Termination::Completed.into());
        let is_whole = ended.termination == Termination::Completed && upload.is_complete.get();
        let finished = Instant::now();
        let served = Served {
            status,
            next: if is_whole && keep_alive { Next::Request } else { Next::Close },
            ended,
            bytes_received: upload.passed.get(),
            bytes_sent: sink.sent() + sent,
            response: Some(response),
            body: Some(finished - headed_at),
            finished,
        };
        Ok(BothWays::Answered(served, Reuse::when(is_whole && is_reusable)))
    }

    /// Reads heads until one is final (101 counts as such); interim ones are passed on to clients that know them.
    async fn final_head(
        &self,
        reader: &mut Reader<'_>,
        client: &Io,
        method_is_head: bool,
        accepts_interim: bool,
        upload: &Upload,
        sent: &mut u64,
    ) -> Result<(), HeadError> {
        // An endpoint that sends interim heads for ever is as bad as one that sends none.
        const MOST: usize = 32;
        for _ in 0..MOST {
            reader.read_head(method_is_head, &Limits { head_bytes: 64 * 1024, fields: 256, target_bytes: 0 }).await?;
            let status = reader.head.status;
            if status == 101 || status >= 200 {
                return Ok(());
            }
            let is_continue = status == 100;
            let was_invited = is_continue && upload.was_invited.replace(true);
            let is_wanted = !is_continue || (upload.is_awaited.get() && !was_invited && upload.passed.get() == 0);
            if accepts_interim && is_wanted {
                let mut out = Vec::with_capacity(256);
                transform::write_interim(reader.head, reader.text(), &self.route.response_headers, &mut out);
                client.write_all(&out, reader.deadline).await.map_err(HeadError::ClientGone)?;
                *sent += out.len() as u64;
            }
            if is_continue {
                upload.may_flow.set(true);
            }
            reader.skip_head();
        }
        Err(HeadError::Refused(ResponseError::Malformed))
    }

    /// After 101: what either side sent ahead goes first, then everything both ways.
    async fn tunnel(&self, client: &mut Client, upstream: &mut Endpoint, sent: u64, response: Duration) -> Served {
        let began = Instant::now();
        let timeouts = &self.service.timeouts;
        upstream.deadline.set(timeouts.idle);
        client.out.extend_from_slice(upstream.input.filled());
        let head_sent = client.out.len() as u64;
        let ahead = client.input.filled().to_vec();
        let opened = async {
            client.io.write_all(&client.out, &upstream.deadline).await?;
            upstream.io.write_all(&ahead, &upstream.deadline).await
        };
        let opened: io::Result<()> = opened.await;
        let session = Session {
            client: &client.io,
            endpoint: &upstream.io,
            buffers: &self.visit.worker.buffers,
            client_deadline: &client.deadline,
            endpoint_deadline: &upstream.deadline,
            idle: timeouts.session_idle,
            half_close: timeouts.half_close,
            watches: &self.visit.worker.watches,
            caller: self.caller,
            grant: self.grant,
        };
        let (from_client, from_endpoint, ended) = match opened {
            Ok(()) => {
                let passed = session.relay().await;
                let is_regular = passed.termination == Termination::Completed;
                let termination = if is_regular { Termination::Upgraded } else { passed.termination };
                (passed.from_client, passed.from_endpoint, Ended { termination, detail: passed.detail })
            }
            Err(error) => (0, 0, Ended::because(Termination::ClientReset, error.to_string())),
        };
        let used = client.input.filled().len();
        client.input.consume(used);
        client.out.clear();
        let finished = Instant::now();
        Served {
            status: 101,
            ended,
            next: Next::Close,
            bytes_received: from_client + ahead.len() as u64,
            bytes_sent: sent + head_sent + from_endpoint,
            response: Some(response),
            body: Some(finished - began),
            finished,
        }
    }
}

/// Sends the head that waits in the sink, and the body as soon as it may flow.
async fn send(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    upload: &Upload,
    client: &Io,
    deadline: &crate::deadline::Deadline,
) -> Result<(), RelayError> {
    if !upload.may_flow.get() {
        sink.flush().await?;
        if !source.has_bytes() {
            await_invitation(upload, client, deadline).await?;
        }
        upload.may_flow.set(true);
    }
    relay(source, sink).await
}

/// Waits for the endpoint's 100 (RFC 9110 10.1.1). One that does not know the expectation never says it; the client
/// must not wait for ever, so after a while it is said in its stead.
async fn await_invitation(
    upload: &Upload,
    client: &Io,
    deadline: &crate::deadline::Deadline,
) -> Result<(), RelayError> {
    deadline.set(CONTINUE_TIME);
    // Polled after the response in the same task, so that no waker is needed for `may_flow`. A client need not wait
    // (RFC 9110 10.1.1): bytes that come unasked are as good as an invitation.
    let invited = std::future::poll_fn(|context: &mut Context<'_>| {
        if upload.may_flow.get() || (client.is_plain() && client.poll_readable(context).is_ready()) {
            Poll::Ready(true)
        } else {
            deadline.poll_passed(context).map(|_| false)
        }
    });
    if !invited.await && !upload.was_invited.replace(true) {
        deadline.set(CONTINUE_TIME);
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n", deadline).await.map_err(RelayError::Read)?;
    }
    Ok(())
}

/// Drives the upload; true in the moment in which it ends.
fn poll_upload(
    sending: Pin<&mut impl Future<Output = Result<(), RelayError>>>,
    upload: &Upload,
    error: &mut Option<RelayError>,
    context: &mut Context<'_>,
) -> bool {
    if upload.is_over.get() {
        return false;
    }
    let Poll::Ready(result) = sending.poll(context) else { return false };
    upload.is_over.set(true);
    upload.is_complete.set(result.is_ok());
    *error = result.err();
    true
}

fn client_framing(framing: Framing, client: Version) -> ClientFraming {
    match (framing, client) {
        (Framing::None | Framing::Length(_), _) => ClientFraming::AsSaid,
        (Framing::Chunked | Framing::UntilClose, Version::Http11) => ClientFraming::Chunked,
        (Framing::Chunked | Framing::UntilClose, Version::Http10) => ClientFraming::UntilClose,
    }
}

fn is_clients_fault(error: &RelayError) -> bool {
    !matches!(error, RelayError::Write(_) | RelayError::SinkTooSlow)
}
