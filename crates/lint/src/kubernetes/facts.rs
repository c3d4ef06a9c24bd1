//! What the manifests tell the estate: pods as workloads, Services as what passes on to them, everything that lets the
//! outside in as listeners, and whom NetworkPolicies let pass.

use std::collections::HashSet;

use super::{
    cluster::{AllowedPeer, Cluster, Door, Entrance, Pods, PortSet},
    interfaces,
    model::{Declared, Direction, Exposure, Meta, Service},
};
use crate::{
    estate::{
        Address, Allowance, Facts, Forward, Guard, Kind, Listener, Owner, PortSpan, Reach, Restriction, Sharing, Side,
        Space, Target, Workload, WorkloadPort,
    },
    inputs::Inputs,
};

/// Allowances of one estate; with more, nobody would read the difference.
const MAX_ALLOWANCES: usize = 20_000;

/// Everything that other formats and the rules of the estate may want to know.
pub(super) fn told(inputs: &Inputs, cluster: &Cluster) -> Facts {
    let teller = Teller { inputs, cluster };
    let mut facts = Facts::default();
    for pods in cluster.workloads() {
        facts.workloads.push(teller.workload(pods));
        facts.restrictions.extend(teller.restriction(pods));
        teller.allowances(pods, &mut facts.allowances);
    }
    for service in cluster.services().filter(|service| service.spec.exposure() != Exposure::ExternalName) {
        teller.service(service, &mut facts);
    }
    let mut known: HashSet<String> = HashSet::new();
    for entrance in cluster.entrances() {
        teller.entrance(&entrance, &mut known, &mut facts);
    }
    facts
}

struct Teller<'c> {
    inputs: &'c Inputs,
    cluster: &'c Cluster,
}

