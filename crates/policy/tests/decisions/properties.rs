//! Random short forms against a reference that is written straight from the documentation, without Cedar; and cached
//! decisions against fresh ones.

use std::{collections::BTreeMap, net::IpAddr};

use cedar_policy::{PolicySet as Cedar, Schema, ValidationMode, Validator};
use portcullis_policy::{
    Allow, Asked, Attributes, Caller, Certificate, Conditions, Grant, Identity, Kind, Name, PolicySet, SCHEMA, Weekday,
    Window, Zone,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{THURSDAY, asked, compile, route};

/// Everything of a request that a test changes.
#[derive(Debug, Clone, PartialEq)]
struct Situation {
    identity: Option<Identity>,
    source: IpAddr,
    certificate: Option<Vec<Box<str>>>,
    now: u64,
    granted_for: Option<u64>,
    path: &'static str,
}

impl Situation {
    fn ask<T>(&self, set: &PolicySet, then: impl FnOnce(&Asked<'_>) -> T) -> T {
        let caller: Option<Caller> = self.identity.as_ref().map(|identity| set.caller(identity));
        let certificate =
            self.certificate.as_ref().map(|names| Certificate { names, subject: "CN=x", thumbprint: &[1; 32] });
        then(&Asked {
            source: self.source,
            certificate,
            now: self.now,
            granted_until: self.granted_for.map(|seconds| self.now + seconds),
            path: self.path,
            ..asked(caller.as_ref())
        })
    }

    /// What a decision with these attributes must be keyed by.
    fn key(&self, depends_on: Attributes) -> Self {
        let has = |attribute| depends_on.contains(attribute);
        Self {
            identity: self.identity.clone().filter(|_| has(Attributes::PRINCIPAL)),
            source: if has(Attributes::SOURCE) { self.source } else { [0, 0, 0, 0].into() },
            certificate: self.certificate.clone().filter(|_| has(Attributes::CERTIFICATE)),
            now: 0,
            granted_for: self.granted_for.map(|_| 1).filter(|_| has(Attributes::GRANT)),
            path: if has(Attributes::PATH) { self.path } else { "" },
        }
    }
}

/// The reference.
mod reference {
    use super::*;

    pub(super) fn allows(allow: &Allow, deny: &Conditions, zone_offset: u64, situation: &Situation) -> bool {
        let allowed = match allow {
            Allow::Authenticated => situation.identity.is_some(),
            Allow::Anyone => true,
            Allow::Only(conditions) => {
                let held: Vec<bool> = verdicts(conditions, zone_offset, situation);
                !held.is_empty() && held.into_iter().all(|held| held)
            }
        };
        allowed && !verdicts(deny, zone_offset, situation).into_iter().any(|held| held)
    }

    /// One for each condition that is given.
    fn verdicts(conditions: &Conditions, zone_offset: u64, situation: &Situation) -> Vec<bool> {
        let who = situation.identity.as_ref();
        let mut verdicts = Vec::new();
        if !conditions.from.is_empty() {
            verdicts.push(conditions.from.iter().any(|range| range.contains(&situation.source)));
        }
        if !conditions.certificates.is_empty() {
            let names = situation.certificate.as_deref();
            verdicts.push(conditions.certificates.iter().any(|wanted| {
                names.is_some_and(|names| {
                    wanted == "*"
                        || names.iter().any(|name| {
                            **name == **wanted || wanted.strip_prefix('*').is_some_and(|suffix| name.ends_with(suffix))
                        })
                })
            }));
        }
        if !conditions.users.is_empty() || !conditions.workloads.is_empty() {
            verdicts.push(who.is_some_and(|who| {
                let names = if who.kind == Kind::User { &conditions.users } else { &conditions.workloads };
                names.iter().any(|Name { provider, name }| {
                    *name == who.name && provider.as_ref().is_none_or(|provider| *provider == who.provider)
                })
            }));
        }
        if !conditions.groups.is_empty() {
            verdicts.push(who.is_some_and(|who| {
                conditions.groups.iter().any(|wanted| match wanted.split_once('/') {
                    Some((provider, group)) => who.provider == provider && who.groups.iter().any(|own| own == group),
                    None => who.groups.contains(wanted),
                })
            }));
        }
        if !conditions.domains.is_empty() {
            let domain = who.and_then(|who| who.email.as_deref()).and_then(|email| email.split_once('@'));
            verdicts.push(domain.is_some_and(|(_, domain)| conditions.domains.iter().any(|wanted| wanted == domain)));
        }
        for (name, values) in &conditions.claims {
            let held = who.and_then(|who| who.claims.get(name));
            verdicts.push(held.is_some_and(|held| held.iter().any(|value| values.contains(value))));
        }
        if let Some(window) = &conditions.time {
            verdicts.push(is_open(window, situation.now + zone_offset));
        }
        if conditions.grant == Grant::Required {
            verdicts.push(situation.granted_for.is_some_and(|seconds| seconds > 0));
        }
        verdicts
    }

    /// By what the window says of itself.
    fn is_open(window: &Window, local: u64) -> bool {
        let text = window.to_string();
        let (days, hours) = match text.rsplit_once(' ') {
            Some((days, hours)) if hours.contains(':') => (days.to_owned(), Some(hours.to_owned())),
            _ => (text.clone(), None),
        };
        let names: Vec<&str> = Weekday::ALL.iter().map(|day| day.as_str()).collect();
        let is_day = |at: u64| {
            // 1970-01-01 was a Thursday.
            let day = ((at / 86400 + 3) % 7) as usize;
            days == "every day"
                || days.split(", ").any(|run| match run.split_once('-') {
                    Some((first, last)) => {
                        let place = |name: &str| names.iter().position(|known| *known == name).unwrap();
                        (place(first)..=place(last)).contains(&day)
                    }
                    None => names[day] == run,
                })
        };
        let Some(hours) = hours else { return is_day(local) };
        let minutes = |text: &str| {
            let (hour, minute) = text.split_once(':').unwrap();
            hour.parse::<u64>().unwrap() * 60 + minute.parse::<u64>().unwrap()
        };
        let (from, to) = hours.split_once('-').unwrap();
        let (from, to, minute) = (minutes(from), minutes(to), local % 86400 / 60);
        if from < to {
            return is_day(local) && (from..to).contains(&minute);
        }
        is_day(local) && minute >= from || is_day(local - 86400) && minute < to
    }
}

fn texts(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec(select(all).prop_map(str::to_owned), 1..4)]
}

/// With a long list now and then.
fn names() -> impl Strategy<Value = Vec<Name>> {
    let provider = select(&[None, Some("corp"), Some("partner")][..]);
    let one = (provider, select(&["alice@example.com", "bob", "7", "q\"uo\\te\n"][..]))
        .prop_map(|(provider, name)| Name { provider: provider.map(str::to_owned), name: name.to_owned() });
    let filler = || (0..20).map(|at| Name { provider: None, name: format!("filler{at}") });
    let long = vec(one.clone(), 1..3).prop_map(move |some| some.into_iter().chain(filler()).collect());
    prop_oneof![3 => Just(Vec::new()), 2 => vec(one, 1..4), 1 => long]
}

fn lengthened(some: impl Strategy<Value = Vec<String>>, filler: &'static str) -> impl Strategy<Value = Vec<String>> {
    (some, prop::bool::weighted(0.2)).prop_map(move |(mut some, is_long)| {
        if is_long && !some.is_empty() {
            some.extend((0..20).map(|at| format!("{filler}{at}")));
        }
        some
    })
}

fn window() -> impl Strategy<Value = Option<Window>> {
    let hours = option::of((0..24_u16 * 4, 0..24_u16 * 4).prop_map(|(from, to)| (from * 15, to * 15)));
    let some = (vec(select(&Weekday::ALL[..]), 0..7), hours).prop_map(|(days, hours)| Window::new(days, hours));
    prop_oneof![2 => Just(None), 1 => some]
}

prop_compose! {
    fn conditions()(
        from in prop_oneof![
            3 => Just(Vec::new()),
            2 => vec(select(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "fd00::/8", "0.0.0.0/0"][..]), 1..4),
            1 => Just(vec!["10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/25", "fd00::/8", "198.51.100.0/24", "203.0.113.0/24",
                "172.16.0.0/16", "172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16", "172.21.0.0/16",
                "172.22.0.0/16", "172.23.0.0/16", "172.24.0.0/16", "172.25.0.0/16", "172.26.0.0/16"]),
        ],
        certificates in texts(&["*", "*.example.com", "shop.example.com", "spiffe://example.com/shop"]),
        users in names(),
        workloads in names(),
        groups in lengthened(texts(&["dba", "ops", "corp/dba", "partner/ops", "a \"b\""]), "g"),
        domains in lengthened(texts(&["example.com", "sub.example.com"]), "d"),
        claims in prop_oneof![3 => Just(BTreeMap::new()), 1 => Just(()).prop_flat_map(|()|
            prop::collection::btree_map(select(&["team", "level", "x\"y"][..]).prop_map(str::to_owned),
                vec(select(&["shop", "3", "\\"][..]).prop_map(str::to_owned), 1..3), 1..3))],
        time in window(),
        grant in prop_oneof![4 => Just(Grant::NotNeeded), 1 => Just(Grant::Required)],
    ) -> Conditions {
        let from = from.into_iter().map(|range| range.parse().unwrap()).collect();
        Conditions { from, certificates, users, groups, domains, workloads, claims, time, grant }
    }
}

