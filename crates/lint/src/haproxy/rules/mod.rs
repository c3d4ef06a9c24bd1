//! The rules for HAProxy. Each looks at one process with all its files.

mod backends;
mod conflicts;
mod control;
mod exposure;
mod keywords;
mod logging;
mod namespaces;

use super::model::Instance;
use crate::{
    finding::Finding,
    numbers::IMPOSSIBLE,
    reading::{SYNTAX, UNRESOLVED},
    rule::Rule,
};

pub(crate) use backends::STRAY_SERVER;
pub(super) use keywords::is_first_word;

/// In the order of their numbers.
pub(super) static RULES: &[&Rule] = &[
    &IMPOSSIBLE,
    &crate::keys::UNKNOWN_KEY,
    &conflicts::OVERLAPPING_BIND,
    &exposure::WILDCARD_BIND,
    &control::EXPOSED_CONTROL,
    &conflicts::CONTROL_SHARES_PORT,
    &STRAY_SERVER,
    &logging::PROBES_NOT_LOGGED,
    &namespaces::NAMESPACE,
    &backends::BACKEND_NAMES,
    &exposure::PLAINTEXT,
    &control::SOCKETS_HANDED_OUT,
    &UNRESOLVED,
];

/// Applies all of them.
pub(super) fn check(instance: &Instance) -> Vec<Finding> {
    let mut findings = Vec::new();
    refused(instance, &mut findings);
    unresolved(instance, &mut findings);
    keywords::check(instance, &mut findings);
    conflicts::check(instance, &mut findings);
    let judged = control::check(instance, &mut findings);
    exposure::check(instance, &judged, &mut findings);
    backends::check(instance, &mut findings);
    logging::check(instance, &mut findings);
    namespaces::check(instance, &mut findings);
    findings
}

/// Addresses that HAProxy does not take: with impossible numbers, or otherwise.
fn refused(instance: &Instance, findings: &mut Vec<Finding>) {
    use super::address::Reason::{PortOutOfRange, ReversedRange};
    for refused in &instance.refused {
        let rule = match refused.refusal.reason {
            PortOutOfRange | ReversedRange => &IMPOSSIBLE,
            _ => &SYNTAX,
        };
        let message = format!("HAProxy does not take `{}`: {}", refused.text, refused.refusal.reason.text());
        findings.push(Finding::new(rule, refused.span, message));
    }
}

/// Listening addresses that depend on the environment.
fn unresolved(instance: &Instance, findings: &mut Vec<Finding>) {
    let binds = instance.listening().flat_map(|proxy| &proxy.binds);
    for bound in binds.chain(instance.sockets.iter().map(|socket| &socket.bind)).flat_map(|bind| &bind.addresses) {
        if bound.is_open() {
            let message =
                format!("what `{}` listens on is decided by a variable that the files do not set", bound.text);
            let help =
                "give it a default, such as `\"${PORT-8080}\"`, set it with `presetenv`, or check the rendered file";
            findings.push(Finding::unknown(&UNRESOLVED, bound.span, message).help(help));
        }
    }
}
