//! What an nginx configuration adds to the estate.

use std::collections::HashSet;

use super::{
    access,
    listen::{Address, Listen},
    model::{Chain, Instance, Layer, Server},
    pass,
    variables::Variables,
};
use crate::{
    estate::{
        Facts, Forward, Guard, Kind, Listener, Owner, PortSpan, Role, Sharing, Space, Target, Transport, Workload,
    },
    inputs::{Inputs, Span},
};

/// More ways than any server has; a hostile file must not multiply its lines with each other.
const MAX_FORWARDS: usize = 100_000;

/// Directives that answer with the state of nginx.
pub(super) const STATUS: [&str; 6] =
    ["stub_status", "vhost_traffic_status_display", "check_status", "req_status_show", "status", "api"];

/// Everything that an instance says. `told` are the places of listeners that another instance told of already: a part
/// may be included by several main files.
pub(super) fn of(instance: &Instance, inputs: &Inputs, told: &mut HashSet<Span>) -> Facts {
    let project = inputs.path(instance.root).display().to_string();
    let mut facts = Facts::default();
    let (upstreams, variables) = (instance.upstreams(), Variables::of(instance));
    for server in &instance.servers() {
        let keys: Vec<String> =
            server.listens.iter().filter_map(|listen| listener(server, listen, &project, told, &mut facts)).collect();
        if keys.is_empty() {
            continue;
        }
        server.visit(|chain| {
            let place = chain.last();
            for directive in place.inside().iter().filter(|inner| pass::NAMES.contains(&inner.name())) {
                let guard = within(server, chain);
                for one in pass::targets(directive, &upstreams, &variables) {
                    for key in &keys {
                        if facts.forwards.len() < MAX_FORWARDS {
                            facts.forwards.push(Forward {
                                from: key.clone(),
                                when: condition(server, chain),
                                target: one.target.clone(),
                                guard: guard.clone(),
                                place: one.place,
                            });
                        }
                    }
                }
            }
            if let Some(status) = place.inside().iter().find(|inner| is_status(inner.name(), inner.text(1))) {
                self::status(server, chain, status.span, &keys, &mut facts);
            }
        });
    }
    facts
}

/// Whether a directive shows the state of nginx; `status` and `api` are of nginx Plus and have no value, or `on`.
pub(super) fn is_status(name: &str, value: &str) -> bool {
    STATUS.contains(&name) && (!matches!(name, "status" | "api") || value.is_empty() || value.starts_with("write="))
}

fn listener(
    server: &Server<'_>,
    listen: &Listen<'_>,
    project: &str,
    told: &mut HashSet<Span>,
    facts: &mut Facts,
) -> Option<String> {
    let Address::Internet { ports: (first, last), .. } = listen.address else { return None };
    let (address, ports) = (listen.bound()?, PortSpan::new(first, last)?);
    if !told.insert(listen.span) {
        return None;
    }
    let key = format!("nginx:{}:{}", listen.span.file.0, listen.span.start);
    facts.listeners.push(Listener {
        key: key.clone(),
        title: format!("port {ports} of nginx {}", server.title()),
        space: Space::Config(listen.span.file),
        address,
        ports,
        transport: if listen.is_datagram() { Transport::Udp } else { Transport::Tcp },
        owner: Owner { project: project.to_owned(), part: server.title() },
        sharing: if listen.has("reuseport") { Sharing::ReusePort } else { Sharing::Exclusive },
        reach: listen.reach(),
        guard: access::guard(&server.chain),
        place: listen.span,
    });
    Some(key)
}

/// What is asked inside of a server beyond what the server asks.
fn within(server: &Server<'_>, chain: &Chain<'_>) -> Guard {
    if std::ptr::eq(server.directive(), chain.last()) { Guard::Open } else { access::guard(chain) }
}

/// The names and the path, for people.
fn condition(server: &Server<'_>, chain: &Chain<'_>) -> String {
    let host = server.names().next().filter(|name| !matches!(name.text.as_str(), "_" | "" | "localhost"));
    let host = host.filter(|_| server.layer == Layer::Http).map(|name| format!("host {}", name.text));
    let location = chain.links().map(Chain::last).find(|block| block.name() == "location");
    let path = location.map(|block| {
        let words: Vec<&str> = block.arguments().iter().map(|word| word.text.as_str()).collect();
        format!("path {}", words.join(" "))
    });
    host.into_iter().chain(path).collect::<Vec<_>>().join(", ")
}

fn status(server: &Server<'_>, chain: &Chain<'_>, place: Span, keys: &[String], facts: &mut Facts) {
    let workload = format!("nginx:status:{}:{}", place.file.0, place.start);
    let title = format!("status of nginx {}", server.title());
    facts.workloads.push(Workload {
        key: workload.clone(),
        kind: Kind::Program,
        name: title.clone(),
        title,
        names: Vec::new(),
        ports: Vec::new(),
        ports_are_complete: false,
        role: Some(Role::Metrics),
        place,
    });
    for key in keys {
        let target = Target::Workload { key: workload.clone(), port: None };
        let (when, guard) = (condition(server, chain), within(server, chain));
        facts.forwards.push(Forward { from: key.clone(), when, target, guard, place });
    }
}
