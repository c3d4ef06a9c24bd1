//! Ports that are told to a proxy by labels or variables.

use super::Subject;
use crate::{
    compose::{
        model::{Service, Setting},
        nature,
    },
    estate::{PortSpan, Transport},
    finding::Finding,
    rule::{Default, Rule, Severity},
};

pub(super) static MISMATCH: Rule = Rule {
    id: "PC221",
    name: "proxy-port-mismatch",
    severity: Severity::Medium,
    title: "a label sends a proxy to a port that the container is not said to have",
    why: "The proxy answers with 502, or reaches another listener of the container than the one that was meant.",
    remedy: "Write the port on which the container listens; it need not be published.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for told in told_ports(service) {
            let Some(known) = known_ports(service) else { continue };
            if known.iter().any(|(ports, _)| ports.contains(told.port)) {
                continue;
            }
            let list: Vec<String> = known.iter().map(|(ports, _)| ports.to_string()).collect();
            let name = &service.name.value;
            let message = format!("a proxy is sent to port {} of `{name}`, which has {}", told.port, list.join(", "));
            let finding = Finding::new(&MISMATCH, told.setting.place, message).label(told.setting.key.clone());
            let finding = finding.help(format!("write {}", list.join(" or ")));
            findings.push(match known.iter().find_map(|(_, place)| *place) {
                Some(place) => finding.related(place, "the ports that it has"),
                None => finding,
            });
        }
    }
}

/// A port that is told to a proxy.
pub(in crate::compose) struct ToldPort<'s> {
    pub(in crate::compose) port: u16,
    pub(in crate::compose) setting: &'s Setting,
}

/// Traefik, nginx-proxy and caddy-docker-proxy.
pub(in crate::compose) fn told_ports(service: &Service) -> impl Iterator<Item = ToldPort<'_>> {
    let of_labels = service.labels.iter().filter(|label| {
        let key = label.key.to_ascii_lowercase();
        key.starts_with("traefik.http.services.") && key.ends_with(".loadbalancer.server.port") || key == "traefik.port"
    });
    let of_labels = of_labels.filter_map(|setting| Some((setting.value.as_ref()?.trim().parse().ok()?, setting)));
    let of_environment = service.environment.iter().filter(|setting| setting.key == "VIRTUAL_PORT");
    let of_environment =
        of_environment.filter_map(|setting| Some((setting.value.as_ref()?.trim().parse().ok()?, setting)));
    let of_caddy =
        service.labels.iter().filter(|label| label.key.starts_with("caddy") && label.key.ends_with("reverse_proxy"));
    let of_caddy = of_caddy.filter_map(|setting| Some((upstreams(setting.value.as_ref()?)?, setting)));
    of_labels.chain(of_environment).chain(of_caddy).map(|(port, setting)| ToldPort { port, setting })
}

/// `{{upstreams 8080}}`
fn upstreams(value: &str) -> Option<u16> {
    let inside = value.split_once("{{")?.1.split_once("}}")?.0;
    inside.trim().strip_prefix("upstreams")?.split_whitespace().last()?.parse().ok()
}

/// The TCP ports of a container, each with the place that says so. `None` where nothing says that these are all:
/// published ports are seldom all that a program listens on.
fn known_ports(service: &Service) -> Option<Vec<(PortSpan, Option<crate::inputs::Span>)>> {
    if !service.expose.is_empty() {
        let mut ports = Vec::new();
        for exposed in &service.expose {
            let is_tcp = exposed.transport.known()? == Transport::Tcp;
            ports.extend(is_tcp.then_some((exposed.ports.as_ref().ok()?.known()?, Some(exposed.place))));
        }
        ports
            .extend(service.mappings().filter_map(|(port, mapping)| Some((mapping.target.known()?, Some(port.entry)))));
        return Some(ports);
    }
    let software = nature::software(service)?;
    let has_defaults = !software.ports.is_empty() && service.command.is_empty() && service.environment.is_empty();
    let known = software.ports.iter().chain(software.control_ports).map(|port| (PortSpan::one(*port), None));
    let published = service.mappings().filter_map(|(port, mapping)| Some((mapping.target.known()?, Some(port.entry))));
    // What is set by a variable, an argument or a mounted file may be another port.
    (has_defaults && service.volumes.is_empty()).then(|| known.chain(published).collect())
}
