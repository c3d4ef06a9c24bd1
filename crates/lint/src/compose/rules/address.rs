//! On which addresses of the host ports are published.

use std::net::IpAddr;

use super::{Subject, ports_of};
pub(super) use crate::addresses::WILDCARD as WILDCARD_COMMAND;
use crate::{
    compose::{
        model::{Published, Service, Syntax},
        nature,
        port::{HostAddress, HostPort, Mapping},
    },
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
};

pub(super) static IPV6_TWIN: Rule = Rule {
    id: "PC105",
    name: "open-over-ipv6",
    severity: Severity::High,
    title: "a port that is limited to the host over IPv4 is open to all over IPv6",
    why: "Who wrote 127.0.0.1 meant the port for the host alone; the second entry opens the same port on every IPv6 \
          address, and most hosts have one that the internet reaches.",
    remedy: "Write `[::1]` where `[::]` stands, or remove the entry.",
    default: Default::On,
};

pub(super) static UNSAID: Rule = Rule {
    id: "PC201",
    name: "published-on-all-interfaces",
    severity: Severity::High,
    title: "a port is published without an address, so on every interface of the host",
    why: "Docker publishes such a port on 0.0.0.0 and [::] with firewall rules of its own, which go before those of ufw \
          or firewalld. Every network the host is on reaches it, also where only the host itself was meant to.",
    remedy: "Put the address in front that the port is for: `127.0.0.1:8080:80` for the host and a proxy on it. A port \
             that no one outside of the project needs belongs under `expose:`.",
    default: Default::On,
};

pub(super) static WILDCARD: Rule = Rule {
    id: "PC202",
    name: "published-on-wildcard-address",
    severity: Severity::High,
    title: "a port is published on 0.0.0.0 or [::]",
    why: "The wildcard address is every interface of the host. Docker opens the port with firewall rules of its own, \
          which go before those of ufw or firewalld.",
    remedy: "Write the address that the port is for, such as `127.0.0.1`.",
    default: Default::On,
};

pub(super) static RANDOM: Rule = Rule {
    id: "PC215",
    name: "random-host-port",
    severity: Severity::Low,
    title: "a port is published without a host port, so on a random one",
    why: "Docker picks another free port of the host at every start and opens it on every interface: nobody can write \
          a firewall rule, a route or a bookmark for it.",
    remedy: "Write the host port, as in `127.0.0.1:3000:3000`, or list the port under `expose:` if only other services \
             need it.",
    default: Default::On,
};

pub(super) static HOST_NAME: Rule = Rule {
    id: "PC218",
    name: "host-name-as-address",
    severity: Severity::High,
    title: "a port is published on a name where an address must stand",
    why: "Docker takes only IP addresses here. Old versions of Compose passed over a name such as `localhost` without a \
          word and published the port on every interface; newer ones refuse to start.",
    remedy: "Write the address: `127.0.0.1` for `localhost`.",
    default: Default::On,
};

pub(super) static OLD_ENGINE: Rule = Rule {
    id: "PC220",
    name: "loopback-on-old-engine",
    severity: Severity::Medium,
    title: "a port published on 127.0.0.1 can be reached from the local network with Docker Engine before 28",
    why: "Before version 28 the firewall rules of Docker Engine let hosts on the same link reach ports that are \
          published on loopback, if they route to 127.0.0.1 by way of the host (moby/moby#45610).",
    remedy: "Run Docker Engine 28 or newer, or keep the port off the host by `expose:`.",
    // The file cannot tell the version, and publishing on loopback is what every other rule asks for.
    default: Default::Off,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for (port, mapping) in service.mappings() {
            findings.extend(address(subject, service, port, mapping));
            if mapping.published == HostPort::Random && mapping.address.is_beyond_host() == Some(true) {
                findings.push(random(service, port, mapping));
            }
            if mapping.address.is_beyond_host() == Some(false) {
                let message = format!("{} of `{}` is published on loopback", ports_of(port), service.name.value);
                findings.push(Finding::new(&OLD_ENGINE, port.address_place(), message));
            }
        }
        ipv6_twins(service, findings);
        if service.is_on_host_network() {
            findings.extend(wildcard_command(service));
        }
    }
}

fn address(subject: &Subject<'_>, service: &Service, port: &Published, mapping: &Mapping) -> Option<Finding> {
    let (ports, name) = (ports_of(port), &service.name.value);
    let finding = match &mapping.address {
        HostAddress::Unsaid => {
            let message = format!("{ports} of `{name}` is published on every interface of the host");
            Finding::new(&UNSAID, port.address_place(), message).label("no address in front")
        }
        HostAddress::Ip(address) if address.to_canonical().is_unspecified() => {
            let message = format!("{ports} of `{name}` is published on {address}, which is every interface");
            Finding::new(&WILDCARD, port.address_place(), message)
        }
        HostAddress::Name(named) => return Some(host_name(subject, port, named)),
        HostAddress::Ip(_) | HostAddress::Unknown => return None,
    };
    if nature::is_meant_for_all(service, mapping) {
        return Some(finding.severity(Severity::Info).label("meant for everybody, as far as the image and port tell"));
    }
    Some(match loopback(subject, port, mapping) {
        Some((text, edits)) => finding.fix(safety(subject, port), format!("write {text}"), edits),
        None => finding.help("put `127.0.0.1` in front"),
    })
}

/// A variable may hold an address on another day, and two of them would be one too many.
fn safety(subject: &Subject<'_>, port: &Published) -> Safety {
    let written = subject.inputs.excerpt(port.entry);
    let has_default = |variable: &str| variable.split('}').next().is_some_and(|inside| inside.contains(":-"));
    if written.split('$').skip(1).all(has_default) { Safety::Safe } else { Safety::NeedsReview }
}

