//! The way of a connection and of a request, top to bottom: each step is one call into the module that owns it.
//!
//! ```text
//! accept → source ACL → bounds → PROXY header → TLS → classify ┬ session: route → authorise → connect → relay → log
//!                                                               └ request: parse → normalise → route → authorise →
//!                                                                 limit → pick → connect → transform → forward →
//!                                                                 respond → log
//! ```

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use portcullis_observe::{Phases, RecordKind, Termination};
use portcullis_plan::{Action, PortPlan, Protocol, Traffic};
use portcullis_policy::Action as Asks;
use tokio::net::TcpStream;

use crate::{
    admission::PortGate,
    arrive,
    audit::{self, Lasts},
    authenticate,
    authorise::{self, Wanted},
    buffer::Buffer,
    deadline::Deadline,
    downstream::{Downstream, NoRequest},
    exchange,
    forward::Attempts,
    granted,
    io::{Io, Stream},
    respond::{self, Next},
    session::{Passed, Session},
    transform,
    visit::{Account, Ended, TlsFacts, Visit},
    worker::{LocalPlan, Worker},
};

/// One client connection, from accept to close.
pub(crate) async fn connection(
    worker: Rc<Worker>,
    plan: Rc<LocalPlan>,
    port: Arc<PortPlan>,
    gate: Arc<PortGate>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let mut visit = Visit::new(worker, plan, port, peer);
    visit.counters().connections.add(1);
    let ended = pass(&mut visit, &gate, stream).await;
    if let Err(ended) = ended {
        visit.tell_early_end(&ended);
    }
    visit.counters().closed.add(1);
}

/// The steps before the protocol; an error is told by the caller.
async fn pass(visit: &mut Visit, gate: &Arc<PortGate>, stream: TcpStream) -> Result<(), Ended> {
    let deadline = visit.worker.deadlines.deadline();
    let port = Arc::clone(&visit.port);

    let speaks_for_others = port.proxy_protocol.as_ref().is_some_and(|from| from.contains(visit.peer.ip()));
    if !speaks_for_others {
        visit.admit()?;
    }
    let in_all = visit.plan.plan.connections;
    let mut place = visit.worker.admission.enter(gate, visit.peer.ip(), &port.limits, in_all)?;
    // Only who has a place may wait for the log, so that the port's bounds hold while it is stuck.
    visit.await_log(&deadline, port.timeouts.handshake, || arrive::is_gone(&stream)).await?;
    deadline.set(port.timeouts.handshake);
    if speaks_for_others {
        match arrive::read_proxy_header(&stream, &deadline).await? {
            Some(source) => {
                visit.source = source;
                drop(place);
                place = visit.worker.admission.enter(gate, source.ip(), &port.limits, in_all)?;
            }
            None => visit.is_for_nobody = true,
        }
        visit.admit()?;
    }
    let result = match &port.protocol {
        Protocol::Tcp => session(visit, Io::from(Stream::Tcp(stream)), deadline, &[]).await,
        Protocol::Passthrough => {
            let io = Io::from(Stream::Tcp(stream));
            let mut input = visit.worker.buffers.take();
            visit.sni = arrive::peek_hello(&io, &mut input, &deadline).await?;
            session(visit, io, deadline, input.filled()).await
        }
        Protocol::Http => requests(visit, Io::from(Stream::Tcp(stream)), deadline).await,
        Protocol::Tls(terminated) | Protocol::Https(terminated) => {
            let (io, facts, sni, names) = arrive::handshake(stream, terminated, &deadline).await?;
            welcome(visit, facts, sni, names);
            if port.protocol.is_http() {
                requests(visit, io, deadline).await
            } else {
                session(visit, io, deadline, &[]).await
            }
        }
    };
    drop(place);
    result
}

/// Remembers what the handshake proved.
fn welcome(visit: &mut Visit, facts: TlsFacts, sni: Option<String>, names: Vec<String>) {
    visit.handshake = Some(visit.accepted.elapsed());
    let counters = visit.counters();
    counters.tls_handshakes.add(1);
    counters.tls_resumed.add(u64::from(facts.resumed));
    visit.certificate.clone_from(&facts.certificate);
    visit.tls = Some(facts);
    visit.sni = sni;
    visit.certificate_names = names;
}

