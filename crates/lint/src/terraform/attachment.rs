//! What groups are put on, and whether the ports fit: PC611 within one set of resources.
//!
//! Only what is wholly known is judged: a group that is put on load balancers and databases alone, whose ports are all
//! said here. On a machine anything may listen; that is for the estate, which knows more files.

use std::collections::{BTreeMap, HashSet};

use super::{
    opening::{Direction, Effect, Group, Permit},
    resource::Resource,
    rules,
    value::{Term, Value},
};
use crate::{
    estate::{PortSpan, Transport},
    finding::Finding,
    inputs::Span,
};

/// Something with ports that are said here, and the groups in front of it.
#[derive(Debug)]
pub(super) struct Managed<'r> {
    pub(super) resource: &'r Resource,
    /// For people: "load balancer `shop`".
    pub(super) title: String,
    pub(super) kind: ManagedKind,
    /// The ports on which it listens, each where it is said.
    pub(super) ports: Vec<(u16, Transport, Span)>,
    /// Whether these are all.
    pub(super) ports_are_known: bool,
    /// Addresses of its groups; `None` if some are not in these files.
    pub(super) groups: Option<Vec<String>>,
}

/// Of what kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ManagedKind {
    LoadBalancer,
    Database,
    Cache,
}

/// All load balancers and databases of a set of resources.
pub(super) fn managed(resources: &[Resource]) -> Vec<Managed<'_>> {
    resources.iter().filter_map(|resource| of_resource(resource, resources)).collect()
}

fn of_resource<'r>(resource: &'r Resource, all: &'r [Resource]) -> Option<Managed<'r>> {
    let body = &resource.body;
    let (kind, words, key) = match resource.kind.as_str() {
        "aws_lb" | "aws_alb" | "aws_elb" => (ManagedKind::LoadBalancer, "load balancer", "security_groups"),
        "aws_db_instance" | "aws_rds_cluster" | "aws_redshift_cluster" | "aws_docdb_cluster" | "aws_neptune_cluster" => {
            (ManagedKind::Database, "database", "vpc_security_group_ids")
        }
        "aws_elasticache_cluster" | "aws_elasticache_replication_group" => {
            (ManagedKind::Cache, "cache", "security_group_ids")
        }
        _ => return None,
    };
    let ports = match (kind, resource.kind.as_str()) {
        (ManagedKind::LoadBalancer, "aws_elb") => {
            let blocks = body.blocks("listener").iter();
            blocks.map(|block| block.get("lb_port").and_then(|port| port_of(port, block))).collect()
        }
        (ManagedKind::LoadBalancer, _) => {
            let listeners = all.iter().filter(|other| is_listener_of(other, resource));
            let ports: Vec<_> = listeners.map(|other| other.body.get("port").and_then(|port| port_of(port, &other.body)));
            ports
        }
        _ => vec![database_port(resource)],
    };
    let ports_are_known = !ports.is_empty() && ports.iter().all(Option::is_some);
    let groups = body.get(key).map_or(&[][..], Term::items).iter().map(group_of).collect();
    let title = format!("{words} `{}`", resource.name);
    Some(Managed { resource, title, kind, ports: ports.into_iter().flatten().collect(), ports_are_known, groups })
}

/// Whether a resource is a listener of this load balancer.
pub(super) fn is_listener_of(listener: &Resource, balancer: &Resource) -> bool {
    matches!(listener.kind.as_str(), "aws_lb_listener" | "aws_alb_listener")
        && listener.body.get("load_balancer_arn").is_some_and(|arn| match &arn.value {
            Value::Reference(reference) => reference.address == balancer.address,
            other => other.as_text().is_some() && other.as_text() == balancer.body.text("arn"),
        })
}

fn port_of(term: &Term, body: &Term) -> Option<(u16, Transport, Span)> {
    let port = u16::try_from(term.value.as_integer()?).ok()?;
    let is_udp = body.text("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("UDP"));
    Some((port, if is_udp { Transport::Udp } else { Transport::Tcp }, term.origin()))
}

fn database_port(resource: &Resource) -> Option<(u16, Transport, Span)> {
    let body = &resource.body;
    if let Some(port) = body.get("port") {
        return port_of(port, body);
    }
    let port = default_port(resource)?;
    Some((port, Transport::Tcp, body.get("engine").map_or(resource.place, Term::origin)))
}

/// On which port a database listens that does not say.
pub(super) fn default_port(resource: &Resource) -> Option<u16> {
    let engine = resource.body.text("engine");
    match (resource.kind.as_str(), engine.as_deref().unwrap_or("")) {
        ("aws_redshift_cluster", _) => Some(5439),
        ("aws_docdb_cluster", _) => Some(27017),
        ("aws_neptune_cluster", _) => Some(8182),
        ("aws_elasticache_cluster", "memcached") => Some(11211),
        ("aws_elasticache_cluster" | "aws_elasticache_replication_group", _) => Some(6379),
        (_, engine) if engine.contains("postgres") => Some(5432),
        (_, engine) if engine.contains("mysql") || engine.starts_with("maria") || engine == "aurora" => Some(3306),
        (_, engine) if engine.starts_with("sqlserver") => Some(1433),
        (_, engine) if engine.starts_with("oracle") => Some(1521),
        _ => None,
    }
}

fn group_of(term: &Term) -> Option<String> {
    match &term.value {
        Value::Reference(reference) => Some(reference.address.clone()),
        other => other.as_text(),
    }
}

/// Which groups are put on what, by the address of the group.
pub(super) struct Attachments<'r> {
    managed: &'r [Managed<'r>],
    /// Groups that something uses of which the ports are not known: machines, outputs, modules.
    elsewhere: HashSet<String>,
}

