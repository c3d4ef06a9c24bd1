//! Who can reach a service, and what a sender can reach: read from the conditions, without a request.

use cedar_policy::Effect;
use serde::Serialize;

use crate::{
    Action, Allow, Conditions, Grant, Identity, PolicySet, Route, RouteId,
    asked::{Asked, Caller},
    explain::{Change, Deciding, need},
    own::OwnPolicy,
    short::{Key, Side},
};

/// Who may pass one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteAccess {
    /// The route.
    pub route: String,
    /// The ports that it takes traffic from.
    pub ports: Vec<String>,
    /// The service that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether everyone may pass who is not excepted.
    pub anyone: bool,
    /// What must hold, all of it. Without any, and not `anyone`, only `policies` let somebody pass.
    pub conditions: Vec<Requirement>,
    /// Who may not, whatever else holds.
    pub except: Vec<Requirement>,
    /// The operator's own policies that have a say, beside these.
    pub policies: Vec<OwnSay>,
}

/// One condition, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The key of the file: `groups`.
    pub key: String,
    /// Any of these.
    pub any_of: Vec<String>,
}

/// A policy of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnSay {
    /// `true`: it may let pass; `false`: it may refuse.
    pub permits: bool,
    /// Which.
    #[serde(flatten)]
    pub policy: Deciding,
}

/// Whether a sender can reach a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The route.
    pub route: String,
    /// The ports that it takes traffic from.
    pub ports: Vec<String>,
    /// The service that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The answer.
    pub answer: Answer,
    /// What else must hold at the time, all of it: where it comes from, when, with which certificate or grant.
    pub conditions: Vec<Requirement>,
    /// Circumstances in which it is refused all the same.
    pub except: Vec<Requirement>,
    /// The operator's own policies whose answer depends on the request.
    pub policies: Vec<OwnSay>,
    /// For `no`: what would have to change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// Whether a sender can reach a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes, if the conditions hold.
    Yes,
    /// Only if a policy of the operator's own permits the very request.
    ByPolicy,
    /// No.
    No,
}

impl PolicySet {
    /// Who can reach a service, route by route.
    pub fn who(&self, service: &str) -> Vec<RouteAccess> {
        let routes = self.settings.routes.iter().filter(|route| route.service.as_deref() == Some(service));
        routes.map(|route| self.access(route)).collect()
    }

    /// What a sender can reach, route by route. `None`: a sender that proves nothing.
    pub fn what(&self, identity: Option<&Identity>) -> Vec<Reach> {
        let caller = identity.map(|identity| self.caller(identity));
        let routes = (0_u32..).zip(&self.settings.routes);
        routes.map(|(at, route)| self.reach(RouteId(at), route, caller.as_ref())).collect()
    }

    fn access(&self, route: &Route) -> RouteAccess {
        let conditions = match &route.allow {
            Some(Allow::Only(conditions)) => requirements(conditions, |_| true),
            Some(Allow::Authenticated) => {
                vec![Requirement { key: "identity".to_owned(), any_of: vec!["any that is proven".to_owned()] }]
            }
            Some(Allow::Anyone) | None => Vec::new(),
        };
        RouteAccess {
            route: route.name.clone(),
            ports: route.ports.clone(),
            service: route.service.clone(),
            anyone: route.allow == Some(Allow::Anyone),
            conditions,
            except: requirements(&route.deny, |_| true),
            policies: self.own_about(route).map(|own| self.say(own)).collect(),
        }
    }

