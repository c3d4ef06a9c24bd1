//! Ports that a later file was meant to replace, and does not.

use super::{Subject, ports_of};
use crate::{
    compose::model::{Published, Service},
    finding::Finding,
    rule::{Default, Rule, Severity},
};

pub(super) static APPENDED: Rule = Rule {
    id: "PC207",
    name: "override-adds-port",
    severity: Severity::High,
    title: "a port in an override file is added to the one it was meant to replace",
    why: "Compose appends lists of an override file to those of the file before: the first port stays published, on \
          whatever address it says (docker/compose#2260).",
    remedy: "Write `ports: !override` in the later file to replace the list, or `ports: !reset []` to empty it.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for (place, port) in service.ports.iter().enumerate() {
            if let Some(earlier) = service.ports[..place].iter().find(|earlier| is_meant_for(port, earlier)) {
                findings.push(told(service, earlier, port));
            }
        }
    }
}

/// The same port of the container, said in another file, published elsewhere.
fn is_meant_for(later: &Published, earlier: &Published) -> bool {
    let (Ok(a), Ok(b)) = (&later.mapping, &earlier.mapping) else { return false };
    later.entry.file != earlier.entry.file
        && a.target.known().is_some()
        && a.target == b.target
        && a.transport == b.transport
}

fn told(service: &Service, earlier: &Published, later: &Published) -> Finding {
    let message = format!(
        "{} of `{}` stays published as the file before says it, and is published once more",
        ports_of(later),
        service.name.value
    );
    Finding::new(&APPENDED, later.entry, message)
        .related(earlier.entry, "still published")
        .help("write `ports: !override` in this file, so that its list replaces the other")
}
