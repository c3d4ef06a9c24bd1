//! Decisions, from the settings to the answer.

#![allow(clippy::unwrap_used)] // a test that can not go on fails

mod access;
mod cost;
mod explain;
mod own_files;
mod properties;
mod rules;

use std::{collections::BTreeMap, net::IpAddr};

use portcullis_policy::{
    Action, Allow, Asked, Caller, Conditions, Identity, Kind, Name, PolicySet, Port, Route, RouteId, Settings, Source,
    Zone,
};

/// 2026-01-15 was a Thursday; this is its 08:30 in UTC.
const THURSDAY: u64 = 1_768_465_800;

fn route(name: &str, allow: impl Into<Option<Allow>>, deny: Conditions) -> Route {
    Route {
        name: name.to_owned(),
        ports: vec!["web".to_owned()],
        service: Some(format!("{name}-service")),
        allow: allow.into(),
        deny,
        zone: Zone::UTC,
    }
}

fn settings(routes: Vec<Route>, own: &[(&str, &str)]) -> Settings {
    let port = |name: &str, role: &str| Port { name: name.to_owned(), role: role.to_owned() };
    let own = own.iter().map(|(file, text)| Source { file: (*file).to_owned(), text: (*text).to_owned() });
    Settings {
        providers: vec!["corp".to_owned(), "partner".to_owned()],
        ports: vec![port("web", "public"), port("mesh", "internal")],
        routes,
        own: own.collect(),
    }
}

fn compile(routes: Vec<Route>, own: &[(&str, &str)]) -> PolicySet {
    PolicySet::compile(settings(routes, own)).unwrap()
}

fn only(conditions: Conditions) -> Allow {
    Allow::Only(Box::new(conditions))
}

fn alice() -> Identity {
    Identity {
        kind: Kind::User,
        provider: "corp".to_owned(),
        subject: "7".to_owned(),
        name: "alice@example.com".to_owned(),
        email: Some("alice@example.com".to_owned()),
        groups: vec!["dba".to_owned()],
        claims: BTreeMap::from([("team".to_owned(), vec!["shop".to_owned()])]),
    }
}

fn name(text: &str) -> Name {
    Name::parse(text, &["corp".to_owned(), "partner".to_owned()])
}

fn asked(caller: Option<&Caller>) -> Asked<'_> {
    Asked {
        route: RouteId(0),
        action: Action::Request,
        port: "web",
        caller,
        source: IpAddr::from([10, 1, 2, 3]),
        certificate: None,
        host: Some("shop.example.com"),
        path: "/cart",
        method: "GET",
        now: THURSDAY,
        granted_until: None,
    }
}
