//! PC507: network namespaces that HAProxy needs, and the rights to enter them.

use std::collections::HashSet;

use super::super::{model::Instance, words::Word};
use crate::{
    finding::Finding,
    rule::{Default, Rule, Severity},
};

/// PC507.
pub(super) static NAMESPACE: Rule = Rule {
    id: "PC507",
    name: "haproxy-namespace",
    severity: Severity::Medium,
    title: "HAProxy uses a network namespace that it may not find or may not enter",
    why: "Namespaces are looked up under `/run/netns` when HAProxy starts, which fails if one is missing. Servers in a \
          namespace are connected to while it runs: after it has dropped root for `user` or `uid`, it may no longer \
          enter, and every connection to them fails.",
    remedy: "Create the namespace before HAProxy starts (`ip netns add NAME`, or a unit that it is ordered after), and \
             keep the right to enter with `setcap cap_sys_admin`.",
    default: Default::On,
};

pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) {
    let servers = instance.proxies.iter().flat_map(|proxy| &proxy.servers);
    let entered: Vec<&Word> = servers.filter_map(|server| server.statement.option(2, "namespace")).collect();
    let bound = instance.listening().flat_map(|proxy| &proxy.binds).filter_map(|bind| bind.option("namespace"));
    let mut told = HashSet::new();
    for word in bound.chain(entered.iter().copied()).filter(|word| word.text != "*" && word.open.is_none()) {
        if told.insert(word.text.as_str()) {
            let message = format!("whether `/run/netns/{}` exists when HAProxy starts is not in the files", word.text);
            let help = format!("create it before HAProxy starts: `ip netns add {}`", word.text);
            findings.push(Finding::unknown(&NAMESPACE, word.span, message).help(help));
        }
    }
    let global = |words: &[&str]| instance.global.iter().find(|line| words.contains(&line.text(0)));
    let drops = global(&["user", "uid"]).filter(|line| !matches!(line.text(1), "root" | "0"));
    let keeps = global(&["setcap"]).is_some_and(|line| line.text(1).split(',').any(|name| name == "cap_sys_admin"));
    if let (Some(drops), false) = (drops, keeps) {
        for word in entered {
            let message = format!("HAProxy runs as `{}` and may not enter namespace `{}`", drops.text(1), word.text);
            findings.push(
                Finding::new(&NAMESPACE, word.span, message)
                    .related(drops.span, "root is dropped here")
                    .help("add `setcap cap_sys_admin` to `global` (HAProxy 2.9 and newer)"),
            );
        }
    }
}
