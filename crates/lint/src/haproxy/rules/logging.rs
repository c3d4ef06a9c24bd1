//! PC506: probes of ports that leave no trace.

use std::collections::HashSet;

use super::super::{
    facts::reach,
    model::{Instance, Proxy},
};
use crate::{
    estate::Reach,
    finding::Finding,
    rule::{Default, Rule, Severity},
};

/// PC506.
pub(super) static PROBES_NOT_LOGGED: Rule = Rule {
    id: "PC506",
    name: "haproxy-probes-not-logged",
    severity: Severity::Medium,
    title: "`option dontlognull` hides port scans on a public frontend",
    why: "A connection on which nothing is said is how ports are scanned. HAProxy's manual says of this option that it \
          is not to be used in uncontrolled environments such as the internet, because scans and other malicious \
          activity would not be logged.",
    remedy: "Leave it out of `defaults`, and set it only where the connections of a load balancer or monitor are known \
             to say nothing.",
    default: Default::On,
};

pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) {
    let mut told = HashSet::new();
    for proxy in instance.listening().filter(|proxy| is_public(proxy)) {
        let Some(statement) = instance.option(proxy, "dontlognull") else { continue };
        if told.insert(statement.span) {
            let place = statement.words.get(1).map_or(statement.span, |word| word.span);
            let message = format!("connections to {} on which nothing is said are not logged", proxy.title());
            findings.push(
                Finding::new(&PROBES_NOT_LOGGED, place, message)
                    .help(format!("remove the line, or say `no option dontlognull` in {}", proxy.title())),
            );
        }
    }
}

fn is_public(proxy: &Proxy) -> bool {
    let mut bounds = proxy.binds.iter().flat_map(|bind| bind.addresses.iter().map(move |bound| (bind, bound)));
    bounds.any(|(bind, bound)| reach(bound, bind) == Some(Reach::Internet))
}