impl Teller<'_> {
    /// Unique by its place, and ends with the name, which is what is shown.
    fn key(&self, meta: &Meta) -> String {
        let path = self.inputs.path(meta.span.file).display();
        format!("kubernetes:{path}:{}:{}", meta.span.start, *meta.name)
    }

    fn owner(meta: &Meta) -> Owner {
        Owner { project: format!("kubernetes:namespace:{}", meta.namespace()), part: meta.title() }
    }

    fn workload(&self, pods: &Pods) -> Workload {
        let ports = pods.spec.pod.ports().filter_map(|port| {
            let number = port.number.number()?;
            let transport = port.protocol.transport()?;
            let role = interfaces::interface(pods, number, transport).and_then(|interface| interface.class.role());
            Some(WorkloadPort {
                ports: PortSpan::one(number),
                transport,
                name: port.name.as_ref().map(|name| name.value.clone()),
                role,
                place: port.number.span,
            })
        });
        Workload {
            key: self.key(&pods.meta),
            kind: Kind::Pod,
            title: pods.meta.title(),
            name: pods.meta.name.value.clone(),
            // Pods are reached by the names of their Services.
            names: Vec::new(),
            ports: ports.collect(),
            ports_are_complete: false,
            role: interfaces::role(pods),
            place: pods.meta.anchor(),
        }
    }

    /// A Service has a name and ports of its own, and passes each of them on.
    fn service(&self, service: &Declared<Service>, facts: &mut Facts) {
        let key = self.key(&service.meta);
        let (name, namespace) = (service.meta.name.as_str(), service.meta.namespace());
        let network = format!("kubernetes:namespace:{namespace}");
        let names = [
            name.to_owned(),
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
        ];
        let ports = service.spec.ports.iter().filter_map(|port| {
            Some(WorkloadPort {
                ports: PortSpan::one(port.port.number()?),
                transport: port.transport()?,
                name: port.name.as_ref().map(|name| name.value.clone()),
                role: None,
                place: port.port.span,
            })
        });
        facts.workloads.push(Workload {
            key: key.clone(),
            kind: Kind::ClusterService,
            title: service.meta.title(),
            name: name.to_owned(),
            names: names.into_iter().map(|name| (network.clone(), name)).collect(),
            ports: ports.collect(),
            ports_are_complete: true,
            role: None,
            place: service.meta.anchor(),
        });
        for (index, resolved) in self.cluster.resolved(service).iter().enumerate() {
            let (Some(number), Some(transport)) = (resolved.port.port.number(), resolved.port.transport()) else {
                continue;
            };
            let listener = format!("{key}:{index}:{name}");
            facts.listeners.push(Listener {
                key: listener.clone(),
                title: service.meta.title(),
                space: Space::Workload(key.clone()),
                address: Address::Unknown("its cluster address".to_owned()),
                ports: PortSpan::one(number),
                transport,
                owner: Self::owner(&service.meta),
                sharing: Sharing::Exclusive,
                reach: Some(Reach::Private),
                guard: Guard::Open,
                place: resolved.port.port.span,
            });
            for (pods, target) in &resolved.targets {
                facts.forwards.push(Forward {
                    from: listener.clone(),
                    when: String::new(),
                    target: Target::Workload { key: self.key(&pods.meta), port: target.number() },
                    guard: Guard::Open,
                    place: resolved.port.target().span,
                });
            }
        }
    }

    /// One listener for each address and port; what comes by several hosts of one Ingress is told apart by `when`.
    fn entrance(&self, entrance: &Entrance<'_>, known: &mut HashSet<String>, facts: &mut Facts) {
        let meta = entrance.meta;
        let port = entrance.port.unwrap_or(0);
        // Several rules of an Ingress share its port; ports of nodes are each their own.
        let key = match entrance.door {
            Door::Ingress | Door::Gateway => format!("{}:{port}:{}", self.key(meta), *meta.name),
            Door::LoadBalancer | Door::NodePort | Door::Node => {
                format!("{}:{}:{port}:{}", self.key(meta), entrance.place.start, *meta.name)
            }
        };
        if known.insert(key.clone()) {
            facts.listeners.push(listener(key.clone(), entrance));
        }
        let mut told = HashSet::new();
        for way in &entrance.ways {
            let target = Target::Workload { key: self.key(&way.pods.meta), port: way.number };
            let (by, place) = match way.service {
                Some((service, port)) => (format!("{} port {}", service.meta.title(), *port.port), port.target().span),
                None => (String::new(), entrance.place),
            };
            let when: Vec<&str> =
                [entrance.when.as_str(), by.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
            if told.insert((self.key(&way.pods.meta), way.number)) {
                facts.forwards.push(Forward {
                    from: key.clone(),
                    when: when.join(", "),
                    target,
                    guard: Guard::Open,
                    place,
                });
            }
        }
    }

    /// What policies let in from outside of the cluster, if any policy selects the pods.
    fn restriction(&self, pods: &Pods) -> Option<Restriction> {
        let allowed = self.cluster.allowed(pods, Direction::Ingress)?;
        let open: Vec<&_> = allowed.iter().filter(|one| one.peer.is_internet()).collect();
        let policy = self.cluster.policies_of(pods, Direction::Ingress).next()?;
        Some(Restriction {
            workload: self.key(&pods.meta),
            title: policy.meta.title(),
            open_to_internet: open.iter().flat_map(|one| one.ports.spans()).collect(),
            place: open.first().map_or(policy.spec.pods.span, |one| one.place),
        })
    }

    /// What each end of a connection lets pass.
    fn allowances(&self, pods: &Pods, allowances: &mut Vec<Allowance>) {
        for (direction, side) in [(Direction::Ingress, Side::Incoming), (Direction::Egress, Side::Outgoing)] {
            let allowance = |peer: &AllowedPeer<'_>, ports: &PortSet, reach, place| Allowance {
                workload: format!("{}{}", pods.meta.title(), pods.meta.within()),
                side,
                peer: peer.to_string(),
                reach,
                ports: ports.to_string(),
                place,
            };
            let room = MAX_ALLOWANCES.saturating_sub(allowances.len());
            if room == 0 {
                return;
            }
            let Some(allowed) = self.cluster.allowed(pods, direction) else {
                // No stranger knows the way to the address of a pod.
                let (peer, reach) = (AllowedPeer::Everybody, Reach::Private);
                allowances.push(allowance(&peer, &PortSet::all(), reach, pods.meta.anchor()));
                continue;
            };
            allowances.extend(allowed.iter().take(room).map(|one| {
                let reach = if one.peer.is_internet() { Reach::Internet } else { Reach::Private };
                allowance(&one.peer, &one.ports, reach, one.place)
            }));
        }
    }
}

fn listener(key: String, entrance: &Entrance<'_>) -> Listener {
    let meta = entrance.meta;
    let number = entrance.port.map(|port| format!("port {port}"));
    let (what, space, address) = match entrance.door {
        Door::LoadBalancer => {
            (number.unwrap_or_else(|| "a port".to_owned()), Space::Own(key.clone()), unknown("its load balancer"))
        }
        Door::NodePort => {
            (number.map_or_else(|| "a node port".to_owned(), |n| format!("node {n}")), Space::Node, Address::Dual)
        }
        Door::Ingress => {
            (number.unwrap_or_else(|| "a port".to_owned()), Space::Own(key.clone()), unknown("the ingress controller"))
        }
        Door::Gateway => {
            (number.unwrap_or_else(|| "a port".to_owned()), Space::Own(key.clone()), unknown("the gateway"))
        }
        Door::Node => {
            let address = entrance.address.map_or(Address::Dual, Address::Ip);
            (number.map_or_else(|| "a host port".to_owned(), |n| format!("host {n}")), Space::Node, address)
        }
    };
    Listener {
        key,
        title: format!("{what} of {}", meta.title()),
        space,
        address,
        // Port 0 is what a socket binds to that takes any.
        ports: PortSpan::one(entrance.port.unwrap_or(0)),
        transport: entrance.transport,
        owner: Teller::owner(meta),
        sharing: Sharing::Exclusive,
        reach: entrance.reach,
        guard: entrance.guard.clone(),
        place: entrance.place,
    }
}

fn unknown(text: &str) -> Address {
    Address::Unknown(text.to_owned())
}
