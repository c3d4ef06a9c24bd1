//! One request and its answer: normalise → route → authorise → limit → act → log.

use std::{rc::Rc, sync::Arc, time::Instant};

use portcullis_balance::Fault;
use portcullis_config::{
    declared::ServiceProtocol,
    defaults,
    path::{self, Normal},
};
use portcullis_h1::{Field, Framing, RequestError, RequestHead, Target};
use portcullis_observe::Termination;
use portcullis_plan::{Access, Action, HeaderEdits, HeaderLookup, PortPlan, RoutePlan, ServicePlan, Traffic};

use crate::{
    answer::{self, Reply},
    assert,
    attempt::Attempt,
    audit::{self, Lasts},
    authenticate::{self, Sender},
    authorise::{self, Wanted},
    cookies,
    downstream::{Arrival, Downstream, Http1},
    failure::Failure,
    forward::Attempts,
    granted, pages,
    refusal::{Form, Refused},
    respond::{Finished, Next, answer_refusal, close, respond},
    story::Story,
    tell, transform, tunnel, unproven,
    visit::{Ended, Visit},
    worker::LocalPlan,
};

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
    // The query of a page of ours may hold what somebody logs in with.
    let is_private = plan.plan.identity.as_ref().is_some_and(|identity| pages::owns(identity, &path));
    if let Some(query) = client.head.query.filter(|_| !is_private) {
        path.push(b'?');
        path.extend_from_slice(query.of(client.text()));
    }
    story.tell(visit, client, &path, &finished.ended);
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
        Some((status, told)) => {
            answer_refusal(visit, client, Refused::new(status, ended, told), &mut story).await.ended
        }
        None => ended,
    };
    story.tell(visit, client, b"", &ended);
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
            return Err(Refused::unknown_host(host));
        }
        return Ok(redirect_to_https(visit, client, https, path, story).await);
    }
    if let Some(identity) = &plan.plan.identity
        && pages::owns(identity, path)
    {
        let host = host.to_owned();
        return pages::serve(visit, client, port, identity, (&host, path), story).await;
    }
    let mut sender = Sender::Unasked;
    if port.routes.asks_for_identity() {
        sender = authenticate::sender(visit, client, &plan.plan, port.routes.providers(), host, path).await?;
    }
    let route = find_route(visit, client, port, (host, path), &sender)?;
    story.route = Some(route);
    if let Access::Judged { asks_identity: true, providers, .. } = &route.access
        && !sender.is_by(providers)
    {
        sender = authenticate::sender(visit, client, &plan.plan, providers, host, path).await?;
    }
    story.caller = sender.known().map(Rc::clone);
    let method = client.head.method.of(client.text());
    let wanted = Wanted { action: portcullis_policy::Action::Request, host, path, method };
    story.grant = authorise::may_pass(visit, &plan.plan, route, &sender, wanted)
        .map_err(|refused| unproven::led_to_login(visit, client, &plan.plan, (route, &sender), path, refused))?;
    let lasts = if client.head.upgrade.is_some() { Lasts::Long } else { Lasts::Briefly };
    audit::begin(visit, &client.deadline, story.request_id, wanted, lasts).await.map_err(Refused::unrecorded)?;
    if let Some(known) = sender.known().filter(|_| !route.passes_credentials) {
        authenticate::strike_credentials(client, known);
    }
    limit(client, port)?;
    match &route.action {
        Action::Forward(service) => {
            story.service = Some(service);
            if service.protocol != ServiceProtocol::Http {
                return tunnel::carry(visit, client, plan, service, story).await;
            }
            forward(visit, client, plan, port, (route, service), story, path).await
        }
        Action::Redirect(redirect) => {
            let scheme = visit.scheme();
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
        Err(error) => {
            let ended = Ended::because(Termination::BadRequest, format!("path: {error}"));
            Err(Refused::new(400, ended, "the path has no single meaning"))
        }
    }
}

/// The host in lower case, without a trailing dot.
fn host_name<'a>(client: &'a Http1, lower: &'a mut [u8; MAX_HOST]) -> Result<&'a str, Refused> {
    let Some(host) = client.head.host.map(|span| span.of(client.text())) else { return Ok("") };
    let host = host.strip_suffix(b".").unwrap_or(host);
    let bad = |_| Refused::malformed(RequestError::BadHost);
    if !host.iter().any(u8::is_ascii_uppercase) {
        return std::str::from_utf8(host).map_err(bad);
    }
    let lower = lower.get_mut(..host.len()).ok_or_else(|| Refused::malformed(RequestError::BadHost))?;
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
    (host, path): (&str, &[u8]),
    sender: &Sender,
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
        principal: sender.principal(),
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
            let ended = Ended::because(Termination::BadRequest, detail);
            return Err(Refused::new(400, ended, "the path has no single meaning"));
        }
    }
    route.map(|route| &**route).ok_or_else(|| {
        let ended = Ended::because(Termination::NoRoute, "no route of this port takes this request");
        Refused::new(404, ended, "nothing is served here")
    })
}

