//! All policies of a file, compiled: one slice for each route, so that a decision looks at nothing else.

use std::collections::HashSet;

use cedar_policy::{Authorizer, Entities, Entity, EntityUid, Policy, PolicyId, RestrictedExpression};

use crate::{
    Allow, Conditions, Window, Zone,
    asked::{Caller, Identity, RouteId},
    lists::List,
    own::{self, OwnPolicy, PolicyError},
    reads::{Attributes, Reads},
    schema::{self, Terms, entity},
    short::{self, Side},
};

/// The provider of programs that have shown their certificate: it is there without being declared.
pub const CERTIFICATE: &str = "certificate";

/// What is compiled.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Names of all providers that are declared.
    pub providers: Vec<String>,
    /// All ports.
    pub ports: Vec<Port>,
    /// All routes; a [`RouteId`] is a place in it.
    pub routes: Vec<Route>,
    /// Cedar files of the operator's own.
    pub own: Vec<Source>,
}

impl Settings {
    pub(crate) fn is_provider(&self, name: &str) -> bool {
        name == CERTIFICATE || self.providers.iter().any(|known| known == name)
    }
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// `public` or `internal`.
    pub role: String,
}

/// A route, as far as it is about who may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// The ports that it takes traffic from.
    pub ports: Vec<String>,
    /// The service that it leads to; `None` for a redirect or an answer of the file.
    pub service: Option<String>,
    /// `None`: only policies of the operator's own let anyone pass.
    pub allow: Option<Allow>,
    /// Stronger than `allow`; any condition that holds is enough.
    pub deny: Conditions,
    /// Whose clock its days and hours are on.
    pub zone: Zone,
}

/// A Cedar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As errors name it.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// A policy that says something of a route, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PolicyText {
    /// As decisions name it.
    pub id: String,
    /// In Cedar.
    pub text: String,
    /// Where it stands, unless it came from `allow:` or `deny:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<crate::Place>,
}

/// Everything that decides who may pass. Immutable, shared by all workers. The default knows no route, and lets nobody
/// pass.
#[derive(Debug, Default)]
pub struct PolicySet {
    pub(crate) settings: Settings,
    pub(crate) own: Vec<OwnPolicy>,
    pub(crate) slices: Vec<Slice>,
    pub(crate) authorizer: Authorizer,
    /// There, if anything was compiled.
    terms: Option<Terms>,
}

/// The policies that can say anything of one route, and what they need to be shown.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) policies: cedar_policy::PolicySet,
    pub(crate) reads: Reads,
    /// What the policies of the operator's own read: they may compare times as they like.
    pub(crate) own_reads: Attributes,
    /// The windows of the short form.
    pub(crate) windows: Vec<Window>,
    pub(crate) zone: Zone,
    /// Groups that the policies name: a caller is shown in no other.
    pub(crate) groups: Vec<(Box<str>, EntityUid)>,
    pub(crate) lists: Vec<List>,
    pub(crate) resource: EntityUid,
    /// The route, and the ports.
    pub(crate) base: Entities,
}

impl PolicySet {
    /// Compiles the settings; every mistake in the operator's own files is reported.
    pub fn compile(settings: Settings) -> Result<Self, Vec<PolicyError>> {
        let terms = Terms::new().map_err(|error| inner(&error))?;
        let schema = schema::schema().map_err(|error| inner(&error))?;
        let own = own::read(&settings, schema, &terms)?;
        let mut set = Self {
            slices: Vec::with_capacity(settings.routes.len()),
            authorizer: Authorizer::new(),
            settings,
            own,
            terms: Some(terms),
        };
        for route in &set.settings.routes {
            let slice = set.slice(route).map_err(|error| inner(&format!("route {}: {error}", route.name)))?;
            set.slices.push(slice);
        }
        Ok(set)
    }

    /// The route of that name.
    pub fn route(&self, name: &str) -> Option<RouteId> {
        let at = self.settings.routes.iter().position(|route| route.name == name)?;
        u32::try_from(at).ok().map(RouteId)
    }

    /// What it was compiled from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A sender, made ready for decisions.
    pub fn caller(&self, identity: &Identity) -> Caller {
        Caller::new(identity, &self.settings)
    }

    /// The policies that can say anything of a route, its own first.
    pub fn policies(&self, route: RouteId) -> Vec<PolicyText> {
        let Some(settings) = self.settings.routes.get(route.0 as usize) else { return Vec::new() };
        let mut texts = Vec::new();
        let mut lists = Vec::new();
        if let Some(text) = settings.allow.as_ref().and_then(|allow| short::permit(&settings.name, allow, &mut lists)) {
            texts.push(PolicyText { id: short::id(&settings.name, Side::Allow), text, place: None });
        }
        if let Some(text) = short::forbid(&settings.name, &settings.deny, &mut lists) {
            texts.push(PolicyText { id: short::id(&settings.name, Side::Deny), text, place: None });
        }
        let own = self.own_about(settings).map(|own| PolicyText {
            id: own.id.to_string(),
            text: own.policy.to_string(),
            place: Some(own.place.clone()),
        });
        texts.extend(own);
        texts
    }

