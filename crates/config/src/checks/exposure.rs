//! Who can reach a port, and whether that is meant (invariants 2 and 6).

use std::net::IpAddr;

use super::{Check, Index};
use crate::{
    declared::{ClientCertificate, ListenAddress, LogTarget, Port, PortLog, Protocol, Role, Word},
    finding::{Finding, Findings},
    rule::RuleId,
    scope::Scope,
};

/// An internal port on a wildcard or public address.
pub(super) struct ExposedAddress;

impl Check for ExposedAddress {
    fn rule(&self) -> RuleId {
        RuleId::ExposedAddress
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in index.declared.ports.iter().filter(|port| port.role.value == Role::Internal) {
            let Some(exposure) = exposure(port) else { continue };
            if accepted(port).is_some() {
                continue;
            }
            let message = format!("internal port `{}` listens on {exposure}", *port.name);
            let finding = Finding::new(self.rule(), port.listen.span, message)
                .label(exposure.who())
                .related(port.role.span, "only `role: public` may be reached from everywhere")
                .help("listen on a loopback or private address, such as 127.0.0.1 or 10.0.0.1; or say `role: public`");
            findings.push(finding);
        }
    }
}

/// An admin or metrics port on a wildcard or public address.
pub(super) struct ExposedControlPort;

impl Check for ExposedControlPort {
    fn rule(&self) -> RuleId {
        RuleId::ExposedControlPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in index.declared.ports.iter().filter(|port| !port.is_data_port()) {
            let Some(exposure) = exposure(port) else { continue };
            if accepted(port).is_some() {
                continue;
            }
            let role = port.role.word();
            let message = format!("{role} port `{}` listens on {exposure}", *port.name);
            let finding = Finding::new(self.rule(), port.listen.span, message).label(exposure.who()).help(
                "listen on a loopback or private address, or on a Unix socket; where that cannot be (inside a \
                 container's own namespace, say), write `accept: { wildcard: \"why\" }`",
            );
            findings.push(finding);
        }
    }
}

/// An exposure that the file accepts, shown every time.
pub(super) struct AcceptedExposure;

impl Check for AcceptedExposure {
    fn rule(&self) -> RuleId {
        RuleId::AcceptedExposure
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in index.declared.ports.iter().filter(|port| port.role.value != Role::Public) {
            let (Some(exposure), Some(reason)) = (exposure(port), accepted(port)) else { continue };
            let role = port.role.word();
            let message = format!("{role} port `{}` listens on {exposure}, accepted: \"{reason}\"", *port.name);
            findings.push(Finding::new(self.rule(), port.listen.span, message).label(exposure.who()));
        }
    }
}

/// `accept:` on a port that needs none, left over from another address or role: it would hide the next mistake.
pub(super) struct StaleAccept;

impl Check for StaleAccept {
    fn rule(&self) -> RuleId {
        RuleId::StaleAccept
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in &index.declared.ports {
            let Some(accept) = port.accept.as_ref().filter(|accept| accept.wildcard.is_some()) else { continue };
            let why = if port.role.value == Role::Public {
                "a public port may listen on any address"
            } else if exposure(port).is_none() {
                "neither a wildcard nor a public address"
            } else {
                continue;
            };
            let message = format!("port `{}` accepts an exposure that it does not have", *port.name);
            let finding = Finding::new(self.rule(), accept.span, message)
                .related(port.listen.span, why)
                .help("remove `accept`: should the address change, this would hide it");
            findings.push(finding);
        }
    }
}

/// An admin port that anyone who can connect may use.
pub(super) struct AdminWithoutCredentials;

