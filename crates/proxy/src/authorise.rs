//! Authorise: whether the policies let the sender pass, with what this worker remembers of earlier answers.
//!
//! Invariants: what is not allowed is refused; an answer that rests on more than who calls, from where and with which
//! certificate is asked for anew each time.

use std::{net::IpAddr, sync::Arc};

use portcullis_grants::Grant;
use portcullis_observe::Termination;
use portcullis_plan::{Access, Plan, RoutePlan};
use portcullis_policy::{Action, Asked, Attributes, Certificate, RouteId};

use crate::{
    audit,
    authenticate::Sender,
    callers::{Answer, Question},
    clock,
    refusal::Refused,
    unproven,
    visit::{Ended, Visit},
};

/// What is asked for: of a session only the host is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) action: Action,
    pub(crate) host: &'a str,
    pub(crate) path: &'a [u8],
    pub(crate) method: &'a [u8],
}

/// Whether the request may go on, and the grant that this rests on, if it rests on one.
pub(crate) fn may_pass(
    visit: &Visit,
    plan: &Plan,
    route: &RoutePlan,
    sender: &Sender,
    wanted: Wanted<'_>,
) -> Result<Option<Arc<Grant>>, Refused> {
    let Access::Judged { route: id, asks_identity, .. } = &route.access else {
        audit::keep(visit, route, None, visit.worker.callers.open());
        return Ok(None);
    };
    let answer = decide(visit, plan, route, *id, sender, wanted);
    audit::keep(visit, route, sender.known(), &answer);
    let is_covered = match (&route.action, sender.known()) {
        // A token may be good for some services alone.
        (portcullis_plan::Action::Forward(service), Some(known)) => known.standing.covers(&service.name),
        _ => true,
    };
    if answer.allowed && is_covered {
        return Ok(answer.grant);
    }
    Err(match sender {
        Sender::Unknown(not_proven) if *asks_identity => unproven::refused(not_proven),
        _ => refused(sender, &answer, is_covered),
    })
}

fn decide(visit: &Visit, plan: &Plan, route: &RoutePlan, id: RouteId, sender: &Sender, wanted: Wanted<'_>) -> Answer {
    let callers = &visit.worker.callers;
    callers.follow(plan.generation);
    let known = sender.known();
    let decisions = known.map_or(callers.anonymous(), |known| &known.decisions);
    let certificate = visit.certificate.as_ref();
    let source: IpAddr = visit.source.ip();
    let grant = held(plan, route, sender);
    let question = Question {
        route: id,
        port: visit.port.index,
        source,
        certificate: certificate.map(|own| own.thumbprint),
        grant: grant.as_ref().map(|grant| grant.number),
    };
    let now = clock::unix_seconds();
    if let Some(answer) = decisions.find(&question, now) {
        return answer;
    }
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let asked = Asked {
        route: id,
        action: wanted.action,
        port: &visit.port.name,
        caller: known.map(|known| &known.caller),
        source,
        certificate: certificate.map(|own| Certificate {
            names: &own.names,
            subject: &own.subject,
            thumbprint: &own.thumbprint,
        }),
        host: (!wanted.host.is_empty()).then_some(wanted.host),
        path: text(wanted.path),
        method: text(wanted.method),
        now,
        granted_until: grant.as_ref().map(|grant| grant.expires.micros().unsigned_abs() / 1_000_000),
    };
    let decision = plan.policies.decide(&asked);
    let may_rest = decision.allowed && decision.holds.depends_on.contains(Attributes::GRANT);
    let rests_on = grant.filter(|_| may_rest && !plan.policies.decide(&Asked { granted_until: None, ..asked }).allowed);
    let until = decision.holds.until.unwrap_or(u64::MAX);
    let answer = Answer { allowed: decision.allowed, until, policies: decision.policies.into(), grant: rests_on };
    let depends_on = decision.holds.depends_on;
    let is_general =
        [Attributes::HOST, Attributes::PATH, Attributes::METHOD].into_iter().all(|of| !depends_on.contains(of));
    if is_general && decision.errors.is_empty() {
        decisions.remember(question, answer.clone());
    }
    answer
}

/// The grant that the sender holds for the service of the route.
fn held(plan: &Plan, route: &RoutePlan, sender: &Sender) -> Option<Arc<Grant>> {
    let grants = plan.grants.as_ref()?.active.as_ref()?;
    let portcullis_plan::Action::Forward(service) = &route.action else { return None };
    let principal = &sender.known()?.standing.principal;
    let held_as = |who: &str| grants.active(&principal.provider, who, &service.name);
    // Whoever asks for somebody at the command line may know only the name.
    held_as(&principal.subject).or_else(|| held_as(&principal.name))
}

fn refused(sender: &Sender, answer: &Answer, is_covered: bool) -> Refused {
    let who = match sender.known() {
        Some(known) => format!("{} may not pass", known.standing.principal),
        None => "the route does not let this client pass".to_owned(),
    };
    let why = match &*answer.policies {
        _ if !is_covered => "its token is not for this service".to_owned(),
        [] => "no policy allows it".to_owned(),
        policies => policies.join(", "),
    };
    Refused::new(403, Ended::because(Termination::RefusedRoute, format!("{who}: {why}")), "access denied")
}
