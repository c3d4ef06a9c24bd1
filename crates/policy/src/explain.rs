//! Why a request was decided as it was and, if it was refused, the smallest change that would let it pass.
//!
//! Each condition of the short form is asked of Cedar by itself; what is proposed is applied to the question and
//! decided again.

use std::fmt;

use cedar_policy::Effect;
use serde::Serialize;

use crate::{
    Allow, Conditions, Failure, Identity, Kind, Name, PolicySet, Route,
    asked::{Asked, Caller},
    own::Place,
    reads::Attributes,
    short::{self, Key, Side},
};

/// The answer to "why".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether it may pass.
    pub allowed: bool,
    /// The policies that made it so; none if no policy permits it.
    pub decided_by: Vec<Deciding>,
    /// Policies that could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Failure>,
    /// What would have to change, all of it; empty if it may pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Whether the changes were tried and are enough. They are not where a policy of the operator's own decides.
    pub is_enough: bool,
    /// The operator's own policies that could permit it, had their conditions held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub could_permit: Vec<Deciding>,
}

/// A policy that has a part in a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deciding {
    /// As decisions name it.
    pub policy: String,
    /// Where it stands; `None`: it is what `allow:` or `deny:` of the route became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// One thing that would have to be otherwise. Within a list, any value is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Prove who it is.
    SignIn,
    /// Be one of these.
    BeOneOf {
        /// People.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        users: Vec<String>,
        /// Programs.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        workloads: Vec<String>,
    },
    /// Be in one of these groups.
    JoinGroup {
        /// The groups.
        groups: Vec<String>,
    },
    /// Have a verified e-mail address of one of these domains.
    HaveAddress {
        /// The domains.
        domains: Vec<String>,
    },
    /// Have a claim.
    HaveClaim {
        /// Its name.
        claim: String,
        /// Its values.
        values: Vec<String>,
    },
    /// Come from one of these addresses.
    ComeFrom {
        /// The ranges.
        ranges: Vec<String>,
    },
    /// Show a client certificate with one of these names.
    ShowCertificate {
        /// The names.
        names: Vec<String>,
    },
    /// Come at another time.
    ComeAt {
        /// `mon-fri 09:00-17:00`
        window: String,
        /// Whose clock that is.
        zone: String,
    },
    /// Have an active grant.
    ObtainGrant {
        /// For this service.
        service: String,
    },
    /// Be taken out of a list of the route's `deny:`, or not be what it names.
    LeaveDeny {
        /// The list: `users`.
        list: String,
        /// What of it holds.
        values: Vec<String>,
    },
    /// Let `allow:` of the route say who may pass: it names nobody.
    SayWho,
    /// Change a policy that forbids it.
    ChangePolicy(Deciding),
}

impl PolicySet {
    /// Explains the decision.
    pub fn explain(&self, asked: &Asked<'_>) -> Explanation {
        let decision = self.decide(asked);
        let decided_by = decision.policies.iter().map(|id| self.deciding(id)).collect();
        let mut explanation = Explanation {
            allowed: decision.allowed,
            decided_by,
            errors: decision.errors,
            changes: Vec::new(),
            is_enough: decision.allowed,
            could_permit: Vec::new(),
        };
        if let Some(route) = self.settings.routes.get(asked.route.0 as usize).filter(|_| !decision.allowed) {
            self.propose(&mut explanation, route, asked);
        }
        explanation
    }

    fn propose(&self, explanation: &mut Explanation, route: &Route, asked: &Asked<'_>) {
        let mut situation = Situation::of(asked);
        let mut changed = route.clone();
        for key in self.holding(route, &route.deny, Side::Deny, asked).0 {
            explanation.changes.push(leave(&mut changed.deny, &key, asked));
        }
        if !self.is_permitted(route, asked) {
            match &route.allow {
                Some(Allow::Only(conditions)) if **conditions != Conditions::default() => {
                    let (_, unmet) = self.holding(route, conditions, Side::Allow, asked);
                    if asked.caller.is_none() && unmet.iter().any(Key::is_identity) {
                        explanation.changes.push(Change::SignIn);
                    }
                    for key in unmet {
                        explanation.changes.push(need(conditions, &key, route));
                        situation.meet(conditions, &key, self, route);
                    }
                }
                Some(Allow::Authenticated) => explanation.changes.push(Change::SignIn),
                _ => explanation.changes.push(Change::SayWho),
            }
            let permits = self.own_about(route).filter(|own| own.effect() == Effect::Permit);
            explanation.could_permit = permits.map(|own| self.deciding(&own.id)).collect();
        }
        let forbids = explanation.decided_by.iter().filter(|deciding| deciding.place.is_some());
        explanation.changes.extend(forbids.cloned().map(Change::ChangePolicy));
        let Ok(slice) = self.slice(&changed) else { return };
        explanation.is_enough = situation.ask(self, asked, |asked| self.decide_by(&slice, asked).allowed);
    }

