//! The rules for systemd units.

mod conflicts;
mod control;
mod keys;
mod services;
mod sockets;

use super::{
    address::Listening,
    unit::{Kind, Unit},
};
use crate::{
    addresses::WILDCARD,
    finding::Finding,
    numbers::{IMPOSSIBLE, PRIVILEGED},
    reading::{SYNTAX, UNRESOLVED},
    rule::Rule,
};

/// In the order of their numbers.
pub(super) static RULES: &[&Rule] = &[
    &WILDCARD,
    &PRIVILEGED,
    &IMPOSSIBLE,
    &crate::keys::UNKNOWN_KEY,
    &sockets::BARE_NUMBER,
    &conflicts::ONE_ENDPOINT,
    &sockets::PORT_ADDED,
    &keys::IGNORED_KEY,
    &conflicts::SHARED_BY_SERVICES,
    &sockets::ADDRESS_AT_BOOT,
    &control::CONTROL_ON_TCP,
    &services::UNFENCED,
    &services::UNREACHABLE_NAMESPACE,
    &conflicts::WILDCARD_AND_LOOPBACK,
    &SYNTAX,
    &UNRESOLVED,
];

/// Applies all of them.
pub(super) fn check(units: &[Unit]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in units {
        values(unit, &mut findings);
        keys::check(unit, &mut findings);
        match unit.kind {
            Kind::Socket => sockets::check(unit, &mut findings),
            Kind::Service => services::check(unit, units, &mut findings),
            Kind::Other => {}
        }
        control::check(unit, &mut findings);
    }
    conflicts::check(units, &mut findings);
    findings
}

/// Values that systemd does not take, or that something else decides, and lines that are no assignments.
fn values(unit: &Unit, findings: &mut Vec<Finding>) {
    for (_, _, file) in &unit.files {
        // Lines of template tools are no mistakes.
        if file.templated {
            continue;
        }
        findings.extend(file.mistakes.iter().take(10).map(|span| {
            Finding::new(&SYNTAX, *span, "systemd ignores this line: it is neither a section nor an assignment")
        }));
    }
    if unit.kind != Kind::Socket {
        return;
    }
    for listened in unit.listened() {
        let (entry, value) = (listened.entry, &listened.entry.value);
        match listened.listening {
            Listening::Refused(why) => {
                let rule = if why.starts_with("a port") { &IMPOSSIBLE } else { &SYNTAX };
                let message = format!("systemd ignores `{}={value}`: {why}", entry.key);
                findings.push(Finding::new(rule, entry.value_span, message));
            }
            Listening::Open if !value.starts_with('%') => {
                let message =
                    format!("what `{}={value}` means is decided by something that is not in the files", entry.key);
                findings.push(Finding::unknown(&UNRESOLVED, entry.value_span, message));
            }
            _ => {}
        }
    }
}
