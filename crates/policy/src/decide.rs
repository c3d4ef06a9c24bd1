//! The decision.

use std::fmt::Write;

use cedar_policy::{Context, Effect, Entities, PolicyId, Request, RestrictedExpression};

use crate::{
    Certificate, PolicySet,
    asked::{Action, Asked},
    clock::{datetime, next_day, next_minute},
    reads::Attributes,
    schema::{Terms, entity},
    set::Slice,
};

/// An answer, and for how long and for which other questions it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may pass.
    pub allowed: bool,
    /// The policies that made it so, by id, sorted; none if no policy permits it.
    pub policies: Vec<Box<str>>,
    /// Policies that could not be evaluated. One that permits permits nothing then, and one that forbids forbids.
    pub errors: Vec<Failure>,
    /// For what else it is the answer.
    pub holds: Holds,
}

/// A policy that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// Which; empty if the question itself could not be shown to the policies.
    pub policy: Box<str>,
    /// Why.
    pub message: String,
}

/// How far a decision carries: it is the answer to every question about the same route and action that agrees in what
/// it `depends_on`, until `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// In seconds since 1970, not itself part of it; `None`: for as long as the policies are the same.
    pub until: Option<u64>,
    /// What of the request it rests on. The times of day in it need no place in a key: `until` covers them.
    pub depends_on: Attributes,
}

impl PolicySet {
    /// Whether the sender may pass.
    pub fn decide(&self, asked: &Asked<'_>) -> Decision {
        let Some(slice) = self.slices.get(asked.route.0 as usize) else {
            return Decision::impossible("there is no such route".to_owned(), asked.now);
        };
        self.decide_by(slice, asked)
    }

    pub(crate) fn decide_by(&self, slice: &Slice, asked: &Asked<'_>) -> Decision {
        let (request, entities) = match self.show(slice, asked) {
            Ok(shown) => shown,
            Err(message) => return Decision::impossible(message, asked.now),
        };
        let response = self.authorizer.is_authorized(&request, &slice.policies, &entities);
        let mut allowed = response.decision() == cedar_policy::Decision::Allow;
        let mut policies: Vec<Box<str>> = response.diagnostics().reason().map(text).collect();
        let mut errors = Vec::new();
        for error in response.diagnostics().errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            let id = error.policy_id();
            // Cedar goes on as if the policy did not exist.
            if slice.policies.policy(id).is_none_or(|policy| policy.effect() == Effect::Forbid) {
                if allowed {
                    policies.clear();
                }
                allowed = false;
                policies.push(text(id));
            }
            errors.push(Failure { policy: text(id), message: error.inner().to_string() });
        }
        policies.sort_unstable();
        errors.sort_unstable_by(|a, b| a.policy.cmp(&b.policy));
        Decision { allowed, policies, errors, holds: slice.holds(asked) }
    }

    /// The question as Cedar sees it: what the slice reads, and no more.
    pub(crate) fn show(&self, slice: &Slice, asked: &Asked<'_>) -> Result<(Request, Entities), String> {
        let terms = self.terms()?;
        let context = context(terms, slice, asked)?;
        let is_read = slice.reads.attributes.contains(Attributes::PRINCIPAL);
        let (principal, entities) = match asked.caller.filter(|_| is_read) {
            None => (terms.anyone.clone(), slice.base.clone()),
            Some(caller) => {
                let groups = slice.groups.iter().filter(|(name, _)| caller.groups.contains(name));
                let entity = caller.entity(terms, groups.map(|(_, uid)| uid.clone()))?;
                let uid = entity.uid();
                let entities = slice.base.clone().add_entities([entity], None).map_err(|error| error.to_string())?;
                (uid, entities)
            }
        };
        let action = match asked.action {
            Action::Request => terms.request.clone(),
            Action::Connect => terms.connect.clone(),
        };
        let request = Request::new(principal, action, slice.resource.clone(), context, None);
        Ok((request.map_err(|error| error.to_string())?, entities))
    }
}

impl Decision {
    /// The question could not be shown to the policies.
    fn impossible(message: String, now: u64) -> Self {
        let errors = vec![Failure { policy: "".into(), message }];
        let holds = Holds { until: Some(now), depends_on: Attributes::NONE };
        Self { allowed: false, policies: Vec::new(), errors, holds }
    }
}

