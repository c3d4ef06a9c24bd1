//! Who may pass: `allow:`, `deny:` and the policies of the operator's own, made into one set.

use std::{path::PathBuf, sync::Arc};

use portcullis_config::{
    declared::{self, ClaimTest, Deny, Requirements, Route},
    finding::Finding,
    rule::RuleId,
    span::Spanned,
};
use portcullis_identity::{Authenticator, ProviderId};
use portcullis_policy::{
    Allow, Conditions, Grant, Name, PolicySet, Port, RouteId, Settings, Source, Weekday, Window, Zone,
};

use super::{Compiler, routes};
use crate::Access;

/// What routes are told of who may pass.
pub(super) struct Accesses {
    /// There are policies that may have a say in every route.
    has_own: bool,
    /// By name, with its number.
    providers: Vec<(String, ProviderId)>,
    /// Of each route of the file, as the policies know it; `None`: open to everyone.
    ids: Vec<Option<RouteId>>,
    /// By the name of the port: its `authenticate:`.
    of_ports: Vec<(String, Arc<[ProviderId]>)>,
}

/// Compiles the policies of all routes. Mistakes in the operator's own are findings.
pub(super) fn compile(compiler: &mut Compiler<'_>, identity: Option<&Authenticator>) -> (Option<PolicySet>, Accesses) {
    let declared = compiler.declared;
    let own = declared.policies.iter().filter_map(|file| read(compiler, file)).collect::<Vec<_>>();
    let providers: Vec<String> =
        declared.identity.providers.iter().map(|provider| provider.name.value.clone()).collect();
    let ids: Vec<(String, ProviderId)> =
        providers.iter().filter_map(|name| Some((name.clone(), identity?.provider(name)?))).collect();
    let of_ports = declared.ports.iter().map(|port| {
        let named = if port.authenticate.is_empty() {
            ids.iter().map(|(_, id)| *id).collect()
        } else {
            named(&ids, &port.authenticate)
        };
        (port.name.value.clone(), named)
    });
    let has_own = !own.is_empty();
    // Routes that are open to everyone are most of a large file, and no policy has a say in them.
    let judged: Vec<&Route> = declared.routes.iter().filter(|route| has_own || !is_open(route)).collect();
    let mut numbers = (0..).map(RouteId);
    let route_ids = declared.routes.iter().map(|route| if has_own || !is_open(route) { numbers.next() } else { None });
    let accesses = Accesses { has_own, ids: route_ids.collect(), of_ports: of_ports.collect(), providers: ids };
    let settings = Settings {
        ports: declared
            .ports
            .iter()
            .filter(|port| port.is_data_port())
            .map(|port| Port { name: port.name.value.clone(), role: declared::Word::word(port.role.value).to_owned() })
            .collect(),
        routes: judged.into_iter().map(|route| policy_route(compiler, route, &providers)).collect(),
        providers,
        own,
    };
    match PolicySet::compile(settings) {
        Ok(set) => (Some(set), accesses),
        Err(errors) => {
            for error in errors {
                let place = declared.policies.iter().find(|file| file.display().to_string() == error.file);
                let Some(span) = place.or(declared.policies.first()).map(|file| file.span) else { continue };
                let message = format!("{}:{}:{}: {}", error.file, error.line, error.column, error.message);
                let mut finding = Finding::new(RuleId::Policy, span, message);
                finding.help = error.help;
                compiler.findings.push(finding);
            }
            (None, accesses)
        }
    }
}

impl Accesses {
    /// Of one route, for the traffic of one of its ports.
    pub(super) fn of(&self, route: &Route, number: usize, port: &str) -> Access {
        let Some(id) = self.ids.get(number).copied().flatten() else { return Access::Open };
        let asks_identity = self.has_own
            || is_for_some(route)
            || route.deny.asks_identity()
            || match route.allow.as_deref() {
                Some(declared::Allow::Authenticated) => true,
                Some(declared::Allow::Only(asked)) => asked.asks_identity(),
                Some(declared::Allow::Anyone) | None => false,
            };
        let of_port = self.of_ports.iter().find(|(name, _)| name == port).map(|(_, providers)| Arc::clone(providers));
        let providers = if route.authenticate.is_empty() {
            of_port.unwrap_or_default()
        } else {
            named(&self.providers, &route.authenticate)
        };
        Access::Judged { route: id, asks_identity, providers }
    }
}

/// Whether everyone may pass, whoever it is.
fn is_open(route: &Route) -> bool {
    let lets_all = match route.allow.as_deref() {
        Some(allow) => *allow == declared::Allow::Anyone,
        // A redirect shows nothing of a service, so it need not say who may see it.
        None => matches!(route.action.as_deref(), Some(declared::Action::Redirect { .. })),
    };
    lets_all && route.deny == Deny::default() && !is_for_some(route)
}

/// Whether the route is for certain callers only.
fn is_for_some(route: &Route) -> bool {
    !route.matches.groups.is_empty() || !route.matches.claims.is_empty()
}

