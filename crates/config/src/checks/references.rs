//! References by name.

use std::cell::Cell;

use super::{Check, Index};
use crate::{
    declared::Action,
    finding::{Finding, Findings},
    read::{did_you_mean, nearest},
    rule::RuleId,
    span::Span,
};

/// A name that nothing has.
pub(super) struct UnknownName;

impl Check for UnknownName {
    fn rule(&self) -> RuleId {
        RuleId::UnknownName
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let declared = index.declared;
        if declared.unreadable.sections {
            return;
        }
        let ports =
            Names::new("port", declared.ports.iter().map(|port| port.name.as_str()), &declared.unreadable.ports);
        let services = declared.services.iter().map(|service| service.name.as_str());
        let services = Names::new("service", services, &declared.unreadable.services);
        let ranges = declared.ranges.iter().map(|range| range.name.as_str());
        let ranges = Names::new("range", ranges, &declared.unreadable.ranges);
        let providers = declared.identity.providers.iter().map(|provider| provider.name.as_str());
        let providers = Names::new("provider", providers, &declared.identity.unreadable);
        let authenticate = declared.ports.iter().map(|port| &port.authenticate);
        for name in authenticate.chain(declared.routes.iter().map(|route| &route.authenticate)).flatten() {
            providers.look_up(name, name.span, findings);
        }
        for port in &declared.ports {
            if let Some(redirect) = &port.redirect {
                ports.look_up(redirect, redirect.span, findings);
            }
        }
        if let Some(echo) = &declared.probe.echo {
            ports.look_up(&echo.port, echo.port.span, findings);
        }
        for service in &declared.services {
            if let Some(range) = &service.range {
                ranges.look_up(range, range.span, findings);
            }
        }
        for route in &declared.routes {
            route.ports.iter().for_each(|port| ports.look_up(port, port.span, findings));
            if let Some(action) = &route.action
                && let Action::Service(name) = &action.value
            {
                services.look_up(name, action.span, findings);
            }
        }
        for terms in &declared.grants.services {
            services.look_up(&terms.service, terms.service.span, findings);
        }
        for route in &declared.unreadable.routes {
            route.ports.iter().for_each(|port| ports.look_up(port, port.span, findings));
            route.service.iter().for_each(|service| services.look_up(service, service.span, findings));
        }
    }
}

/// Names that a misspelt one is compared with: beyond so many a suggestion is a guess.
const MOST_COMPARED: usize = 2_000;
/// Comparisons for all misspelt names of a file: thousands of mistakes among thousands of names would take minutes.
const MOST_COMPARISONS: usize = 200_000;

/// All names of one kind, also of those that could not be read.
struct Names<'d> {
    kind: &'static str,
    sorted: Vec<&'d str>,
    /// Comparisons that may still be made in search of what was meant.
    comparisons_left: Cell<usize>,
}

impl<'d> Names<'d> {
    fn new(kind: &'static str, names: impl Iterator<Item = &'d str>, unreadable: &'d [String]) -> Self {
        let mut sorted: Vec<&str> = names.chain(unreadable.iter().map(String::as_str)).collect();
        sorted.sort_unstable();
        Self { kind, sorted, comparisons_left: Cell::new(MOST_COMPARISONS) }
    }

    fn look_up(&self, name: &str, span: Span, findings: &mut Findings) {
        if self.sorted.binary_search(&name).is_ok() {
            return;
        }
        let compared = self.sorted.len().min(MOST_COMPARED).min(self.comparisons_left.get());
        self.comparisons_left.set(self.comparisons_left.get() - compared);
        let compared = self.sorted.iter().copied().take(compared);
        let mut message = format!("unknown {} `{name}`", self.kind);
        let mut help = None;
        match nearest(name, compared) {
            Some(near) => message = format!("{message}; {}", did_you_mean(near)),
            None if self.sorted.is_empty() => help = Some(format!("no {} is declared", self.kind)),
            None if self.sorted.len() <= 12 => help = Some(format!("declared: {}", self.sorted.join(", "))),
            None => {}
        }
        let mut finding =
            Finding::new(RuleId::UnknownName, span, message).label(format!("expected the name of a {}", self.kind));
        finding.help = help;
        findings.push(finding);
    }
}
