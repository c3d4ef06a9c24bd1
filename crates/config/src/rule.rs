//! The closed set of rules: ids, severities and what each is about.
//!
//! [`RULES`] is the one list; `--help`, JSON reports and the reference page come from it.

use std::fmt;

/// A rule that can report a finding. The order is that of [`RULES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleId {
    /// A configuration file cannot be read, is larger than 16 MiB, or is not UTF-8.
    UnreadableFile,
    /// The text is not valid YAML.
    Syntax,
    /// The document is nested too deeply or grows too large once its aliases are expanded.
    Bounds,
    /// A file holds more than one YAML document.
    SeveralDocuments,
    /// A mapping says the same key twice.
    DuplicateKey,
    /// Two ports, services or ranges have the same name, or two included files say the same setting.
    DuplicateName,
    /// An `include:` names a file that does not exist, includes itself, or goes too deep.
    Include,
    /// An `${env:}` or `${file:}` cannot be resolved.
    Substitution,
    /// A key that Portcullis does not know. Never ignored: a misspelt rule would not protect anything.
    UnknownKey,
    /// A key that must be there is not.
    MissingKey,
    /// A value of the wrong kind, such as a list where a single word is expected.
    WrongType,
    /// A value that cannot be understood or lies outside of its bounds.
    InvalidValue,
    /// Keys that exclude each other are given together, or none of those of which one is needed.
    ConflictingKeys,
    /// A regular expression does not compile.
    BadRegex,
    /// A secret stands in the file itself.
    SecretInClear,
    /// The admin token is too short to withstand guessing.
    ShortSecret,
    /// The file declares no port, so there is nothing to run.
    NoPorts,
    /// Two ports cannot be bound at the same time.
    PortConflict,
    /// A port number is 0, which means a random port and cannot be policy.
    PortZero,
    /// An internal port listens on a wildcard or public address (invariant 2).
    ExposedAddress,
    /// An admin or metrics port listens on a wildcard or public address (invariant 2).
    ExposedControlPort,
    /// A wildcard or public address was accepted with a written reason, which is always shown.
    AcceptedExposure,
    /// An exposure is accepted where there is none to accept.
    StaleAccept,
    /// An admin port on TCP asks for neither a token nor a client certificate.
    AdminWithoutCredentials,
    /// A setting of a port does not fit its role, protocol or address.
    PortSettings,
    /// An internal or admin port does not log: every connection to it leaves a record (invariant 6).
    LogOff,
    /// A public port speaks plain HTTP and neither redirects nor says `plaintext: accepted`.
    PlaintextPublic,
    /// A port redirects to itself, to a port that does not speak https, or to one that is neither public nor of its own role.
    RedirectTarget,
    /// A port that terminates TLS has no certificate.
    TlsWithoutCertificate,
    /// A port that does not speak TLS has TLS settings.
    TlsOnPlainPort,
    /// TLS pass-through together with something that needs TLS to be terminated.
    Passthrough,
    /// Client certificates are asked for, but no CA says which ones are believed; or a revocation list is given where none
    /// are asked for.
    ClientCaMissing,
    /// An endpoint is a port of this proxy: traffic would run in a circle.
    EndpointIsOwnPort,
    /// An endpoint is an admin or metrics port: the control plane must not be reachable through the data plane.
    EndpointIsControlPort,
    /// An endpoint is a wildcard address, which names no host.
    EndpointWildcard,
    /// An endpoint's port is not among the internal ports of its service.
    EndpointPortMismatch,
    /// A service names the same endpoint twice.
    DuplicateEndpoint,
    /// All endpoints of a service have weight 0: nothing could be reached.
    NoWeight,
    /// Internal ports of a service lie outside of the range that it names.
    OutsideRange,
    /// Two ranges share port numbers.
    RangeOverlap,
    /// The pinned band or a reserved number of a range lies outside of the range.
    RangeBands,
    /// A range, or what a service declares of it, cannot hold the largest number of replicas.
    RangeTooSmall,
    /// A service declares a number of the automatic band of its range, from which numbers are handed out.
    AutomaticBand,
    /// A port or service takes a number of a range that it does not name.
    ForeignRange,
    /// A service declares a number that is reserved, or that everybody takes for something else.
    ReservedPort,
    /// HTTP on a number from which browsers do not fetch.
    BlockedByBrowsers,
    /// A range overlaps 30000-32767, where the nodes of a Kubernetes cluster open ports.
    NodePorts,
    /// A number that this host may give to an outbound connection at any time (`net.ipv4.ip_local_port_range`).
    LocalPorts,
    /// A reference to a port, service or range that is not declared.
    UnknownName,
    /// TLS towards endpoints is not verified (invariant 8).
    UpstreamUnverified,
    /// `verify:` and `ca:` of a service do not fit together.
    UpstreamCaMissing,
    /// TLS towards a Unix socket without a name to check certificates against.
    UpstreamNameMissing,
    /// No route leads to a service.
    UnusedService,
    /// A duration of zero, which would end every connection at once.
    ZeroDuration,
    /// No route leads from a port: every connection to it is refused.
    UnusedPort,
    /// A route names an admin or metrics port.
    RouteOnControlPort,
    /// A route asks for something that its port's protocol cannot know or do.
    RouteProtocol,
    /// A route sends HTTP to a service that does not speak it, or says of bytes what only HTTP has.
    ServiceProtocol,
    /// Two routes match the same traffic with equal precedence.
    AmbiguousRoutes,
    /// A route that no traffic can reach.
    ShadowedRoute,
    /// A route does not say who may pass (invariant 1).
    RouteWithoutAllow,
    /// A route asks who calls while no provider is declared that could prove it: nobody passes.
    NoIdentityProvider,
    /// A route asks who calls on a port where tokens and cookies travel in clear text.
    IdentityInClear,
    /// A route asks for a claim that no provider is asked for.
    UnknownClaim,
    /// A Cedar policy that cannot be read, or says what the schema does not know.
    Policy,
    /// What a provider needs to work (keys, CAs) cannot be read.
    ProviderUnusable,
    /// A route asks for names of client certificates on a port that does not ask clients for one.
    CertificateNotAsked,
    /// A header that Portcullis itself sets can be neither edited nor asked for by a route.
    ProtectedHeader,
    /// A rewrite that cannot be applied to what the route matches.
    Rewrite,
    /// A certificate or key file cannot be read or holds none.
    CertificateUnreadable,
    /// A certificate has expired.
    CertificateExpired,
    /// A certificate is not valid yet.
    CertificateNotYetValid,
    /// A private key does not belong to its certificate.
    CertificateKeyMismatch,
    /// A CA file holds no certificate, so nobody could be believed (never: everybody).
    ClientCaEmpty,
    /// A revocation list cannot be read or has expired, so nobody knows whom not to believe.
    RevocationList,
    /// The name of an endpoint does not resolve.
    EndpointUnresolvable,
    /// The name of an endpoint does not resolve any more; its last addresses are used.
    EndpointNameStale,
    /// An address could not be listened on if the proxy were started on this host now.
    AddressUnavailable,
    /// The access log could not be written if the proxy were started on this host now.
    AccessLogUnwritable,
}

