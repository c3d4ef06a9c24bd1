//! One connection to a control port, from accept to its last record. The steps are those of the data plane: source,
//! bounds, TLS, request, answer, record.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, HttpBody},
    http::{HeaderValue, Request, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_observe::Termination;
use portcullis_plan::{Plan, PortPlan, Terminated};
use portcullis_tls::{
    peer::PeerCertificate,
    words::{self, Peer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinError,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::ServiceExt;

use super::{
    ControlPort,
    recorder::{Asked, Ended},
};
use crate::{
    admin::{Caller, CallerTls, Door, Refusal, Via, admit, harden},
    answers::ProblemKind,
};

/// Longest body of a request, bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// A connection may not last longer, whatever happens on it: a peer that reads an answer byte by byte gives its place
/// back. Scrapers connect again.
const LIFETIME: Duration = Duration::from_mins(10);
/// For the request that is under way when a connection is to end.
const LINGER: Duration = Duration::from_secs(30);

/// A connection that was just accepted.
#[derive(Debug)]
pub(super) enum Arrival {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// Serves one connection to its end.
pub(super) async fn serve(port: ControlPort, arrival: Arrival) {
    // A port that the plan no longer has owes nothing to those who were in its queue.
    let Some((_, plan)) = port.shared.port(&port.address) else { return };
    let began = Instant::now();
    let recorder = &port.shared.recorder;
    recorder.opened(&plan);
    let mut caller = Caller { via: arrival.via(), tls: None };
    if let Err(ended) = port.take(&plan, &mut caller, arrival).await {
        let Unserved { termination, detail } = ended;
        recorder.connection(&plan, &caller, began.elapsed(), &Ended { termination, detail: detail.as_deref() });
    }
    recorder.closed(&plan);
}

/// Why a connection ended without a single request.
#[derive(Debug)]
struct Unserved {
    termination: Termination,
    detail: Option<String>,
}

impl Unserved {
    fn because(termination: Termination) -> Self {
        Self { termination, detail: None }
    }

    fn with(termination: Termination, detail: &impl ToString) -> Self {
        Self { termination, detail: Some(detail.to_string()) }
    }
}

impl Arrival {
    fn via(&self) -> Via {
        match self {
            Self::Tcp(_, source) => Via::Tcp(*source),
            // Credentials that can not be read are those of nobody: the overflow uid, which owns nothing.
            Self::Unix(stream) => match stream.peer_cred() {
                Ok(peer) => Via::Unix { uid: peer.uid(), pid: peer.pid() },
                Err(_) => Via::Unix { uid: u32::MAX, pid: None },
            },
        }
    }
}

impl ControlPort {
    async fn take(&self, plan: &Arc<PortPlan>, caller: &mut Caller, arrival: Arrival) -> Result<(), Unserved> {
        let source = match caller.via {
            Via::Tcp(source) => Some(source.ip().to_canonical()),
            Via::Unix { .. } => None,
        };
        if source.is_some_and(|source| !may_connect(plan, source)) {
            return Err(Unserved::because(Termination::RefusedSource));
        }
        let _place = self.room.enter(source, &plan.limits).map_err(Unserved::because)?;
        match (arrival, plan.protocol.terminated()) {
            (Arrival::Unix(stream), _) => self.converse(plan, caller, stream).await,
            (Arrival::Tcp(stream, _), None) => self.converse(plan, caller, stream).await,
            (Arrival::Tcp(stream, _), Some(terminated)) => {
                let stream = shake_hands(terminated, stream, plan.timeouts.handshake).await?;
                let tls = describe(&stream, terminated)?;
                self.shared.recorder.shook_hands(plan, tls.is_resumed);
                caller.tls = Some(tls);
                self.converse(plan, caller, stream).await
            }
        }
    }

    /// Requests and answers, until one side has enough.
    async fn converse<S>(&self, plan: &Arc<PortPlan>, caller: &Caller, stream: S) -> Result<(), Unserved>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(routes) = self.shared.routes(plan.role) else {
            return Err(Unserved::because(Termination::Internal));
        };
        let visit = Arc::new(Visit {
            port: self.clone(),
            plan: Arc::clone(plan),
            caller: caller.clone(),
            routes,
            has_asked: AtomicBool::new(false),
        });
        let service = service_fn(|request| {
            let visit = Arc::clone(&visit);
            // A task of its own: a client that hangs up must not take the record of its command with it.
            let answering = tokio::spawn(async move { visit.answer(request).await });
            async move { Ok::<_, Infallible>(answering.await.unwrap_or_else(|error| broken(&error))) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(plan.timeouts.head)
            .max_buf_size(plan.limits.head_bytes.max(8192))
            .max_headers(plan.limits.headers)
            .half_close(false)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut closed = self.closed.clone();
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = async { tokio::select! { _ = closed.changed() => {}, () = sleep(LIFETIME) => {} } } => {
                connection.as_mut().graceful_shutdown();
                // Past that time it is cut off; what it was asked is recorded already.
                timeout(LINGER, connection).await.unwrap_or(Ok(()))
            }
        };
        if visit.has_asked.load(Relaxed) {
            return Ok(());
        }
        match result {
            Ok(()) => Err(Unserved::because(Termination::Empty)),
            Err(error) if error.is_timeout() => Err(Unserved::because(Termination::ClientTimeoutHead)),
            Err(error) if error.is_parse() => Err(Unserved::with(Termination::BadRequest, &error)),
            Err(error) => Err(Unserved::with(Termination::ClientClosed, &error)),
        }
    }
}

/// One connection with everything that its requests need.
#[derive(Debug)]
struct Visit {
    port: ControlPort,
    /// The port as it was when the connection came.
    plan: Arc<PortPlan>,
    caller: Caller,
    routes: Router,
    /// Whether any request came; each has its own record.
    has_asked: AtomicBool,
}

impl Visit {
    async fn answer(&self, request: Request<Incoming>) -> Response {
        let began = Instant::now();
        self.has_asked.store(true, Relaxed);
        let (parts, body) = request.into_parts();
        // Token and names are those of the plan that runs now, also on a connection that is older.
        let (plan, port) = match self.port.shared.port(&self.port.address) {
            Some((plan, port)) => (Some(plan), port),
            None => (None, Arc::clone(&self.plan)),
        };
        self.port.shared.recorder.ready(&port).await;
        let admitted = self.admit(plan.as_deref(), &port, &parts);
        let body = match admitted {
            Ok(()) => collect(body, port.timeouts.head).await,
            Err(refusal) => Err(refusal),
        };
        let length = body.as_ref().map_or(0, Bytes::len) as u64;
        let asked = Asked::new(began, &parts.method, &parts.uri, &parts.headers, length);
        let (mut response, termination, detail) = match body {
            Ok(body) => {
                // A router never fails: what it does not know, its fallback answers.
                let Ok(response) = self.routes.clone().oneshot(Request::from_parts(parts, Body::from(body))).await;
                let termination = termination(&response);
                (response, termination, None)
            }
            Err(refusal) => {
                let mut response = refusal.problem().into_response();
                // The body was not read; what follows on the connection could be taken for a request.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                (response, refused(refusal.kind), Some(refusal.detail))
            }
        };
        harden(&mut response);
        let ended = Ended { termination, detail: detail.as_deref() };
        self.port.shared.recorder.request(&port, &self.caller, &asked, &response, &ended);
        response
    }

    fn admit(&self, plan: Option<&Plan>, port: &PortPlan, request: &axum::http::request::Parts) -> Result<(), Refusal> {
        let Some(plan) = plan else {
            return Err(Refusal::new(ProblemKind::Draining, "this port has been closed by a reload"));
        };
        // The role is that of the connection: a port that was for metrics never becomes an admin port under way.
        if port.role != self.plan.role {
            return Err(Refusal::new(ProblemKind::Draining, "this port has another role now; connect again"));
        }
        admit(&Door::of(port, plan.admin_token.as_ref()), &self.caller, request)
    }
}

fn may_connect(port: &PortPlan, source: IpAddr) -> bool {
    !port.deny.contains(source) && port.from.as_ref().is_none_or(|from| from.contains(source))
}

async fn shake_hands(
    terminated: &Terminated,
    stream: TcpStream,
    within: Duration,
) -> Result<TlsStream<TcpStream>, Unserved> {
    let accepting = TlsAcceptor::from(Arc::clone(&terminated.config)).accept(stream);
    match timeout(within, accepting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            Err(Unserved::with(handshake_termination(&error), &words::of_handshake(&error, Peer::Client)))
        }
        Err(_) => Err(Unserved::because(Termination::ClientTimeoutHandshake)),
    }
}

fn handshake_termination(error: &io::Error) -> Termination {
    match words::cause(error) {
        Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) => {
            Termination::TlsClientCertificate
        }
        Some(error) if words::refuses_certificate(error) => Termination::TlsCertificateRefused,
        Some(rustls::Error::InvalidMessage(_)) => Termination::PlaintextOnTls,
        Some(_) => Termination::TlsHandshakeFailed,
        None if error.kind() == io::ErrorKind::UnexpectedEof => Termination::Empty,
        None => Termination::ClientClosed,
    }
}

fn describe(stream: &TlsStream<TcpStream>, terminated: &Terminated) -> Result<CallerTls, Unserved> {
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let client = leaf.map(|leaf| PeerCertificate::from_der(leaf)).transpose();
    let client = client.map_err(|error| Unserved::with(Termination::TlsClientCertificate, &error))?;
    if let Some(Err(why)) = client.as_ref().map(|client| terminated.is_current(client)) {
        return Err(Unserved::with(Termination::TlsClientCertificate, &why));
    }
    let version = session.protocol_version().and_then(|version| version.as_str());
    let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    Ok(CallerTls {
        version: version.unwrap_or_default().to_owned(),
        cipher: cipher.unwrap_or_default().to_owned(),
        is_resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        client: client.map(|client| client.names().next().unwrap_or(&client.subject).to_owned()),
    })
}

/// The whole body, bounded in length and time.
async fn collect(body: Incoming, within: Duration) -> Result<Bytes, Refusal> {
    let too_large = || Err(Refusal::new(ProblemKind::BodyTooLarge, "a body of at most 64 KiB is read"));
    // What announces its length need not be waited for.
    if body.size_hint().lower() > LONGEST_BODY as u64 {
        return too_large();
    }
    match timeout(within, Limited::new(body, LONGEST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        Ok(Err(error)) => Err(Refusal::new(ProblemKind::BodyIncomplete, error.to_string())),
        Err(_) => Err(Refusal::new(ProblemKind::BodyIncomplete, "the body did not come in time")),
    }
}

/// An answer that panicked, which is a mistake in this program.
fn broken(error: &JoinError) -> Response {
    tracing::error!(%error, "answering a request of a control port broke off");
    ProblemKind::Internal.with("the answer broke off; see the program's own log").into_response()
}

/// Termination of a request that the router has answered.
fn termination(response: &Response) -> Termination {
    match response.status().as_u16() {
        404 | 405 => Termination::NoRoute,
        500 => Termination::Internal,
        _ => Termination::Responded,
    }
}

/// Termination of a request that was refused.
fn refused(kind: ProblemKind) -> Termination {
    match kind {
        ProblemKind::CrossOrigin | ProblemKind::ForeignHost | ProblemKind::Unauthorized | ProblemKind::ForeignUser => {
            Termination::RefusedRoute
        }
        ProblemKind::NotJson | ProblemKind::TransferEncoding => Termination::BadRequest,
        ProblemKind::BodyTooLarge => Termination::RequestTooLarge,
        ProblemKind::BodyIncomplete => Termination::ClientClosed,
        ProblemKind::Draining => Termination::RefusedDraining,
        ProblemKind::NotFound | ProblemKind::MethodNotAllowed => Termination::NoRoute,
        ProblemKind::ReloadRejected => Termination::Responded,
        ProblemKind::Internal => Termination::Internal,
    }
}
