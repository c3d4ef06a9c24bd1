//! What is declared and never used.

use std::collections::HashSet;

use super::{Check, Index};
use crate::{
    declared::{Action, Port},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Span,
};

/// Nothing to listen on.
pub(super) struct NoPorts;

impl Check for NoPorts {
    fn rule(&self) -> RuleId {
        RuleId::NoPorts
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let declared = index.declared;
        if declared.ports.is_empty() && declared.unreadable.ports.is_empty() && !declared.unreadable.sections {
            let finding = Finding::new(self.rule(), Span::default(), "no port is declared, so there is nothing to run")
                .help("add `ports:` with at least one port");
            findings.push(finding);
        }
    }
}

/// A service that no route leads to.
pub(super) struct UnusedService;

impl Check for UnusedService {
    fn rule(&self) -> RuleId {
        RuleId::UnusedService
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let declared = index.declared;
        let unreadable = &declared.unreadable;
        let used: HashSet<&str> = declared
            .routes
            .iter()
            .filter_map(|route| match route.action.as_deref() {
                Some(Action::Service(name)) => Some(name.as_str()),
                _ => None,
            })
            .chain(unreadable.routes.iter().filter_map(|route| route.service.as_ref()).map(|name| name.as_str()))
            .collect();
        // A misspelt reference may well have meant this service, and has its own finding.
        let is_known =
            |name: &&str| index.service(name).is_some() || unreadable.services.iter().any(|known| known == name);
        let is_complete = unreadable.routes.iter().all(|route| route.service.is_some()) && !unreadable.sections;
        if !is_complete || !used.iter().all(is_known) {
            return;
        }
        for service in declared.services.iter().filter(|service| !used.contains(service.name.as_str())) {
            let message = format!("no route leads to service `{}`", *service.name);
            findings.push(Finding::new(self.rule(), service.name.span, message));
        }
    }
}

/// A port that no route leads from.
pub(super) struct UnusedPort;

impl Check for UnusedPort {
    fn rule(&self) -> RuleId {
        RuleId::UnusedPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let declared = index.declared;
        let unreadable = &declared.unreadable;
        let named = unreadable.routes.iter().flat_map(|route| &route.ports);
        let named = declared.routes.iter().flat_map(|route| &route.ports).chain(named);
        let used: HashSet<&str> = named.map(|name| name.as_str()).collect();
        let is_known = |name: &&str| index.port(name).is_some() || unreadable.ports.iter().any(|known| known == name);
        let is_complete = unreadable.routes.iter().all(|route| !route.ports.is_empty()) && !unreadable.sections;
        if !is_complete || !used.iter().all(is_known) {
            return;
        }
        let needs_route = |port: &&Port| port.is_data_port() && port.redirect.is_none();
        for port in declared.ports.iter().filter(needs_route) {
            if !used.contains(port.name.as_str()) {
                let message = format!("no route leads from port `{}`: everything on it is refused", *port.name);
                findings.push(Finding::new(self.rule(), port.name.span, message));
            }
        }
    }
}
