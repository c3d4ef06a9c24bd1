//! Audit: the record of what was decided about a request or a session.
//!
//! Owns: what of a visit goes into a record, and waiting until it is kept, where traffic requires that. What was decided
//! lies with the [`Visit`] from the decision to the end; at the end one record says how it went on.
//!
//! What lasts (a session, a tunnel) or requires its record is recorded when it begins, and once more when it ends.
//! Everything else leaves one record, at its end.
//!
//! Invariant: what requires its record does not pass before that is on the disk.

use std::{cell::Cell, io, rc::Rc, sync::Arc, time::Duration};

use portcullis_audit::{Action, AuditRecord, Basis, Decision, Event, Kind, Moment, Offer, Principal, Recorder};
use portcullis_config::declared::AuditNeed;
use portcullis_grants::Grant;
use portcullis_identity as identity;
use portcullis_observe::{RecordKind, RequestId, Termination};
use portcullis_plan::RoutePlan;

use crate::{
    authorise::Wanted,
    callers::{Answer, Known},
    deadline::Deadline,
    visit::{Account, Ended, Visit},
};

/// How long a record that is required may take to get onto the disk.
const RECORDING_TIME: Duration = Duration::from_secs(5);

/// What was decided, until the end of what it is about.
#[derive(Debug)]
pub(crate) struct Judgement {
    need: AuditNeed,
    route: Arc<str>,
    service: Option<Arc<str>>,
    sender: Option<Rc<Known>>,
    policies: Rc<[Box<str>]>,
    /// The grant that it rests on.
    grant: Option<Arc<Grant>>,
    /// It is on record that it began.
    has_begun: Cell<bool>,
}

/// Whether it is over at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// A request and its answer.
    Briefly,
    /// A session, or a tunnel after an upgrade.
    Long,
}

/// Keeps what was decided, if that is recorded.
pub(crate) fn keep(visit: &Visit, route: &RoutePlan, sender: Option<&Rc<Known>>, answer: &Answer) {
    if route.audit == AuditNeed::Off {
        return;
    }
    let service = match &route.action {
        portcullis_plan::Action::Forward(service) => Some(Arc::clone(&service.name)),
        _ => None,
    };
    visit.judgement.replace(Some(Judgement {
        need: route.audit,
        route: Arc::clone(&route.name),
        service,
        sender: sender.map(Rc::clone),
        policies: Rc::clone(&answer.policies),
        grant: answer.grant.clone(),
        has_begun: Cell::new(false),
    }));
}

/// Records that something begins, where that does not wait for its end. Where its record is required and can not be
/// kept, it does not begin. Leaves the deadline cleared.
pub(crate) async fn begin(
    visit: &Visit,
    deadline: &Deadline,
    id: RequestId,
    wanted: Wanted<'_>,
    lasts: Lasts,
) -> Result<(), Ended> {
    let receipt = {
        let judgement = visit.judgement.borrow();
        let Some(judgement) = judgement.as_ref() else { return Ok(()) };
        let is_required = judgement.need == AuditNeed::Required;
        if !is_required && lasts == Lasts::Briefly {
            return Ok(());
        }
        let recorder = recorder(visit).filter(|recorder| !is_required || recorder.can_take());
        let Some(recorder) = recorder else { return if is_required { Err(unavailable()) } else { Ok(()) } };
        let record = AuditRecord {
            decision: Some(Decision::Allowed),
            action: Some(action(wanted)),
            request: Some(id.to_string().into()),
            ..judgement.record(visit, Event::Decision)
        };
        if !is_required {
            judgement.has_begun.set(recorder.try_record(record) == Offer::Accepted);
            return Ok(());
        }
        recorder.record(record).map_err(|_| unavailable())?
    };
    deadline.set(RECORDING_TIME);
    let written = deadline.race(async { receipt.written().await.map_err(io::Error::other) }).await;
    deadline.clear();
    written.map_err(|_| unavailable())?;
    if let Some(judgement) = visit.judgement.borrow().as_ref() {
        judgement.has_begun.set(true);
    }
    Ok(())
}

