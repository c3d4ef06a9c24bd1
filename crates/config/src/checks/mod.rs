//! The checks on what is declared, one file for each family.
//!
//! To add one: a [`RuleId`] with its entry in `RULES`, a unit struct here, a line in [`CHECKS`], and a broken file
//! under `tests/broken`.

mod endpoints;
mod exposure;
mod headers;
mod identity;
mod index;
mod numbers;
mod ports;
mod precedence;
mod ranges;
mod references;
mod routes;
mod tls;
mod usage;

use crate::{declared::Declared, finding::Findings, rule::RuleId};
use index::Index;

/// One rule that is checked on the declaration as a whole.
trait Check: Sync {
    /// What it reports.
    fn rule(&self) -> RuleId;
    /// Looks at everything and reports.
    fn check(&self, index: &Index<'_>, findings: &mut Findings);
}

/// Every check. The order does not matter: findings are sorted by place.
const CHECKS: &[&dyn Check] = &[
    &exposure::ExposedAddress,
    &exposure::ExposedControlPort,
    &exposure::AcceptedExposure,
    &exposure::StaleAccept,
    &exposure::AdminWithoutCredentials,
    &exposure::PlaintextPublic,
    &exposure::LogOff,
    &ports::PortConflict,
    &ports::PortZero,
    &ports::PortSettings,
    &ports::RedirectTarget,
    &ports::ZeroDuration,
    &tls::TlsWithoutCertificate,
    &tls::TlsOnPlainPort,
    &tls::Passthrough,
    &tls::ClientCaMissing,
    &tls::UpstreamUnverified,
    &tls::UpstreamCaMissing,
    &tls::UpstreamNameMissing,
    &endpoints::EndpointIsOwnPort,
    &endpoints::EndpointIsControlPort,
    &endpoints::EndpointWildcard,
    &endpoints::EndpointPortMismatch,
    &endpoints::DuplicateEndpoint,
    &endpoints::NoWeight,
    &ranges::OutsideRange,
    &ranges::RangeOverlap,
    &numbers::RangeBands,
    &numbers::RangeTooSmall,
    &numbers::AutomaticBand,
    &numbers::ForeignRange,
    &numbers::ReservedPort,
    &numbers::BlockedByBrowsers,
    &numbers::NodePorts,
    &references::UnknownName,
    &routes::RouteOnControlPort,
    &routes::RouteProtocol,
    &routes::ServiceProtocolMismatch,
    &routes::RouteWithoutAllow,
    &identity::NoIdentityProvider,
    &identity::IdentityInClear,
    &identity::UnknownClaim,
    &routes::CertificateNotAsked,
    &routes::UnusableRewrite,
    &precedence::AmbiguousRoutes,
    &precedence::ShadowedRoute,
    &headers::ProtectedHeader,
    &usage::NoPorts,
    &usage::UnusedService,
    &usage::UnusedPort,
];

/// Runs every check.
pub(crate) fn run(declared: &Declared, findings: &mut Findings) {
    let index = Index::new(declared);
    for check in CHECKS {
        check.check(&index, findings);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;
    use crate::read::Loading;

    #[test]
    fn no_rule_is_checked_twice() {
        let mut seen = HashSet::new();
        for check in CHECKS {
            assert!(seen.insert(check.rule()), "{}", check.rule());
        }
    }

    #[test]
    fn a_check_reports_its_own_rule_and_nothing_else() -> std::io::Result<()> {
        for entry in std::fs::read_dir("tests/broken")? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let mut loading = Loading::default();
            loading.main_file(Path::new(&path));
            let (Some(declared), ..) = loading.finish() else { continue };
            let index = Index::new(&declared);
            for check in CHECKS {
                let mut findings = Findings::default();
                check.check(&index, &mut findings);
                for finding in findings.into_sorted() {
                    assert_eq!(finding.rule, check.rule(), "{}", path.display());
                }
            }
        }
        Ok(())
    }
}
