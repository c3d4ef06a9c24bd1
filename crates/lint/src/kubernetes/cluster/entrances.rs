//! What lets the outside in, and to which pods: load balancers, node ports, Ingresses, gateways, ports of nodes.

use std::net::IpAddr;

use super::{BalancerReach, Cluster, Pods};
use crate::{
    cidr::Networks,
    estate::{Guard, Reach, Transport},
    inputs::Span,
    kubernetes::model::{
        Backend, Declared, Exposure, Gateway, Ingress, IngressRule, Meta, PortValue, Route, Service, ServicePort,
    },
};

/// By what the outside comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    LoadBalancer,
    NodePort,
    Ingress,
    Gateway,
    /// `hostPort`, or any port of a pod in the network of its node.
    Node,
}

/// One way in.
#[derive(Debug)]
pub(crate) struct Entrance<'c> {
    pub(crate) door: Door,
    pub(crate) meta: &'c Meta,
    /// The value that opens it.
    pub(crate) place: Span,
    /// Which traffic, for people: "host shop.example.com"; empty for all.
    pub(crate) when: String,
    /// The port outside; none if the cluster chooses it.
    pub(crate) port: Option<u16>,
    pub(crate) transport: Transport,
    /// What a port of the node is bound to, if that is said.
    pub(crate) address: Option<IpAddr>,
    /// None if it cannot be known.
    pub(crate) reach: Option<Reach>,
    pub(crate) guard: Guard,
    pub(crate) ways: Vec<Way<'c>>,
}

/// Where an entrance leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'c> {
    pub(crate) pods: &'c Pods,
    /// The port in the pod; none if it is not known.
    pub(crate) number: Option<u16>,
    /// The Service on the way, and its port.
    pub(crate) service: Option<(&'c Declared<Service>, &'c ServicePort)>,
}

impl Cluster {
    /// Every way in that the files open.
    pub(crate) fn entrances(&self) -> Vec<Entrance<'_>> {
        let mut entrances = Vec::new();
        for service in self.services() {
            self.of_service(service, &mut entrances);
        }
        for ingress in self.manifests.ingresses.iter().filter(|ingress| ingress.meta.is_whole()) {
            entrances.extend(ingress.spec.backends().map(|(rule, backend)| self.of_ingress(ingress, rule, backend)));
        }
        for route in &self.manifests.routes {
            entrances.extend(self.of_route(route));
        }
        for workload in self.workloads() {
            of_node(workload, &mut entrances);
        }
        entrances
    }

    fn of_service<'c>(&'c self, service: &'c Declared<Service>, entrances: &mut Vec<Entrance<'c>>) {
        let exposure = service.spec.exposure();
        let (Exposure::LoadBalancer | Exposure::NodePort, Some(kind)) = (exposure, &service.spec.kind) else { return };
        let (reach, guard) = match exposure {
            Exposure::LoadBalancer => match BalancerReach::of(service) {
                BalancerReach::Internal => (Some(Reach::Private), Guard::Open),
                BalancerReach::Internet(_) => (Some(Reach::Internet), Guard::Open),
                BalancerReach::Sources(networks) => (Some(Reach::Internet), Guard::Sources(networks.to_networks())),
                BalancerReach::Unknown(_) => (None, Guard::Unknown),
            },
            // Whether nodes have public addresses is not for the files to say.
            _ => (Some(Reach::Private), Guard::Open),
        };
        for resolved in self.resolved(service) {
            let port = resolved.port;
            let way = |(pods, target): &(&'c Pods, super::TargetPort)| Way {
                pods,
                number: target.number(),
                service: Some((service, port)),
            };
            let is_balancer = exposure == Exposure::LoadBalancer;
            let outside = if is_balancer { Some(&port.port) } else { port.node_port.as_ref() };
            entrances.push(Entrance {
                door: if is_balancer { Door::LoadBalancer } else { Door::NodePort },
                meta: &service.meta,
                place: outside.map_or(kind.span, |value| value.span),
                when: String::new(),
                port: outside.and_then(|value| value.number()),
                transport: port.transport().unwrap_or(Transport::Tcp),
                address: None,
                reach,
                guard: guard.clone(),
                ways: resolved.targets.iter().map(way).collect(),
            });
        }
    }

    fn of_ingress<'c>(
        &'c self,
        ingress: &'c Declared<Ingress>,
        rule: Option<&'c IngressRule>,
        backend: &'c Backend,
    ) -> Entrance<'c> {
        let host = rule.and_then(|rule| rule.host.as_ref());
        let is_private = is_private(ingress);
        Entrance {
            door: Door::Ingress,
            meta: &ingress.meta,
            place: host.map_or(backend.service.span, |host| host.span),
            when: host.map(|host| format!("host {}", **host)).unwrap_or_default(),
            port: Some(if ingress.spec.tls.is_some() { 443 } else { 80 }),
            transport: Transport::Tcp,
            address: None,
            reach: Some(if is_private { Reach::Private } else { Reach::Internet }),
            guard: guard(&ingress.meta),
            ways: self.ways(&backend.service, None, backend.port.as_ref().map(|port| &port.value), &ingress.meta),
        }
    }

    fn of_route<'c>(&'c self, route: &'c Declared<Route>) -> Vec<Entrance<'c>> {
        let gateways: Vec<&Declared<Gateway>> = self.gateways_of(route).collect();
        // Routes may also hang on Services, for the traffic within a mesh.
        if route.spec.parents.is_empty() {
            return Vec::new();
        }
        let listener = gateways.first().and_then(|gateway| gateway.spec.listeners.first());
        let host = route.spec.hostnames.first();
        let backends = route.spec.backends();
        backends
            .map(|backend| Entrance {
                door: Door::Gateway,
                meta: &route.meta,
                place: host.map_or(backend.service.span, |host| host.span),
                when: host.map(|host| format!("host {}", **host)).unwrap_or_default(),
                port: listener.and_then(|listener| listener.port.number()),
                transport: if *route.meta.kind == "UDPRoute" { Transport::Udp } else { Transport::Tcp },
                address: None,
                reach: Some(Reach::Internet),
                guard: Guard::Open,
                ways: self.ways(
                    &backend.service,
                    backend.namespace.as_deref(),
                    backend.port.as_ref().map(|port| &port.value),
                    &route.meta,
                ),
            })
            .collect()
    }

    /// The gateways in the files that a route hangs on.
    pub(crate) fn gateways_of<'c>(&'c self, route: &'c Declared<Route>) -> impl Iterator<Item = &'c Declared<Gateway>> {
        self.manifests.gateways.iter().filter(move |gateway| {
            route.spec.parents.iter().any(|parent| {
                parent.name == gateway.meta.name
                    && match &parent.namespace {
                        Some(namespace) => gateway.meta.namespace() == namespace || gateway.meta.namespace.is_none(),
                        None => gateway.meta.may_share_namespace(&route.meta),
                    }
            })
        })
    }

    /// Where a port of a Service leads that something in front names.
    fn ways(&self, service: &str, namespace: Option<&str>, port: Option<&PortValue>, from: &Meta) -> Vec<Way<'_>> {
        let services = self.services_named(service, namespace, from);
        let mut ways = Vec::new();
        for service in services {
            for resolved in self.resolved(service) {
                let is_meant = match port {
                    None => true,
                    Some(PortValue::Name(name)) => resolved.port.name.as_ref().is_some_and(|own| **own == *name),
                    Some(value) => value.number().is_none() || value.number() == resolved.port.port.number(),
                };
                if is_meant {
                    ways.extend(resolved.targets.iter().map(|(pods, target)| Way {
                        pods,
                        number: target.number(),
                        service: Some((service, resolved.port)),
                    }));
                }
            }
        }
        ways
    }
}