/// Records how it ended. Never waits: what can not be kept is counted.
pub(crate) fn end(visit: &Visit, account: &Account<'_>, termination: Termination) {
    let judgement = visit.judgement.take();
    let is_refused = is_refusal(termination);
    let need = match &judgement {
        Some(judgement) => judgement.need,
        None if is_refused => visit.port.audit,
        None => AuditNeed::Off,
    };
    let Some(recorder) = recorder(visit).filter(|_| need != AuditNeed::Off) else { return };
    let has_begun = judgement.as_ref().is_some_and(|judgement| judgement.has_begun.get());
    let event = if has_begun { Event::SessionEnd } else { Event::Decision };
    let now = Moment::now();
    let reason = match (termination, account.detail) {
        (Termination::Completed | Termination::Upgraded | Termination::Redirected | Termination::Responded, _) => None,
        (_, Some(detail)) => Some(format!("{termination}: {detail}").into()),
        (_, None) => Some(termination.as_str().into()),
    };
    let record = AuditRecord {
        time: now,
        decision: (!has_begun).then_some(if is_refused { Decision::Refused } else { Decision::Allowed }),
        action: Some(told_action(account)),
        request: Some(account.request_id.to_string().into()),
        first: Some(now.before(account.phases.total)),
        last: Some(now),
        bytes_in: account.bytes_received,
        bytes_out: account.bytes_sent,
        reason,
        ..match &judgement {
            Some(judgement) => judgement.record(visit, event),
            None => of_visit(visit, event),
        }
    };
    // The recorder counts what it does not take.
    let (Offer::Accepted | Offer::Full) = recorder.try_record(record);
}

impl Judgement {
    fn record(&self, visit: &Visit, event: Event) -> AuditRecord {
        AuditRecord {
            principal: self.sender.as_ref().map(|known| principal(&known.standing.principal)),
            basis: self.sender.as_ref().map(|known| basis(&known.standing.basis)),
            route: Some((*self.route).into()),
            service: self.service.as_deref().map(Into::into),
            policies: self.policies.iter().cloned().collect(),
            grant: self.grant.as_ref().map(|grant| grant.id.clone()),
            ..of_visit(visit, event)
        }
    }
}

fn of_visit(visit: &Visit, event: Event) -> AuditRecord {
    AuditRecord { source: Some(visit.source), port: Some((*visit.port.name).into()), ..AuditRecord::new(event) }
}

fn recorder(visit: &Visit) -> Option<&Recorder> {
    visit.plan.plan.audit.as_ref()?.recorder.as_ref()
}

/// Whether somebody was refused, and did not just fail to get through.
fn is_refusal(termination: Termination) -> bool {
    matches!(
        termination,
        Termination::RefusedSource
            | Termination::Unauthenticated
            | Termination::RefusedRoute
            | Termination::TlsClientCertificate
            | Termination::AuditUnavailable
    )
}

fn unavailable() -> Ended {
    Ended::because(Termination::AuditUnavailable, "the route requires its audit record, which the store did not take")
}

fn action(wanted: Wanted<'_>) -> Action {
    match wanted.action {
        portcullis_policy::Action::Connect => Action::Connect,
        portcullis_policy::Action::Request => request(wanted.method, wanted.host.as_bytes(), wanted.path),
    }
}

fn told_action(account: &Account<'_>) -> Action {
    match account.kind {
        RecordKind::Session => Action::Connect,
        RecordKind::Request => {
            let path = account.path.unwrap_or_default();
            let end = path.iter().position(|byte| *byte == b'?').unwrap_or(path.len());
            request(account.method.unwrap_or_default(), account.host.unwrap_or_default(), &path[..end])
        }
    }
}

fn request(method: &[u8], host: &[u8], path: &[u8]) -> Action {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned().into();
    Action::Request { method: text(method), host: text(host), path: text(path) }
}

fn principal(principal: &identity::Principal) -> Principal {
    Principal {
        kind: match principal.kind {
            identity::Kind::User => Kind::User,
            identity::Kind::Workload => Kind::Workload,
        },
        provider: (*principal.provider).into(),
        subject: principal.subject.clone(),
        name: principal.name.clone(),
        groups: principal.groups.clone(),
    }
}

fn basis(basis: &identity::Basis) -> Basis {
    match basis {
        identity::Basis::Session(id) => Basis::Session(id.clone()),
        identity::Basis::Token(id) => Basis::Token(id.clone()),
        identity::Basis::Key(id) => Basis::Key(id.clone()),
        identity::Basis::Certificate(thumbprint) => Basis::Certificate(hexadecimal(thumbprint)),
        identity::Basis::Aws => Basis::Aws,
    }
}

fn hexadecimal(bytes: &[u8; 32]) -> Box<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect::<String>().into()
}