    /// The operator's own policies that can say anything of this route.
    pub(crate) fn own_about(&self, route: &Route) -> impl Iterator<Item = &OwnPolicy> {
        let about = self.terms().ok().map(|terms| (entity(&terms.route, &route.name), within(terms, route)));
        let is_about =
            move |own: &&OwnPolicy| about.as_ref().is_some_and(|(route, within)| own.is_about(route, within));
        self.own.iter().filter(is_about)
    }

    /// The slice of a route, which need not be one of the settings.
    pub(crate) fn slice(&self, route: &Route) -> Result<Slice, String> {
        let mut lists = Vec::new();
        let allow = route.allow.as_ref().and_then(|allow| short::permit(&route.name, allow, &mut lists));
        let deny = short::forbid(&route.name, &route.deny, &mut lists);
        let texts = [(Side::Allow, allow), (Side::Deny, deny)];
        let mut policies = Vec::new();
        for (side, text) in texts {
            if let Some(text) = text {
                policies.push((short::id(&route.name, side), text));
            }
        }
        self.slice_of(route, policies, lists, self.own_about(route))
    }

    /// A slice of these policies, by id and text, for a route.
    pub(crate) fn slice_of<'o>(
        &self,
        route: &Route,
        texts: Vec<(String, String)>,
        lists: Vec<List>,
        own: impl Iterator<Item = &'o OwnPolicy>,
    ) -> Result<Slice, String> {
        let terms = self.terms()?;
        let mut policies = Vec::with_capacity(texts.len());
        let mut reads = Reads::default();
        for (id, text) in texts {
            let policy = Policy::parse(Some(PolicyId::new(id)), text).map_err(|error| error.to_string())?;
            reads.add(&Reads::of(&policy.to_pst().map_err(|error| error.to_string())?));
            policies.push(policy);
        }
        let mut own_reads = Attributes::NONE;
        for own in own {
            own_reads = own_reads | own.reads.attributes;
            reads.add(&own.reads);
            policies.push(own.policy.clone());
        }
        if let Some(Allow::Only(conditions)) = &route.allow {
            reads.wildcards.extend(wildcards(conditions));
        }
        reads.wildcards.extend(wildcards(&route.deny));
        let groups: HashSet<EntityUid> = policies
            .iter()
            .flat_map(Policy::entity_literals)
            .filter(|entity| *entity.type_name() == terms.group)
            .collect();
        let allow_time = match &route.allow {
            Some(Allow::Only(conditions)) => conditions.time.as_ref(),
            _ => None,
        };
        Ok(Slice {
            policies: cedar_policy::PolicySet::from_policies(policies).map_err(|error| error.to_string())?,
            reads,
            own_reads,
            windows: allow_time.into_iter().chain(&route.deny.time).cloned().collect(),
            zone: route.zone.clone(),
            groups: groups.into_iter().map(|group| (group.id().unescaped().into(), group)).collect(),
            lists,
            resource: entity(&terms.route, &route.name),
            base: self.base(terms, route)?,
        })
    }

    /// The entities that are the same for all requests to a route.
    fn base(&self, terms: &Terms, route: &Route) -> Result<Entities, String> {
        let uid = entity(&terms.route, &route.name);
        let mut entities = vec![Entity::new_no_attrs(uid, within(terms, route).into_iter().collect())];
        for port in self.settings.ports.iter().filter(|port| route.ports.contains(&port.name)) {
            let role = ("role".to_owned(), RestrictedExpression::new_string(port.role.clone()));
            let uid = entity(&terms.port, &port.name);
            entities.push(Entity::new_with_tags(uid, [role], [], []).map_err(|error| error.to_string())?);
        }
        entities.push(Entity::with_uid(terms.anyone.clone()));
        Entities::from_entities(entities, None).map_err(|error| error.to_string())
    }

    pub(crate) fn terms(&self) -> Result<&Terms, String> {
        self.terms.as_ref().ok_or_else(|| "nothing was compiled".to_owned())
    }
}

/// What the route is in.
fn within(terms: &Terms, route: &Route) -> Vec<EntityUid> {
    let ports = route.ports.iter().map(|port| entity(&terms.port, port));
    ports.chain(route.service.iter().map(|service| entity(&terms.service, service))).collect()
}

fn wildcards(conditions: &Conditions) -> impl Iterator<Item = Box<str>> {
    let names = conditions.certificates.iter().filter(|name| name.starts_with("*."));
    names.map(|name| name.to_ascii_lowercase().into())
}

/// A mistake of ours, not of the file: the tests compile every form that there is.
fn inner(error: &impl ToString) -> Vec<PolicyError> {
    let message = format!("the policies can not be compiled: {}", error.to_string());
    vec![PolicyError { file: String::new(), line: 0, column: 0, message, help: None }]
}