impl RuleId {
    /// The id that reports print and suppressions will name, such as `unknown-key`.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// Error or warning.
    pub fn severity(self) -> Severity {
        self.entry().severity
    }

    /// One sentence on what the rule is about.
    pub fn about(self) -> &'static str {
        self.entry().about
    }

    fn entry(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is not loaded.
    Error,
    /// The file is loaded, and a person should look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// An entry of [`RULES`].
#[derive(Debug)]
pub struct Rule {
    /// The rule.
    pub rule: RuleId,
    /// Its printed id.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence.
    pub about: &'static str,
}

/// Every rule, at the index of its [`RuleId`].
pub const RULES: &[Rule] = &[
    error(
        RuleId::UnreadableFile,
        "unreadable-file",
        "A configuration file cannot be read, is larger than 16 MiB, or is not UTF-8.",
    ),
    error(RuleId::Syntax, "syntax", "The text is not valid YAML."),
    error(
        RuleId::Bounds,
        "bounds",
        "The document is nested too deeply or grows too large once its aliases are expanded.",
    ),
    error(RuleId::SeveralDocuments, "several-documents", "A file holds more than one YAML document."),
    error(RuleId::DuplicateKey, "duplicate-key", "A mapping says the same key twice."),
    error(
        RuleId::DuplicateName,
        "duplicate-name",
        "Two ports, services or ranges have the same name, or two included files say the same setting.",
    ),
    error(
        RuleId::Include,
        "include",
        "An `include:` names a file that does not exist, includes itself, or goes too deep.",
    ),
    error(RuleId::Substitution, "substitution", "An `${env:}` or `${file:}` cannot be resolved."),
    error(
        RuleId::UnknownKey,
        "unknown-key",
        "A key that Portcullis does not know. Never ignored: a misspelt rule would not protect anything.",
    ),
    error(RuleId::MissingKey, "missing-key", "A key that must be there is not."),
    error(
        RuleId::WrongType,
        "wrong-type",
        "A value of the wrong kind, such as a list where a single word is expected.",
    ),
    error(RuleId::InvalidValue, "invalid-value", "A value that cannot be understood or lies outside of its bounds."),
    error(
        RuleId::ConflictingKeys,
        "conflicting-keys",
        "Keys that exclude each other are given together, or none of those of which one is needed.",
    ),
    error(RuleId::BadRegex, "bad-regex", "A regular expression does not compile."),
    warning(RuleId::SecretInClear, "secret-in-clear", "A secret stands in the file itself."),
    error(RuleId::ShortSecret, "short-secret", "The admin token is too short to withstand guessing."),
    error(RuleId::NoPorts, "no-ports", "The file declares no port, so there is nothing to run."),
    error(RuleId::PortConflict, "port-conflict", "Two ports cannot be bound at the same time."),
    error(RuleId::PortZero, "port-zero", "A port number is 0, which means a random port and cannot be policy."),
    error(
        RuleId::ExposedAddress,
        "exposed-address",
        "An internal port listens on a wildcard or public address (invariant 2).",
    ),
    error(
        RuleId::ExposedControlPort,
        "exposed-control-port",
        "An admin or metrics port listens on a wildcard or public address (invariant 2).",
    ),
    warning(
        RuleId::AcceptedExposure,
        "accepted-exposure",
        "A wildcard or public address was accepted with a written reason, which is always shown.",
    ),
    warning(RuleId::StaleAccept, "stale-accept", "An exposure is accepted where there is none to accept."),
    error(
        RuleId::AdminWithoutCredentials,
        "admin-without-credentials",
        "An admin port on TCP asks for neither a token nor a client certificate.",
    ),
    error(RuleId::PortSettings, "port-settings", "A setting of a port does not fit its role, protocol or address."),
    error(
        RuleId::LogOff,
        "log-off",
        "An internal or admin port does not log: every connection to it leaves a record (invariant 6).",
    ),
    error(
        RuleId::PlaintextPublic,
        "plaintext-public",
        "A public port speaks plain HTTP and neither redirects nor says `plaintext: accepted`.",
    ),
    error(
        RuleId::RedirectTarget,
        "redirect-target",
        "A port redirects to itself, to a port that does not speak https, or to one that is neither public nor of its own role.",
    ),
    error(RuleId::TlsWithoutCertificate, "tls-without-certificate", "A port that terminates TLS has no certificate."),
    error(RuleId::TlsOnPlainPort, "tls-on-plain-port", "A port that does not speak TLS has TLS settings."),
    error(
        RuleId::Passthrough,
        "passthrough",
        "TLS pass-through together with something that needs TLS to be terminated.",
    ),
    error(
        RuleId::ClientCaMissing,
        "client-ca-missing",
        "Client certificates are asked for, but no CA says which ones are believed; or a revocation list is given where none are asked for.",
    ),
    error(
        RuleId::EndpointIsOwnPort,
        "endpoint-is-own-port",
        "An endpoint is a port of this proxy: traffic would run in a circle.",
    ),
    error(
        RuleId::EndpointIsControlPort,
        "endpoint-is-control-port",
        "An endpoint is an admin or metrics port: the control plane must not be reachable through the data plane.",
    ),
    error(RuleId::EndpointWildcard, "endpoint-wildcard", "An endpoint is a wildcard address, which names no host."),
    error(
        RuleId::EndpointPortMismatch,
        "endpoint-port-mismatch",
        "An endpoint's port is not among the internal ports of its service.",
    ),
    error(RuleId::DuplicateEndpoint, "duplicate-endpoint", "A service names the same endpoint twice."),
    error(RuleId::NoWeight, "no-weight", "All endpoints of a service have weight 0: nothing could be reached."),
    error(RuleId::OutsideRange, "outside-range", "Internal ports of a service lie outside of the range that it names."),
    error(RuleId::RangeOverlap, "range-overlap", "Two ranges share port numbers."),
    error(
        RuleId::RangeBands,
        "range-bands",
        "The pinned band or a reserved number of a range lies outside of the range.",
    ),
    error(
        RuleId::RangeTooSmall,
        "range-too-small",
        "A range, or what a service declares of it, cannot hold the largest number of replicas.",
    ),
    warning(
        RuleId::AutomaticBand,
        "automatic-band",
        "A service declares a number of the automatic band of its range, from which numbers are handed out.",
    ),
    warning(
        RuleId::ForeignRange,
        "foreign-range",
        "A port or service takes a number of a range that it does not name.",
    ),
    warning(
        RuleId::ReservedPort,
        "reserved-port",
        "A service declares a number that is reserved, or that everybody takes for something else.",
    ),
    warning(RuleId::BlockedByBrowsers, "blocked-by-browsers", "HTTP on a number from which browsers do not fetch."),
    warning(
        RuleId::NodePorts,
        "node-ports",
        "A range overlaps 30000-32767, where the nodes of a Kubernetes cluster open ports.",
    ),
    warning(
        RuleId::LocalPorts,
        "local-ports",
        "A number that this host may give to an outbound connection at any time (`net.ipv4.ip_local_port_range`).",
    ),
    error(RuleId::UnknownName, "unknown-name", "A reference to a port, service or range that is not declared."),
    warning(RuleId::UpstreamUnverified, "upstream-unverified", "TLS towards endpoints is not verified (invariant 8)."),
    error(RuleId::UpstreamCaMissing, "upstream-ca-missing", "`verify:` and `ca:` of a service do not fit together."),
    error(
        RuleId::UpstreamNameMissing,
        "upstream-name-missing",
        "TLS towards a Unix socket, without a name that its certificate could be checked against.",
    ),
    warning(RuleId::UnusedService, "unused-service", "No route leads to a service."),
    error(RuleId::ZeroDuration, "zero-duration", "A duration of zero, which would end every connection at once."),
    warning(RuleId::UnusedPort, "unused-port", "No route leads from a port: every connection to it is refused."),
    error(RuleId::RouteOnControlPort, "route-on-control-port", "A route names an admin or metrics port."),
    error(
        RuleId::RouteProtocol,
        "route-protocol",
        "A route asks for something that its port's protocol cannot know or do.",
    ),
    error(
        RuleId::ServiceProtocol,
        "service-protocol",
        "A route sends HTTP to a service that does not speak it, or says of bytes what only HTTP has.",
    ),
    error(RuleId::AmbiguousRoutes, "ambiguous-routes", "Two routes match the same traffic with equal precedence."),
    error(RuleId::ShadowedRoute, "shadowed-route", "A route that no traffic can reach."),
    error(RuleId::RouteWithoutAllow, "route-without-allow", "A route does not say who may pass (invariant 1)."),
    warning(
        RuleId::NoIdentityProvider,
        "no-identity-provider",
        "A route asks who calls while no provider is declared that could prove it: nobody passes.",
    ),
    error(
        RuleId::IdentityInClear,
        "identity-in-clear",
        "A route asks who calls on a port where tokens and cookies travel in clear text.",
    ),
    error(RuleId::UnknownClaim, "unknown-claim", "A route asks for a claim that no provider is asked for."),
    error(RuleId::Policy, "policy", "A Cedar policy that cannot be read, or says what the schema does not know."),
    error(RuleId::ProviderUnusable, "provider-unusable", "What a provider needs to work (keys, CAs) cannot be read."),
    error(
        RuleId::CertificateNotAsked,
        "certificate-not-asked",
        "A route asks for names of client certificates on a port that does not ask clients for one.",
    ),
    error(
        RuleId::ProtectedHeader,
        "protected-header",
        "A header that Portcullis itself sets can be neither edited nor asked for by a route.",
    ),
    error(RuleId::Rewrite, "rewrite", "A rewrite that cannot be applied to what the route matches."),
    error(
        RuleId::CertificateUnreadable,
        "certificate-unreadable",
        "A certificate or key file cannot be read or holds none.",
    ),
    error(RuleId::CertificateExpired, "certificate-expired", "A certificate has expired."),
    error(RuleId::CertificateNotYetValid, "certificate-not-yet-valid", "A certificate is not valid yet."),
    error(
        RuleId::CertificateKeyMismatch,
        "certificate-key-mismatch",
        "A private key does not belong to its certificate.",
    ),
    error(
        RuleId::ClientCaEmpty,
        "client-ca-empty",
        "A CA file holds no certificate, so nobody could be believed (never: everybody).",
    ),
    error(
        RuleId::RevocationList,
        "revocation-list",
        "A revocation list cannot be read or has expired, so nobody knows whom not to believe.",
    ),
    error(RuleId::EndpointUnresolvable, "endpoint-unresolvable", "The name of an endpoint does not resolve."),
    warning(
        RuleId::EndpointNameStale,
        "endpoint-name-stale",
        "The name of an endpoint does not resolve any more; its last addresses are used.",
    ),
    warning(
        RuleId::AddressUnavailable,
        "address-unavailable",
        "An address could not be listened on if the proxy were started on this host now.",
    ),
    warning(
        RuleId::AccessLogUnwritable,
        "access-log-unwritable",
        "The access log could not be written if the proxy were started on this host now.",
    ),
];

const fn error(rule: RuleId, id: &'static str, about: &'static str) -> Rule {
    Rule { rule, id, severity: Severity::Error, about }
}

const fn warning(rule: RuleId, id: &'static str, about: &'static str) -> Rule {
    Rule { rule, id, severity: Severity::Warning, about }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rule_stands_at_its_own_index() {
        for (index, entry) in RULES.iter().enumerate() {
            assert_eq!(entry.rule as usize, index, "{}", entry.id);
        }
    }

    #[test]
    fn the_reference_lists_every_rule() {
        let reference = include_str!("../../../docs/reference/configuration.md");
        let Some((_, table)) = reference.split_once("<!-- rules -->") else { panic!("no table of rules") };
        let rows = RULES.iter().map(|entry| format!("| `{}` | {} | {} |", entry.id, entry.severity, entry.about));
        assert_eq!(table.trim().lines().skip(2).collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    }

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let mut seen = HashSet::new();
        for entry in RULES {
            assert!(seen.insert(entry.id), "{} twice", entry.id);
            assert!(entry.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", entry.id);
            assert!(entry.about.ends_with('.'), "{}", entry.id);
        }
    }
}
