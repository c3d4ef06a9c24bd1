//! Whether the ports can be bound, and whether their settings fit their role.

use std::{collections::HashMap, time::Duration};

use super::{Check, Index};
use crate::{
    bind_conflict::{self, Binding},
    declared::{ListenAddress, Port, Protocol, Role, Word},
    finding::{Finding, Findings},
    rule::RuleId,
    span::{Span, Spanned},
};

/// Two ports that the kernel will not bind together.
pub(super) struct PortConflict;

impl Check for PortConflict {
    fn rule(&self) -> RuleId {
        RuleId::PortConflict
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let mut seen: HashMap<Slot<'_>, Vec<&Port>> = HashMap::new();
        for port in &index.declared.ports {
            let others = seen.entry(Slot::of(&port.listen)).or_default();
            if let Some(other) = others.iter().find(|other| meet(&port.listen, &other.listen)) {
                let message = format!(
                    "port `{}` cannot listen on {}: port `{}` listens on {}",
                    *port.name, *port.listen, *other.name, *other.listen
                );
                let mut finding =
                    Finding::new(self.rule(), port.listen.span, message).related(other.listen.span, "taken here");
                if port.listen.value != other.listen.value {
                    finding = finding.help("a wildcard address takes its port number on every address of its family");
                }
                findings.push(finding);
            }
            others.push(port);
        }
    }
}

/// What two ports must share to be able to meet.
#[derive(PartialEq, Eq, Hash)]
enum Slot<'d> {
    Number(u16),
    Path(&'d std::path::Path),
}

impl<'d> Slot<'d> {
    fn of(listen: &'d ListenAddress) -> Self {
        match listen {
            ListenAddress::Tcp(address) => Self::Number(address.port()),
            ListenAddress::Unix(path) => Self::Path(path),
        }
    }
}

fn meet(a: &ListenAddress, b: &ListenAddress) -> bool {
    match (a, b) {
        (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) => bind_conflict::meet(Binding::ours(*a), Binding::ours(*b)),
        (ListenAddress::Unix(a), ListenAddress::Unix(b)) => a == b,
        _ => false,
    }
}

/// A port whose number the kernel would choose.
pub(super) struct PortZero;

impl Check for PortZero {
    fn rule(&self) -> RuleId {
        RuleId::PortZero
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in &index.declared.ports {
            if matches!(port.listen.value, ListenAddress::Tcp(address) if address.port() == 0) {
                let message = format!("port `{}` has number 0, which means a random port", *port.name);
                findings.push(
                    Finding::new(self.rule(), port.listen.span, message).label("expected a number from 1 to 65535"),
                );
            }
        }
    }
}

/// Settings that mean nothing on a port of this role or protocol. Refused, because ignoring them would look like a
/// protection that is not there.
pub(super) struct PortSettings;

impl Check for PortSettings {
    fn rule(&self) -> RuleId {
        RuleId::PortSettings
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in &index.declared.ports {
            let mut report = |span: Span, message: String, help: &str| {
                findings.push(Finding::new(self.rule(), span, message).help(help));
            };
            let role = port.role.word();
            if port.is_data_port() && matches!(port.listen.value, ListenAddress::Unix(_)) {
                let message = format!("{role} port `{}` listens on a Unix socket", *port.name);
                report(port.listen.span, message, "only admin and metrics ports can; write an IP address with port");
            }
            if let Some(protocol) = &port.protocol {
                if !port.is_data_port() && !matches!(protocol.value, Protocol::Http | Protocol::Https) {
                    let message = format!("{role} port `{}` speaks HTTP, not {}", *port.name, protocol.word());
                    report(protocol.span, message, "remove `protocol`, or write `https` together with `tls:`");
                }
                if let Some(plaintext) = &port.plaintext
                    && protocol.value != Protocol::Http
                {
                    let message = format!("port `{}` does not speak plain HTTP", *port.name);
                    report(plaintext.span, message, "remove `plaintext`");
                }
            }
            if let Some(redirect) = &port.redirect
                && port.protocol.as_deref() != Some(&Protocol::Http)
            {
                let message = format!("port `{}` does not speak plain HTTP, so it cannot redirect", *port.name);
                report(redirect.span, message, "remove `redirect`, or write `protocol: http`");
            }
            if let Some(proxy_protocol) = &port.proxy_protocol
                && !port.is_data_port()
            {
                let message = format!("{role} port `{}` does not read PROXY headers", *port.name);
                report(proxy_protocol.span, message, "remove `proxy-protocol`");
            }
        }
    }
}

/// `redirect:` of a port that leads nowhere good.
pub(super) struct RedirectTarget;

impl Check for RedirectTarget {
    fn rule(&self) -> RuleId {
        RuleId::RedirectTarget
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let http_ports = index.declared.ports.iter().filter(|port| port.protocol.as_deref() == Some(&Protocol::Http));
        for port in http_ports {
            let Some(redirect) = &port.redirect else { continue };
            let Some(target) = index.port(redirect) else { continue };
            let why = if target.name.value == port.name.value {
                format!("port `{}` redirects to itself", *port.name)
            } else if target.protocol.as_deref() != Some(&Protocol::Https) {
                format!("port `{}` redirects to `{}`, which does not speak https", *port.name, **redirect)
            } else if target.role.value != Role::Public && target.role.value != port.role.value {
                let role = target.role.word();
                format!("{} port `{}` redirects to {role} port `{}`", port.role.word(), *port.name, **redirect)
            } else {
                continue;
            };
            let finding = Finding::new(self.rule(), redirect.span, why)
                .label("expected an https port that is public or has the same role")
                .related(target.name.span, "declared here");
            findings.push(finding);
        }
    }
}

/// A duration of zero where that would end everything at once.
pub(super) struct ZeroDuration;

impl Check for ZeroDuration {
    fn rule(&self) -> RuleId {
        RuleId::ZeroDuration
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let declared = index.declared;
        let port_timeouts = declared.ports.iter().map(|port| &port.timeouts);
        let ports = port_timeouts
            .chain([&declared.defaults.port_timeouts])
            .flat_map(|timeouts| [timeouts.handshake, timeouts.head, timeouts.keep_alive]);
        let service_timeouts = declared.services.iter().map(|service| &service.timeouts);
        let services = service_timeouts.chain([&declared.defaults.service_timeouts]).flat_map(|timeouts| {
            [timeouts.connect, timeouts.response, timeouts.idle, timeouts.half_close, timeouts.keep_alive]
        });
        let health = declared
            .services
            .iter()
            .filter_map(|service| service.health.as_deref())
            .flat_map(|health| [health.every, health.timeout]);
        let eject = declared
            .services
            .iter()
            .filter_map(|service| service.eject.as_deref())
            .chain(declared.defaults.eject.as_deref())
            .map(eject_duration);
        let buckets = declared.metrics.buckets.iter().map(|bucket| Some(*bucket));
        let durations = ports.chain(services).chain(health).chain(eject).chain(buckets);
        for duration in durations.flatten().filter(|duration| duration.is_zero()) {
            let finding = Finding::new(self.rule(), duration.span, "a duration of zero")
                .label("expected more than zero")
                .help("remove the key for the default");
            findings.push(finding);
        }
    }
}

fn eject_duration(eject: &crate::declared::Eject) -> Option<Spanned<Duration>> {
    match eject {
        crate::declared::Eject::Off => None,
        crate::declared::Eject::After { duration, .. } => *duration,
    }
}