    fn reach(&self, id: RouteId, route: &Route, caller: Option<&Caller>) -> Reach {
        let asked = anywhere(id, caller);
        let circumstances = |conditions| requirements(conditions, |key| !key.is_identity());
        let (held, _) = self.holding(route, &route.deny, Side::Deny, &asked);
        let mut is_refused = held.iter().any(Key::is_identity);
        let mut changes = Vec::new();
        let (mut is_permitted, mut conditions) = match &route.allow {
            None => (false, Vec::new()),
            Some(Allow::Anyone) => (true, Vec::new()),
            Some(Allow::Authenticated) => {
                changes.extend(caller.is_none().then_some(Change::SignIn));
                (caller.is_some(), Vec::new())
            }
            Some(Allow::Only(only)) => {
                let (_, unmet) = self.holding(route, only, Side::Allow, &asked);
                let unmet = unmet.iter().filter(|key| key.is_identity());
                changes.extend(unmet.map(|key| need(only, key, route)));
                (**only != Conditions::default() && changes.is_empty(), circumstances(only))
            }
        };
        let mut policies = Vec::new();
        for own in self.own_about(route) {
            let permits = own.effect() == Effect::Permit;
            match self.applies(own, route, &asked) {
                Some(true) if permits => {
                    is_permitted = true;
                    conditions.clear();
                }
                Some(true) => {
                    is_refused = true;
                    changes.push(Change::ChangePolicy(self.deciding(&own.id)));
                }
                Some(false) => {}
                None => policies.push(self.say(own)),
            }
        }
        let answer = match (is_refused, is_permitted, policies.iter().any(|own| own.permits)) {
            (true, _, _) | (false, false, false) => Answer::No,
            (false, true, _) => Answer::Yes,
            (false, false, true) => Answer::ByPolicy,
        };
        Reach {
            route: route.name.clone(),
            ports: route.ports.clone(),
            service: route.service.clone(),
            conditions: if answer == Answer::Yes { conditions } else { Vec::new() },
            except: if answer == Answer::No { Vec::new() } else { circumstances(&route.deny) },
            policies: if answer == Answer::No { Vec::new() } else { policies },
            changes: if answer == Answer::No { changes } else { Vec::new() },
            answer,
        }
    }

    /// Whether a policy of the operator's own applies to this sender; `None` if that depends on the request.
    fn applies(&self, own: &OwnPolicy, route: &Route, asked: &Asked<'_>) -> Option<bool> {
        if !own.reads.attributes.is_identity() {
            return None;
        }
        let slice = self.slice_of(route, Vec::new(), Vec::new(), [own].into_iter()).ok()?;
        let under = |action| {
            let decision = self.decide_by(&slice, &Asked { action, ..asked.clone() });
            decision.policies.iter().any(|id| **id == *own.id)
        };
        let (request, connect) = (under(Action::Request), under(Action::Connect));
        (request == connect).then_some(request)
    }

    fn say(&self, own: &OwnPolicy) -> OwnSay {
        OwnSay { permits: own.effect() == Effect::Permit, policy: self.deciding(&own.id) }
    }
}

/// A question of which only the sender matters.
fn anywhere(route: RouteId, caller: Option<&Caller>) -> Asked<'_> {
    Asked {
        route,
        action: Action::Request,
        port: "",
        caller,
        source: std::net::Ipv4Addr::UNSPECIFIED.into(),
        certificate: None,
        host: None,
        path: "/",
        method: "GET",
        now: 0,
        granted_until: None,
    }
}

fn requirements(conditions: &Conditions, is_meant: impl Fn(&Key) -> bool) -> Vec<Requirement> {
    let mut found = Vec::new();
    let mut add = |key: Key, name: &str, any_of: Vec<String>| {
        if is_meant(&key) && !any_of.is_empty() {
            found.push(Requirement { key: name.to_owned(), any_of });
        }
    };
    let shown = |names: &[crate::Name]| names.iter().map(ToString::to_string).collect();
    add(Key::Names, "users", shown(&conditions.users));
    add(Key::Names, "workloads", shown(&conditions.workloads));
    add(Key::Groups, "groups", conditions.groups.clone());
    add(Key::Domains, "domains", conditions.domains.clone());
    for (name, values) in &conditions.claims {
        add(Key::Claim(name.clone()), &format!("claims: {name}"), values.clone());
    }
    add(Key::From, "from", conditions.from.iter().map(ToString::to_string).collect());
    add(Key::Certificates, "certificates", conditions.certificates.clone());
    add(Key::Time, "time", conditions.time.iter().map(ToString::to_string).collect());
    if conditions.grant == Grant::Required {
        add(Key::Grant, "grant", vec!["required".to_owned()]);
    }
    found
}

/// `groups: dba or ops`
impl std::fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.key, crate::explain::one_of(&self.any_of))
    }
}