/// One TCP session; `early` are bytes that were read to find its way.
async fn session(visit: &mut Visit, client: Io, deadline: Deadline, early: &[u8]) -> Result<(), Ended> {
    let worker = Rc::clone(&visit.worker);
    let request_id = worker.next_id();
    let plan = Rc::clone(&visit.plan);
    let port = Arc::clone(&visit.port);
    let traffic = Traffic {
        source: visit.source.ip(),
        sni: visit.sni.as_deref(),
        host: visit.sni.as_deref().unwrap_or_default(),
        path: b"",
        query: None,
        method: b"",
        headers: &(),
        certificate_names: &visit.certificate_names,
        principal: None,
    };
    let route = port.routes.find(&traffic).ok_or_else(|| Ended::because(Termination::NoRoute, why_no_route(visit)))?;
    let sender = authenticate::of_session(visit, &plan.plan, route).await;
    let wanted =
        Wanted { action: Asks::Connect, host: visit.sni.as_deref().unwrap_or_default(), path: b"", method: b"" };
    let grant = authorise::may_pass(visit, &plan.plan, route, &sender, wanted).map_err(|refused| refused.ended)?;
    audit::begin(visit, &deadline, request_id, wanted, Lasts::Long).await?;
    let Action::Forward(service) = &route.action else {
        return Err(Ended::because(Termination::NoRoute, "the route of this session leads to no service"));
    };

    let connect_began = Instant::now();
    let behalf = visit.on_behalf_of();
    let mut attempts = Attempts::new(&worker, &plan, service, behalf);
    let endpoint_deadline = worker.deadlines.deadline();
    let connected = attempts.connect(&endpoint_deadline).await;
    let open_count = connected.as_ref().ok().map(|(member, _)| attempts.open_count(*member));
    let mut phases = Phases { connect: Some(connect_began.elapsed()), ..Phases::default() };
    let relay_began = Instant::now();
    let passed = match &connected {
        Err(ended) => Passed::nothing(ended.clone()),
        Ok((_, endpoint)) => {
            deadline.clear();
            let sent = endpoint.write_all(early, &endpoint_deadline).await;
            let session = Session {
                client: &client,
                endpoint,
                buffers: &worker.buffers,
                client_deadline: &deadline,
                endpoint_deadline: &endpoint_deadline,
                idle: service.timeouts.session_idle,
                half_close: service.timeouts.half_close,
                watches: &worker.watches,
                caller: sender.known(),
                grant: grant.as_deref(),
            };
            let mut passed = match sent {
                Ok(()) => {
                    granted::while_granted(grant.as_deref(), session.relay()).await.unwrap_or_else(Passed::nothing)
                }
                Err(error) => Passed::nothing(Ended::because(Termination::EndpointReset, error.to_string())),
            };
            passed.from_client += early.len() as u64;
            passed
        }
    };
    drop(open_count);
    phases.body = Some(relay_began.elapsed());
    phases.total = visit.accepted.elapsed();
    let member = connected.as_ref().ok().map(|(member, _)| *member).or(attempts.last);
    let endpoint = member.and_then(|member| service.endpoints.get(member));
    if let (Some(endpoint), Ok(_)) = (endpoint, &connected) {
        endpoint.state.ended(worker.index);
        let counters = endpoint.metrics.shard(worker.index);
        counters.bytes_sent.add(passed.from_client);
        counters.bytes_received.add(passed.from_endpoint);
        counters.finished(None, phases.total);
    }
    route.metrics.shard(worker.index).finished(None, phases.total);
    service.metrics.shard(worker.index).finished(None, phases.total);
    let (route, service, retries) = (Arc::clone(&route.name), Arc::clone(&service.name), attempts.retries);
    let endpoint = endpoint.map(|endpoint| Arc::clone(&endpoint.label));
    visit.tell(&Account {
        kind: RecordKind::Session,
        method: None,
        host: None,
        path: None,
        status: None,
        bytes_received: passed.from_client,
        bytes_sent: passed.from_endpoint,
        route: Some(&route),
        service: Some(&service),
        endpoint: endpoint.as_deref(),
        principal: sender.principal(),
        phases,
        retries,
        request_id,
        termination: passed.termination,
        detail: passed.detail.as_deref(),
    });
    Ok(())
}

/// Why no route takes a session, as far as the port's protocol tells.
fn why_no_route(visit: &Visit) -> String {
    match (&visit.port.protocol, &visit.sni) {
        (Protocol::Tcp, _) => "no route of this port takes this session".to_owned(),
        (_, Some(name)) => format!("no route of this port is for the name {name}"),
        (_, None) => "the client named no server (SNI), and no route of this port is for any".to_owned(),
    }
}

/// The requests of one connection, one after the other.
async fn requests(visit: &mut Visit, io: Io, deadline: Deadline) -> Result<(), Ended> {
    let worker = Rc::clone(&visit.worker);
    let mut client = Downstream::http1(io, Buffer::default(), deadline);
    loop {
        let (limits, timeouts) = (visit.port.limits, visit.port.timeouts);
        let arrival = match client.next_request(&worker, &limits, &timeouts, || visit.may_wait()).await {
            Ok(arrival) => arrival,
            Err(NoRequest::Closed) if visit.has_asked => return Ok(()),
            Err(NoRequest::Closed) if visit.is_welcome() => return Err(Termination::Empty.into()),
            Err(NoRequest::Closed) => return Err(Termination::RefusedDraining.into()),
            Err(reason) => {
                visit.counters().requests.add(1);
                respond::refuse_head(visit, &mut client, &reason).await;
                return Ok(());
            }
        };
        visit.has_asked = true;
        visit.counters().requests.add(1);
        if let Err(ended) = exchange::enter(visit, &mut client).await {
            exchange::turn_away(visit, &mut client, arrival, ended).await;
            return Ok(());
        }
        if visit.connection_lines.is_empty() {
            visit.connection_lines = transform::connection_lines(
                visit.source,
                visit.port_number(),
                visit.tls.is_some(),
                visit.tls.as_ref().and_then(|tls| tls.forwarded.as_deref()),
            );
        }
        if exchange::exchange(visit, &mut client, arrival).await == Next::Close {
            return Ok(());
        }
    }
}
