//! Routes that no traffic can reach.

use std::collections::HashMap;

use super::{Host, Path, Slot, disjoint::sources_disjoint, further_conditions};
use crate::{
    checks::{
        Check,
        index::{Index, describe},
    },
    declared::{Allow, PathPattern, Port, Route},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Span,
};

/// A route behind something that takes all of its traffic, or whose conditions never hold.
pub(crate) struct ShadowedRoute;

impl Check for ShadowedRoute {
    fn rule(&self) -> RuleId {
        RuleId::ShadowedRoute
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let mut takers: HashMap<(&str, Host<'_>), &Route> = HashMap::new();
        for (route, port) in index.routes_by_port().filter(|(_, port)| port.is_data_port()) {
            self.check_redirect(route, port, findings);
            self.check_sources(route, port, findings);
            let slot = Slot::of(route, port);
            if matches!(slot.path, Path::Regex(regex) if matches_every_path(regex))
                && further_conditions(route, port) == 0
            {
                takers.entry((slot.port, slot.host)).or_insert(route);
            }
        }
        for (route, port) in index.routes_by_port() {
            let slot = Slot::of(route, port);
            if let Some(taker) = takers.get(&(slot.port, slot.host)) {
                self.check_taker(route, taker, &slot, findings);
            }
        }
        for route in &index.declared.routes {
            self.check_regex(route, findings);
        }
    }
}

impl ShadowedRoute {
    /// A port that redirects everything.
    fn check_redirect(&self, route: &Route, port: &Port, findings: &mut Findings) {
        let Some(redirect) = &port.redirect else { return };
        let message =
            format!("route {} is never reached: port `{}` redirects every request", describe(route), *port.name);
        let help = format!("name the port that it redirects to: `port: {}`", **redirect);
        findings.push(self.finding(route.span, message).related(redirect.span, "redirects everything").help(help));
    }

    /// Sources that cannot even connect.
    fn check_sources(&self, route: &Route, port: &Port, findings: &mut Findings) {
        let allowed = match route.allow.as_deref() {
            Some(Allow::Only(requirements)) => requirements.from.as_slice(),
            _ => &[],
        };
        for (sources, what) in [(route.matches.from.as_slice(), "matches"), (allowed, "allows")] {
            if !sources_disjoint(sources, &port.from) {
                continue;
            }
            let message =
                format!("route {} {what} only sources that may not connect to port `{}`", describe(route), *port.name);
            let finding = self.finding(sources[0].span, message).related(port.from[0].span, "only these may connect");
            findings.push(finding);
        }
    }

    /// A regular expression that takes every path of the host: it comes before prefixes and later expressions.
    fn check_taker(&self, route: &Route, taker: &Route, slot: &Slot<'_>, findings: &mut Findings) {
        let is_behind = match slot.path {
            Path::Exact(_) => false,
            Path::Regex(_) => route.span > taker.span,
            Path::Prefix(_) => true,
        };
        if !is_behind {
            return;
        }
        let message = format!("route {} is never reached", describe(route));
        let finding = self
            .finding(route.span, message)
            .related(taker.span, "takes every path of this host, and regular expressions come before prefixes")
            .help("write `prefix: /` instead of a regular expression that matches everything");
        findings.push(finding);
    }

    /// Paths begin with `/`, and expressions are anchored.
    fn check_regex(&self, route: &Route, findings: &mut Findings) {
        let Some(path) = &route.matches.path else { return };
        let PathPattern::Regex(regex) = &path.value else { return };
        let Some(first) = regex.trim_start_matches('^').chars().next().filter(char::is_ascii_alphanumeric) else {
            return;
        };
        // `x*/...` and `x|/...` may begin with something else.
        if regex.contains('|') || regex.trim_start_matches('^')[1..].starts_with(['*', '?', '{']) {
            return;
        }
        let message = format!("no path begins with `{first}`: route {} is never reached", describe(route));
        findings.push(self.finding(path.span, message).help("the whole path is matched: begin with `/` or `.*`"));
    }

    fn finding(&self, span: Span, message: String) -> Finding {
        Finding::new(self.rule(), span, message)
    }
}

/// The ways in which people write "everything".
fn matches_every_path(regex: &str) -> bool {
    let core = regex.strip_prefix('^').unwrap_or(regex);
    let core = core.strip_suffix('$').unwrap_or(core);
    matches!(core, ".*" | ".+" | "/.*" | "(.*)" | "/(.*)" | "(/.*)" | "(?s).*" | "(?s)/.*" | "(?s:.*)")
}
