//! What is known of one client connection, from accept to close, and how its end is told.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use portcullis_config::declared::{ListenAddress, PortLog};
use portcullis_identity::ClientCertificate;
use portcullis_observe::{
    AccessRecord, Phases, PrincipalRecord, RecordKind, RequestId, Termination, TlsRecord, metrics::PortShard,
};
use portcullis_plan::{PortPlan, Principal};

use crate::{
    audit::{self, Judgement},
    connect::OnBehalfOf,
    deadline::Deadline,
    log_gate,
    worker::{LocalPlan, Worker},
};

/// One connection.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) worker: Rc<Worker>,
    /// The plan that the current request runs under.
    pub(crate) plan: Rc<LocalPlan>,
    pub(crate) port: Arc<PortPlan>,
    /// The direct peer.
    pub(crate) peer: SocketAddr,
    /// The client: the peer, or whom its PROXY header names.
    pub(crate) source: SocketAddr,
    /// The peer has said by its PROXY header (LOCAL, UNKNOWN) that it stands for no client.
    pub(crate) is_for_nobody: bool,
    pub(crate) accepted: Instant,
    /// Time that PROXY header and TLS took, until the first record tells it.
    pub(crate) handshake: Option<Duration>,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) sni: Option<String>,
    /// Names on the proven client certificate.
    pub(crate) certificate_names: Vec<String>,
    /// The certificate itself, as far as identity is about it.
    pub(crate) certificate: Option<ClientCertificate>,
    /// Header lines that are the same for every request.
    pub(crate) connection_lines: Vec<u8>,
    /// What was decided about the request or session that is under way, if that is recorded.
    pub(crate) judgement: RefCell<Option<Judgement>>,
    /// A request has come.
    pub(crate) has_asked: bool,
    /// It was let in, or its latest request was: the port has waited for the log on its behalf, if it does.
    is_under_way: bool,
}

/// What the plan that runs now means for a connection that came under another.
enum Outlook {
    Stays,
    GoesOver(Rc<LocalPlan>, Arc<PortPlan>),
    PortGone,
    Refused(Ended),
}

/// TLS with the client.
#[derive(Debug)]
pub(crate) struct TlsFacts {
    pub(crate) version: &'static str,
    pub(crate) cipher: String,
    pub(crate) resumed: bool,
    /// Subject of the client certificate.
    pub(crate) client: Option<String>,
    /// The certificate as `X-Forwarded-Client-Cert`.
    pub(crate) forwarded: Option<String>,
    /// The certificate, as far as identity is about it.
    pub(crate) certificate: Option<ClientCertificate>,
}

/// An end before or instead of the regular one.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) termination: Termination,
    pub(crate) detail: Option<String>,
}

impl From<Termination> for Ended {
    fn from(termination: Termination) -> Self {
        Self { termination, detail: None }
    }
}

impl Ended {
    pub(crate) fn because(termination: Termination, detail: impl Into<String>) -> Self {
        Self { termination, detail: Some(detail.into()) }
    }
}

/// What a record says beyond the connection.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) kind: RecordKind,
    pub(crate) method: Option<&'a [u8]>,
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) path: Option<&'a [u8]>,
    pub(crate) status: Option<u16>,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) route: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    pub(crate) endpoint: Option<&'a str>,
    /// Who called, if that was proven.
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) phases: Phases,
    pub(crate) retries: u32,
    pub(crate) request_id: RequestId,
    pub(crate) termination: Termination,
    pub(crate) detail: Option<&'a str>,
}

impl Visit {
    /// `port` is one of `plan`: the two change together or not at all.
    pub(crate) fn new(worker: Rc<Worker>, plan: Rc<LocalPlan>, port: Arc<PortPlan>, peer: SocketAddr) -> Self {
        Self {
            worker,
            plan,
            port,
            peer,
            source: peer,
            is_for_nobody: false,
            accepted: Instant::now(),
            handshake: None,
            tls: None,
            sni: None,
            certificate_names: Vec::new(),
            certificate: None,
            connection_lines: Vec::new(),
            judgement: RefCell::default(),
            has_asked: false,
            is_under_way: false,
        }
    }