    /// Whether anything permits it, were nothing to forbid it.
    fn is_permitted(&self, route: &Route, asked: &Asked<'_>) -> bool {
        let mut lists = Vec::new();
        let allow = route.allow.as_ref().and_then(|allow| short::permit(&route.name, allow, &mut lists));
        let texts = allow.map(|text| (short::id(&route.name, Side::Allow), text)).into_iter().collect();
        let permits = self.own_about(route).filter(|own| own.effect() == Effect::Permit);
        let slice = self.slice_of(route, texts, lists, permits);
        slice.is_ok_and(|slice| self.decide_by(&slice, asked).allowed)
    }

    /// The conditions that hold, and those that do not: each is asked of Cedar as a policy of its own.
    pub(crate) fn holding(
        &self,
        route: &Route,
        conditions: &Conditions,
        side: Side,
        asked: &Asked<'_>,
    ) -> (Vec<Key>, Vec<Key>) {
        let mut lists = Vec::new();
        let clauses = conditions.clauses(side, &mut lists);
        let head = "permit (principal, action, resource)";
        let text = |at: usize, expression: &str| (at.to_string(), format!("{head} when {{ {expression} }};"));
        let texts = clauses.iter().enumerate().map(|(at, clause)| text(at, &clause.expression)).collect();
        let held = match self.slice_of(route, texts, lists, [].into_iter()) {
            Ok(slice) => self.decide_by(&slice, asked).policies,
            Err(_) => Vec::new(),
        };
        let keys = clauses.into_iter().enumerate().map(|(at, clause)| (at.to_string(), clause.key));
        let (holding, others): (Vec<_>, Vec<_>) = keys.partition(|(at, _)| held.iter().any(|id| **id == **at));
        let keys = |pairs: Vec<(String, Key)>| pairs.into_iter().map(|(_, key)| key).collect();
        (keys(holding), keys(others))
    }

    pub(crate) fn deciding(&self, id: &str) -> Deciding {
        let place = self.own.iter().find(|own| *own.id == *id).map(|own| own.place.clone());
        Deciding { policy: id.to_owned(), place }
    }
}

/// What this condition of `allow:` asks for.
pub(crate) fn need(conditions: &Conditions, key: &Key, route: &Route) -> Change {
    match key {
        Key::From => Change::ComeFrom { ranges: shown(&conditions.from) },
        Key::Certificates => Change::ShowCertificate { names: conditions.certificates.clone() },
        Key::Names => Change::BeOneOf { users: shown(&conditions.users), workloads: shown(&conditions.workloads) },
        Key::Groups => Change::JoinGroup { groups: conditions.groups.clone() },
        Key::Domains => Change::HaveAddress { domains: conditions.domains.clone() },
        Key::Claim(name) => {
            Change::HaveClaim { claim: name.clone(), values: conditions.claims.get(name).cloned().unwrap_or_default() }
        }
        Key::Time => Change::ComeAt {
            window: conditions.time.as_ref().map(ToString::to_string).unwrap_or_default(),
            zone: route.zone.name().to_owned(),
        },
        Key::Grant => Change::ObtainGrant { service: route.service.clone().unwrap_or_else(|| route.name.clone()) },
    }
}