fn of_node<'c>(workload: &'c Pods, entrances: &mut Vec<Entrance<'c>>) {
    let in_host_network = workload.spec.pod.host_network.is_some();
    for port in workload.spec.pod.ports() {
        let Some(outside) = port.host_port.as_ref().or_else(|| in_host_network.then_some(&port.number)) else {
            continue;
        };
        let address = port.host_ip.as_ref().and_then(|text| text.parse::<IpAddr>().ok());
        let is_loopback = address.is_some_and(|address| address.is_loopback());
        entrances.push(Entrance {
            door: Door::Node,
            meta: &workload.meta,
            place: outside.span,
            when: String::new(),
            port: outside.number(),
            transport: port.protocol.transport().unwrap_or(Transport::Tcp),
            address,
            reach: Some(if is_loopback { Reach::Host } else { Reach::Private }),
            guard: Guard::Open,
            ways: vec![Way { pods: workload, number: port.number.number(), service: None }],
        });
    }
}

/// Whether the controller that answers for an Ingress is said to be for the inside.
pub(crate) fn is_private(ingress: &Declared<Ingress>) -> bool {
    let internal = |text: &str| ["internal", "private", "intranet"].iter().any(|word| text.contains(word));
    let scheme = ingress.meta.annotation("alb.ingress.kubernetes.io/scheme");
    ingress.spec.class.as_ref().is_some_and(|class| internal(class) || class.as_str() == "tailscale")
        || scheme.is_some_and(|scheme| internal(scheme))
        // Its controller makes internal balancers unless it is told otherwise.
        || (scheme.is_none() && ingress.spec.class.as_ref().is_some_and(|class| class.as_str() == "alb"))
}

/// What stands in front by annotation.
pub(crate) fn guard(meta: &Meta) -> Guard {
    const IDENTITY: [(&str, &str); 9] = [
        ("nginx.ingress.kubernetes.io/auth-url", "an authentication service"),
        ("nginx.ingress.kubernetes.io/auth-type", "basic auth"),
        ("nginx.ingress.kubernetes.io/auth-tls-secret", "client certificate"),
        ("nginx.ingress.kubernetes.io/auth-signin", "an authentication service"),
        ("haproxy.org/auth-type", "basic auth"),
        ("ingress.kubernetes.io/auth-type", "basic auth"),
        ("alb.ingress.kubernetes.io/auth-type", "single sign-on"),
        ("konghq.com/plugins", "plugins of the controller"),
        ("traefik.ingress.kubernetes.io/router.middlewares", "middlewares of the controller"),
    ];
    const SOURCES: [&str; 5] = [
        "nginx.ingress.kubernetes.io/whitelist-source-range",
        "nginx.ingress.kubernetes.io/allowlist-source-range",
        "haproxy.org/allow-list",
        "ingress.kubernetes.io/whitelist-source-range",
        "alb.ingress.kubernetes.io/inbound-cidrs",
    ];
    if let Some(value) = SOURCES.iter().find_map(|name| meta.annotation(name)) {
        let networks: Option<Networks> = value.split(',').map(|part| Networks::parse(part.trim()).ok()).collect();
        return networks.map_or(Guard::Unknown, |networks| Guard::Sources(networks.to_networks()));
    }
    let found = IDENTITY.iter().find(|(name, _)| meta.annotation(name).is_some());
    match found {
        // Middlewares and plugins may do anything, or nothing that guards.
        Some((_, what)) if what.ends_with("of the controller") => Guard::Unknown,
        Some((_, what)) => Guard::Identity((*what).to_owned()),
        None => Guard::Open,
    }
}
