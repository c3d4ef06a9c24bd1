//! Authenticate: who sends this request, by what it shows.
//!
//! Owns: what of a head is a credential, and taking it off what goes on to the service. Proofs that this worker knows
//! cost one look-up; others are judged by the plan's [`portcullis_identity::Authenticator`].
//!
//! Invariant: what could be read in two ways (two `Authorization` lines, two session cookies) proves nothing and is
//! refused.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use portcullis_h1::Known as Name;
use portcullis_identity::{Basis, NotProven, Presented, ProviderId, Refusal, Standing};
use portcullis_observe::Termination;
use portcullis_plan::{Access, Plan, Principal, RoutePlan};
use portcullis_policy::{Identity, Kind};

use crate::{
    callers::{Decisions, Known},
    clock, cookies,
    downstream::Http1,
    refusal::Refused,
    visit::{Ended, Visit},
};

/// Longest credential that is looked at. A request with a longer one has shown nothing that can be believed.
const MAX_CREDENTIAL: usize = 16 * 1024;

/// What is known of who sends a request.
#[derive(Debug)]
pub(crate) enum Sender {
    /// Nobody has asked yet.
    Unasked,
    /// It is proven.
    Known(Rc<Known>),
    /// It is not.
    Unknown(NotProven),
}

impl Sender {
    /// Who it is, if that is proven.
    pub(crate) fn known(&self) -> Option<&Rc<Known>> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unasked | Self::Unknown(_) => None,
        }
    }

    /// Whether it is proven by one of these providers, or by a certificate, which needs none.
    pub(crate) fn is_by(&self, providers: &[ProviderId]) -> bool {
        self.known().is_some_and(|known| match known.standing.basis {
            Basis::Certificate(_) => providers.is_empty(),
            _ => known.provider.is_some_and(|provider| providers.contains(&provider)),
        })
    }

    /// The same for conditions of routes.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.known().map(|known| &*known.standing.principal)
    }
}

/// The credentials of a head, as they stand in it.
struct Shown<'a> {
    authorization: Option<&'a [u8]>,
    dpop: Option<&'a [u8]>,
    /// The session cookie, where people log in.
    session: Option<&'a [u8]>,
}

/// Finds out who sends the request. Waits for a provider where that is needed.
pub(crate) async fn sender(
    visit: &Visit,
    client: &Http1,
    plan: &Plan,
    providers: &[ProviderId],
    host: &str,
    path: &[u8],
) -> Result<Sender, Refused> {
    let Some(identity) = &plan.identity else { return Ok(Sender::Unknown(NotProven::Nobody)) };
    let mut shown = Shown::of(client)?;
    if identity.for_login(providers).next().is_some() {
        shown.session =
            cookies::session(&client.head.fields, client.text(), visit.scheme()).map_err(|_| two_readings())?;
    }
    let callers = &visit.worker.callers;
    callers.follow(plan.generation);
    let mut key = visit.worker.take_scratch();
    shown.write_key(visit, client, providers, &mut key);
    let now = clock::unix_seconds();
    let found = if let Some(known) = callers.find(&key, now) {
        known.standing.used(now);
        Ok(known)
    } else {
        let presented = shown.presented(visit, client, host, path);
        identity.prove(&presented, providers).await.map(|standing| {
            let known = Rc::new(Known::new(plan, standing));
            callers.remember(&key, Rc::clone(&known));
            known
        })
    };
    visit.worker.give_scratch(key);
    Ok(match found {
        Ok(known) => match bound(visit, client, plan, &shown, &known, (host, path)) {
            Ok(()) => Sender::Known(known),
            Err(refusal) => Sender::Unknown(NotProven::Refused(refusal)),
        },
        Err(not_proven) => Sender::Unknown(not_proven),
    })
}

/// Who opens a session: only a client certificate can tell.
pub(crate) async fn of_session(visit: &Visit, plan: &Plan, route: &RoutePlan) -> Sender {
    let (Access::Judged { asks_identity: true, .. }, Some(identity)) = (&route.access, &plan.identity) else {
        return Sender::Unasked;
    };
    let presented = Presented { certificate: visit.certificate.clone(), ..Presented::default() };
    match identity.prove(&presented, &[]).await {
        Ok(standing) => Sender::Known(Rc::new(Known::new(plan, standing))),
        Err(not_proven) => Sender::Unknown(not_proven),
    }
}