    /// This worker's counters of the port.
    pub(crate) fn counters(&self) -> &PortShard {
        self.port.metrics.shard(self.worker.index)
    }

    /// For whom connections to endpoints are made.
    pub(crate) fn on_behalf_of(&self) -> OnBehalfOf {
        if self.is_for_nobody {
            return OnBehalfOf::Nobody;
        }
        OnBehalfOf::Client { source: self.source, destination: self.destination() }
    }

    /// `http` or `https`, by what the port itself speaks.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Number of the port, for headers.
    pub(crate) fn port_number(&self) -> u16 {
        match &self.port.listen {
            ListenAddress::Tcp(address) => address.port(),
            ListenAddress::Unix(_) => 0,
        }
    }

    /// What the client connected to, for PROXY headers.
    fn destination(&self) -> SocketAddr {
        match &self.port.listen {
            ListenAddress::Tcp(address) => *address,
            ListenAddress::Unix(_) => self.peer,
        }
    }

    /// Takes over the plan that is current when a request begins; a connection whose port is gone ends with this
    /// request. One whose source or terms the port no longer admits does not come to it.
    pub(crate) fn follow_plan(&mut self) -> Result<(), Ended> {
        match self.outlook() {
            Outlook::Stays | Outlook::PortGone => {}
            Outlook::GoesOver(plan, port) => (self.plan, self.port) = (plan, port),
            Outlook::Refused(ended) => return Err(ended),
        }
        Ok(())
    }

    /// Whether the connection may stay open without a request under way. A newcomer may for a moment in any case:
    /// whoever has just been accepted is about to ask, and was promised an answer by that.
    pub(crate) fn may_wait(&self) -> bool {
        self.is_welcome() || (!self.has_asked && self.accepted.elapsed() < NEWCOMER_TIME)
    }

    /// Whether another request would be taken and the connection kept after it.
    pub(crate) fn is_welcome(&self) -> bool {
        !self.worker.is_draining() && matches!(self.outlook(), Outlook::Stays | Outlook::GoesOver(..))
    }

    fn outlook(&self) -> Outlook {
        if self.worker.runs(self.plan.plan.generation) {
            return Outlook::Stays;
        }
        let current = self.worker.plan();
        let Some(port) = current.plan.port_at(&self.port.listen).filter(|port| port.is_data_port()) else {
            return Outlook::PortGone;
        };
        if !keeps_terms(&self.port, port) {
            return Outlook::Refused(Ended::because(
                Termination::RefusedDraining,
                "the port asks for other terms than this connection came with",
            ));
        }
        if !admits(port, self.source.ip()) {
            return Outlook::Refused(Ended::because(Termination::RefusedSource, NOT_ADMITTED));
        }
        let port = Arc::clone(port);
        Outlook::GoesOver(current, port)
    }

    /// Whether the current request is the connection's last, which its answer then says. Asked when the answer is
    /// written: a drain or a reload may have come since the request.
    pub(crate) fn is_last(&self) -> bool {
        !self.is_welcome()
    }

    /// The source ACL of the port.
    pub(crate) fn admit(&self) -> Result<(), Ended> {
        if admits(&self.port, self.source.ip()) {
            return Ok(());
        }
        Err(Ended::because(Termination::RefusedSource, NOT_ADMITTED))
    }

    /// Waits until the record of what is about to happen can be taken, on ports that require it: `within` that time,
    /// and while the client is there. Leaves the deadline cleared.
    pub(crate) async fn await_log(
        &mut self,
        deadline: &Deadline,
        within: Duration,
        is_gone: impl Fn() -> Option<Ended>,
    ) -> Result<(), Ended> {
        self.is_under_way = true;
        if self.port.log != PortLog::Required || self.worker.can_log() {
            return Ok(());
        }
        self.is_under_way = false;
        log_gate::wait(&self.worker, deadline, within, is_gone).await?;
        self.is_under_way = true;
        Ok(())
    }

