//! What clouds tell the estate: what their firewalls let in, on what load balancers listen and to whom they pass it on,
//! and which databases there are.

use super::{
    attachment::{Attachments, Managed, ManagedKind, is_listener_of},
    judge::reaching_through,
    opening::{Direction, Effect, Group, Permit, Protocol},
    resource::Resource,
    value::{Term, Value},
};
use crate::{
    cidr::{Breadth, Networks},
    estate::{
        Address, Behind, Facts, Forward, Guard, Kind, Listener, Opening, Owner, PortSpan, Reach, Role, Sharing, Space,
        Target, Transport, Workload, WorkloadPort,
    },
};

/// Everything that one root module tells. `root` tells its keys from those of others.
pub(super) fn facts(
    root: &str,
    resources: &[Resource],
    groups: &[Group],
    managed: &[Managed<'_>],
    attachments: &Attachments<'_>,
) -> Facts {
    let mut facts = Facts::default();
    for group in groups {
        let behind = if attachments.of(group).is_some() { Behind::Managed } else { Behind::Machines };
        facts.openings.extend(group.permits.iter().flat_map(|permit| openings(group, permit, behind)));
    }
    let telling = Telling { root, resources, groups };
    for managed in managed {
        telling.managed(managed, &mut facts);
    }
    facts
}

fn openings(group: &Group, permit: &Permit, behind: Behind) -> Vec<Opening> {
    let transport = match permit.protocol {
        Protocol::Any(_) => None,
        Protocol::Transport(transport) => Some(transport),
        Protocol::Portless | Protocol::Unknown { .. } => return Vec::new(),
    };
    if permit.direction == Direction::Out || permit.effect == Effect::Deny {
        return Vec::new();
    }
    let opening = |(ports, place): (PortSpan, _)| Opening {
        title: group.title.clone(),
        sources: reaching_through(group, permit, ports).to_networks(),
        ports,
        transport,
        behind,
        place,
    };
    permit.known_ports().map(opening).collect()
}

struct Telling<'r> {
    root: &'r str,
    resources: &'r [Resource],
    groups: &'r [Group],
}

