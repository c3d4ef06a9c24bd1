//! The declaration with its names looked up once.

use std::collections::HashMap;

use crate::declared::{Action, Declared, HostPattern, PathPattern, Port, Range, Route, Service};

/// What every check is given.
pub(super) struct Index<'d> {
    pub(super) declared: &'d Declared,
    ports: HashMap<&'d str, &'d Port>,
    services: HashMap<&'d str, &'d Service>,
    ranges: HashMap<&'d str, &'d Range>,
}

impl<'d> Index<'d> {
    pub(super) fn new(declared: &'d Declared) -> Self {
        Self {
            declared,
            ports: declared.ports.iter().map(|port| (port.name.as_str(), port)).collect(),
            services: declared.services.iter().map(|service| (service.name.as_str(), service)).collect(),
            ranges: declared.ranges.iter().map(|range| (range.name.as_str(), range)).collect(),
        }
    }

    pub(super) fn port(&self, name: &str) -> Option<&'d Port> {
        self.ports.get(name).copied()
    }

    pub(super) fn service(&self, name: &str) -> Option<&'d Service> {
        self.services.get(name).copied()
    }

    pub(super) fn range(&self, name: &str) -> Option<&'d Range> {
        self.ranges.get(name).copied()
    }

    /// Each route with each of its ports that exist.
    pub(super) fn routes_by_port(&self) -> impl Iterator<Item = (&'d Route, &'d Port)> {
        self.declared
            .routes
            .iter()
            .flat_map(move |route| route.ports.iter().filter_map(move |name| Some((route, self.port(name)?))))
    }

    /// The service that a route leads to, if it exists.
    pub(super) fn service_of(&self, route: &Route) -> Option<&'d Service> {
        match route.action.as_deref() {
            Some(Action::Service(name)) => self.service(name),
            _ => None,
        }
    }
}

/// What a person calls a route: its name, or what it matches.
pub(super) fn describe(route: &Route) -> String {
    if let Some(name) = &route.name {
        return format!("`{}`", **name);
    }
    let host = route.matches.host.as_ref().or(route.matches.sni.as_ref()).map_or(&HostPattern::Any, |host| &host.value);
    match route.matches.path.as_deref() {
        None => format!("`{host}`"),
        Some(PathPattern::Regex(regex)) => format!("`{host} ~{regex}`"),
        Some(path) => format!("`{host}{path}`"),
    }
}