/// Takes the sender out of this list of `deny:`.
fn leave(deny: &mut Conditions, key: &Key, asked: &Asked<'_>) -> Change {
    let caller = asked.caller;
    let identity = caller.map(|caller| &caller.identity);
    let (list, values) = match key {
        Key::From => {
            let source = asked.source.to_canonical();
            ("from".to_owned(), taken(&mut deny.from, |range| crate::lists::canonical(*range).contains(&source)))
        }
        Key::Certificates => {
            let all = shown(&deny.certificates);
            deny.certificates.clear();
            ("certificates".to_owned(), all)
        }
        Key::Names => {
            let is_meant = |name: &Name| {
                identity.is_some_and(|identity| {
                    let provider = name.provider.as_ref();
                    name.name == identity.name && provider.is_none_or(|provider| *provider == identity.provider)
                })
            };
            match identity.map(|identity| identity.kind) {
                Some(Kind::Workload) => ("workloads".to_owned(), taken(&mut deny.workloads, is_meant)),
                _ => ("users".to_owned(), taken(&mut deny.users, is_meant)),
            }
        }
        Key::Groups => {
            let is_meant = |group: &String| caller.is_some_and(|caller| caller.groups.contains(group.as_str()));
            ("groups".to_owned(), taken(&mut deny.groups, is_meant))
        }
        Key::Domains => {
            let own = identity.and_then(Identity::domain);
            ("domains".to_owned(), taken(&mut deny.domains, |domain| own == Some(domain.to_lowercase().as_str())))
        }
        Key::Claim(name) => (format!("claims: {name}"), deny.claims.remove(name).unwrap_or_default()),
        Key::Time => ("time".to_owned(), deny.time.take().iter().map(ToString::to_string).collect()),
        Key::Grant => {
            deny.grant = crate::Grant::NotNeeded;
            ("grant".to_owned(), Vec::new())
        }
    };
    Change::LeaveDeny { list, values }
}

fn shown(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Takes out what is meant, and says what it was.
fn taken<T: ToString>(values: &mut Vec<T>, is_meant: impl Fn(&T) -> bool) -> Vec<String> {
    values.extract_if(.., |value| is_meant(value)).map(|value| value.to_string()).collect()
}

/// A question that can be changed.
pub(crate) struct Situation {
    identity: Option<Identity>,
    source: std::net::IpAddr,
    certificate: Option<Vec<Box<str>>>,
    now: u64,
    granted_until: Option<u64>,
}

impl Situation {
    pub(crate) fn of(asked: &Asked<'_>) -> Self {
        Self {
            identity: asked.caller.map(|caller| caller.identity.clone()),
            source: asked.source,
            certificate: asked.certificate.map(|certificate| certificate.names.to_vec()),
            now: asked.now,
            granted_until: asked.granted_until,
        }
    }

    /// Changes it so that the condition holds, by the first value that would do.
    pub(crate) fn meet(&mut self, conditions: &Conditions, key: &Key, set: &PolicySet, route: &Route) {
        match key {
            Key::From => {
                if let Some(range) = conditions.from.first() {
                    self.source = range.network();
                }
            }
            Key::Certificates => {
                let names = conditions.certificates.first().map(|name| match name.strip_prefix('*') {
                    Some(suffix) => format!("x{suffix}").into(),
                    None => name.as_str().into(),
                });
                self.certificate.get_or_insert_default().extend(names);
            }
            Key::Names => {
                let user = conditions.users.first().map(|name| (Kind::User, name));
                let first = user.or(conditions.workloads.first().map(|name| (Kind::Workload, name)));
                let Some((kind, name)) = first else { return };
                let identity = self.identity(set);
                identity.kind = kind;
                identity.name.clone_from(&name.name);
                if let Some(provider) = &name.provider {
                    identity.provider.clone_from(provider);
                }
            }
            Key::Groups => {
                let Some(group) = conditions.groups.first() else { return };
                let qualified = group.split_once('/').filter(|(first, _)| set.settings.is_provider(first));
                let identity = self.identity(set);
                if let Some((provider, _)) = qualified {
                    provider.clone_into(&mut identity.provider);
                }
                identity.groups.push(qualified.map_or(group.as_str(), |(_, group)| group).to_owned());
            }
            Key::Domains => {
                let Some(domain) = conditions.domains.first() else { return };
                self.identity(set).email = Some(format!("x@{}", domain.to_lowercase()));
            }
            Key::Claim(name) => {
                let Some(values) = conditions.claims.get(name) else { return };
                self.identity(set).claims.insert(name.clone(), values.clone());
            }
            Key::Time => {
                // The next border may be one of clocks that change; a window opens within a week, and a day more.
                let Some(window) = &conditions.time else { return };
                let starts = std::iter::successors(Some(self.now), |now| window.next_border(&route.zone, *now));
                let until = self.now + 8 * 24 * 3600;
                let mut starts = starts.take_while(|start| *start <= until);
                if let Some(open) = starts.find(|start| window.is_open(&route.zone, *start)) {
                    self.now = open;
                }
            }
            Key::Grant => self.granted_until = Some(u64::MAX),
        }
    }

    fn identity(&mut self, set: &PolicySet) -> &mut Identity {
        self.identity.get_or_insert_with(|| Identity {
            kind: Kind::User,
            provider: set.settings.providers.first().cloned().unwrap_or_default(),
            subject: "somebody".to_owned(),
            name: "somebody".to_owned(),
            email: None,
            groups: Vec::new(),
            claims: std::collections::BTreeMap::new(),
        })
    }

    /// Asks it, the rest being as it was.
    pub(crate) fn ask<T>(&self, set: &PolicySet, asked: &Asked<'_>, then: impl FnOnce(&Asked<'_>) -> T) -> T {
        let caller: Option<Caller> = self.identity.as_ref().map(|identity| set.caller(identity));
        let before = asked.certificate;
        let certificate = self.certificate.as_ref().map(|names| crate::Certificate {
            names,
            subject: before.map_or("", |certificate| certificate.subject),
            thumbprint: before.map_or(&[0; 32], |certificate| certificate.thumbprint),
        });
        then(&Asked {
            caller: caller.as_ref(),
            source: self.source,
            certificate,
            now: self.now,
            granted_until: self.granted_until,
            ..asked.clone()
        })
    }
}