impl Holds {
    /// Whether it is still the answer at this moment (seconds since 1970).
    pub fn at(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Asked<'_> {
    fn is_granted(&self) -> bool {
        self.granted_until.is_some_and(|until| self.now < until)
    }
}

impl Slice {
    fn holds(&self, asked: &Asked<'_>) -> Holds {
        let now = asked.now;
        let mut depends_on = self.reads.attributes.without(Attributes::LISTS);
        for list in self.lists.iter().filter(|_| self.reads.attributes.contains(Attributes::LISTS)) {
            depends_on = depends_on | list.members.reads();
        }
        let windows = self.windows.iter().filter_map(|window| window.next_border(&self.zone, now));
        let own = |attribute, until| self.own_reads.contains(attribute).then_some(until);
        let grant = asked.granted_until.filter(|_| asked.is_granted() && depends_on.contains(Attributes::GRANT));
        let until = windows
            .chain(own(Attributes::TIME, now + 1))
            .chain(own(Attributes::MINUTE, next_minute(now)))
            .chain(self.own_reads.contains(Attributes::WEEKDAY).then(|| next_day(&self.zone, now)))
            .chain(grant)
            .min();
        Holds { until, depends_on }
    }
}

/// What of the request the slice reads.
fn context(terms: &Terms, slice: &Slice, asked: &Asked<'_>) -> Result<Context, String> {
    type Value = RestrictedExpression;
    let mut pairs: Vec<(String, Value)> = Vec::with_capacity(4);
    let reads = |attribute| slice.reads.attributes.contains(attribute);
    let mut add = |name: &str, value| pairs.push((name.to_owned(), value));
    let source = asked.source.to_canonical();
    if reads(Attributes::SOURCE) {
        add("source", Value::new_ip(source.to_string()));
    }
    if reads(Attributes::CERTIFICATE) {
        add("certificates", names(asked.certificate, slice));
        if let Some(certificate) = asked.certificate {
            add("device", device(certificate)?);
        }
    }
    if reads(Attributes::LISTS) {
        let naming = slice.lists.iter().filter(|list| list.members.name(asked.caller, source));
        add("lists", Value::new_set(naming.map(|list| Value::new_string(list.name.clone()))));
    }
    let texts = [("path", Attributes::PATH, asked.path), ("method", Attributes::METHOD, asked.method)];
    for (name, attribute, value) in texts {
        if asked.action == Action::Request && reads(attribute) {
            add(name, Value::new_string(value.to_owned()));
        }
    }
    if let Some(host) = asked.host.filter(|_| reads(Attributes::HOST)) {
        add("host", Value::new_string(host.to_owned()));
    }
    if reads(Attributes::PORT) {
        add("port", Value::new_entity_uid(entity(&terms.port, asked.port)));
    }
    if reads(Attributes::GRANT) {
        add("granted", Value::new_bool(asked.is_granted()));
    }
    if reads(Attributes::TIME) {
        let now = datetime(asked.now).ok_or("no calendar knows this time")?;
        add("time", Value::new_datetime(now));
    }
    if reads(Attributes::MINUTE) || reads(Attributes::WEEKDAY) {
        let local = slice.zone.local(asked.now).ok_or("no calendar knows this time")?;
        add("minute", Value::new_long(i64::from(local.minute)));
        add("weekday", Value::new_string(local.weekday.as_str().to_owned()));
    }
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

/// The names of a certificate and, of the wildcards that the policies ask for, those that one of them is below.
fn names(certificate: Option<Certificate<'_>>, slice: &Slice) -> RestrictedExpression {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let Some(certificate) = certificate else { return RestrictedExpression::new_set([]) };
    let names: Vec<String> = certificate.names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let is_below = |wildcard: &str| {
        let suffix = &wildcard[1..];
        names.iter().any(|name| name.len() > suffix.len() && name.ends_with(suffix))
    };
    let wildcards = slice.reads.wildcards.iter().filter(|wildcard| is_below(wildcard));
    let all = names.iter().map(|name| text(name)).chain(wildcards.map(|wildcard| text(wildcard)));
    RestrictedExpression::new_set(all.chain([text("*")]))
}

fn device(certificate: Certificate<'_>) -> Result<RestrictedExpression, String> {
    let mut thumbprint = String::with_capacity(64);
    for byte in certificate.thumbprint {
        let _ = write!(thumbprint, "{byte:02x}");
    }
    let fields = [
        ("subject".to_owned(), RestrictedExpression::new_string(certificate.subject.to_owned())),
        ("thumbprint".to_owned(), RestrictedExpression::new_string(thumbprint)),
    ];
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn text(id: &PolicyId) -> Box<str> {
    AsRef::<str>::as_ref(id).into()
}
