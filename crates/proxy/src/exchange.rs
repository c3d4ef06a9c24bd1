//! One request and its answer: normalise → route → authorise → limit → act → log.

use std::{rc::Rc, sync::Arc, time::Instant};

use portcullis_config::{
    defaults,
    path::{self, Normal},
};
use portcullis_h1::{Field, Framing, RequestError, RequestHead, Target, Version};
use portcullis_observe::{Phases, RecordKind, RequestId, Termination};
use portcullis_plan::{Action, HeaderEdits, HeaderLookup, PortPlan, RoutePlan, ServicePlan, Traffic};

use crate::{
    answer::{self, Reply},
    attempt::{Attempt, Served},
    downstream::{Arrival, Downstream, Http1, NoRequest},
    failure::Failure,
    forward::Attempts,
    transform,
    visit::{Account, Ended, Visit},
    worker::LocalPlan,
};

/// What happens to the connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Request,
    Close,
}

/// What is told of a request in the end.
#[derive(Debug)]
struct Story<'a> {
    request_id: RequestId,
    began: Instant,
    /// The head was complete.
    head_complete: Instant,
    /// The last byte of the answer was sent, where that moment was taken.
    finished: Option<Instant>,
    phases: Phases,
    route: Option<&'a RoutePlan>,
    service: Option<&'a ServicePlan>,
    member: Option<usize>,
    status: Option<u16>,
    retries: u32,
    bytes_received: u64,
    bytes_sent: u64,
}

impl Story<'_> {
    /// The story of a request of which so many bytes have come and nothing else is known.
    fn new(request_id: RequestId, arrival: Arrival, bytes_received: usize) -> Self {
        Self {
            request_id,
            began: arrival.began,
            head_complete: arrival.complete,
            finished: None,
            phases: Phases::default(),
            route: None,
            service: None,
            member: None,
            status: None,
            retries: 0,
            bytes_received: bytes_received as u64,
            bytes_sent: 0,
        }
    }
}

/// A refusal that the client is answered with.
#[derive(Debug)]
struct Refused {
    status: u16,
    ended: Ended,
    /// What the client is told; the log is told more.
    told: &'static str,
}

/// How an exchange that was not refused ended.
#[derive(Debug)]
struct Finished {
    ended: Ended,
    next: Next,
}

/// Serves the request whose head `client` holds.
pub(crate) async fn exchange(visit: &mut Visit, client: &mut Downstream, arrival: Arrival) -> Next {
    let Downstream::Http1(client) = client;
    let plan = Rc::clone(&visit.plan);
    let port = &*plan.plan.ports[visit.port.index];
    let mut story = Story::new(visit.worker.next_id(), arrival, client.head_bytes);
    story.phases.head = Some(arrival.complete - arrival.began);
    let mut path = visit.worker.take_scratch();
    let finished = match steps(visit, client, &plan, port, &mut story, &mut path).await {
        Ok(finished) => finished,
        Err(refused) => answer_refusal(visit, client, refused, &mut story).await,
    };
    if let Some(query) = client.head.query {
        path.push(b'?');
        path.extend_from_slice(query.of(client.text()));
    }
    tell(visit, client, &story, &path, &finished.ended);
    visit.worker.give_scratch(path);
    if finished.next == Next::Close {
        close(client, &finished.ended).await;
    }
    finished.next
}

/// Whether the request whose head `client` holds may be taken: the log can take its record where that is required, and
/// the port still stands for this connection.
pub(crate) async fn enter(visit: &mut Visit, client: &mut Downstream) -> Result<(), Ended> {
    let Downstream::Http1(client) = client;
    let within = visit.port.timeouts.head;
    let is_gone = || client.io.is_reset().then(|| Termination::ClientReset.into());
    visit.await_log(&client.deadline, within, is_gone).await?;
    visit.follow_plan()
}

