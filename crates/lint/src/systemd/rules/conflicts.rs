//! PC652, PC655, PC660: two units that want one endpoint (systemd/systemd#14044).

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use portcullis_config::{
    bind_conflict::{Binding, Family, meet},
    scope::Scope,
};

use super::super::{
    facts,
    unit::{Kind, Unit},
};
use crate::{
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC652.
pub(super) static ONE_ENDPOINT: Rule = Rule {
    id: "PC652",
    name: "systemd-one-endpoint",
    severity: Severity::Critical,
    title: "two units listen on the same endpoint",
    why: "Whichever starts second fails with \"address already in use\", and which one that is depends on the order of \
          the boot. systemd does not look for it.",
    remedy: "Give one of them another port or address, or say `Conflicts=` if only one is to run at a time.",
    default: Default::On,
};

/// PC655.
pub(super) static SHARED_BY_SERVICES: Rule = Rule {
    id: "PC655",
    name: "systemd-port-shared-by-services",
    severity: Severity::High,
    title: "two units with `ReusePort=yes` share an endpoint and start different services",
    why: "The kernel hands each connection to either of them. `ReusePort=` is for several instances of one service; two \
          services on one port answer each other's clients.",
    remedy: "Give one of them another port or address.",
    default: Default::On,
};

/// PC660.
pub(super) static WILDCARD_AND_LOOPBACK: Rule = Rule {
    id: "PC660",
    name: "systemd-wildcard-and-loopback",
    severity: Severity::High,
    title: "a wildcard address takes the port of a listener on the loopback interface",
    why: "`0.0.0.0:53` cannot be bound while `127.0.0.53:53` is: the wildcard includes it. Whichever starts second fails, \
          as many have seen with systemd-resolved.",
    remedy: "Bind the address of the interface that is meant instead of all of them, or turn the other listener off \
             (`DNSStubListener=no` in resolved.conf).",
    default: Default::On,
};

/// An endpoint that a unit wants.
struct Wanted<'a> {
    unit: &'a Unit,
    ip: IpAddr,
    family: Family,
    port: u16,
    is_datagram: bool,
    shares: bool,
    span: Span,
}

/// With how many of those behind it an endpoint is compared.
const MAX_COMPARED: usize = 256;

pub(super) fn check(units: &[Unit], findings: &mut Vec<Finding>) {
    let mut by_folder: BTreeMap<&Path, Vec<Wanted<'_>>> = BTreeMap::new();
    for unit in units {
        by_folder.entry(&unit.folder).or_default().extend(wanted(unit));
    }
    let stub_is_off = units.iter().any(|unit| {
        unit.value("Resolve", "DNSStubListener")
            .is_some_and(|entry| matches!(entry.value.as_str(), "no" | "false" | "0" | "off"))
    });
    for mut wanted in by_folder.into_values() {
        // What a socket unit hands to a service, the service does not bind again.
        let handed: Vec<(String, u16)> = wanted.iter().filter_map(|one| Some((one.unit.starts()?, one.port))).collect();
        wanted.retain(|one| !handed.contains(&(one.unit.name.clone(), one.port)));
        // Stable: units are in the order of their names, which numbers of files are not.
        wanted.sort_by_key(|one| one.port);
        for (index, first) in wanted.iter().enumerate() {
            let behind = wanted[index + 1..].iter().take_while(|second| second.port == first.port);
            findings.extend(behind.take(MAX_COMPARED).filter_map(|second| told(first, second)));
        }
        one_for_each_place(findings);
        if !stub_is_off {
            findings.extend(wanted.iter().filter_map(against_resolved));
        }
    }
}

fn wanted(unit: &Unit) -> Vec<Wanted<'_>> {
    let section = unit.section();
    if unit.value(section, "NetworkNamespacePath").is_some() || unit.is_on(section, "PrivateNetwork") {
        return Vec::new();
    }
    let is_v6_only = unit.value("Socket", "BindIPv6Only").is_some_and(|entry| entry.value == "ipv6-only");
    let family = if is_v6_only { Family::V6Only } else { Family::Dual };
    if unit.kind == Kind::Service {
        let opened = facts::opened(unit).into_iter();
        return opened
            .filter_map(|one| {
                let (ip, port) = (one.ip?, one.port?);
                Some(Wanted {
                    unit,
                    ip,
                    family: Family::V6Only,
                    port,
                    is_datagram: false,
                    shares: false,
                    span: one.span,
                })
            })
            .collect();
    }
    let shares = unit.is_on("Socket", "ReusePort");
    let listened = unit.listened();
    listened
        .into_iter()
        .filter_map(|one| {
            let (ip, port) = (one.listening.ip()?, one.listening.port()?);
            Some(Wanted { unit, ip, family, port, is_datagram: one.is_datagram, shares, span: one.entry.value_span })
        })
        .collect()
}