impl Check for AdminWithoutCredentials {
    fn rule(&self) -> RuleId {
        RuleId::AdminWithoutCredentials
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        if index.declared.admin.token.is_some() || index.declared.unreadable.token {
            return;
        }
        for port in index.declared.ports.iter().filter(|port| port.role.value == Role::Admin) {
            let requires_certificate =
                port.clients.as_ref().is_some_and(|clients| *clients.certificate == ClientCertificate::Required);
            if matches!(port.listen.value, ListenAddress::Unix(_)) || requires_certificate {
                continue;
            }
            let message = format!("admin port `{}` asks for neither a token nor a client certificate", *port.name);
            let finding = Finding::new(self.rule(), port.listen.span, message)
                .label("every process that can connect here could steer the proxy")
                .help(
                    "add `admin: { token: \"${env:PORTCULLIS_ADMIN_TOKEN}\" }` at the top, or `clients: { certificate: \
                     required, ca: ca.pem }` to the port, or listen on a Unix socket",
                );
            findings.push(finding);
        }
    }
}

/// Plain HTTP to the world that nobody said is meant.
pub(super) struct PlaintextPublic;

impl Check for PlaintextPublic {
    fn rule(&self) -> RuleId {
        RuleId::PlaintextPublic
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in &index.declared.ports {
            let is_plain = port.role.value == Role::Public && port.protocol.as_deref() == Some(&Protocol::Http);
            if !is_plain || port.redirect.is_some() || port.plaintext.is_some() {
                continue;
            }
            let Some(protocol) = &port.protocol else { continue };
            let message = format!("public port `{}` speaks plain HTTP", *port.name);
            let finding = Finding::new(self.rule(), protocol.span, message)
                .label("anyone on the way can read and change what passes")
                .help("add `redirect: NAME` of an https port; or, if it is meant, `plaintext: accepted`");
            findings.push(finding);
        }
    }
}

/// An internal or admin port without a record of who came.
pub(super) struct LogOff;

impl Check for LogOff {
    fn rule(&self) -> RuleId {
        RuleId::LogOff
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let recorded = |port: &&Port| matches!(port.role.value, Role::Internal | Role::Admin);
        for port in index.declared.ports.iter().filter(recorded) {
            if let Some(log) = port.log.filter(|log| log.value == PortLog::Off) {
                let role = port.role.word();
                let message = format!("{role} port `{}` leaves no record of who connects", *port.name);
                let finding = Finding::new(self.rule(), log.span, message)
                    .help("remove `log: off`; only public ports may go without a record");
                findings.push(finding);
            }
        }
        let Some(to) = index.declared.log.access.to.as_ref().filter(|to| to.value == LogTarget::Off) else { return };
        let needs_record = |port: &&Port| recorded(port) || port.log.as_deref() == Some(&PortLog::Required);
        if let Some(port) = index.declared.ports.iter().find(needs_record) {
            let message = format!("the access log is off, and port `{}` must leave a record", *port.name);
            let (place, why) = match &port.log {
                Some(log) if log.value == PortLog::Required => {
                    (log.span, "traffic here waits until its record is taken")
                }
                _ => (port.name.span, "every connection to this port leaves a record"),
            };
            let finding = Finding::new(self.rule(), to.span, message)
                .related(place, why)
                .help("write `to: stdout` or the path of a file");
            findings.push(finding);
        }
    }
}

/// How an address is open to everyone.
#[derive(Clone, Copy)]
enum Exposure {
    Wildcard(IpAddr),
    Public(IpAddr),
}

impl Exposure {
    fn who(self) -> &'static str {
        match self {
            Self::Wildcard(_) => "every address of this host",
            Self::Public(_) => "reachable from the internet",
        }
    }
}

impl std::fmt::Display for Exposure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wildcard(address) => write!(formatter, "the wildcard address {address}"),
            Self::Public(address) => write!(formatter, "the public address {address}"),
        }
    }
}

fn exposure(port: &Port) -> Option<Exposure> {
    let ListenAddress::Tcp(address) = &port.listen.value else { return None };
    let address = address.ip();
    if address.is_unspecified() {
        Some(Exposure::Wildcard(address))
    } else if Scope::of(address) == Scope::Public {
        Some(Exposure::Public(address))
    } else {
        None
    }
}

fn accepted(port: &Port) -> Option<&str> {
    port.accept.as_ref()?.wildcard.as_ref().map(|reason| reason.as_str())
}