/// Answers a request that may not be taken, if its client can use the answer, and tells of it. The connection ends.
pub(crate) async fn turn_away(visit: &mut Visit, client: &mut Downstream, arrival: Arrival, ended: Ended) {
    let Downstream::Http1(client) = client;
    let mut story = Story::new(visit.worker.next_id(), arrival, client.head_bytes);
    let answer = match ended.termination {
        Termination::LogUnavailable => Some((503, "the port can not record requests at the moment")),
        // RFC 9110 15.5.20: the client may send it again, on a new connection.
        Termination::RefusedDraining => Some((421, "this connection is out of date: connect again")),
        _ => None,
    };
    client.head.keep_alive = false;
    let ended = match answer {
        Some((status, told)) => answer_refusal(visit, client, Refused { status, ended, told }, &mut story).await.ended,
        None => ended,
    };
    tell(visit, client, &story, b"", &ended);
    close(client, &ended).await;
}

/// The steps, in order.
async fn steps<'a>(
    visit: &Visit,
    client: &mut Http1,
    plan: &'a LocalPlan,
    port: &'a PortPlan,
    story: &mut Story<'a>,
    path: &mut Vec<u8>,
) -> Result<Finished, Refused> {
    normalise(client, path)?;
    strike_disguised(client, port);
    let mut lower = [0; MAX_HOST];
    let host = host_name(client, &mut lower)?;
    if let Some(https) = port.redirect_https {
        if !port.redirect_hosts.admit(host) {
            return Err(unknown_host(host));
        }
        return Ok(redirect_to_https(visit, client, https, path, story).await);
    }
    let route = find_route(visit, client, port, host, path)?;
    story.route = Some(route);
    authorise(visit, route)?;
    limit(client, port)?;
    match &route.action {
        Action::Forward(service) => {
            story.service = Some(service);
            forward(visit, client, plan, port, (route, service), story, path).await
        }
        Action::Redirect(redirect) => {
            let scheme = if visit.tls.is_some() { "https" } else { "http" };
            let authority = client.head.authority.map_or(&b""[..], |span| span.of(client.text()));
            let query = client.head.query.map(|span| span.of(client.text()));
            let location = answer::route_location(redirect, scheme, authority, path, query);
            let write = |reply: Reply, out: &mut Vec<u8>| {
                answer::write_redirect(redirect.status, &location, &route.response_headers, reply, out);
            };
            Ok(respond(visit, client, redirect.status, Termination::Redirected, story, write).await)
        }
        Action::Respond(fixed) => {
            let write =
                |reply: Reply, out: &mut Vec<u8>| answer::write_respond(fixed, &route.response_headers, reply, out);
            Ok(respond(visit, client, fixed.status, Termination::Responded, story, write).await)
        }
    }
}

/// Longest host name (RFC 1035 2.3.4), with room for an IPv6 literal's brackets.
const MAX_HOST: usize = 256;

/// The path in the one form in which it is compared and sent.
fn normalise(client: &Http1, out: &mut Vec<u8>) -> Result<(), Refused> {
    out.clear();
    let head = &client.head;
    let raw = head.path.of(client.text());
    if head.form == Target::Asterisk || raw.is_empty() {
        // RFC 9112 3.2.4: OPTIONS for a whole server, in absolute form, is `*` to the last hop.
        let is_for_server = head.form == Target::Asterisk || head.method.of(client.text()) == b"OPTIONS";
        out.extend_from_slice(if is_for_server && head.query.is_none() { b"*" } else { b"/" });
        return Ok(());
    }
    match path::normalise(raw, out) {
        Ok(Normal::Changed) => Ok(()),
        Ok(Normal::Unchanged) => {
            out.clear();
            out.extend_from_slice(raw);
            Ok(())
        }
        Err(error) => Err(Refused {
            status: 400,
            ended: Ended::because(Termination::BadRequest, format!("path: {error}")),
            told: "the path has no single meaning",
        }),
    }
}

/// The host in lower case, without a trailing dot.
fn host_name<'a>(client: &'a Http1, lower: &'a mut [u8; MAX_HOST]) -> Result<&'a str, Refused> {
    let Some(host) = client.head.host.map(|span| span.of(client.text())) else { return Ok("") };
    let host = host.strip_suffix(b".").unwrap_or(host);
    let bad = |_| refusal(RequestError::BadHost);
    if !host.iter().any(u8::is_ascii_uppercase) {
        return std::str::from_utf8(host).map_err(bad);
    }
    let lower = lower.get_mut(..host.len()).ok_or_else(|| refusal(RequestError::BadHost))?;
    lower.copy_from_slice(host);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).map_err(bad)
}

