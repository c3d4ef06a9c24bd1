//! The closed set of checks: ids, severities and what each is about.
//!
//! [`CHECKS`] is the one list; reports, metrics and the reference page come from it.

use std::fmt;

use serde::{Serialize, Serializer};

/// One thing that is checked. The order is that of [`CHECKS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Nobody listens on a port of the proxy.
    DeadPort,
    /// Nobody listens on an endpoint of a service on this host.
    DeadEndpoint,
    /// A declared number is held by an outgoing connection, or by a socket that does not listen.
    StolenPort,
    /// What is declared on one address listens on more.
    WrongScope,
    /// Another program than the declared one listens.
    WrongProcess,
    /// Two programs listen on one address, and the kernel deals connections to both.
    SharedPort,
    /// A more specific address takes connections away from a declared wildcard.
    ShadowedPort,
    /// Something listens that nothing declares.
    UndeclaredListener,
    /// Connections wait to be accepted, up to half of the queue or more.
    AcceptQueue,
    /// Connections were dropped because a queue was full, while the probe ran.
    QueueOverflow,
    /// A declared number lies among those that the kernel gives to outgoing connections.
    EphemeralPort,
    /// A declared number below 1024 may be taken by any user.
    UnprivilegedPort,
    /// The kernel takes packets for 127.0.0.0/8 from the network.
    RoutedLoopback,
    /// The kernel makes the queues of listeners shorter than the proxy asks for.
    ShortQueue,
    /// A port of the proxy can not be reached from where it must be.
    UnreachablePort,
    /// An endpoint can not be reached from here.
    UnreachableEndpoint,
    /// What answers speaks something else than declared.
    WrongProtocol,
    /// The certificate that a port shows does not fit.
    WrongCertificate,
    /// A source that `from` and `deny` keep out is answered.
    SourceList,
    /// A port answers where it is not declared.
    ExposedPort,
    /// A service answers beside the proxy.
    ExposedEndpoint,
    /// A service that listens on the network is reached beside the proxy.
    BesideProxy,
    /// One environment reaches a listener of another.
    Isolation,
    /// A port that asks for a client certificate answers without one.
    NoClientCertificate,
    /// A port believes a client certificate of an authority that was made up.
    ForeignCertificate,
    /// A TLS port answers requests without TLS.
    PlaintextOnTls,
    /// A port speaks a version of TLS that is not safe, or older than declared.
    OldTls,
    /// A data port answers for the control plane.
    AdminOnDataPort,
    /// A request whose target is a control port gets there through a data port.
    ForgedTarget,
    /// The admin API answers without a token.
    OpenAdmin,
    /// A request that can be read in two ways is understood.
    SmuggledRequest,
    /// A route that asks who is calling answers nobody.
    Unauthenticated,
    /// Claims about who is calling get past the proxy.
    SpoofedIdentity,
    /// A token that nobody issued is believed.
    ForgedToken,
}

/// Which part of a run a check belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// What the kernel's tables say; nothing is sent.
    Inventory,
    /// What can be connected to, and what it speaks.
    Reach,
    /// What gets past a port that should not.
    Attack,
}

impl Group {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 3] = [Self::Inventory, Self::Reach, Self::Attack];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Reach => "reach",
            Self::Attack => "attack",
        }
    }
}

/// How bad it is when a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// More is open than was declared, or what was declared does not work.
    Error,
    /// A person should look.
    Warning,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Check {
    /// The id that reports print, such as `dead-port`.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// How bad it is when it fails, unless the outcome says otherwise.
    pub fn severity(self) -> Severity {
        self.entry().severity
    }

    /// Which part of a run it belongs to.
    pub fn group(self) -> Group {
        self.entry().group
    }

    /// One sentence on what a failure means.
    pub fn about(self) -> &'static str {
        self.entry().about
    }

    fn entry(self) -> &'static Entry {
        &CHECKS[self as usize]
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// An entry of [`CHECKS`].
#[derive(Debug)]
pub struct Entry {
    /// The check.
    pub check: Check,
    /// Its printed id.
    pub id: &'static str,
    /// Which part of a run it belongs to.
    pub group: Group,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// One sentence on what a failure means.
    pub about: &'static str,
}

