//! Keys that the API server drops in silence: PC120.

use crate::{
    finding::{Edit, Finding, Safety},
    keys::{UNKNOWN_KEY, meant},
    kubernetes::{cluster::Cluster, model::Stray},
    rule::Severity,
};

/// Keys of pods and containers that decide about ports, and that are easily put into the wrong one of the two.
const MISPLACED: [(&str, &str); 5] = [
    ("hostNetwork", "the pod spec"),
    ("hostPort", "an entry of `ports`"),
    ("containerPort", "an entry of `ports`"),
    ("livenessProbe", "a container"),
    ("readinessProbe", "a container"),
];

pub(super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    findings.extend(cluster.manifests.strays.iter().filter_map(judged));
}

/// Of blocks that newer versions of the API extend, only what is nearly right is a mistake.
fn judged(stray: &Stray) -> Option<Finding> {
    let key = stray.key.as_str();
    let message = format!("`{key}` is no key of {}, so it has no effect", stray.block);
    let finding = Finding::new(&UNKNOWN_KEY, stray.key.span, message).label("ignored");
    let in_other_case = stray.known.iter().find(|known| known.eq_ignore_ascii_case(key)).copied();
    if let Some(known) = in_other_case.or_else(|| meant(key, stray.known)) {
        let edit = Edit { span: stray.key.span, replacement: known.to_owned() };
        return Some(finding.fix(Safety::NeedsReview, format!("write `{known}`"), vec![edit]));
    }
    if let Some((_, place)) = MISPLACED.iter().find(|(known, _)| *known == key) {
        return Some(finding.help(format!("it belongs into {place}")));
    }
    stray.closed.then(|| {
        finding.severity(Severity::High).help(format!("remove it, or write one of {}", super::some_of(stray.known)))
    })
}