/// Header lines for routing: those that go on to the service, in the form in which they do.
struct Lookup<'a> {
    head: &'a RequestHead,
    text: &'a [u8],
}

impl HeaderLookup for Lookup<'_> {
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if name == "upgrade" {
            return self.head.upgrade.is_some_and(|protocol| test(protocol.of(self.text)));
        }
        let of_name = |field: &&Field| field.name.of(self.text).eq_ignore_ascii_case(name.as_bytes());
        let mut lines = self.head.fields.iter().filter(|field| transform::passes_on(field)).filter(of_name);
        lines.any(|field| test(field.value.of(self.text)))
    }
}

/// Lines that a service may take for a header that routes ask for do not go on: the service would decide by another
/// value than the route was chosen by.
fn strike_disguised(client: &mut Http1, port: &PortPlan) {
    if port.routes.asks_for_headers() {
        client.head.fields.strike_names(client.input.all(), |name| port.routes.is_disguised(name));
    }
}

/// The route, if it is the same however the service reads the path: those that leave its parameters out must not come
/// to serve what another route guards.
fn find_route<'a>(
    visit: &Visit,
    client: &Http1,
    port: &'a PortPlan,
    host: &str,
    path: &[u8],
) -> Result<&'a RoutePlan, Refused> {
    let text = client.text();
    let traffic = Traffic {
        source: visit.source.ip(),
        sni: visit.sni.as_deref(),
        host,
        path,
        query: client.head.query.map(|span| span.of(text)),
        method: client.head.method.of(text),
        headers: &Lookup { head: &client.head, text },
        certificate_names: &visit.certificate_names,
    };
    let route = port.routes.find(&traffic);
    if path::has_parameters(path) {
        let mut bare = visit.worker.take_scratch();
        bare.clear();
        path::push_without_parameters(path, &mut bare);
        let without = port.routes.find(&Traffic { path: &bare, ..traffic });
        let is_same = without.map(Arc::as_ptr) == route.map(Arc::as_ptr);
        visit.worker.give_scratch(bare);
        if !is_same {
            let detail = "path: without its parameters (`;`) it would lead to another route";
            return Err(Refused {
                status: 400,
                ended: Ended::because(Termination::BadRequest, detail),
                told: "the path has no single meaning",
            });
        }
    }
    route.map(|route| &**route).ok_or_else(|| Refused {
        status: 404,
        ended: Ended::because(Termination::NoRoute, "no route of this port takes this request"),
        told: "nothing is served here",
    })
}

fn authorise(visit: &Visit, route: &RoutePlan) -> Result<(), Refused> {
    route.admits(visit.source.ip(), &visit.certificate_names).map_err(|refusal| Refused {
        status: 403,
        ended: Ended::because(Termination::RefusedRoute, refusal.as_str()),
        told: "access denied",
    })
}

fn limit(client: &Http1, port: &PortPlan) -> Result<(), Refused> {
    match (client.head.framing, port.limits.body_bytes) {
        (Framing::Length(length), Some(limit)) if length > limit => Err(refusal(RequestError::BodyTooLarge)),
        _ => Ok(()),
    }
}