/// Every check, at the index of its [`Check`].
pub const CHECKS: &[Entry] = &[
    inventory(Check::DeadPort, "dead-port", Severity::Error, "Nobody listens on a declared port of the proxy."),
    inventory(
        Check::DeadEndpoint,
        "dead-endpoint",
        Severity::Error,
        "Nobody listens on an endpoint of a service on this host.",
    ),
    inventory(
        Check::StolenPort,
        "stolen-port",
        Severity::Error,
        "A declared number is held by an outgoing connection, or by a socket that does not listen.",
    ),
    inventory(
        Check::WrongScope,
        "wrong-scope",
        Severity::Error,
        "What is declared on one address listens on more, so that it can be reached beside the proxy.",
    ),
    inventory(
        Check::WrongProcess,
        "wrong-process",
        Severity::Error,
        "Another program than the declared one listens on a declared port.",
    ),
    inventory(
        Check::SharedPort,
        "shared-port",
        Severity::Error,
        "Two programs listen on one address by SO_REUSEPORT, and the kernel deals connections to both.",
    ),
    inventory(
        Check::ShadowedPort,
        "shadowed-port",
        Severity::Error,
        "A stranger on a more specific address takes connections away from a declared wildcard.",
    ),
    inventory(
        Check::UndeclaredListener,
        "undeclared-listener",
        Severity::Error,
        "Something of this estate listens that nothing declares.",
    ),
    inventory(
        Check::AcceptQueue,
        "accept-queue",
        Severity::Warning,
        "Half of a listener's queue or more is full of connections that wait to be accepted.",
    ),
    inventory(
        Check::QueueOverflow,
        "queue-overflow",
        Severity::Warning,
        "Connections were dropped because a listener's queue was full, while the probe ran.",
    ),
    inventory(
        Check::EphemeralPort,
        "ephemeral-port",
        Severity::Warning,
        "Declared numbers lie among those that the kernel gives to outgoing connections.",
    ),
    inventory(
        Check::UnprivilegedPort,
        "unprivileged-port",
        Severity::Warning,
        "Any user of this host may take a declared port below 1024 while the proxy is down.",
    ),
    inventory(
        Check::RoutedLoopback,
        "routed-loopback",
        Severity::Error,
        "An interface takes packets for 127.0.0.0/8 from the network, so loopback ports are not private.",
    ),
    inventory(
        Check::ShortQueue,
        "short-queue",
        Severity::Warning,
        "The kernel makes the queues of listeners shorter than the proxy asks for.",
    ),
    reach(
        Check::UnreachablePort,
        "unreachable-port",
        Severity::Error,
        "A declared port of the proxy can not be reached from where it must be.",
    ),
    reach(
        Check::UnreachableEndpoint,
        "unreachable-endpoint",
        Severity::Error,
        "A declared endpoint that may be probed does not accept connections.",
    ),
    reach(
        Check::WrongProtocol,
        "wrong-protocol",
        Severity::Error,
        "What answers on a declared port speaks something else than declared.",
    ),
    reach(
        Check::WrongCertificate,
        "wrong-certificate",
        Severity::Error,
        "The certificate that a port shows for a host is for other names, has ended, or is not the one in its files.",
    ),
    reach(
        Check::SourceList,
        "source-list",
        Severity::Error,
        "A source that `from` and `deny` of a port keep out is answered all the same.",
    ),
    reach(
        Check::ExposedPort,
        "exposed-port",
        Severity::Error,
        "The number of a port answers at an address where it is not declared.",
    ),
    reach(
        Check::ExposedEndpoint,
        "exposed-endpoint",
        Severity::Error,
        "A service answers at an address where it is not declared, so beside the proxy.",
    ),
    reach(
        Check::BesideProxy,
        "beside-proxy",
        Severity::Warning,
        "A service that is declared on an address of the network answers another environment beside the proxy.",
    ),
    reach(
        Check::Isolation,
        "isolation",
        Severity::Error,
        "One environment reaches a listener of another, beside the proxy.",
    ),
    attack(
        Check::NoClientCertificate,
        "no-client-certificate",
        "A port that asks its clients for a certificate answers a client that has none.",
    ),
    attack(
        Check::ForeignCertificate,
        "foreign-certificate",
        "A port believes a client certificate of an authority that was made up.",
    ),
    attack(Check::PlaintextOnTls, "plaintext-on-tls", "A port that speaks TLS answers a request without it."),
    attack(
        Check::OldTls,
        "old-tls",
        "A port speaks SSL 3.0, TLS 1.0 or 1.1, or a version older than its `tls.minimum`.",
    ),
    attack(Check::AdminOnDataPort, "admin-on-data-port", "A data port answers for the control plane."),
    attack(
        Check::ForgedTarget,
        "forged-target",
        "A request whose host or target is a control port gets there through a data port (SSRF).",
    ),
    attack(Check::OpenAdmin, "open-admin", "An admin port answers without a token, or to a wrong one."),
    attack(
        Check::SmuggledRequest,
        "smuggled-request",
        "A request that two readers could read in two ways is understood instead of refused.",
    ),
    attack(
        Check::Unauthenticated,
        "unauthenticated",
        "A route that asks who is calling answers a client that does not say.",
    ),
    attack(
        Check::SpoofedIdentity,
        "spoofed-identity",
        "Claims that a client makes in headers let it in, or reach the service.",
    ),
    attack(Check::ForgedToken, "forged-token", "A token without signature, of a foreign key, or expired, is believed."),
];

const fn attack(check: Check, id: &'static str, about: &'static str) -> Entry {
    Entry { check, id, group: Group::Attack, severity: Severity::Error, about }
}

const fn reach(check: Check, id: &'static str, severity: Severity, about: &'static str) -> Entry {
    Entry { check, id, group: Group::Reach, severity, about }
}

const fn inventory(check: Check, id: &'static str, severity: Severity, about: &'static str) -> Entry {
    Entry { check, id, group: Group::Inventory, severity, about }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_check_stands_at_its_own_index() {
        for (index, entry) in CHECKS.iter().enumerate() {
            assert_eq!(entry.check as usize, index, "{}", entry.id);
        }
    }

    #[test]
    fn the_reference_lists_every_check() {
        let reference = include_str!("../../../docs/reference/probe.md");
        let Some((_, table)) = reference.split_once("<!-- checks -->") else { panic!("no table of checks") };
        let rows: Vec<String> = CHECKS
            .iter()
            .map(|entry| {
                let (id, about) = (entry.id, entry.about);
                format!("| `{id}` | {} | {} | {about} |", entry.group.word(), entry.severity.word())
            })
            .collect();
        let listed: Vec<&str> = table.trim().lines().skip(2).take_while(|line| line.starts_with('|')).collect();
        assert_eq!(listed, rows);
    }

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let mut seen = HashSet::new();
        for entry in CHECKS {
            assert!(seen.insert(entry.id), "{} twice", entry.id);
            assert!(entry.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", entry.id);
            assert!(entry.about.ends_with('.'), "{}", entry.id);
        }
    }
}
