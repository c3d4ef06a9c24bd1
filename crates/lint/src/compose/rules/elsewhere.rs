//! Ports that others on the same machine take while a project runs: dev containers and services of CI jobs.

mod devcontainer;
mod workflow;

use std::path::{Path, PathBuf};

use super::Subject;
use crate::{
    compose::{
        model::{Published, Service},
        port::{HostPort, Mapping},
    },
    estate::Transport,
    finding::Finding,
    inputs::{FileId, Span},
    rule::{Default, Rule, Severity},
};

pub(super) static TAKEN_ELSEWHERE: Rule = Rule {
    id: "PC222",
    name: "port-taken-by-tooling",
    severity: Severity::Medium,
    title: "a dev container or a CI job takes a port that the project publishes",
    why: "Both are for the same machine at the same time. A CI job fails with \"port is already allocated\", and an \
          editor silently forwards another port instead, so that somebody debugs the wrong program.",
    remedy: "Publish the port once: take it out of `forwardPorts` or of the job's `services`, or give it another number \
             there.",
    default: Default::On,
};

/// A port of the machine that somebody else takes.
struct Claim {
    port: u16,
    /// Who, for people: "the dev container".
    by: String,
    place: Span,
}

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Some(main) = subject.project.layers.first().copied() else { return };
    if subject.project.services.iter().all(|service| service.mappings().next().is_none()) {
        return;
    }
    let claims = devcontainer::claims(subject, main).into_iter().chain(workflow::claims(subject, main));
    for claim in claims {
        let published = subject.project.services.iter().find_map(|service| {
            service.mappings().find(|(_, mapping)| publishes(mapping, claim.port)).map(|(port, _)| (service, port))
        });
        findings.extend(published.map(|(service, port)| told(service, port, &claim)));
    }
}

fn publishes(mapping: &Mapping, port: u16) -> bool {
    let is_fixed = matches!(mapping.published, HostPort::Fixed(span) if span.contains(port));
    is_fixed && mapping.transport.known() == Some(Transport::Tcp)
}

fn told(service: &Service, port: &Published, claim: &Claim) -> Finding {
    let message = format!("{} takes port {}, which `{}` publishes", claim.by, claim.port, service.name.value);
    Finding::new(&TAKEN_ELSEWHERE, claim.place, message)
        .related(port.port_place(), format!("published by `{}` here", service.name.value))
        .help("remove it here, or write another number")
}

/// Folders from that of a file upwards, as paths relative to it: ``, `..`, `../..`.
fn upwards() -> impl Iterator<Item = PathBuf> {
    const LEVELS: usize = 5;
    std::iter::successors(Some(PathBuf::new()), |folder| Some(Path::new("..").join(folder))).take(LEVELS)
}

/// The folder of a file as the inputs know it.
fn folder_of(subject: &Subject<'_>, file: FileId) -> PathBuf {
    subject.inputs.beside(file, Path::new(""))
}