fn limit(client: &Http1, port: &PortPlan) -> Result<(), Refused> {
    match (client.head.framing, port.limits.body_bytes) {
        (Framing::Length(length), Some(limit)) if length > limit => Err(Refused::malformed(RequestError::BodyTooLarge)),
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
    let mut caller_lines = worker.take_scratch();
    tell::lines(route, story.caller.as_deref(), &mut caller_lines);
    let grant = story.grant.clone();
    assert::line(&plan.plan, (route, service), story.caller.as_deref(), &mut caller_lines);
    if plan.plan.assertion_header.is_some() && !route.passes_credentials {
        cookies::strike_own(client, route, &mut caller_lines);
    }
    let mut attempts = Attempts::new(worker, plan, service, behalf);
    // The clock is read as seldom as the record allows: where nothing was waited for, one moment serves two phases.
    let mut attempt_began = story.head_complete;
    let finished = loop {
        let lease = attempts.lease().await;
        story.member = attempts.last;
        story.retries = attempts.retries;
        let lease = match lease {
            Ok(lease) => lease,
            Err(ended) => break Err(Refused::by_endpoints(ended)),
        };
        if !lease.is_reused {
            let connected = Instant::now();
            story.phases.connect = Some(connected - attempt_began);
            attempt_began = connected;
        }
        let (member, is_reused) = (lease.member, lease.is_reused);
        let endpoint = attempts.endpoint(member);
        let attempt = Attempt {
            visit,
            port,
            route,
            service,
            endpoint,
            request_id: story.request_id,
            path,
            caller: story.caller.as_ref(),
            caller_lines: &caller_lines,
            grant: grant.as_deref(),
            began: attempt_began,
        };
        let caller = story.caller.as_ref();
        let run = granted::while_granted(grant.as_deref(), attempt.run(client, lease));
        let attempted = worker.watches.while_stands(caller, run).await;
        endpoint.state.ended(worker.index);
        let result = match attempted {
            Ok(Ok(result)) => result,
            Ok(Err(ended)) => break Ok(cut_off(client, ended)),
            Err(gone) => break Ok(cut_off(client, gone.into())),
        };
        match result {
            Ok(served) => {
                endpoint.state.succeeded();
                break {
                    story.account(&served);
                    Ok(Finished { ended: served.ended, next: served.next })
                };
            }
            Err(Failure { ended, is_safe_to_repeat, is_endpoints_fault, told, status, sent }) => {
                story.bytes_sent += sent;
                let detail = ended.detail.clone().unwrap_or_default();
                // A connection that was closed while it lay idle says nothing about the endpoint.
                if is_endpoints_fault && !is_reused {
                    attempts.failed(member, Fault::Unserved, &detail);
                }
                let repeats = is_safe_to_repeat && is_reused && attempts.may_repeat();
                let goes_on = repeats || (is_safe_to_repeat && is_endpoints_fault && attempts.may_retry());
                if !goes_on {
                    break match status {
                        Some(status) => Err(Refused::new(status, ended, told)),
                        None => Ok(Finished { ended, next: Next::Close }),
                    };
                }
                story.retries = attempts.retries;
                attempt_began = Instant::now();
            }
        }
    };
    story.member = attempts.last;
    worker.give_scratch(caller_lines);
    finished
}

/// The proof or the grant that the exchange rests on has ended; an answer that has begun is not completed.
fn cut_off(client: &mut Http1, ended: Ended) -> Finished {
    client.out.clear();
    Finished { ended, next: Next::Close }
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
            answer::write_refusal(400, "no Host to redirect to", (&[], Form::Text), reply, out);
        } else {
            answer::write_redirect(status, &location, &HeaderEdits::default(), reply, out);
        }
    };
    let termination = if status == 400 { Termination::BadRequest } else { Termination::Redirected };
    respond(visit, client, status, termination, story, write).await
}

/// Methods that may be sent again when nothing is known of the first time (RFC 9110 9.2.2).
pub(crate) fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
}
