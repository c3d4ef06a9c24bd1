//! What is remembered of one request until its record is written.
//!
//! Filled in as the exchange goes on, told once, at its end. It decides nothing.

use std::{rc::Rc, sync::Arc, time::Instant};

use portcullis_grants::Grant;
use portcullis_observe::{Phases, RecordKind, RequestId};
use portcullis_plan::{RoutePlan, ServicePlan};

use crate::{
    attempt::Served,
    callers::Known,
    downstream::{Arrival, Http1},
    visit::{Account, Ended, Visit},
};

/// What is told of a request in the end.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) began: Instant,
    /// The head was complete.
    pub(crate) head_complete: Instant,
    /// The last byte of the answer was sent, where that moment was taken.
    pub(crate) finished: Option<Instant>,
    pub(crate) phases: Phases,
    pub(crate) route: Option<&'a RoutePlan>,
    pub(crate) service: Option<&'a ServicePlan>,
    pub(crate) member: Option<usize>,
    /// Who sent it, if that was proven.
    pub(crate) caller: Option<Rc<Known>>,
    /// The grant that it rests on.
    pub(crate) grant: Option<Arc<Grant>>,
    pub(crate) status: Option<u16>,
    pub(crate) retries: u32,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
}

impl Story<'_> {
    /// The story of a request of which so many bytes have come and nothing else is known.
    pub(crate) fn new(request_id: RequestId, arrival: Arrival, bytes_received: usize) -> Self {
        Self {
            request_id,
            began: arrival.began,
            head_complete: arrival.complete,
            finished: None,
            phases: Phases::default(),
            route: None,
            service: None,
            member: None,
            caller: None,
            grant: None,
            status: None,
            retries: 0,
            bytes_received: bytes_received as u64,
            bytes_sent: 0,
        }
    }

    /// Takes in what an endpoint has served.
    pub(crate) fn account(&mut self, served: &Served) {
        self.status = Some(served.status);
        self.bytes_received += served.bytes_received;
        self.bytes_sent += served.bytes_sent;
        self.phases.response = served.response;
        self.phases.body = served.body;
        self.finished = Some(served.finished);
    }

    /// Counts the request and hands its record to the log. `path` is the one that was compared, with the query; empty
    /// where it never came to that.
    pub(crate) fn tell(&self, visit: &mut Visit, client: &Http1, path: &[u8], ended: &Ended) {
        let total = self.finished.unwrap_or_else(Instant::now) - self.began;
        let worker = visit.worker.index;
        let endpoint = self.service.zip(self.member).and_then(|(service, member)| service.endpoints.get(member));
        let status = self.status;
        if let Some(route) = self.route {
            route.metrics.shard(worker).finished(status, total);
        }
        if let Some(service) = self.service {
            service.metrics.shard(worker).finished(status, total);
        }
        if let Some(endpoint) = endpoint {
            let counters = endpoint.metrics.shard(worker);
            counters.finished(status, total);
            counters.bytes_sent.add(self.bytes_received);
            counters.bytes_received.add(self.bytes_sent);
        }
        let text = client.text();
        let head = &client.head;
        let is_known = !head.method.range().is_empty();
        visit.tell(&Account {
            kind: RecordKind::Request,
            method: is_known.then(|| head.method.of(text)),
            host: head.authority.map(|span| span.of(text)),
            path: is_known.then_some(if path.is_empty() || path[0] == b'?' { head.target.of(text) } else { path }),
            status: self.status,
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            route: self.route.map(|route| &*route.name),
            service: self.service.map(|service| &*service.name),
            endpoint: endpoint.map(|endpoint| &*endpoint.label),
            principal: self.caller.as_ref().map(|caller| &*caller.standing.principal),
            phases: Phases { total, ..self.phases },
            retries: self.retries,
            request_id: self.request_id,
            termination: ended.termination,
            detail: ended.detail.as_deref(),
        });
    }
}