prop_compose! {
    fn identity()(
        kind in prop_oneof![3 => Just(Kind::User), 1 => Just(Kind::Workload)],
        provider in select(&["corp", "partner"][..]),
        name in select(&["alice@example.com", "bob", "7", "q\"uo\\te\n", "filler3"][..]),
        email in select(&[None, Some("alice@example.com"), Some("x@sub.example.com"), Some("y@d7")][..]),
        groups in texts(&["dba", "ops", "a \"b\"", "g4"]),
        claims in prop::collection::btree_map(select(&["team", "level", "x\"y"][..]).prop_map(str::to_owned),
            vec(select(&["shop", "3", "\\", "other"][..]).prop_map(str::to_owned), 0..3), 0..3),
    ) -> Identity {
        let text = str::to_owned;
        Identity { kind, provider: text(provider), subject: text("s"), name: text(name), email: email.map(text), groups, claims }
    }
}

prop_compose! {
    fn situation()(
        identity in option::weighted(0.8, identity()),
        source in select(&["10.1.2.3", "10.2.0.1", "192.0.2.7", "203.0.113.9", "fd12::1", "::1"][..]),
        certificate in option::of(vec(
            select(&["shop.example.com", "a.b.example.com", "example.com", "spiffe://example.com/shop"][..]).prop_map(Box::from), 0..3)),
        now in 0..14_u64 * 86400,
        granted_for in option::of(1..7200_u64),
        path in select(&["/", "/internal/x"][..]),
    ) -> Situation {
        let source = source.parse().unwrap();
        Situation { identity, source, certificate, now: THURSDAY + now, granted_for, path }
    }
}

