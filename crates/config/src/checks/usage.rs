//! What is declared and never used.

use std::collections::HashSet;

use super::{Check, Index};
use crate::{
    declared::Action,
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
        if index.declared.ports.is_empty() && index.declared.unreadable.ports.is_empty() {
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
        if index.declared.unreadable.routes > 0 {
            return;
        }
        let used: HashSet<&str> = index
            .declared
            .routes
            .iter()
            .filter_map(|route| match route.action.as_deref() {
                Some(Action::Service(name)) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        for service in index.declared.services.iter().filter(|service| !used.contains(service.name.as_str())) {
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
        if index.declared.unreadable.routes > 0 {
            return;
        }
        let used: HashSet<&str> =
            index.declared.routes.iter().flat_map(|route| &route.ports).map(|name| name.as_str()).collect();
        let needs_route = |port: &&crate::declared::Port| port.is_data_port() && port.redirect.is_none();
        for port in index.declared.ports.iter().filter(needs_route) {
            if !used.contains(port.name.as_str()) {
                let message = format!("no route leads from port `{}`: everything on it is refused", *port.name);
                findings.push(Finding::new(self.rule(), port.name.span, message));
            }
        }
    }
}
