//! What lets the outside into a cluster, as one proxy in front of its Services would do it: Ingresses, Gateways with
//! their routes, and Services of type `LoadBalancer` and `NodePort`. Every way in is either carried over or told.
//!
//! Ingresses and Gateways share the numbers that they listen on, as one controller has them; a Service whose number is
//! theirs already is told and left out.

mod gateway;
mod ingress;

use super::{
    cluster::{BalancerReach, Cluster},
    model::{Declared, Exposure, Meta, PortValue, Service},
};
use crate::{
    estate::{Address, Guard, Transport},
    inputs::{Span, Spanned},
    proxied::{Action, Allow, Balance, Endpoint, Left, Match, Port, Proxied, Route, Speaks, Verify},
};

/// Everything that the files of a cluster let in.
pub(super) fn of(cluster: &Cluster) -> Proxied {
    let mut carrying = Carrying { cluster, proxied: Proxied::default() };
    for ingress in cluster.manifests.ingresses.iter().filter(|ingress| ingress.meta.is_whole()) {
        carrying.ingress(ingress);
    }
    for gateway in cluster.manifests.gateways.iter().filter(|gateway| gateway.meta.is_whole()) {
        carrying.gateway(gateway);
    }
    for route in cluster.manifests.routes.iter().filter(|route| route.meta.is_whole()) {
        carrying.route(route);
    }
    for gateway in &cluster.manifests.istio_gateways {
        let text = format!("{} is not carried over: what Istio routes is not read", gateway.meta.title());
        carrying.left(gateway.meta.anchor(), text);
    }
    for service in cluster.services() {
        carrying.service(service);
    }
    carrying.redirect_to_tls();
    carrying.proxied
}

struct Carrying<'c> {
    cluster: &'c Cluster,
    proxied: Proxied,
}

/// A Service that something in front names.
struct Backend<'b> {
    service: &'b Spanned<String>,
    namespace: Option<&'b str>,
    port: Option<&'b Spanned<PortValue>>,
    weight: Option<u32>,
}

impl<'c> Carrying<'c> {
    fn left(&mut self, place: Span, text: String) {
        let left = Left { place, text };
        if !self.proxied.left.contains(&left) {
            self.proxied.left.push(left);
        }
    }

    /// The key of the port of a number that speaks so; `None`, and told, if the number is something else already.
    fn port(&mut self, number: u16, speaks: Speaks, secrets: &[Spanned<String>], place: Span) -> Option<String> {
        let has_tls = !secrets.is_empty();
        if let Some(port) = self.proxied.ports.iter_mut().find(|port| port.number == number) {
            if port.speaks != speaks || port.certificates.is_empty() == has_tls || speaks == Speaks::Tcp {
                let text = format!("port {number} is not carried over once more: it is taken; give this one another");
                self.left(place, text);
                return None;
            }
            let new: Vec<_> =
                secrets.iter().map(certificate).filter(|file| !port.certificates.contains(file)).collect();
            port.certificates.extend(new);
            return Some(port.key.clone());
        }
        let name = match (speaks, has_tls) {
            (Speaks::Http, false) => "http",
            (Speaks::Http, true) => "https",
            (Speaks::Tcp, _) => "tcp",
            (Speaks::TlsPassthrough, _) => "tls",
        };
        let key = format!("{name}:{number}");
        let is_usual = matches!((name, number), ("http", 80) | ("https", 443));
        self.proxied.ports.push(Port {
            key: key.clone(),
            name: if is_usual { name.to_owned() } else { format!("{name}-{number}") },
            address: Address::BothWildcards,
            number,
            speaks,
            certificates: secrets.iter().map(certificate).collect(),
            clients: None,
            redirect: None,
            takes_proxy_header: false,
            place,
        });
        Some(key)
    }

    /// Adds a route, unless one of the port takes the same traffic already.
    fn add(&mut self, route: Route) {
        let is_same = |other: &&Route| other.ports == route.ports && other.matches == route.matches;
        if let Some(other) = self.proxied.routes.iter().find(is_same) {
            if other.action != route.action {
                self.left(route.place, "this is not carried over: what comes before it takes the same".to_owned());
            }
            return;
        }
        self.proxied.routes.push(route);
    }