/// `base.cedar:12 (base.cedar#lockdown)`
impl fmt::Display for Deciding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) if place.to_string() != self.policy => write!(formatter, "{place} ({})", self.policy),
            Some(place) => place.fmt(formatter),
            None => formatter.write_str(&self.policy),
        }
    }
}

/// `be in group dba or ops`
impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn => formatter.write_str("prove who you are"),
            Self::BeOneOf { users, workloads } => match (&users[..], &workloads[..]) {
                (users, []) => write!(formatter, "be {}", one_of(users)),
                ([], workloads) => write!(formatter, "be the workload {}", one_of(workloads)),
                (users, workloads) => {
                    write!(formatter, "be {}, or the workload {}", one_of(users), one_of(workloads))
                }
            },
            Self::JoinGroup { groups } => write!(formatter, "be in group {}", one_of(groups)),
            Self::HaveAddress { domains } => {
                write!(formatter, "have a verified e-mail address of {}", one_of(domains))
            }
            Self::HaveClaim { claim, values } => write!(formatter, "have the claim {claim}: {}", one_of(values)),
            Self::ComeFrom { ranges } => write!(formatter, "come from {}", one_of(ranges)),
            Self::ShowCertificate { names } if names.iter().any(|name| name == "*") => {
                formatter.write_str("show a client certificate")
            }
            Self::ShowCertificate { names } => {
                write!(formatter, "show a client certificate with the name {}", one_of(names))
            }
            Self::ComeAt { window, zone } => write!(formatter, "come at {window} ({zone})"),
            Self::ObtainGrant { service } => write!(formatter, "have an active grant for {service}"),
            Self::LeaveDeny { list, values } if values.is_empty() => {
                write!(formatter, "change `deny: {{ {list} }}` of the route")
            }
            Self::LeaveDeny { list, values } => {
                write!(formatter, "take {} out of `deny: {{ {list} }}` of the route", one_of(values))
            }
            Self::SayWho => formatter.write_str("say in `allow:` of the route who may pass"),
            Self::ChangePolicy(deciding) => write!(formatter, "change the policy at {deciding}, which forbids it"),
        }
    }
}

/// The first of them, joined by "or".
pub(crate) fn one_of(values: &[String]) -> String {
    const SHOWN: usize = 5;
    match values {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [some @ .., last] if values.len() <= SHOWN => format!("{} or {last}", some.join(", ")),
        many => format!("{} or one of {} more", many[..SHOWN].join(", "), many.len() - SHOWN),
    }
}

impl Attributes {
    /// Whether it is about nothing but who is calling.
    pub(crate) fn is_identity(self) -> bool {
        Self::PRINCIPAL.contains(self)
    }
}
