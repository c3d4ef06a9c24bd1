//! What only the host on which the file is used can say against it. Nothing is asked of it here: its facts are handed
//! in, so that the same facts always give the same findings.

use std::net::IpAddr;

use crate::{
    declared::{Declared, EndpointAddress, ListenAddress, PortSpan, Service, Space},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Spanned,
};

/// Facts of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `net.ipv4.ip_local_port_range`: where outbound connections get their local ports from.
    pub local_ports: PortSpan,
    /// `net.ipv4.ip_local_reserved_ports`: those of them that are given to nobody.
    pub kept: Vec<PortSpan>,
}

impl Host {
    /// The first of these numbers that an outbound connection may be given, with those that follow it.
    pub fn given_away(&self, ports: PortSpan) -> Option<PortSpan> {
        let common = ports.common(self.local_ports)?;
        let mut first = u32::from(common.first);
        let mut kept: Vec<PortSpan> = self.kept.clone();
        kept.sort_by_key(|kept| kept.first);
        for kept in kept {
            if u32::from(kept.first) > first {
                break;
            }
            first = first.max(u32::from(kept.last) + 1);
        }
        let first = u16::try_from(first).ok().filter(|first| *first <= common.last)?;
        Some(PortSpan { first, last: common.last })
    }
}

/// Findings about a declaration on this host, in reading order.
pub fn check(declared: &Declared, host: &Host) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut report = |what: String, ports: Spanned<PortSpan>| {
        let Some(given) = host.given_away(*ports) else { return };
        let message = format!(
            "{what} may be taken by an outbound connection: this host gives them local ports from {}",
            host.local_ports
        );
        let help = format!(
            "choose numbers outside of that, or keep them for yourself: `sysctl net.ipv4.ip_local_reserved_ports={}`",
            list(&host.kept, given)
        );
        findings.push(Finding::new(RuleId::LocalPorts, ports.span, message).help(help));
    };
    for range in &declared.ranges {
        report(format!("a number of range `{}` ({})", *range.name, *range.ports), range.ports);
    }
    for port in &declared.ports {
        if let ListenAddress::Tcp(address) = port.listen.value {
            let number = Spanned::new(PortSpan::single(address.port()), port.listen.span);
            report(format!("number {} of port `{}`", address.port(), *port.name), number);
        }
    }
    for service in &declared.services {
        let is_in_reported = |ports: &Spanned<PortSpan>| {
            let range =
                declared.ranges.iter().find(|range| service.range.as_ref().is_some_and(|name| **name == *range.name));
            range.is_some_and(|range| range.ports.includes(**ports))
        };
        let ports = service.ports.filter(|ports| is_on_this_host(service) && !is_in_reported(ports));
        if let Some(ports) = ports {
            report(format!("{} of service `{}`", *ports, *service.name), ports);
        }
    }
    findings.into_sorted()
}

/// Whether it is certain that a service listens on this host.
fn is_on_this_host(service: &Service) -> bool {
    let is_loopback = |address: &EndpointAddress| match address {
        EndpointAddress::Tcp(address) => address.ip().to_canonical().is_loopback(),
        EndpointAddress::Name { host, .. } => {
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        EndpointAddress::Unix(_) => false,
    };
    let space = service.space.as_ref().map_or(&Space::Host, |space| &space.value);
    *space == Space::Host && service.endpoints.iter().any(|endpoint| is_loopback(&endpoint.address))
}

/// As the kernel reads it.
fn list(kept: &[PortSpan], more: PortSpan) -> String {
    kept.iter().chain([&more]).map(PortSpan::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> PortSpan {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        PortSpan { first: first.parse().unwrap(), last: last.parse().unwrap() }
    }

    #[test]
    fn what_is_kept_is_not_given_away() {
        for (ports, kept, expected) in [
            ("3000-3999", "", None),
            ("32768", "", Some("32768")),
            ("30000-39999", "", Some("32768-39999")),
            ("30000-39999", "32768-39999", None),
            ("30000-39999", "30000-33000,33001-39998", Some("39999")),
            ("40000-40010", "40005", Some("40000-40010")),
            ("40000-40010", "40000-40004", Some("40005-40010")),
            ("60990-65535", "60990-60999", None),
            ("1-65535", "1-65535", None),
            ("61000-65535", "", None),
        ] {
            let kept = kept.split(',').filter(|text| !text.is_empty()).map(span).collect();
            let host = Host { local_ports: span("32768-60999"), kept };
            assert_eq!(host.given_away(span(ports)), expected.map(span), "{ports} {host:?}");
        }
    }
}
