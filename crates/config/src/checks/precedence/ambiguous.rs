//! Two routes between which the precedence rule does not choose.

use std::collections::HashMap;

use super::{Slot, disjoint::are_disjoint, further_conditions};
use crate::{
    checks::{
        Check,
        index::{Index, describe},
    },
    declared::{Port, Route, ValuePattern},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Spanned,
};

/// Pairs of routes that are compared in one run. Routes differ by host and path nearly always, so that this is met
/// only by a file with thousands of routes on one host and path.
const MOST_COMPARISONS: usize = 1_000_000;

/// Two routes that match the same traffic with equal precedence.
pub(crate) struct AmbiguousRoutes;

impl Check for AmbiguousRoutes {
    fn rule(&self) -> RuleId {
        RuleId::AmbiguousRoutes
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let mut rivals: HashMap<(Slot<'_>, usize), Vec<&Route>> = HashMap::new();
        for (route, port) in index.routes_by_port().filter(|(_, port)| port.is_data_port()) {
            rivals.entry((Slot::of(route, port), further_conditions(route, port))).or_default().push(route);
        }
        // In file order, so that the same file always gives the same report.
        let mut rivals: Vec<_> = rivals.into_iter().filter(|(_, routes)| routes.len() > 1).collect();
        rivals.sort_unstable_by_key(|(_, routes)| routes[0].span);
        let mut left = MOST_COMPARISONS;
        for ((slot, _), routes) in rivals {
            let Some(port) = index.port(slot.port) else { continue };
            match first_rivals(&routes, &mut left) {
                Some(pairs) => pairs.iter().for_each(|(route, rival)| self.report(route, rival, port, findings)),
                None => self.give_up(&routes, port, findings),
            }
        }
    }
}

impl AmbiguousRoutes {
    fn report(&self, route: &Route, rival: &Route, port: &Port, findings: &mut Findings) {
        let message = format!(
            "routes {} and {} match the same traffic of port `{}` with equal precedence",
            describe(rival),
            describe(route),
            *port.name
        );
        let finding = Finding::new(self.rule(), route.span, message)
            .label("neither comes before the other")
            .related(rival.span, "the other route")
            .help("remove one, or give one of them a further condition (sni, methods, headers, query, from, groups or claims)");
        findings.push(finding);
    }

    /// What cannot be checked is refused: one of the pairs may be ambiguous.
    fn give_up(&self, routes: &[&Route], port: &Port, findings: &mut Findings) {
        let message =
            format!("{} routes of port `{}` have one host and path: too many to compare", routes.len(), *port.name);
        let finding = Finding::new(self.rule(), routes[0].span, message)
            .label("one of them")
            .help("tell them apart by host or path, or by exact values of one header or query parameter");
        findings.push(finding);
    }
}

/// Each route that an earlier one meets, with the first such; `None` if that would take more comparisons than are
/// left.
fn first_rivals<'d>(routes: &[&'d Route], left: &mut usize) -> Option<Vec<(&'d Route, &'d Route)>> {
    let dimension = commonest_dimension(routes);
    let mut by_value: HashMap<&str, Vec<&Route>> = HashMap::new();
    let mut others: Vec<&Route> = Vec::new();
    let mut all: Vec<&Route> = Vec::new();
    let mut pairs = Vec::new();
    for route in routes {
        let value = dimension.and_then(|dimension| dimension.value(route));
        // Two routes with different exact values never meet, so that only the same value and those without are tried.
        let (same, rest) = match value {
            Some(value) => (by_value.entry(value).or_default().as_slice(), others.as_slice()),
            None => (all.as_slice(), [].as_slice()),
        };
        *left = left.checked_sub(same.len() + rest.len())?;
        let rival = same
            .iter()
            .chain(rest)
            .filter(|other| other.span != route.span && !are_disjoint(&other.matches, &route.matches))
            .min_by_key(|other| other.span);
        if let Some(rival) = rival {
            pairs.push((*route, *rival));
        }
        match value {
            Some(value) => by_value.entry(value).or_default().push(route),
            None => others.push(route),
        }
        all.push(route);
    }
    Some(pairs)
}

/// Something whose exact value tells routes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Dimension<'d> {
    Header(&'d str),
    Query(&'d str),
    Method,
}

impl<'d> Dimension<'d> {
    fn value(self, route: &'d Route) -> Option<&'d str> {
        let exact = |list: &'d [(Spanned<String>, Spanned<ValuePattern>)], wanted: &str| {
            list.iter().find_map(|(name, pattern)| match &pattern.value {
                ValuePattern::Exact(value) if name.value == wanted => Some(value.as_str()),
                _ => None,
            })
        };
        match self {
            Self::Header(name) => exact(&route.matches.headers, name),
            Self::Query(name) => exact(&route.matches.query, name),
            Self::Method => match route.matches.methods.as_slice() {
                [only] => Some(only),
                _ => None,
            },
        }
    }
}

fn commonest_dimension<'d>(routes: &[&'d Route]) -> Option<Dimension<'d>> {
    let mut counts: HashMap<Dimension<'_>, usize> = HashMap::new();
    for route in routes {
        let headers = route.matches.headers.iter().map(|(name, _)| Dimension::Header(name));
        let query = route.matches.query.iter().map(|(name, _)| Dimension::Query(name));
        for dimension in headers.chain(query).chain([Dimension::Method]) {
            if dimension.value(route).is_some() {
                *counts.entry(dimension).or_default() += 1;
            }
        }
    }
    counts.into_iter().max_by_key(|(dimension, count)| (*count, *dimension)).map(|(dimension, _)| dimension)
}
