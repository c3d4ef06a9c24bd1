//! PC651, PC653, PC656 and, for explicit wildcards, PC104: what socket units listen on.

use portcullis_config::scope::Scope;

use super::super::{
    address::Listening,
    facts::guard,
    unit::{LISTEN_KEYS, Listened, Origin, Unit},
};
use crate::{
    addresses::WILDCARD,
    estate::{Guard, Transport},
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
    sensitive::{Class, Exposure, Sensitive, lookup},
};

/// PC651.
pub(super) static BARE_NUMBER: Rule = Rule {
    id: "PC651",
    name: "systemd-bare-port",
    severity: Severity::High,
    title: "a socket unit names a port without an address, which is every address of both families",
    why: "`ListenStream=8080` is `[::]:8080` and, because `BindIPv6Only=` is off unless it is said, `0.0.0.0:8080` as \
          well. Nothing on the line shows that the port is open to every network the host is in.",
    remedy: "Write the address that is meant: `ListenStream=127.0.0.1:8080` for this host alone, `0.0.0.0:8080` or \
             `[::]:8080` where everybody is.",
    default: Default::On,
};

/// PC653.
pub(super) static PORT_ADDED: Rule = Rule {
    id: "PC653",
    name: "systemd-port-added",
    severity: Severity::High,
    title: "a drop-in adds a port and leaves the old one open",
    why: "Listening keys add up. A drop-in that was meant to move a service to another port or address opens a second \
          one, and the first stays open to whomever it was open to.",
    remedy: "Begin the `[Socket]` section of the drop-in with an empty `ListenStream=`, which takes back what the unit \
             says.",
    default: Default::On,
};

/// PC656.
pub(super) static ADDRESS_AT_BOOT: Rule = Rule {
    id: "PC656",
    name: "systemd-address-at-boot",
    severity: Severity::Medium,
    title: "a socket unit binds an address that the host may not have yet when it starts",
    why: "Sockets are bound early. Without `FreeBind=yes` the unit fails at boot if the address comes later, and the \
          quick remedy is `0.0.0.0`.",
    remedy: "Add `FreeBind=yes`.",
    default: Default::On,
};

pub(super) fn check(unit: &Unit, findings: &mut Vec<Finding>) {
    let is_open = guard(unit) == Guard::Open && unit.value("Socket", "BindToDevice").is_none();
    for listened in unit.listened() {
        if is_open {
            findings.extend(wide(unit, &listened));
        }
        findings.extend(early(unit, &listened));
    }
    findings.extend(added(unit));
}

/// Web ports are taken as meant for the public.
fn is_web(port: u16) -> bool {
    matches!(port, 80 | 443)
}

fn wide(unit: &Unit, listened: &Listened<'_>) -> Option<Finding> {
    let port = listened.listening.port()?;
    let entry = listened.entry;
    let transport = if listened.is_datagram { Transport::Udp } else { Transport::Tcp };
    let known = lookup(port, transport).filter(|known| known.class != Class::InternalWeb);
    let usual = known.map_or_else(String::new, |known| format!("; {} is usual there", known.name));
    match &listened.listening {
        Listening::Bare(_) => {
            let only_v6 = unit.value("Socket", "BindIPv6Only").is_some_and(|entry| entry.value == "ipv6-only");
            let families = if only_v6 { "IPv6 address" } else { "address of both families" };
            let message = format!("`{}={port}` listens on every {families}{usual}", entry.key);
            let severity = if is_web(port) { Severity::Low } else { severity(known, Severity::High) };
            let local = format!("127.0.0.1:{port}");
            let edit = Edit { span: entry.value_span, replacement: local.clone() };
            let text =
                format!("write `{}={local}` for this host alone, or `[::]:{port}` if everybody is meant", entry.key);
            Some(Finding::new(&BARE_NUMBER, entry.value_span, message).severity(severity).fix(
                Safety::NeedsReview,
                text,
                vec![edit],
            ))
        }
        Listening::Address { ip, host_at, .. } if ip.is_unspecified() && !is_web(port) => {
            let message = format!("{} listens on every address at port {port}{usual}", unit.name);
            let span = entry.part(host_at.0, host_at.1);
            let local = if ip.is_ipv6() { "[::1]" } else { "127.0.0.1" };
            let edit = Edit { span, replacement: local.to_owned() };
            let text = format!(
                "write `{}={local}:{port}` for this host alone, or the address of the interface that is meant",
                entry.key
            );
            let severity = severity(known, Severity::Medium);
            Some(Finding::new(&WILDCARD, span, message).severity(severity).fix(Safety::NeedsReview, text, vec![edit]))
        }
        _ => None,
    }
}