/// A proof that is bound to a key counts only with the request's own proof of that key.
fn bound(
    visit: &Visit,
    client: &Http1,
    plan: &Plan,
    shown: &Shown<'_>,
    known: &Known,
    (host, path): (&str, &[u8]),
) -> Result<(), Refusal> {
    let Some(identity) = plan.identity.as_ref().filter(|_| known.standing.bound_to.is_some()) else { return Ok(()) };
    identity.check_request(&known.standing, &shown.presented(visit, client, host, path))
}

impl<'a> Shown<'a> {
    fn of(client: &'a Http1) -> Result<Self, Refused> {
        let text = client.text();
        let mut shown = Self { authorization: None, dpop: None, session: None };
        for field in client.head.fields.iter().filter(|field| !field.struck) {
            let slot = match field.known {
                Name::Authorization => &mut shown.authorization,
                Name::Other if field.name.of(text).eq_ignore_ascii_case(b"dpop") => &mut shown.dpop,
                _ => continue,
            };
            let value = field.value.of(text);
            if slot.is_some() || value.len() > MAX_CREDENTIAL {
                return Err(two_readings());
            }
            *slot = Some(value);
        }
        Ok(shown)
    }

    /// All that the proof can depend on: a session, on the host as well, which its cookie is for.
    fn write_key(&self, visit: &Visit, client: &Http1, providers: &[ProviderId], key: &mut Vec<u8>) {
        key.clear();
        for id in providers {
            key.extend_from_slice(&id.number().to_le_bytes());
        }
        let authority = client.head.authority.filter(|_| self.session.is_some()).map(|span| span.of(client.text()));
        let certificate = visit.certificate.as_ref().map(|own| &own.thumbprint[..]);
        let parts = [self.authorization, certificate, self.session, authority];
        for part in parts {
            key.extend_from_slice(&(part.map_or(u32::MAX, |part| part.len() as u32)).to_le_bytes());
            key.extend_from_slice(part.unwrap_or_default());
        }
    }

    fn presented(&self, visit: &Visit, client: &Http1, host: &str, path: &[u8]) -> Presented {
        let text = client.text();
        // What is not UTF-8 is no credential that anyone makes.
        let owned = |bytes: Option<&[u8]>| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Into::into);
        let authority = client.head.authority.map(|span| span.of(text).to_ascii_lowercase());
        let authority = authority.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| host.to_owned());
        Presented {
            authorization: owned(self.authorization),
            session: owned(self.session),
            dpop: owned(self.dpop),
            certificate: visit.certificate.clone(),
            method: String::from_utf8_lossy(client.head.method.of(text)).into(),
            scheme: visit.scheme(),
            authority: authority.into(),
            path: String::from_utf8_lossy(path).into(),
            source: Some(visit.source.ip()),
        }
    }
}

fn two_readings() -> Refused {
    let detail = "the request shows more than one credential of a kind, or one that is too long";
    let ended = Ended::because(Termination::BadRequest, detail);
    Refused::new(400, ended, "the credentials have no single meaning")
}

/// Takes off what proved who calls: it is for this proxy and for nobody behind it.
pub(crate) fn strike_credentials(client: &mut Http1, known: &Known) {
    if matches!(known.standing.basis, Basis::Certificate(_) | Basis::Session(_)) {
        return;
    }
    client.head.fields.strike(Name::Authorization);
    client.head.fields.strike_names(client.input.all(), |name| name.eq_ignore_ascii_case(b"dpop"));
}

impl Known {
    fn new(plan: &Plan, standing: Arc<Standing>) -> Self {
        let caller = plan.policies.caller(&as_policies_see(&standing.principal));
        let provider = plan.identity.as_ref().and_then(|identity| identity.provider(&standing.principal.provider));
        Self { standing, caller, provider, decisions: Decisions::default(), assertions: RefCell::default() }
    }
}

fn as_policies_see(principal: &Principal) -> Identity {
    let texts = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    Identity {
        kind: match principal.kind {
            portcullis_identity::Kind::User => Kind::User,
            portcullis_identity::Kind::Workload => Kind::Workload,
        },
        provider: principal.provider.to_string(),
        subject: principal.subject.to_string(),
        name: principal.name.to_string(),
        email: principal.email.as_deref().map(str::to_owned),
        groups: texts(&principal.groups),
        claims: principal.claims.iter().map(|(name, values)| (name.to_string(), texts(values))).collect(),
    }
}