/// Finds an endpoint, exchanges, and tries again elsewhere where that is safe.
async fn forward<'a>(
    visit: &Visit,
    client: &mut Http1,
    plan: &'a LocalPlan,
    port: &'a PortPlan,
    (route, service): (&'a RoutePlan, &'a Arc<ServicePlan>),
    story: &mut Story<'a>,
    path: &[u8],
) -> Result<Finished, Refused> {
    let worker = &visit.worker;
    let behalf = visit.on_behalf_of();
    let mut attempts = Attempts::new(worker, plan, service, behalf);
    // The clock is read as seldom as the record allows: where nothing was waited for, one moment serves two phases.
    let mut attempt_began = story.head_complete;
    let finished = loop {
        let lease = attempts.lease().await;
        story.member = attempts.last;
        story.retries = attempts.retries;
        let lease = match lease {
            Ok(lease) => lease,
            Err(ended) => break Err(endpoint_refusal(ended)),
        };
        if !lease.is_reused {
            let connected = Instant::now();
            story.phases.connect = Some(connected - attempt_began);
            attempt_began = connected;
        }
        let (member, is_reused) = (lease.member, lease.is_reused);
        let endpoint = attempts.endpoint(member);
        let attempt =
            Attempt { visit, port, route, service, endpoint, request_id: story.request_id, path, began: attempt_began };
        let result = attempt.run(client, lease).await;
        endpoint.state.ended(worker.index);
        match result {
            Ok(served) => {
                endpoint.state.succeeded();
                break Ok(account(served, story));
            }
            Err(Failure { ended, is_safe_to_repeat, is_endpoints_fault, told, status, sent }) => {
                story.bytes_sent += sent;
                let detail = ended.detail.clone().unwrap_or_default();
                // A connection that was closed while it lay idle says nothing about the endpoint.
                if is_endpoints_fault && !is_reused {
                    attempts.failed(member, &detail);
                }
                let repeats = is_safe_to_repeat && is_reused && attempts.may_repeat();
                let goes_on = repeats || (is_safe_to_repeat && is_endpoints_fault && attempts.may_retry());
                if !goes_on {
                    break match status {
                        Some(status) => Err(Refused { status, ended, told }),
                        None => Ok(Finished { ended, next: Next::Close }),
                    };
                }
                story.retries = attempts.retries;
                attempt_began = Instant::now();
            }
        }
    };
    story.member = attempts.last;
    finished
}

/// Takes what was served into the story.
fn account(served: Served, story: &mut Story<'_>) -> Finished {
    story.status = Some(served.status);
    story.bytes_received += served.bytes_received;
    story.bytes_sent += served.bytes_sent;
    story.phases.response = served.response;
    story.phases.body = served.body;
    story.finished = Some(served.finished);
    Finished { ended: served.ended, next: served.next }
}

fn endpoint_refusal(ended: Ended) -> Refused {
    let (status, told) = match ended.termination {
        Termination::NoEndpoint => (503, "no endpoint of this service is up"),
        Termination::ConnectTimeout => (504, "the service did not accept the connection in time"),
        Termination::EndpointTlsTimeout => (504, "the service did not finish the TLS handshake in time"),
        Termination::ConnectRefused => (503, "the service refuses connections"),
        _ => (502, "the service can not be reached"),
    };
    Refused { status, ended, told }
}

fn refusal(error: RequestError) -> Refused {
    let termination = match error {
        RequestError::TargetTooLong => Termination::TargetTooLong,
        RequestError::HeadTooLarge | RequestError::TooManyFields => Termination::HeadTooLarge,
        RequestError::BodyTooLarge => Termination::RequestTooLarge,
        RequestError::UnknownTransferCoding | RequestError::ConnectMethod => Termination::NotImplemented,
        _ => Termination::BadRequest,
    };
    Refused { status: error.status(), ended: Ended::because(termination, error.as_str()), told: error.as_str() }
}

/// Redirects to the port's https twin. Without a Host there is nowhere to send the client.
async fn redirect_to_https(
    visit: &Visit,
    client: &mut Http1,
    port: u16,
    path: &[u8],
    story: &mut Story<'_>,
) -> Finished {
    let host = client.head.host.map_or(Vec::new(), |span| span.of(client.text()).to_vec());
    let query = client.head.query.map(|span| span.of(client.text()));
    let location = answer::https_location(port, &host, path, query);
    // 308 keeps the method: a POST is not quietly turned into a GET.
    let status = if host.is_empty() { 400 } else { defaults::PORT_REDIRECT_STATUS };
    let write = |reply: Reply, out: &mut Vec<u8>| {
        if status == 400 {
            answer::write_refusal(400, "no Host to redirect to", reply, out);
        } else {
            answer::write_redirect(status, &location, &HeaderEdits::default(), reply, out);
        }
    };
    let termination = if status == 400 { Termination::BadRequest } else { Termination::Redirected };
    respond(visit, client, status, termination, story, write).await
}