fn told(first: &Wanted<'_>, second: &Wanted<'_>) -> Option<Finding> {
    let binding = |one: &Wanted<'_>| Binding { address: SocketAddr::new(one.ip, one.port), family: one.family };
    let excludes = |one: &Unit, other: &Unit| {
        let conflicts = one.values("Unit", "Conflicts");
        conflicts.iter().any(|entry| entry.value.split_ascii_whitespace().any(|name| name == other.name))
    };
    let (one, other) = (first.unit, second.unit);
    if first.is_datagram != second.is_datagram
        || !meet(binding(first), binding(second))
        || excludes(one, other)
        || excludes(other, one)
    {
        return None;
    }
    let port = first.port;
    let is_same_unit = std::ptr::eq(one, other);
    if first.shares && second.shares {
        if is_same_unit || one.starts() == other.starts() {
            return None;
        }
        let message = format!("{} and {} both take connections to port {port}, each at random", other.name, one.name);
        return Some(
            Finding::new(&SHARED_BY_SERVICES, second.span, message)
                .related(first.span, format!("{} listens here", one.name))
                .help("give one of them another port or address"),
        );
    }
    if is_same_unit && is_both_families(first, second) {
        return Some(both_families(first, second));
    }
    let is_loopback = |one: &Wanted<'_>| Scope::of(one.ip) == Scope::Loopback;
    let (wide, narrow) = if first.ip.is_unspecified() { (first, second) } else { (second, first) };
    if wide.ip.is_unspecified() && is_loopback(narrow) {
        let message = format!(
            "port {port} of every address cannot be bound beside `{}:{port}` of {}",
            shown(narrow.ip),
            narrow.unit.name
        );
        return Some(
            Finding::new(&WILDCARD_AND_LOOPBACK, wide.span, message)
                .related(narrow.span, format!("{} listens here", narrow.unit.name))
                .help("write the address of the interface that is meant"),
        );
    }
    let message = if is_same_unit {
        format!("{} listens on port {port} twice", one.name)
    } else {
        format!("port {port} is already taken by {}", one.name)
    };
    Some(
        Finding::new(&ONE_ENDPOINT, second.span, message)
            .related(first.span, format!("{} listens here", one.name))
            .help(format!("give {} another port or address", other.name)),
    )
}

/// An endpoint that several others want is told of once, with all of them.
fn one_for_each_place(findings: &mut Vec<Finding>) {
    let is_ours = |finding: &Finding| finding.rule == &ONE_ENDPOINT;
    let mut first: BTreeMap<Span, usize> = BTreeMap::new();
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        if is_ours(&finding) {
            if let Some(&at) = first.get(&finding.span) {
                kept[at].related.extend(finding.related);
                continue;
            }
            first.insert(finding.span, kept.len());
        }
        kept.push(finding);
    }
    *findings = kept;
}

fn is_both_families(first: &Wanted<'_>, second: &Wanted<'_>) -> bool {
    first.ip.is_unspecified() && second.ip.is_unspecified() && first.ip.is_ipv4() != second.ip.is_ipv4()
}

/// `0.0.0.0:80` and `[::]:80` in one unit fail unless IPv6 keeps to itself.
fn both_families(first: &Wanted<'_>, second: &Wanted<'_>) -> Finding {
    let v6 = if first.ip.is_ipv6() { first } else { second };
    let message = format!("`[::]:{0}` takes IPv4 as well and collides with `0.0.0.0:{0}`", v6.port);
    let span = Span { start: v6.span.end, ..v6.span };
    let edit = Edit { span, replacement: "\nBindIPv6Only=ipv6-only".to_owned() };
    Finding::new(&ONE_ENDPOINT, v6.span, message)
        .related(if first.ip.is_ipv6() { second.span } else { first.span }, "the other one")
        .fix(Safety::Safe, "add `BindIPv6Only=ipv6-only`", vec![edit])
}

/// The stub of systemd-resolved listens on 127.0.0.53:53 where it is not turned off.
fn against_resolved(wanted: &Wanted<'_>) -> Option<Finding> {
    let stub = Binding { address: SocketAddr::from(([127, 0, 0, 53], 53)), family: Family::V6Only };
    let ours = Binding { address: SocketAddr::new(wanted.ip, wanted.port), family: wanted.family };
    if !wanted.ip.is_unspecified() || !meet(stub, ours) || wanted.unit.name.starts_with("systemd-resolved") {
        return None;
    }
    let message = "port 53 of every address cannot be bound beside `127.0.0.53:53` of systemd-resolved";
    Some(
        Finding::new(&WILDCARD_AND_LOOPBACK, wanted.span, message)
            .severity(Severity::Medium)
            .help("write the address of the interface that is meant, or set `DNSStubListener=no` in resolved.conf"),
    )
}

fn shown(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}
