//! A byte session inside of a request: to a service that does not speak HTTP, through a port that does.
//!
//! The client asks for the path of the service ([`portcullis_config::tunnels`]) and offers to switch to [`PROTOCOL`]
//! (RFC 9110 7.8); after the 101 the bytes of both sides are the session's. Whoever asks without offering is told what
//! to offer (426) and what the service speaks: `portcullis connect` learns so whether it may pass before anybody waits.
//!
//! Owns: that switch. It decides nothing: the route was chosen and the caller was judged as for any request.

use std::{io, sync::Arc, time::Instant};

use portcullis_config::declared::Word;
use portcullis_h1::{Framing, Version};
use portcullis_observe::Termination;
use portcullis_plan::ServicePlan;

use crate::{
    deadline::Deadline,
    downstream::Http1,
    forward::Attempts,
    granted,
    io::Io,
    refusal::Refused,
    respond::{Finished, Next},
    session::{Passed, Session},
    story::Story,
    visit::{Ended, Visit},
    worker::LocalPlan,
};

/// What the connection becomes.
const PROTOCOL: &[u8] = b"portcullis-tcp";

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: portcullis-tcp\r\n\r\n";

/// Connects to the service and relays until the session ends.
pub(crate) async fn carry<'a>(
    visit: &Visit,
    client: &mut Http1,
    plan: &'a LocalPlan,
    service: &'a Arc<ServicePlan>,
    story: &mut Story<'a>,
) -> Result<Finished, Refused> {
    if !offers(client) {
        return Err(not_offered(service));
    }
    let worker = &visit.worker;
    let mut attempts = Attempts::new(worker, plan, service, visit.on_behalf_of());
    let endpoint_deadline = worker.deadlines.deadline();
    let connected = attempts.connect(&endpoint_deadline).await;
    story.retries = attempts.retries;
    story.member = attempts.last;
    let (member, endpoint) = connected.map_err(Refused::by_endpoints)?;
    let open_count = attempts.open_count(member);
    let connected_at = Instant::now();
    story.phases.connect = Some(connected_at - story.head_complete);
    story.status = Some(101);

    let switched = switch(visit, client, service, (&endpoint, &endpoint_deadline), story).await;
    let ended = switched.unwrap_or_else(|(termination, error)| Ended::because(termination, error.to_string()));
    drop(open_count);
    attempts.endpoint(member).state.ended(worker.index);
    let finished = Instant::now();
    story.phases.body = Some(finished - connected_at);
    story.finished = Some(finished);
    Ok(Finished { ended, next: Next::Close })
}

/// Says 101, passes on what waited for it, and relays.
async fn switch(
    visit: &Visit,
    client: &mut Http1,
    service: &ServicePlan,
    (endpoint, endpoint_deadline): (&Io, &Deadline),
    story: &mut Story<'_>,
) -> Result<Ended, (Termination, io::Error)> {
    client.deadline.set(service.timeouts.connect);
    client.io.write_all(SWITCHING, &client.deadline).await.map_err(|error| (Termination::ClientReset, error))?;
    story.bytes_sent += SWITCHING.len() as u64;
    client.deadline.clear();
    let ahead = client.input.filled().len();
    endpoint_deadline.set(service.timeouts.connect);
    let sent = endpoint.write_all(client.input.filled(), endpoint_deadline).await;
    sent.map_err(|error| (Termination::EndpointReset, error))?;
    story.bytes_received += ahead as u64;
    client.input.consume(ahead);
    let grant = story.grant.clone();
    let session = Session {
        client: &client.io,
        endpoint,
        buffers: &visit.worker.buffers,
        client_deadline: &client.deadline,
        endpoint_deadline,
        idle: service.timeouts.session_idle,
        half_close: service.timeouts.half_close,
        watches: &visit.worker.watches,
        caller: story.caller.as_ref(),
        grant: grant.as_deref(),
    };
    let passed = granted::while_granted(grant.as_deref(), session.relay()).await.unwrap_or_else(Passed::nothing);
    story.bytes_received += passed.from_client;
    story.bytes_sent += passed.from_endpoint;
    let is_regular = passed.termination == Termination::Completed;
    let termination = if is_regular { Termination::Upgraded } else { passed.termination };
    Ok(Ended { termination, detail: passed.detail })
}

fn offers(client: &Http1) -> bool {
    let head = &client.head;
    let is_offered = |protocol: &[u8]| protocol.trim_ascii().eq_ignore_ascii_case(PROTOCOL);
    head.version == Version::Http11
        && head.framing == Framing::None
        && head.method.of(client.text()) == b"GET"
        && head.upgrade.is_some_and(|protocols| protocols.of(client.text()).split(|byte| *byte == b',').any(is_offered))
}

/// RFC 9110 15.5.22.
fn not_offered(service: &ServicePlan) -> Refused {
    let detail = format!("`{}` is reached through this route by `portcullis connect` alone", service.name);
    let ended = Ended::because(Termination::BadRequest, detail);
    let mut refused =
        Refused::new(426, ended, "this leads to a service that does not speak HTTP: use `portcullis connect`");
    refused.lines = format!("upgrade: portcullis-tcp\r\nportcullis-protocol: {}\r\n", service.protocol.word()).into();
    refused
}