fn allow() -> impl Strategy<Value = Allow> {
    prop_oneof![1 => Just(Allow::Anyone), 9 => sparse().prop_map(|some| Allow::Only(Box::new(some)))]
}

fn deny() -> impl Strategy<Value = Conditions> {
    let some = sparse().prop_map(|some| Conditions { grant: Grant::NotNeeded, ..some });
    prop_oneof![1 => Just(Conditions::default()), 1 => some]
}

/// Two or three conditions: were all given, hardly anyone would meet them.
fn sparse() -> impl Strategy<Value = Conditions> {
    (conditions(), vec(prop::bool::weighted(0.4), 8)).prop_map(|(mut some, keep)| {
        let keep = |at: usize| keep[at];
        some.from.retain(|_| keep(0));
        some.certificates.retain(|_| keep(1));
        some.users.retain(|_| keep(2));
        some.workloads.retain(|_| keep(2));
        some.groups.retain(|_| keep(3));
        some.domains.retain(|_| keep(4));
        some.claims.retain(|_, _| keep(5));
        some.time = some.time.filter(|_| keep(6));
        some.grant = if keep(7) { some.grant } else { Grant::NotNeeded };
        some
    })
}

/// Without clock changes in these two weeks.
fn zone() -> impl Strategy<Value = (Zone, u64)> {
    select(&[("UTC", 0_u64), ("Europe/Berlin", 3600), ("Asia/Kolkata", 5 * 3600 + 1800)][..])
        .prop_map(|(name, offset)| (Zone::named(name).unwrap(), offset))
}