/// A host that the https port does not go by: nobody is sent there on the word of a client.
fn unknown_host(host: &str) -> Refused {
    let detail = format!("no route of the https port that this port redirects to names the host `{host}`");
    Refused { status: 404, ended: Ended::because(Termination::NoRoute, detail), told: "nothing is served here" }
}

/// Sends an answer of our own. The connection can go on only if no body is left on it.
async fn respond(
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
const ANSWER_TIME: std::time::Duration = std::time::Duration::from_secs(5);

async fn answer_refusal(visit: &Visit, client: &mut Http1, refused: Refused, story: &mut Story<'_>) -> Finished {
    let Refused { status, ended, told } = refused;
    let is_malformed = matches!(ended.termination, Termination::BadRequest | Termination::RequestTooLarge);
    if is_malformed {
        client.head.keep_alive = false;
    }
    let write = |reply: Reply, out: &mut Vec<u8>| answer::write_refusal(status, told, reply, out);
    let termination = ended.termination;
    let finished = respond(visit, client, status, termination, story, write).await;
    Finished { ended, next: finished.next }
}

/// Answers a head that could not be read, and tells of it.
pub(crate) async fn refuse_head(visit: &mut Visit, client: &mut Downstream, reason: &NoRequest) {
    let Downstream::Http1(client) = client;
    let refused = match reason {
        NoRequest::Closed | NoRequest::Truncated | NoRequest::Failed => None,
        NoRequest::Timeout => Some(Refused {
            status: 408,
            ended: Termination::ClientTimeoutHead.into(),
            told: "the request head took too long",
        }),
        NoRequest::Refused(RequestError::NotHttp) if client.input.filled().first() == Some(&22) => Some(Refused {
            status: 400,
            ended: Ended::because(Termination::TlsOnPlaintext, "TLS on a plain HTTP port"),
            told: "this port speaks plain HTTP",
        }),
        NoRequest::Refused(error) => Some(refusal(*error)),
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
    tell(visit, client, &story, b"", &ended);
    linger(client).await;
}

/// Ends the connection. Where the client may still be sending, closing at once would destroy the answer.
async fn close(client: &mut Http1, ended: &Ended) {
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

/// Counts and logs.
fn tell(visit: &mut Visit, client: &Http1, story: &Story<'_>, path: &[u8], ended: &Ended) {
    let total = story.finished.unwrap_or_else(Instant::now) - story.began;
    let worker = visit.worker.index;
    let endpoint = story.service.zip(story.member).and_then(|(service, member)| service.endpoints.get(member));
    let status = story.status;
    if let Some(route) = story.route {
        route.metrics.shard(worker).finished(status, total);
    }
    if let Some(service) = story.service {
        service.metrics.shard(worker).finished(status, total);
    }
    if let Some(endpoint) = endpoint {
        let counters = endpoint.metrics.shard(worker);
        counters.finished(status, total);
        counters.bytes_sent.add(story.bytes_received);
        counters.bytes_received.add(story.bytes_sent);
    }
    let text = client.text();
    let head = &client.head;
    let is_known = !head.method.range().is_empty();
    visit.tell(&Account {
        kind: RecordKind::Request,
        method: is_known.then(|| head.method.of(text)),
        host: head.authority.map(|span| span.of(text)),
        path: is_known.then_some(if path.is_empty() || path[0] == b'?' { head.target.of(text) } else { path }),
        status: story.status,
        bytes_received: story.bytes_received,
        bytes_sent: story.bytes_sent,
        route: story.route.map(|route| &*route.name),
        service: story.service.map(|service| &*service.name),
        endpoint: endpoint.map(|endpoint| &*endpoint.label),
        phases: Phases { total, ..story.phases },
        retries: story.retries,
        request_id: story.request_id,
        termination: ended.termination,
        detail: ended.detail.as_deref(),
    });
}

/// Methods that may be sent again when nothing is known of the first time (RFC 9110 9.2.2).
pub(crate) fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
}
