//! Groups that nobody chose, that say nothing about themselves, or that nothing uses: PC607 and PC608.

use std::collections::HashSet;

use super::{
    attachment::{self, Managed},
    opening::{Described, Direction, Effect, Group, Kind, Peer, Permit},
    resource::{Resource, Source},
    rules,
};
use crate::{
    cidr::Breadth,
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::Severity,
};

/// What can be said about a group as a whole.
pub(super) fn of_group(group: &Group) -> Vec<Finding> {
    let mut findings = Vec::new();
    if group.kind == Kind::Default {
        let allowed = group.permits.iter().filter(|permit| permit.effect == Effect::Allow);
        findings.extend(allowed.map(|permit| default_allows(group, permit)));
    }
    let undescribed: Vec<&Permit> =
        group.permits.iter().filter(|permit| permit.is_described == Described::No).collect();
    if let Some(first) = undescribed.first() {
        let how_many = match undescribed.len() {
            1 => "a rule".to_owned(),
            count => format!("{count} rules"),
        };
        findings.push(
            Finding::new(&rules::UNSAID, first.place, format!("{how_many} of {} without a description", group.title))
                .help("say who needs it, as in `description = \"HTTPS from the load balancer\"`"),
        );
    }
    findings
}

fn default_allows(group: &Group, permit: &Permit) -> Finding {
    let place = permit.peers.iter().find_map(|peer| match peer {
        Peer::Networks { place, .. } | Peer::Unknown { place, .. } => Some(*place),
        Peer::Other => None,
    });
    let (what, severity) = match permit.direction {
        Direction::In if permit.networks().breadth() > Breadth::Loopback => ("lets traffic in", Severity::High),
        Direction::In => ("lets its members reach each other", Severity::Low),
        Direction::Out => ("lets traffic out", Severity::Medium),
    };
    let message = format!("{} {what}, and whatever names no group of its own is in it", group.title);
    Finding::new(&rules::BY_DEFAULT, place.unwrap_or(permit.place), message)
        .severity(severity)
        .help("leave the default group without rules, and give each thing a group of its own")
}

/// What can be said about a resource.
pub(super) fn of_resource(resource: &Resource) -> Option<Finding> {
    let body = &resource.body;
    let name = &resource.name;
    match resource.kind.as_str() {
        "aws_security_group" => {
            let said = body.text("description").filter(|text| !matches!(text.trim(), "" | "Managed by Terraform"));
            let is_known = body.get("description").is_none_or(|term| term.value.unknown().is_none());
            (said.is_none() && is_known).then(|| {
                Finding::new(
                    &rules::UNSAID,
                    resource.place,
                    format!("security group `{name}` does not say what it is for"),
                )
                .help("say it, as in `description = \"Load balancer of the shop\"`")
            })
        }
        "aws_default_vpc" => Some(by_default(
            resource.place,
            format!("`{name}` takes over the default VPC, in which every subnet is public"),
            "make a VPC of your own with private subnets, as in `resource \"aws_vpc\" \"main\" { cidr_block = \"10.0.0.0/16\" }`",
        )),
        "google_project" => {
            let made = body.get("auto_create_network");
            let message = || format!("project `{name}` gets the default network, whose firewall lets SSH and RDP in");
            let help = "write `auto_create_network = false`";
            match made {
                None if resource.source == Source::Language => Some(by_default(resource.place, message(), help)),
                Some(term) if term.value.as_bool() == Some(true) => {
                    let edit = Edit { span: term.origin(), replacement: "false".to_owned() };
                    Some(by_default(term.origin(), message(), help).fix(Safety::NeedsReview, help, vec![edit]))
                }
                _ => None,
            }
        }
        "google_compute_firewall" => default_network(body.get("network")),
        "google_compute_instance" | "google_compute_instance_template" => {
            body.blocks("network_interface").iter().find_map(|interface| default_network(interface.get("network")))
        }
        _ => None,
    }
}

fn default_network(network: Option<&super::value::Term>) -> Option<Finding> {
    let term = network.filter(|term| term.value.as_text().as_deref() == Some("default"))?;
    Some(by_default(
        term.origin(),
        "the default network, whose firewall lets SSH and RDP in from everywhere".to_owned(),
        "name a network of your own, as in `network = google_compute_network.main.id`",
    ))
}

fn by_default(place: Span, message: String, help: &str) -> Finding {
    Finding::new(&rules::BY_DEFAULT, place, message).severity(Severity::Medium).help(help)
}

/// PC612: the port that everybody knows.
pub(super) fn default_port(managed: &Managed<'_>) -> Option<Finding> {
    let usual = attachment::default_port(managed.resource)?;
    let (_, _, place) = managed.ports.iter().find(|(port, ..)| *port == usual)?;
    let message = format!("{} listens on {usual}, where its kind always listens", managed.title);
    Some(Finding::new(&rules::DEFAULT_PORT, *place, message).help("nothing, unless a policy asks for another port"))
}

/// Groups that nothing names but their own rules.
pub(super) fn unused(resources: &[Resource], named: &HashSet<String>) -> Vec<Finding> {
    let mut told = HashSet::new();
    let groups = resources.iter().filter(|resource| resource.kind == "aws_security_group");
    let unused = groups.filter(|group| group.source == Source::Language && !named.contains(&group.address));
    unused
        .filter(|group| told.insert(group.address.clone()))
        .map(|group| {
            let message = format!("nothing in these files uses security group `{}`", group.name);
            Finding::new(&rules::UNSAID, group.place, message)
                .help("remove it, or put it on what it is meant to protect, as in `vpc_security_group_ids = [...]`")
        })
        .collect()
}