fn named(known: &[(String, ProviderId)], names: &[Spanned<String>]) -> Arc<[ProviderId]> {
    names.iter().filter_map(|name| known.iter().find(|(known, _)| *known == name.value).map(|(_, id)| *id)).collect()
}

/// Longest Cedar file, bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A Cedar file.
fn read(compiler: &mut Compiler<'_>, file: &Spanned<PathBuf>) -> Option<Source> {
    compiler.watch(&file.value);
    match portcullis_files::read_text(&file.value, LONGEST) {
        Ok(text) => Some(Source { file: file.display().to_string(), text }),
        Err(error) => {
            let message = format!("{}: {error}", file.display());
            compiler.findings.push(Finding::new(RuleId::Policy, file.span, message));
            None
        }
    }
}

fn policy_route(compiler: &mut Compiler<'_>, route: &Route, providers: &[String]) -> portcullis_policy::Route {
    let is_redirect = matches!(route.action.as_deref(), Some(declared::Action::Redirect { .. }));
    let time = match route.allow.as_deref() {
        Some(declared::Allow::Only(asked)) => asked.time.as_ref(),
        _ => None,
    };
    let allow = match route.allow.as_deref() {
        Some(declared::Allow::Anyone) => Some(Allow::Anyone),
        Some(declared::Allow::Authenticated) => Some(Allow::Authenticated),
        Some(declared::Allow::Only(asked)) => {
            let time = asked.time.as_ref().and_then(|time| window(compiler, time));
            // Hours that mean no time at all let nobody pass.
            let is_never = asked.time.is_some() && time.is_none();
            (!is_never).then(|| Allow::Only(Box::new(allowed(asked, time, providers))))
        }
        None if is_redirect => Some(Allow::Anyone),
        None => None,
    };
    let first = route.ports.first().map_or("", |port| port.as_str());
    portcullis_policy::Route {
        name: routes::name(route, first).0,
        ports: route.ports.iter().map(|port| port.value.clone()).collect(),
        service: match route.action.as_deref() {
            Some(declared::Action::Service(name)) => Some(name.clone()),
            _ => None,
        },
        allow,
        deny: denied(&route.deny, providers),
        zone: time.and_then(|time| zone(compiler, time)).unwrap_or(Zone::UTC),
    }
}

fn allowed(asked: &Requirements, time: Option<Window>, providers: &[String]) -> Conditions {
    Conditions {
        from: asked.from.iter().map(|block| block.value).collect(),
        certificates: texts(&asked.certificates),
        users: names(&asked.users, providers),
        groups: texts(&asked.groups),
        domains: texts(&asked.domains),
        workloads: names(&asked.workloads, providers),
        claims: claims(&asked.claims),
        time,
        grant: if asked.grant.is_some() { Grant::Required } else { Grant::NotNeeded },
    }
}

fn denied(deny: &Deny, providers: &[String]) -> Conditions {
    Conditions {
        from: deny.from.iter().map(|block| block.value).collect(),
        users: names(&deny.users, providers),
        groups: texts(&deny.groups),
        domains: texts(&deny.domains),
        workloads: names(&deny.workloads, providers),
        claims: claims(&deny.claims),
        ..Conditions::default()
    }
}

fn texts(list: &[Spanned<String>]) -> Vec<String> {
    list.iter().map(|text| text.value.clone()).collect()
}

fn names(list: &[Spanned<String>], providers: &[String]) -> Vec<Name> {
    list.iter().map(|name| Name::parse(&name.value, providers)).collect()
}

fn claims(tests: &[ClaimTest]) -> std::collections::BTreeMap<String, Vec<String>> {
    tests.iter().map(|test| (test.name.value.clone(), texts(&test.values))).collect()
}

fn window(compiler: &mut Compiler<'_>, time: &Spanned<declared::Times>) -> Option<Window> {
    let days = time.days.iter().map(|day| weekday(day.value));
    let days: Vec<Weekday> = if time.days.is_empty() { Weekday::ALL.to_vec() } else { days.collect() };
    let window = Window::new(days, time.hours.map(|hours| (hours.from, hours.to)));
    if window.is_none() {
        let finding = Finding::new(RuleId::Policy, time.span, "these hours mean no time at all");
        compiler.findings.push(finding);
    }
    window
}

fn zone(compiler: &mut Compiler<'_>, time: &declared::Times) -> Option<Zone> {
    let name = time.zone.as_ref()?;
    let report = |error: portcullis_policy::UnknownZone| {
        compiler.findings.push(Finding::new(RuleId::Policy, name.span, error.to_string()));
    };
    Zone::named(name).map_err(report).ok()
}

fn weekday(day: declared::Weekday) -> Weekday {
    match day {
        declared::Weekday::Monday => Weekday::Monday,
        declared::Weekday::Tuesday => Weekday::Tuesday,
        declared::Weekday::Wednesday => Weekday::Wednesday,
        declared::Weekday::Thursday => Weekday::Thursday,
        declared::Weekday::Friday => Weekday::Friday,
        declared::Weekday::Saturday => Weekday::Saturday,
        declared::Weekday::Sunday => Weekday::Sunday,
    }
}