    /// Tells the end of something: one record, and the port's counters.
    pub(crate) fn tell(&mut self, account: &Account<'_>) {
        let was_cut_off = self.worker.is_stopping() && account.termination != Termination::Completed;
        let termination = if was_cut_off { Termination::Shutdown } else { account.termination };
        let counters = self.counters();
        counters.bytes_received.add(account.bytes_received);
        counters.bytes_sent.add(account.bytes_sent);
        counters.ended(termination);
        audit::end(self, account, termination);
        let mut phases = account.phases;
        phases.handshake = self.handshake.take();
        if self.port.log == PortLog::Off {
            return;
        }
        let record = AccessRecord {
            kind: account.kind,
            time: SystemTime::now(),
            port: &self.port.name,
            role: self.port.role_name(),
            source: Some(self.source),
            peer: (self.peer != self.source).then_some(self.peer),
            tls: self.tls.as_ref().map(|tls| TlsRecord {
                version: tls.version,
                cipher: &tls.cipher,
                resumed: tls.resumed,
                client: tls.client.as_deref(),
            }),
            sni: self.sni.as_deref(),
            principal: account
                .principal
                .map(|principal| PrincipalRecord { name: &principal.name, provider: &principal.provider }),
            method: account.method,
            host: account.host,
            path: account.path,
            status: account.status,
            bytes_received: account.bytes_received,
            bytes_sent: account.bytes_sent,
            route: account.route,
            service: account.service,
            endpoint: account.endpoint,
            phases,
            retries: account.retries,
            request_id: account.request_id,
            termination,
            detail: account.detail,
        };
        let mut log = self.worker.log.borrow_mut();
        match self.port.log {
            PortLog::Required if self.is_under_way => log.write_required(&record),
            PortLog::Required => log.write_refused(&record),
            PortLog::On | PortLog::Off => log.write(&record),
        }
    }

    /// Tells that the connection ended without a request or a session.
    pub(crate) fn tell_early_end(&mut self, ended: &Ended) {
        let request_id = self.worker.next_id();
        let phases = Phases { total: self.accepted.elapsed(), ..Phases::default() };
        self.tell(&Account {
            kind: RecordKind::Session,
            method: None,
            host: None,
            path: None,
            status: None,
            bytes_received: 0,
            bytes_sent: 0,
            route: None,
            service: None,
            endpoint: None,
            principal: None,
            phases,
            retries: 0,
            request_id,
            termination: ended.termination,
            detail: ended.detail.as_deref(),
        });
    }
}

/// From accept to the first byte of a request, while the port or the process is on its way out.
const NEWCOMER_TIME: Duration = Duration::from_secs(1);

const NOT_ADMITTED: &str = "the port does not admit this source";

fn admits(port: &PortPlan, source: std::net::IpAddr) -> bool {
    !port.deny.contains(source) && port.from.as_ref().is_none_or(|from| from.contains(source))
}

/// Whether a connection that was accepted under `old` may go on under `new`: what it proved when it came (protocol,
/// client certificate, PROXY header) is still what is asked.
fn keeps_terms(old: &PortPlan, new: &PortPlan) -> bool {
    let has_same_clients = match (old.protocol.terminated(), new.protocol.terminated()) {
        // Ticket keys belong to a port and its client-certificate policy: the same keys, the same policy.
        (Some(old), Some(new)) => {
            Arc::as_ptr(&old.config.ticketer).cast::<()>() == Arc::as_ptr(&new.config.ticketer).cast::<()>()
        }
        (None, None) => true,
        _ => false,
    };
    old.protocol.name() == new.protocol.name() && has_same_clients && old.proxy_protocol == new.proxy_protocol
}