impl<'r> Attachments<'r> {
    /// `escaping` are names that stand outside of resources: in outputs, locals and calls of modules.
    pub(super) fn new(resources: &[Resource], managed: &'r [Managed<'r>], escaping: &HashSet<String>) -> Self {
        let mut elsewhere = escaping.clone();
        let known: HashSet<&str> = managed.iter().map(|managed| managed.resource.address.as_str()).collect();
        let is_group = |resource: &&Resource| {
            resource.kind.contains("security_group") || known.contains(resource.address.as_str())
        };
        for resource in resources.iter().filter(|resource| !is_group(resource)) {
            named_groups(&resource.body, &mut elsewhere);
        }
        Self { managed, elsewhere }
    }

    /// What a group is put on, if that is known of every place.
    pub(super) fn of(&self, group: &Group) -> Option<Vec<&'r Managed<'r>>> {
        if self.elsewhere.contains(&group.address) {
            return None;
        }
        let names = |managed: &&Managed<'_>| match &managed.groups {
            Some(groups) => groups.iter().any(|name| *name == group.address || Some(name) == group.id.as_ref()),
            None => false,
        };
        let on: Vec<&Managed<'_>> = self.managed.iter().filter(names).collect();
        (!on.is_empty() && on.iter().all(|managed| managed.ports_are_known)).then_some(on)
    }
}

fn named_groups(term: &Term, names: &mut HashSet<String>) {
    match &term.value {
        Value::Reference(reference) => {
            names.insert(reference.address.clone());
        }
        Value::List(items) => items.iter().for_each(|item| named_groups(item, names)),
        Value::Map(entries) => entries.iter().for_each(|(_, item)| named_groups(item, names)),
        Value::Text(text) if text.starts_with("sg-") => {
            names.insert(text.to_string());
        }
        _ => {}
    }
}

/// Ports that are opened and not served, and served and not opened.
pub(super) fn check(groups: &[Group], managed: &[Managed<'_>], attachments: &Attachments<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = groups
        .iter()
        .filter_map(|group| Some((group, attachments.of(group)?)))
        .flat_map(|(group, on)| group.permits.iter().filter_map(move |permit| orphan(group, permit, &on)))
        .collect();
    let by_address: BTreeMap<&str, &Group> = groups.iter().map(|group| (group.address.as_str(), group)).collect();
    for managed in managed.iter().filter(|managed| managed.ports_are_known) {
        let named = managed.groups.iter().flatten();
        let all: Option<Vec<&Group>> = named.map(|name| by_address.get(name.as_str()).copied()).collect();
        let all = all.filter(|all| !all.is_empty() && all.iter().all(|group| is_known(group)));
        findings.extend(all.iter().flat_map(|groups| closed(managed, groups)));
    }
    findings
}

fn opens(permit: &Permit) -> bool {
    permit.direction == Direction::In && permit.effect == Effect::Allow && !permit.peers.is_empty()
}

/// Whether all that a group opens is known.
fn is_known(group: &Group) -> bool {
    group.permits.iter().filter(|permit| opens(permit)).all(|permit| permit.unknown_port().is_none())
}

fn orphan(group: &Group, permit: &Permit, on: &[&Managed<'_>]) -> Option<Finding> {
    const A_FEW: u32 = 1000;
    let is_served = |(ports, _): (PortSpan, Span)| {
        on.iter().flat_map(|managed| &managed.ports).any(|(port, transport, _)| {
            ports.contains(*port) && permit.protocol.carries(*transport) != Some(false)
        })
    };
    if !opens(permit) || permit.unknown_port().is_some() || permit.known_ports().any(is_served) {
        return None;
    }
    let (ports, place) = permit.known_ports().find(|(ports, _)| ports.count() < A_FEW)?;
    if !permit.has_ports() {
        return None;
    }
    let titles: Vec<&str> = on.iter().map(|managed| managed.title.as_str()).collect();
    let message = format!("{} opens port {ports}, on which {} does not listen", group.title, titles.join(" nor "));
    let mut finding = Finding::new(&rules::UNSERVED, place, message)
        .help("remove the rule, or correct the port to one that is served");
    for (port, _, place) in on.iter().flat_map(|managed| &managed.ports) {
        finding = finding.related(*place, format!("listens on {port}"));
    }
    Some(finding)
}

fn closed<'a>(managed: &'a Managed<'_>, groups: &'a [&Group]) -> impl Iterator<Item = Finding> + 'a {
    let is_open = |port: u16, transport: Transport| {
        let permits = groups.iter().flat_map(|group| &group.permits).filter(|permit| opens(permit));
        permits.into_iter().any(|permit| permit.is_about(PortSpan::one(port), transport) != Some(false))
    };
    managed.ports.iter().filter(move |(port, transport, _)| !is_open(*port, *transport)).map(|(port, _, place)| {
        let message = format!("{} listens on port {port}, which no group in front of it opens", managed.title);
        groups.iter().fold(
            Finding::new(&rules::UNSERVED, *place, message).help(format!("add a rule for port {port} to its group")),
            |finding, group| finding.related(group.place, "this group"),
        )
    })
}
