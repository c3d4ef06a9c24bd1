//! Who is asked, what the policies say of it, and what would change that.

use std::collections::BTreeMap;

use portcullis_plan::{Access, Plan, PortPlan, Principal, RoutePlan};
use portcullis_policy::{
    Action, Asked, CERTIFICATE, Caller, Certificate, Change, Deciding, Explanation, Identity, Kind, RouteId,
};

use super::{Answer, Explain, request::Request};

/// Who sends the request: as described or, without a description, the program that its certificate names.
pub(super) fn sender(plan: &Plan, arguments: &Explain) -> anyhow::Result<Option<Identity>> {
    let described = arguments.traits.identity(arguments.sender.as_deref(), &plan.policies.settings().providers)?;
    let names = &arguments.certificate;
    let spiffe = names.iter().find(|name| name.starts_with("spiffe://"));
    let Some(subject) = spiffe.or(names.first()).filter(|_| described.is_none()) else { return Ok(described) };
    let path = spiffe.and_then(|id| id.strip_prefix("spiffe://")?.split_once('/')).map(|(_, path)| path);
    Ok(Some(Identity {
        kind: Kind::Workload,
        provider: CERTIFICATE.to_owned(),
        subject: subject.clone(),
        name: path.filter(|path| !path.is_empty()).unwrap_or(subject).to_owned(),
        email: None,
        groups: Vec::new(),
        claims: BTreeMap::new(),
    }))
}

/// The sender, as far as it is known before a route is found: only where some route is for certain callers.
pub(super) fn before_routing(plan: &Plan, port: &PortPlan, request: &Request<'_>) -> Option<Principal> {
    let identity = request.identity.as_ref().filter(|_| port.routes.asks_for_identity())?;
    let authenticator = plan.identity.as_ref()?;
    let is_asked = authenticator.provider(&identity.provider).is_some_and(|id| port.routes.providers().contains(&id));
    if !is_asked && identity.provider != CERTIFICATE {
        return None;
    }
    let text = |text: &String| text.as_str().into();
    let mut groups: Vec<Box<str>> = identity.groups.iter().map(text).collect();
    groups.sort_unstable();
    groups.dedup();
    let claims = identity.claims.iter().map(|(name, values)| (text(name), values.iter().map(text).collect()));
    Some(Principal {
        kind: match identity.kind {
            Kind::User => portcullis_identity::Kind::User,
            Kind::Workload => portcullis_identity::Kind::Workload,
        },
        provider: identity.provider.as_str().into(),
        subject: text(&identity.subject),
        name: text(&identity.name),
        email: identity.email.as_ref().map(text),
        groups: groups.into(),
        claims: claims.collect(),
    })
}

/// Whether the request may pass the route.
pub(super) fn may_pass(
    answer: &mut Answer,
    plan: &Plan,
    port: &PortPlan,
    route: &RoutePlan,
    request: &Request<'_>,
) -> bool {
    let (id, asks_identity) = match &route.access {
        Access::Open => {
            answer.say("access", "anyone may pass, and nobody is asked who they are", None);
            return true;
        }
        Access::Judged { route, asks_identity, .. } => (*route, *asks_identity),
    };
    let identity = if asks_identity { proven(answer, plan, route, request) } else { None };
    let caller = identity.map(|identity| plan.policies.caller(identity));
    let explanation = ask(plan, port, id, caller.as_ref(), request);
    tell(answer, &explanation, caller.as_ref());
    let allowed = explanation.allowed;
    answer.decision = Some(explanation);
    allowed
}

/// The sender, if one of the providers that the route asks could prove it.
fn proven<'r>(answer: &mut Answer, plan: &Plan, route: &RoutePlan, request: &'r Request<'_>) -> Option<&'r Identity> {
    let asked = asked_providers(plan, route);
    let asks = match asked.as_slice() {
        [] => "only a client certificate can prove who it is".to_owned(),
        names => format!("it may be proven by {}", names.join(", ")),
    };
    let Some(identity) = &request.identity else {
        answer.say("identity", format!("{asks}; the request proves nobody (see --as)"), None);
        return None;
    };
    let Identity { name, provider, .. } = identity;
    if provider != CERTIFICATE && !asked.contains(&provider.as_str()) {
        answer.say("identity", format!("{asks}; {provider}, which knows {name}, is not asked here"), None);
        return None;
    }
    answer.say("identity", format!("{name}, proven by {provider}"), None);
    Some(identity)
}

/// Names of the providers that the route asks, in their order.
fn asked_providers<'p>(plan: &'p Plan, route: &RoutePlan) -> Vec<&'p str> {
    let (Access::Judged { providers, .. }, Some(authenticator)) = (&route.access, &plan.identity) else {
        return Vec::new();
    };
    let names = &plan.policies.settings().providers;
    let name = |id| names.iter().find(|name| authenticator.provider(name) == Some(id));
    providers.iter().filter_map(|id| name(*id)).map(String::as_str).collect()
}

fn ask(plan: &Plan, port: &PortPlan, route: RouteId, caller: Option<&Caller>, request: &Request<'_>) -> Explanation {
    let names: Vec<Box<str>> = request.arguments.certificate.iter().map(|name| name.as_str().into()).collect();
    let subject = request.arguments.certificate.first().map(|name| format!("CN={name}")).unwrap_or_default();
    let certificate =
        (!names.is_empty()).then_some(Certificate { names: &names, subject: &subject, thumbprint: &[0; 32] });
    plan.policies.explain(&Asked {
        route,
        action: Action::Request,
        port: &port.name,
        caller,
        source: request.source,
        certificate,
        host: Some(&request.host),
        path: &String::from_utf8_lossy(&request.path),
        method: &request.arguments.method,
        now: request.now,
        granted_until: request.arguments.granted.then_some(u64::MAX),
    })
}

fn tell(answer: &mut Answer, explanation: &Explanation, caller: Option<&Caller>) {
    for error in &explanation.errors {
        answer.say("error", format!("{}: {}", error.policy, error.message), None);
    }
    let place = |deciding: &Deciding| deciding.place.as_ref().map(ToString::to_string);
    let verb = if explanation.allowed { "allowed" } else { "refused" };
    for deciding in &explanation.decided_by {
        answer.say("access", format!("{verb} by {}", deciding.policy), place(deciding));
    }
    if explanation.allowed {
        return;
    }
    if explanation.decided_by.is_empty() {
        answer.say("access", "refused: nothing permits it", None);
    }
    for change in &explanation.changes {
        answer.say("change", change.to_string(), None);
    }
    for deciding in &explanation.could_permit {
        answer.say("or", format!("{} permits it, if its conditions hold", deciding.policy), place(deciding));
    }
    let status = match caller {
        None if explanation.changes.contains(&Change::SignIn) => "401, or the login for a browser",
        _ => "403",
    };
    answer.say("answer", status, None);
}