fn severity(known: Option<&Sensitive>, otherwise: Severity) -> Severity {
    let by_class = known.and_then(|known| known.class.severity(Exposure::Internet));
    by_class.map_or(otherwise, |severity| severity.clamp(Severity::Medium, Severity::High))
}

/// An address of the host's own that comes with a link.
fn early(unit: &Unit, listened: &Listened<'_>) -> Option<Finding> {
    let Listening::Address { ip, host_at, .. } = &listened.listening else { return None };
    let is_there = ip.is_unspecified() || ip.is_multicast() || Scope::of(*ip) == Scope::Loopback;
    let waits = ["After", "Requires", "Wants", "BindsTo"]
        .iter()
        .any(|key| unit.values("Unit", key).iter().any(|entry| entry.value.contains("network-online.target")));
    if is_there || waits || unit.is_on("Socket", "FreeBind") || unit.is_on("Socket", "Transparent") {
        return None;
    }
    let entry = listened.entry;
    let message = format!("{} fails to start if the host does not have `{ip}` yet", unit.name);
    let edit = Edit {
        span: Span { start: entry.end(), end: entry.end(), ..entry.value_span },
        replacement: "\nFreeBind=yes".to_owned(),
    };
    let span = entry.part(host_at.0, host_at.1);
    Some(Finding::new(&ADDRESS_AT_BOOT, span, message).fix(Safety::Safe, "add `FreeBind=yes`", vec![edit]))
}

/// The first line of a drop-in that adds to what is listened on before.
fn added(unit: &Unit) -> Option<Finding> {
    let listened = unit.listened();
    let with_port = |one: &&Listened<'_>| one.listening.port().is_some() || one.listening == Listening::Open;
    let new = listened.iter().filter(|one| one.origin == Origin::DropIn).find(with_port)?;
    // A reset in any drop-in takes back what the unit says, so nothing of it would be left here.
    let old: Vec<&Listened<'_>> = listened.iter().filter(|one| one.origin == Origin::Main).filter(with_port).collect();
    let resets = unit.entries().any(|(entry, origin)| {
        origin == Origin::DropIn
            && entry.section == "Socket"
            && entry.value.is_empty()
            && LISTEN_KEYS.contains(&entry.key.as_str())
    });
    if resets || unit.has_main() && old.is_empty() {
        return None;
    }
    let entry = new.entry;
    let start = entry.key_span.start;
    let edit = Edit { span: Span { start, end: start, ..entry.key_span }, replacement: format!("{}=\n", entry.key) };
    let text = format!("write an empty `{}=` before it, if the old one is to be closed", entry.key);
    let mut finding = if old.is_empty() {
        let message = format!("`{}` is added, and what {} itself listens on stays open", entry.value, unit.name);
        Finding::new(&PORT_ADDED, entry.value_span, message).severity(Severity::Medium)
    } else {
        let olds: Vec<String> = old.iter().map(|one| format!("`{}`", one.entry.value)).collect();
        let message = format!("`{}` is added, and {} of {} stays open", entry.value, olds.join(" and "), unit.name);
        Finding::new(&PORT_ADDED, entry.value_span, message)
    };
    for one in old {
        finding = finding.related(one.entry.value_span, "stays open");
    }
    Some(finding.fix(Safety::NeedsReview, text, vec![edit]))
}
