//! Port numbers, and how they are written.

use super::{Subject, ports_of};
use crate::{
    compose::{
        model::{Published, Service, Syntax},
        nature,
        port::{Certain, HostPort, Invalid, Mapping},
    },
    estate::Transport,
    finding::{Finding, Safety},
    numbers, reading,
    rule::{Default, Rule, Severity},
};

pub(super) static PRIVILEGED: Rule = Rule {
    id: "PC208",
    name: "privileged-published-port",
    severity: Severity::Medium,
    title: "a port of the host below 1024 is published",
    why: "Below 1024 are the ports of the host's own services, and callers trust what answers there. Rootless Docker and \
          Podman cannot bind them at all.",
    remedy: "Publish it on a port from 1024 up, unless callers can only use this number.",
    default: Default::On,
};

pub(super) static BASE_60: Rule = Rule {
    id: "PC214",
    name: "base-60-port",
    severity: Severity::Medium,
    title: "a port without quotes is a number in base 60 to YAML 1.1",
    why: "Readers of YAML 1.1, among them docker-compose 1 and most tools that check Compose files, take `22:22` for \
          1342, so they publish or check another port than the one that is written.",
    remedy: "Put quotes around it.",
    default: Default::On,
};

pub(super) static UNTRANSLATED: Rule = Rule {
    id: "PC219",
    name: "untranslated-port",
    severity: Severity::Low,
    title: "a port is published under the number that it has in the container",
    why: "Where a policy gives each kind of service a range of host ports, the number in the container is nothing that \
          callers should know or depend on.",
    remedy: "Publish it under a number from the range that is meant for it, as in `443:8443`.",
    default: Default::Off,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for port in &service.ports {
            findings.extend(base_60(subject, port));
            if let Err((place, invalid)) = &port.mapping {
                findings.push(impossible(*place, invalid));
            }
        }
        for exposed in &service.expose {
            if let Err(invalid) = &exposed.ports {
                findings.push(impossible(exposed.place, invalid));
            }
        }
        for (port, mapping) in service.mappings() {
            findings.extend(privileged(service, port, mapping));
            findings.extend(unprivileged_container(service, port, mapping));
            findings.extend(untranslated(service, port, mapping));
        }
    }
}

fn impossible(place: crate::inputs::Span, invalid: &Invalid) -> Finding {
    let rule = match invalid {
        Invalid::OutOfRange(_) | Invalid::Zero | Invalid::Reversed(_) | Invalid::UnequalRanges { .. } => {
            &numbers::IMPOSSIBLE
        }
        Invalid::NoTarget | Invalid::NotANumber(_) | Invalid::Protocol(_) | Invalid::Address(_) => &reading::SYNTAX,
    };
    Finding::new(rule, place, format!("Compose refuses this port: {invalid}"))
        .help("write `\"[address:]host-port:container-port[/protocol]\"`, as in `\"127.0.0.1:8080:80\"`")
}

fn privileged(service: &Service, port: &Published, mapping: &Mapping) -> Option<Finding> {
    let HostPort::Fixed(span) = mapping.published else { return None };
    // 80 and 443 are where the world looks for the web: nobody could choose another number.
    if span.first >= 1024 || span.first == 0 || nature::is_meant_for_all(service, mapping) {
        return None;
    }
    // Who asks for an address or an image to start from asks here and nowhere else (RFC 2131, 8415, 1350).
    if mapping.transport == Certain::Known(Transport::Udp) && matches!(span.first, 67..=69 | 546 | 547) {
        return None;
    }
    let message = format!("`{}` takes port {span} of the host, which is privileged", service.name.value);
    let unprivileged = span.first.checked_add(8000)?;
    let help = format!("publish it on a port from 1024 up, such as {unprivileged}");
    Some(Finding::new(&PRIVILEGED, port.port_place(), message).help(help))
}

/// Since 20.10 Docker lets everybody in a container bind low ports; other engines do not.
fn unprivileged_container(service: &Service, port: &Published, mapping: &Mapping) -> Option<Finding> {
    let target = mapping.target.known().filter(|target| target.first < 1024)?;
    let is_named = |capability: &str| {
        let name = capability.to_ascii_uppercase();
        matches!(name.trim_start_matches("CAP_"), "NET_BIND_SERVICE" | "ALL")
    };
    let dropped = service.cap_drop.iter().find(|capability| is_named(&capability.value))?;
    let is_added = service.cap_add.iter().any(|capability| is_named(&capability.value));
    let is_lowered = service.sysctls.iter().any(|sysctl| sysctl.key == "net.ipv4.ip_unprivileged_port_start");
    if is_added || is_lowered {
        return None;
    }
    let message = format!("`{}` listens on {target} without the capability to bind it", service.name.value);
    Some(
        Finding::new(&numbers::PRIVILEGED, port.target_place(), message)
            .severity(Severity::Low)
            .related(dropped.span, "dropped here")
            .help("listen on a port from 1024 up in the container, or write `cap_add: [NET_BIND_SERVICE]`"),
    )
}

fn base_60(subject: &Subject<'_>, port: &Published) -> Option<Finding> {
    let Syntax::Short { plain: true } = port.syntax else { return None };
    let (written, _) = subject.written(port.entry)?;
    let value = base_60_value(written)?;
    let text = format!("\"{written}\"");
    let message = format!("`{written}` without quotes is the number {value} to YAML 1.1");
    let edit = Subject::rewrite(port, written);
    Some(Finding::new(&BASE_60, port.entry, message).fix(Safety::Safe, format!("write `{text}`"), vec![edit]))
}

/// What `[1-9][0-9_]*(:[0-5]?[0-9])+` means (<https://yaml.org/type/int.html>).
fn base_60_value(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || first.starts_with('0') {
        return None;
    }
    let mut value: u64 = first.parse().ok()?;
    let mut count = 0;
    for part in parts {
        let digit = part.parse::<u64>().ok().filter(|digit| is_number(part) && part.len() <= 2 && *digit < 60)?;
        value = value.checked_mul(60)?.checked_add(digit)?;
        count += 1;
    }
    (count > 0).then_some(value)
}

fn untranslated(service: &Service, port: &Published, mapping: &Mapping) -> Option<Finding> {
    let HostPort::Fixed(span) = mapping.published else { return None };
    let is_same = mapping.target.known() == Some(span);
    let message = format!("{} of `{}` has the same number on the host", ports_of(port), service.name.value);
    is_same.then(|| Finding::new(&UNTRANSLATED, port.port_place(), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_yaml_takes_for_base_60_is_meant() {
        for (text, expected) in [
            ("22:22", Some(1342)),
            ("8025:25", Some(481_525)),
            ("1:2:3", Some(3723)),
            ("80:80", None),
            ("3306:3306", None),
            ("0:22", None),
            ("022:22", None),
            ("22:22/tcp", None),
            ("22", None),
            ("22:", None),
            ("22:022", None),
        ] {
            assert_eq!(base_60_value(text), expected, "{text}");
        }
    }
}
