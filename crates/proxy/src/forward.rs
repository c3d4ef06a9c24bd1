//! Getting a connection to some endpoint of a service: pick, reuse or connect, and try again elsewhere.

use std::{rc::Rc, sync::Arc};

use portcullis_balance::{Fault, Tried};
use portcullis_observe::Termination;
use portcullis_plan::{EndpointPlan, ServicePlan};

use crate::{
    connect::{self, OnBehalfOf},
    deadline::Deadline,
    io::Io,
    upstream::{OpenCount, Upstream},
    visit::Ended,
    worker::{LocalPlan, Worker},
};

/// The attempts of one request or session.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    worker: &'a Rc<Worker>,
    plan: &'a LocalPlan,
    service: &'a Arc<ServicePlan>,
    behalf: OnBehalfOf,
    tried: Tried,
    pub(crate) retries: u32,
    /// After a repeat, pooled connections are not trusted any more: the next may be as stale, or the request itself
    /// may be what kills them.
    needs_fresh: bool,
    /// The member that was tried last.
    pub(crate) last: Option<usize>,
}

/// A connection for one exchange. The endpoint counts it until [`Attempts::finished`].
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) member: usize,
    pub(crate) upstream: Upstream,
    /// It has served before, so it may turn out to be closed.
    pub(crate) is_reused: bool,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(
        worker: &'a Rc<Worker>,
        plan: &'a LocalPlan,
        service: &'a Arc<ServicePlan>,
        behalf: OnBehalfOf,
    ) -> Self {
        plan.service(service.index).budget.earn(service.retry_budget_percent);
        Self { worker, plan, service, behalf, tried: Tried::default(), retries: 0, needs_fresh: false, last: None }
    }

    /// A fresh connection for a session.
    pub(crate) async fn connect(&mut self, deadline: &Deadline) -> Result<(usize, Io), Ended> {
        loop {
            let member = self.pick()?;
            match self.open(member, deadline).await {
                Ok(io) => return Ok((member, io)),
                Err(ended) if self.may_retry() => drop(ended),
                Err(ended) => return Err(ended),
            }
        }
    }

    /// A connection for an exchange: an idle one if there is one, else a new one. A connection that can not be opened
    /// is tried elsewhere; nothing has been sent, so that is always safe.
    pub(crate) async fn lease(&mut self) -> Result<Lease, Ended> {
        loop {
            let member = self.pick()?;
            let endpoint = &self.service.endpoints[member];
            let now_ms = self.worker.deadlines.now_ms();
            if !self.needs_fresh
                && self.service.proxy_protocol.is_none()
                && let Some(upstream) = self.worker.pools.take(&endpoint.state, now_ms)
            {
                endpoint.state.began(self.worker.index);
                endpoint.metrics.shard(self.worker.index).reuses.add(1);
                return Ok(Lease { member, upstream, is_reused: true });
            }
            let deadline = self.worker.deadlines.deadline();
            match self.open(member, &deadline).await {
                Ok(io) => {
                    let upstream = Upstream::http1(io, Arc::clone(&endpoint.state), deadline, self.open_count(member));
                    return Ok(Lease { member, upstream, is_reused: false });
                }
                Err(ended) if self.may_retry() => drop(ended),
                Err(ended) => return Err(ended),
            }
        }
    }

    fn pick(&mut self) -> Result<usize, Ended> {
        let cursor = &self.plan.service(self.service.index).cursor;
        let member = self.service.group.pick(cursor, self.worker.deadlines.now_ms(), self.tried);
        self.last = member.or(self.last);
        member.ok_or_else(|| {
            self.service.metrics.shard(self.worker.index).no_endpoint.add(1);
            Ended::because(Termination::NoEndpoint, self.why_none())
        })
    }

    /// Every endpoint and what is wrong with it.
    fn why_none(&self) -> String {
        let reasons: Vec<String> = self
            .service
            .endpoints
            .iter()
            .map(|endpoint| match endpoint.state.reason() {
                Some(reason) => format!("{}: {reason}", endpoint.label),
                None => format!("{}: out of balancing", endpoint.label),
            })
            .collect();
        format!("no endpoint of `{}` is up: {}", self.service.name, reasons.join(", "))
    }

    async fn open(&mut self, member: usize, deadline: &Deadline) -> Result<Io, Ended> {
        let endpoint = &self.service.endpoints[member];
        endpoint.state.began(self.worker.index);
        let control = &self.plan.plan.control_addresses;
        let opened = connect::connect(self.worker, self.service, endpoint, control, self.behalf, deadline).await;
        opened.map_err(|error| {
            endpoint.state.ended(self.worker.index);
            self.failed(member, error.fault(), &error.detail);
            Ended::because(error.termination, error.detail)
        })
    }

    /// This member failed: remembered for this request, and for ejection.
    pub(crate) fn failed(&mut self, member: usize, fault: Fault, why: &str) {
        self.tried.add(member);
        if let Some(policy) = self.service.eject {
            self.service.group.failed(member, policy, self.worker.deadlines.now_ms(), fault, why);
        }
    }

    /// Whether one more attempt is within the number and the budget; counts it if so.
    pub(crate) fn may_retry(&mut self) -> bool {
        if self.retries >= self.service.retry_attempts || !self.plan.service(self.service.index).budget.spend() {
            return false;
        }
        self.count_retry();
        true
    }

    /// The one repeat that costs no budget: a pooled connection turned out to be closed. It goes over a fresh one.
    pub(crate) fn may_repeat(&mut self) -> bool {
        if self.needs_fresh {
            return false;
        }
        self.count_retry();
        true
    }

    fn count_retry(&mut self) {
        self.needs_fresh = true;
        self.retries += 1;
        self.service.metrics.shard(self.worker.index).retries.add(1);
    }

    /// Counts a connection to this member as open, until it is dropped.
    pub(crate) fn open_count(&self, member: usize) -> OpenCount {
        OpenCount::new(&self.service.endpoints[member].metrics, self.worker.index)
    }

    /// The plan of a member.
    pub(crate) fn endpoint(&self, member: usize) -> &'a EndpointPlan {
        &self.service.endpoints[member]
    }
}