    /// The key of the service for Services behind one way in, each with its share; `None`, and told, if one is not known.
    fn behind(&mut self, backends: &[Backend<'_>], from: &Meta, speaks: Speaks, tls: Option<Verify>) -> Option<String> {
        let mut endpoints = Vec::new();
        let first = backends.first()?;
        for backend in backends.iter().filter(|backend| backend.weight != Some(0)) {
            match self.endpoint(backend, from) {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(why) => {
                    self.left(
                        backend.service.span,
                        format!("the way to `{}` is not carried over: {why}", **backend.service),
                    );
                    return None;
                }
            }
        }
        let key =
            endpoints.iter().map(|at| format!("{}:{} {:?}", at.host, at.port, at.weight)).collect::<Vec<_>>().join(" ");
        let key = format!("{key} {speaks:?} {tls:?}");
        if endpoints.is_empty() {
            self.left(first.service.span, "this is not carried over: no Service behind it has a share".to_owned());
            return None;
        }
        if !self.proxied.services.iter().any(|service| service.key == key) {
            self.proxied.services.push(crate::proxied::Service {
                key: key.clone(),
                name: first.service.value.clone(),
                speaks,
                balance: Balance::RoundRobin,
                endpoints,
                health: None,
                tls,
                proxy_header: None,
                place: first.service.span,
            });
        }
        Some(key)
    }

    /// Where a Service is, by the name that the cluster's DNS has for it.
    fn endpoint(&self, backend: &Backend<'_>, from: &Meta) -> Result<Endpoint, String> {
        let known = self.cluster.services_named(backend.service, backend.namespace, from).first().copied();
        let port = match (backend.port.map(|port| &port.value), known) {
            (Some(port), _) if port.number().is_some() => port.number(),
            (Some(PortValue::Name(name)), Some(service)) => {
                let named = service.spec.ports.iter().find(|port| port.name.as_ref().is_some_and(|own| **own == *name));
                named.and_then(|port| port.port.number())
            }
            (None, Some(service)) if service.spec.ports.len() == 1 => service.spec.ports[0].port.number(),
            _ => None,
        };
        let port = port.ok_or("the number of its port is not in the files")?;
        let elsewhere = known.and_then(|service| service.spec.external_name.as_ref());
        let namespace = backend.namespace.or_else(|| from.namespace.as_ref().map(|namespace| namespace.as_str()));
        let host = match (elsewhere, namespace) {
            (Some(name), _) => name.value.clone(),
            (None, Some(namespace)) => format!("{}.{namespace}.svc", **backend.service),
            (None, None) => backend.service.value.clone(),
        };
        Ok(Endpoint { host, port, weight: backend.weight })
    }

    /// A Service that has an address or a port of the nodes of its own: bytes, passed on.
    fn service(&mut self, service: &'c Declared<Service>) {
        let exposure = service.spec.exposure();
        if !matches!(exposure, Exposure::LoadBalancer | Exposure::NodePort) {
            return;
        }
        let guard = match BalancerReach::of(service) {
            BalancerReach::Sources(networks) => Guard::Sources(networks.to_networks()),
            BalancerReach::Unknown(_) => Guard::Unknown,
            BalancerReach::Internal | BalancerReach::Internet(_) => Guard::Open,
        };
        for port in &service.spec.ports {
            let is_balancer = exposure == Exposure::LoadBalancer;
            let outside = if is_balancer { Some(&port.port) } else { port.node_port.as_ref() };
            let title = format!("port {} of {}", port.port.value, service.meta.title());
            let Some(number) = outside.and_then(|value| value.number()) else {
                self.left(port.port.span, format!("{title} is not carried over: the cluster chooses its number"));
                continue;
            };
            if port.transport() != Some(Transport::Tcp) {
                self.left(port.port.span, format!("{title} is not carried over: Portcullis passes on TCP"));
                continue;
            }
            let Some(key) = self.port(number, Speaks::Tcp, &[], port.port.span) else { continue };
            let backend =
                Backend { service: &service.meta.name, namespace: None, port: Some(&port.port), weight: None };
            let Some(behind) = self.behind(&[backend], &service.meta, Speaks::Tcp, None) else { continue };
            let allow = self.told(Allow::of(&guard), port.port.span);
            self.add(Route::new(vec![key], Match::default(), Action::Service(behind), allow, port.port.span));
        }
    }

    /// Who may pass, told where that is for a person to decide.
    fn told(&mut self, allow: Allow, place: Span) -> Allow {
        if let Allow::Closed(why) = &allow {
            let text =
                format!("this route is closed (`allow` names nobody outside of this host) until you decide: {why}");
            self.left(place, text);
        }
        allow
    }

    /// A port of which every route leads to its twin with TLS redirects as a whole.
    fn redirect_to_tls(&mut self) {
        let with_tls = self.proxied.ports.iter().find(|port| port.number == 443 && !port.certificates.is_empty());
        let Some(to) = with_tls.map(|port| port.key.clone()) else { return self.leave_hostless() };
        let routes = &self.proxied.routes;
        let leads_there =
            |route: &Route| matches!(&route.action, Action::Redirect { to, .. } if to.starts_with("https://"));
        for port in self.proxied.ports.iter_mut().filter(|port| port.number == 80 && port.speaks == Speaks::Http) {
            let mut of_port = routes.iter().filter(|route| route.ports.contains(&port.key)).peekable();
            if of_port.peek().is_none() || of_port.all(leads_there) {
                port.redirect = Some(to.clone());
            }
        }
        let redirected: Vec<&String> =
            self.proxied.ports.iter().filter(|port| port.redirect.is_some()).map(|port| &port.key).collect();
        self.proxied.routes.retain(|route| !route.ports.iter().any(|key| redirected.contains(&key)));
        self.leave_hostless();
    }

    /// A redirect to https names the host that it leads to.
    fn leave_hostless(&mut self) {
        let is_hostless = |route: &Route| matches!(&route.action, Action::Redirect { to, .. } if to == "https://");
        let places: Vec<Span> =
            self.proxied.routes.iter().filter(|route| is_hostless(route)).map(|route| route.place).collect();
        for place in places {
            self.left(
                place,
                "the redirect of its hosts to https is not carried over: say `redirect` for each".to_owned(),
            );
        }
        self.proxied.routes.retain(|route| !is_hostless(route));
    }
}

/// The files of a secret, as a volume of it has them.
fn certificate(secret: &Spanned<String>) -> (String, String) {
    (format!("tls/{}/tls.crt", **secret), format!("tls/{}/tls.key", **secret))
}

/// Whether a path can be compared as it is.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['(', ')', '[', ']', '*', '+', '?', '^', '$', '|', '\\', '%', '#'])
}