/// The entry with a loopback address, and the change to the file.
fn loopback(subject: &Subject<'_>, port: &Published, mapping: &Mapping) -> Option<(String, Vec<Edit>)> {
    let is_ipv6 = matches!(mapping.address, HostAddress::Ip(IpAddr::V6(_)));
    let loopback = if is_ipv6 { "[::1]" } else { "127.0.0.1" };
    let Syntax::Long { host_ip, .. } = port.syntax else {
        let (written, _) = subject.written(port.entry)?;
        let rest = match mapping.address {
            // What follows the address; an IPv6 address may stand without brackets, and a variable may be in its place.
            HostAddress::Ip(_) => {
                ["0.0.0.0:", "[::]:", ":::"].iter().find_map(|wildcard| written.strip_prefix(wildcard))?
            }
            // An address that is left empty has its colon all the same.
            _ => written.strip_prefix(':').unwrap_or(written),
        };
        let is_bare_target = matches!(mapping.address, HostAddress::Unsaid) && !port.text.contains(':');
        let text = format!("{loopback}:{}{rest}", if is_bare_target { ":" } else { "" });
        return Some((format!("`\"{text}\"`"), vec![Subject::rewrite(port, &text)]));
    };
    let bare = loopback.trim_matches(['[', ']']);
    if let Some(host_ip) = host_ip {
        let replacement = if is_ipv6 { format!("\"{bare}\"") } else { bare.to_owned() };
        return Some((format!("`host_ip: {replacement}`"), vec![Edit { span: host_ip, replacement }]));
    }
    Some((format!("`host_ip: {bare}`"), vec![insert_key(subject, port.entry, &format!("host_ip: {bare}"))?]))
}

/// A key in front of all others of a mapping, in block or flow style.
fn insert_key(subject: &Subject<'_>, mapping: Span, key: &str) -> Option<Edit> {
    let text = subject.inputs.excerpt(mapping);
    if text.starts_with('{') {
        let after = Span { start: mapping.start + 1, end: mapping.start + 1, ..mapping };
        return Some(Edit { span: after, replacement: format!(" {key},") });
    }
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return None;
    }
    let column = subject.inputs.position(mapping).column;
    let at = Span { end: mapping.start, ..mapping };
    Some(Edit { span: at, replacement: format!("{key}\n{}", " ".repeat(column - 1)) })
}

fn host_name(subject: &Subject<'_>, port: &Published, named: &str) -> Finding {
    let message = format!("`{named}` is a name, and Docker takes only IP addresses here");
    let finding = Finding::new(&HOST_NAME, port.address_place(), message);
    let is_localhost = named.eq_ignore_ascii_case("localhost");
    let edit = match port.syntax {
        _ if !is_localhost => None,
        Syntax::Long { host_ip, .. } => host_ip.map(|span| Edit { span, replacement: "127.0.0.1".to_owned() }),
        Syntax::Short { .. } => subject.written(port.entry).and_then(|(written, _)| {
            let rest = written.get(named.len()..)?;
            Some(Subject::rewrite(port, &format!("127.0.0.1{rest}")))
        }),
    };
    match edit {
        Some(edit) => finding.fix(Safety::Safe, "write `127.0.0.1`", vec![edit]),
        None => finding.help("write the address that the name stands for"),
    }
}

fn random(service: &Service, port: &Published, mapping: &Mapping) -> Finding {
    let message =
        format!("{} of `{}` is published on another host port at every start", ports_of(port), service.name.value);
    let finding = Finding::new(&RANDOM, port.port_place(), message);
    match mapping.target.known() {
        Some(target) => finding.help(format!(
            "write `\"127.0.0.1:{target}:{target}\"`, or move it to `expose:` if only other services need it"
        )),
        None => finding,
    }
}

fn ipv6_twins(service: &Service, findings: &mut Vec<Finding>) {
    let limited: Vec<(&Published, &Mapping)> = service
        .mappings()
        .filter(|(_, mapping)| matches!(mapping.address, HostAddress::Ip(IpAddr::V4(address)) if address.is_loopback()))
        .collect();
    for (port, mapping) in service.mappings() {
        let is_open = matches!(mapping.address, HostAddress::Ip(IpAddr::V6(address)) if address.is_unspecified());
        let is_twin = |other: &Mapping| other.target == mapping.target && other.transport == mapping.transport;
        let Some((twin, _)) = limited.iter().find(|(_, other)| is_open && is_twin(other)) else { continue };
        let message = format!("{} of `{}` is open to all over IPv6", ports_of(port), service.name.value);
        findings.push(
            Finding::new(&IPV6_TWIN, port.address_place(), message)
                .related(twin.address_place(), "limited to the host over IPv4")
                .help("write `[::1]` for `[::]`"),
        );
    }
}

/// `--listen=0.0.0.0:9100`, `--web.listen-address=:9100`, `-b 0.0.0.0`.
fn wildcard_command(service: &Service) -> Option<Finding> {
    let (word, address) = service.command.iter().find_map(|word| {
        let value = word.value.rsplit('=').next().unwrap_or(&word.value);
        let value = value.rsplit("://").next().unwrap_or(value);
        let is_flag = word.value.starts_with('-');
        let host = value.rsplit_once(':').map_or(value, |(host, port)| {
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { value }
        });
        let is_wildcard = matches!(host, "0.0.0.0" | "[::]" | "*") || host.is_empty() && is_flag && value.len() > 1;
        is_wildcard.then_some((word, value))
    })?;
    let message = format!("`{}` listens on {address} of the host, which is every interface", service.name.value);
    Some(Finding::new(&WILDCARD_COMMAND, word.span, message).help("write `127.0.0.1` for the wildcard"))
}
