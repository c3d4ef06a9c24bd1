//! Access records and counters of control ports: every request and every refused connection leaves one (invariant 6).

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    body::HttpBody,
    http::{HeaderMap, Method, Uri, header},
    response::Response,
};
use portcullis_config::declared::PortLog;
use portcullis_observe::{
    AccessGate, AccessLog, AccessRecord, LogWriter, Phases, RecordKind, RequestIds, Termination, TlsRecord,
    metrics::PortShard,
};
use portcullis_plan::PortPlan;

use crate::admin::{Caller, Via};

/// Writes the records of all control ports.
///
/// One lock, for the writer and for the counters: those are made for one thread each, and this plane has two. Control
/// ports see a few requests a second.
#[derive(Debug)]
pub(super) struct Recorder {
    state: Mutex<State>,
    gate: AccessGate,
}

#[derive(Debug)]
struct State {
    writer: LogWriter,
    ids: RequestIds,
}

/// What a request was, kept while it is answered.
#[derive(Debug)]
pub(super) struct Asked {
    began: Instant,
    method: Method,
    host: Option<Vec<u8>>,
    path: String,
    bytes: u64,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) termination: Termination,
    pub(super) detail: Option<&'a str>,
}

impl Asked {
    /// Reads what the record will tell. `body` is the body's length in bytes.
    pub(super) fn new(began: Instant, method: &Method, uri: &Uri, headers: &HeaderMap, body: u64) -> Self {
        let path = uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string);
        let start_line = method.as_str().len() + uri.to_string().len() + " HTTP/1.1\r\n".len() + 1;
        Self {
            began,
            method: method.clone(),
            host: headers.get(header::HOST).map(|host| host.as_bytes().to_vec()),
            path,
            bytes: (start_line + length(headers)) as u64 + body,
        }
    }
}

impl Recorder {
    pub(super) fn new(log: &AccessLog) -> Self {
        Self { state: Mutex::new(State { writer: log.writer(), ids: RequestIds::new() }), gate: log.gate() }
    }

    /// Waits while the log of a port that requires one can not take records.
    pub(super) async fn ready(&self, port: &PortPlan) {
        if port.log == PortLog::Required {
            self.gate.accepts().await;
        }
    }

    /// A connection was accepted.
    pub(super) fn opened(&self, port: &PortPlan) {
        self.count(port, |shard| shard.connections.add(1));
    }

    /// A connection ended.
    pub(super) fn closed(&self, port: &PortPlan) {
        self.count(port, |shard| shard.closed.add(1));
    }

    /// A TLS handshake succeeded.
    pub(super) fn shook_hands(&self, port: &PortPlan, is_resumed: bool) {
        self.count(port, |shard| {
            shard.tls_handshakes.add(1);
            shard.tls_resumed.add(u64::from(is_resumed));
        });
    }

    /// A request was answered, or refused.
    pub(super) fn request(
        &self,
        port: &PortPlan,
        caller: &Caller,
        asked: &Asked,
        response: &Response,
        ended: &Ended<'_>,
    ) {
        let sent = length(response.headers()) as u64 + response.body().size_hint().exact().unwrap_or(0) + HEAD_BESIDES;
        self.count(port, |shard| {
            shard.requests.add(1);
            shard.bytes_received.add(asked.bytes);
            shard.bytes_sent.add(sent);
        });
        let total = asked.began.elapsed();
        self.write(port, caller, total, ended, |record| {
            record.kind = RecordKind::Request;
            record.method = Some(asked.method.as_str().as_bytes());
            record.host = asked.host.as_deref();
            record.path = Some(asked.path.as_bytes());
            record.status = Some(response.status().as_u16());
            record.bytes_received = asked.bytes;
            record.bytes_sent = sent;
        });
    }

    /// A connection ended before it came to a request.
    pub(super) fn connection(&self, port: &PortPlan, caller: &Caller, lasted: Duration, ended: &Ended<'_>) {
        self.write(port, caller, lasted, ended, |_| {});
    }

    fn write<'r>(
        &self,
        port: &'r PortPlan,
        caller: &'r Caller,
        total: Duration,
        ended: &Ended<'r>,
        complete: impl FnOnce(&mut AccessRecord<'r>),
    ) {
        let who = match caller.via {
            Via::Tcp(_) => None,
            Via::Unix { uid, pid } => {
                let pid = pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
                let detail = ended.detail.map(|detail| format!("; {detail}")).unwrap_or_default();
                Some(format!("unix socket: uid {uid}{pid}{detail}"))
            }
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut record = AccessRecord {
            kind: RecordKind::Session,
            time: SystemTime::now(),
            port: &port.name,
            role: port.role_name(),
            source: source(caller),
            peer: None,
            tls: caller.tls.as_ref().map(|tls| TlsRecord {
                version: &tls.version,
                cipher: &tls.cipher,
                resumed: tls.is_resumed,
                client: tls.client.as_deref(),
            }),
            sni: None,
            principal: None,
            method: None,
            host: None,
            path: None,
            status: None,
            bytes_received: 0,
            bytes_sent: 0,
            route: None,
            service: None,
            endpoint: None,
            phases: Phases { total, ..Phases::default() },
            retries: 0,
            request_id: state.ids.next_id(),
            termination: ended.termination,
            detail: ended.detail,
        };
        complete(&mut record);
        let record = AccessRecord { detail: who.as_deref().or(record.detail), ..record };
        port.metrics.shard(0).ended(record.termination);
        match port.log {
            PortLog::On => state.writer.write(&record),
            PortLog::Required => state.writer.write_required(&record),
            PortLog::Off => {}
        }
        // Seldom enough that nobody should wait for a batch to fill.
        state.writer.flush();
    }

    /// Workers never serve this port, so its first shard is written here alone, under the lock.
    fn count(&self, port: &PortPlan, add: impl FnOnce(&PortShard)) {
        let _only = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        add(port.metrics.shard(0));
    }
}

/// A Unix socket has no address; the detail says who it was.
fn source(caller: &Caller) -> Option<SocketAddr> {
    match caller.via {
        Via::Tcp(source) => Some(source),
        Via::Unix { .. } => None,
    }
}

/// Status line, `date` and `content-length`, which hyper adds when the response is written: near enough for a record.
const HEAD_BESIDES: u64 = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n".len() as u64;

/// Bytes of header lines.
fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}