impl Telling<'_> {
    fn key(&self, resource: &Resource) -> String {
        let instance = resource.instance.as_deref().map(|instance| format!("[{instance}]")).unwrap_or_default();
        format!("terraform:{}:{}{instance}", self.root, resource.address)
    }

    fn managed(&self, managed: &Managed<'_>, facts: &mut Facts) {
        let key = self.key(managed.resource);
        let is_balancer = managed.kind == ManagedKind::LoadBalancer;
        if !is_balancer {
            facts.workloads.push(self.database(managed, &key));
        }
        for (port, transport, place) in &managed.ports {
            let listener = format!("{key}:{port}");
            facts.listeners.push(Listener {
                key: listener.clone(),
                title: format!("port {port} of {}", managed.title),
                space: Space::Own(key.clone()),
                address: Address::BothWildcards,
                ports: PortSpan::one(*port),
                transport: *transport,
                owner: Owner { project: format!("terraform:{}", self.root), part: managed.title.clone() },
                sharing: Sharing::Exclusive,
                reach: reach(managed),
                guard: self.guard(managed, *port, *transport),
                place: *place,
            });
            if !is_balancer {
                let target = Target::Workload { key: key.clone(), port: Some(*port) };
                let (when, guard) = (String::new(), Guard::Open);
                facts.forwards.push(Forward { from: listener, when, target, guard, place: *place });
            }
        }
        if is_balancer {
            for other in self.resources.iter().filter(|other| is_listener_of(other, managed.resource)) {
                self.passed_on(other, &key, facts);
            }
        }
    }

    fn database(&self, managed: &Managed<'_>, key: &str) -> Workload {
        let role = if managed.kind == ManagedKind::Cache { Role::Cache } else { Role::Database };
        let port = |(port, transport, place): &(u16, Transport, _)| WorkloadPort {
            ports: PortSpan::one(*port),
            transport: *transport,
            name: None,
            role: None,
            place: *place,
        };
        Workload {
            key: key.to_owned(),
            kind: Kind::Managed,
            title: managed.title.clone(),
            name: managed.resource.name.clone(),
            names: Vec::new(),
            ports: managed.ports.iter().map(port).collect(),
            ports_are_complete: managed.ports_are_known,
            role: Some(role),
            place: managed.resource.place,
        }
    }

    /// The target groups of a listener.
    fn passed_on(&self, listener: &Resource, balancer: &str, facts: &mut Facts) {
        let Some(port) = listener.body.get("port").and_then(|port| port.value.as_integer()) else { return };
        for action in listener.body.blocks("default_action") {
            let Some(Value::Reference(reference)) = action.get("target_group_arn").map(|term| &term.value) else {
                continue;
            };
            let Some(group) = self.resources.iter().find(|resource| resource.address == reference.address) else {
                continue;
            };
            let key = self.key(group);
            let target_port = group.body.get("port").and_then(target_port);
            let place = action.get("target_group_arn").map_or(action.span, |term| term.span);
            facts.forwards.push(Forward {
                from: format!("{balancer}:{port}"),
                when: String::new(),
                target: Target::Workload { key: key.clone(), port: target_port },
                guard: Guard::Open,
                place,
            });
            if !facts.workloads.iter().any(|workload| workload.key == key) {
                facts.workloads.push(target_group(group, key, target_port));
            }
        }
    }

    /// What the groups in front of it let through to one of its ports.
    fn guard(&self, managed: &Managed<'_>, port: u16, transport: Transport) -> Guard {
        let Some(names) = &managed.groups else { return Guard::Unknown };
        if names.is_empty() {
            return Guard::Open;
        }
        let mut sources = Networks::default();
        for name in names {
            let Some(group) = self.groups.iter().find(|group| group.address == *name) else { return Guard::Unknown };
            for permit in &group.permits {
                match permit.is_about(PortSpan::one(port), transport) {
                    Some(false) => {}
                    Some(true) if permit.unknown_peer().is_none() => {
                        if permit.direction == Direction::In && permit.effect == Effect::Allow {
                            sources.add(&reaching_through(group, permit, PortSpan::one(port)));
                        }
                    }
                    _ => return Guard::Unknown,
                }
            }
        }
        if sources.breadth() == Breadth::Internet { Guard::Open } else { Guard::Sources(sources.to_networks()) }
    }
}

fn target_port(term: &Term) -> Option<u16> {
    u16::try_from(term.value.as_integer()?).ok()
}

/// Who serves behind a load balancer is not said in one place; the target group stands for them.
fn target_group(group: &Resource, key: String, port: Option<u16>) -> Workload {
    let place = group.body.get("port").map_or(group.place, Term::origin);
    let said = port.map(|port| WorkloadPort {
        ports: PortSpan::one(port),
        transport: Transport::Tcp,
        name: None,
        role: None,
        place,
    });
    Workload {
        key,
        kind: Kind::Program,
        title: format!("target group `{}`", group.name),
        name: group.name.clone(),
        names: Vec::new(),
        ports: said.into_iter().collect(),
        ports_are_complete: false,
        role: None,
        place: group.place,
    }
}

fn reach(managed: &Managed<'_>) -> Option<Reach> {
    let body = &managed.resource.body;
    let (key, if_true, if_false) = match managed.kind {
        ManagedKind::LoadBalancer => ("internal", Reach::Private, Reach::Internet),
        ManagedKind::Database => ("publicly_accessible", Reach::Internet, Reach::Private),
        ManagedKind::Cache => return Some(Reach::Private),
    };
    match body.get(key) {
        None => Some(if_false),
        Some(term) => term.value.as_bool().map(|truth| if truth { if_true } else { if_false }),
    }
}
