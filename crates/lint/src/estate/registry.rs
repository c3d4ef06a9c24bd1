//! Upstream ports against what Portcullis' own file declares: where there is such a file, it is the list of all ports.

use super::{
    facts::{Facts, Forward, Kind, Target, Transport},
    ways::{Index, target_text},
};
use crate::{
    finding::Finding,
    haproxy::STRAY_SERVER,
    rule::{Default, Rule, Severity},
};

/// nginx passes on to a port that nobody declared.
pub(crate) static UNDECLARED_UPSTREAM: Rule = Rule {
    id: "PC559",
    name: "nginx-undeclared-upstream",
    severity: Severity::Medium,
    title: "nginx passes requests on to a port that Portcullis' file does not declare",
    why: "The file is the list of the ports that there are. A proxy that uses another one goes around it: nobody \
          allocated the port, no rule protects it, and the map does not show it.",
    remedy: "Declare a service with that port in `portcullis.yaml`, or pass on to the port that is declared.",
    default: Default::On,
};

/// Judges nginx and HAProxy, and only where a file of Portcullis declares services.
pub(super) fn check(facts: &Facts, index: &Index<'_>) -> Vec<Finding> {
    if !facts.workloads.iter().any(|workload| workload.kind == Kind::Service) {
        return Vec::new();
    }
    facts.forwards.iter().filter_map(|forward| undeclared(forward, facts, index)).collect()
}

fn undeclared(forward: &Forward, facts: &Facts, index: &Index<'_>) -> Option<Finding> {
    let (rule, program) = match forward.from.split(':').next()? {
        "nginx" => (&UNDECLARED_UPSTREAM, "nginx"),
        "haproxy" => (&STRAY_SERVER, "HAProxy"),
        _ => return None,
    };
    let port = match &forward.target {
        Target::Address { port, .. } | Target::Named { port: Some(port), .. } => *port,
        _ => return None,
    };
    let listener = index.listener(&forward.from);
    let is_known = !index.resolve(&forward.target, listener).is_empty();
    let said = facts.workloads.iter().flat_map(|workload| &workload.ports);
    let is_declared = said.clone().any(|said| said.transport == Transport::Tcp && said.ports.contains(port));
    if is_known || is_declared {
        return None;
    }
    let target = target_text(&forward.target);
    let message = format!("{program} passes on to {target}, and no service declares port {port}");
    let declared = facts.workloads.iter().find(|workload| workload.kind == Kind::Service);
    let finding = Finding::new(rule, forward.place, message)
        .help(format!("declare a service with `port: {port}` in `portcullis.yaml`, or pass on to a declared port"));
    Some(match declared {
        Some(service) => finding.related(service.place, "services are declared here"),
        None => finding,
    })
}