const OWN: &str = r#"
forbid (principal, action == Action::"request", resource) when { context.path like "/internal/*" && context.minute < 30 };
permit (principal is Workload, action, resource) when { context.weekday == "sun" };"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_short_form_means_what_the_documentation_says(
        allow in allow(), deny in deny(), (zone, offset) in zone(), situations in vec(situation(), 12),
    ) {
        let mut shop = route("shop", Some(allow.clone()), deny.clone());
        shop.zone = zone;
        let set = compile(vec![shop], &[]);
        for situation in situations {
            let decision = situation.ask(&set, |asked| set.decide(asked));
            prop_assert!(decision.errors.is_empty(), "{:?}", decision);
            let expected = reference::allows(&allow, &deny, offset, &situation);
            prop_assert_eq!(decision.allowed, expected, "{:#?}\n{:#?}", situation, set.policies(portcullis_policy::RouteId(0)));
        }
    }

    #[test]
    fn what_the_short_form_becomes_is_valid_by_the_schema(allow in allow(), deny in deny()) {
        let set = compile(vec![route("shop", Some(allow), deny)], &[]);
        let text: String = set.policies(portcullis_policy::RouteId(0)).into_iter().map(|policy| policy.text).collect();
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        let policies: Cedar = text.parse().unwrap();
        let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        prop_assert!(result.validation_passed(), "{}\n{}", text, result);
    }

    #[test]
    fn a_cached_decision_never_differs_from_a_fresh_one(
        allow in allow(), deny in deny(), (zone, _) in zone(), has_own in any::<bool>(),
        mut situations in vec(situation(), 40), steps in vec(prop_oneof![1..100_u64, 1..90000_u64], 40),
    ) {
        let mut shop = route("shop", Some(allow), deny);
        shop.zone = zone;
        let set = compile(vec![shop], if has_own { &[("own.cedar", OWN)] } else { &[] });
        // Few senders, so that there is something to find in the cache; time only goes forward.
        let mut now = THURSDAY;
        let mut cache: Vec<(Situation, portcullis_policy::Decision)> = Vec::new();
        let few: Vec<Situation> = situations.drain(..4).collect();
        for (at, (other, step)) in situations.into_iter().zip(steps).enumerate() {
            now += step;
            let mut situation = few[at % 4].clone();
            situation.now = now;
            situation.path = other.path;
            if step % 3 == 0 {
                situation.source = other.source;
            }
            let fresh = situation.ask(&set, |asked| set.decide(asked));
            let found = cache.iter().find(|(key, cached)| {
                cached.holds.at(now) && *key == situation.key(cached.holds.depends_on)
            });
            if let Some((_, cached)) = found {
                prop_assert_eq!(cached.allowed, fresh.allowed, "{:#?}", situation);
                prop_assert_eq!(&cached.policies, &fresh.policies);
            }
            cache.push((situation.key(fresh.holds.depends_on), fresh));
        }
    }
}
