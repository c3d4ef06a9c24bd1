//! PC505, PC508: where traffic goes: to itself, to the internet in clear, to a backend that is not there.

use std::collections::{HashMap, HashSet};

use portcullis_config::scope::Scope;

use super::super::{
    address::{Host, Ports},
    facts::target,
    model::{Instance, Mode, Proxy, ProxyKind, Server},
    syntax::Statement,
};
use crate::{
    estate::Target,
    finding::Finding,
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC505.
pub(crate) static STRAY_SERVER: Rule = Rule {
    id: "PC505",
    name: "haproxy-stray-server",
    severity: Severity::Medium,
    title: "a server of HAProxy is the frontend that its traffic came from, a public address in clear, or not declared",
    why: "Traffic that comes back to the frontend that it left runs in a circle until every connection is used up. \
          Traffic to a public address without `ssl` crosses the internet in clear, to a host that may have a new owner.",
    remedy: "Point the server at the address and port of the service itself; for a service elsewhere, add `ssl verify \
             required ca-file PATH`.",
    default: Default::On,
};

/// PC508.
pub(super) static BACKEND_NAMES: Rule = Rule {
    id: "PC508",
    name: "haproxy-backend-names",
    severity: Severity::Medium,
    title: "a frontend names a backend that is not there, or nothing names a backend",
    why: "HAProxy does not start with a backend that it does not know. One that nothing names is either left over, or \
          a rule that should lead to it is missing or misspelt, and its traffic goes elsewhere.",
    remedy: "Write the name of a backend that exists, or remove the one that nothing uses.",
    default: Default::On,
};

pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) {
    circles(instance, findings);
    public_in_clear(instance, findings);
    undefined(instance, findings);
    unused(instance, findings);
}

/// A server of a frontend or of a backend that it uses, and whether a condition leads there.
fn reached<'a>(instance: &'a Instance, front: &'a Proxy) -> impl Iterator<Item = (&'a Server, Option<&'a Statement>)> {
    let own = front.servers.iter().map(|server| (server, None));
    let mut seen = HashSet::new();
    let used = instance.uses(front).filter(move |(_, name)| seen.insert(name.text.as_str()));
    let behind = used.filter_map(move |(statement, name)| {
        let backend = instance.backend(&name.text).filter(|backend| !std::ptr::eq(*backend, front))?;
        Some(backend.servers.iter().map(move |server| (server, Some(statement))))
    });
    own.chain(behind.flatten())
}

/// Servers on the loopback interface that are frontends of the same process, as edges between frontends.
fn circles(instance: &Instance, findings: &mut Vec<Finding>) {
    let fronts: Vec<&Proxy> = instance.listening().collect();
    let mut by_port: HashMap<u16, usize> = HashMap::new();
    for (index, front) in fronts.iter().enumerate() {
        for bind in front.binds.iter().filter(|bind| bind.option("namespace").is_none()) {
            for bound in bind.addresses.iter().filter(|bound| !bound.is_datagram()) {
                let takes_loopback = bound.internet().is_some_and(|internet| match &internet.host {
                    Host::Ip(ip) => ip.is_unspecified() || Scope::of(*ip) == Scope::Loopback,
                    Host::Name(name) => name == "localhost",
                    Host::Open => false,
                });
                if let (true, Some((first, last))) = (takes_loopback, bound.span_of_ports())
                    && first == last
                {
                    by_port.entry(first).or_insert(index);
                }
            }
        }
    }
    if by_port.is_empty() {
        return;
    }
    let mut edges: Vec<Vec<(usize, &Server)>> = Vec::with_capacity(fronts.len());
    for front in &fronts {
        let listening = front
            .binds
            .iter()
            .flat_map(|bind| &bind.addresses)
            .find_map(|bound| bound.span_of_ports().filter(|(first, last)| first == last).map(|(first, _)| first));
        let to = reached(instance, front).filter_map(|(server, _)| {
            let at = server.statement.option(2, "namespace").is_none().then(|| server.bound.internet())??;
            match target(at, listening)? {
                Target::Address { address, port } if Scope::of(address) == Scope::Loopback => {
                    Some((*by_port.get(&port)?, server))
                }
                _ => None,
            }
        });
        edges.push(to.collect());
    }
    let mut told: HashSet<Span> = HashSet::new();
    for (from, out) in edges.iter().enumerate() {
        for (to, server) in out {
            if leads(&edges, *to, from) && told.insert(server.bound.span) {
                findings.push(circle(fronts[from], fronts[*to], server));
            }
        }
    }
}

/// Whether traffic that enters at one frontend can come to another.
fn leads(edges: &[Vec<(usize, &Server)>], start: usize, goal: usize) -> bool {
    let mut seen = HashSet::from([start]);
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        if at == goal {
            return true;
        }
        open.extend(edges[at].iter().map(|(to, _)| *to).filter(|to| seen.insert(*to)));
    }
    false
}

fn circle(from: &Proxy, to: &Proxy, server: &Server) -> Finding {
    let message = if std::ptr::eq(from, to) {
        format!("server `{}` is {} itself: its traffic runs in a circle", server.name, from.title())
    } else {
        format!(
            "server `{}` is {}, which leads back to {}: traffic can run in a circle",
            server.name,
            to.title(),
            from.title()
        )
    };
    Finding::new(&STRAY_SERVER, server.bound.span, message)
        .severity(Severity::High)
        .related(to.name.span, "the frontend that it is")
        .help("write the address and port of the service itself")
}

/// HTTP that leaves for the internet without TLS.
fn public_in_clear(instance: &Instance, findings: &mut Vec<Finding>) {
    for proxy in instance.proxies.iter().filter(|proxy| instance.mode(proxy) == Mode::Http) {
        let all_tls = instance.setting(proxy, &["default-server"]).is_some_and(|line| line.has(1, "ssl"));
        for server in &proxy.servers {
            let Some(internet) = server.bound.internet() else { continue };
            let Host::Ip(ip) = internet.host else { continue };
            let is_tls =
                all_tls || server.statement.has(2, "ssl") || matches!(internet.ports, Ports::Span { first: 443, .. });
            if is_tls || Scope::of(ip) != Scope::Public || ip.is_unspecified() || !is_routed(ip) {
                continue;
            }
            let message = format!(
                "server `{}` is at the public address `{}`, and is spoken to in clear",
                server.name, server.bound.text
            );
            let help =
                "add `ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt`, or write the internal address";
            findings.push(Finding::new(&STRAY_SERVER, server.bound.span, message).help(help));
        }
    }
}

/// Addresses that examples are written with, and that nothing routes, are not the internet.
fn is_routed(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            !ip.is_documentation()
                && !ip.is_broadcast()
                && !ip.is_multicast()
                && first != 0
                && (first, second) != (198, 18)
        }
        std::net::IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000 && ip.segments()[..2] != [0x2001, 0xdb8],
    }
}

fn undefined(instance: &Instance, findings: &mut Vec<Finding>) {
    let names: Vec<&str> = instance
        .proxies
        .iter()
        .filter(|proxy| matches!(proxy.kind, ProxyKind::Backend | ProxyKind::Listen))
        .map(|proxy| proxy.name.text.as_str())
        .collect();
    let known: HashSet<&str> = names.iter().copied().collect();
    for proxy in &instance.proxies {
        for statement in
            proxy.statements.iter().filter(|line| matches!(line.text(0), "use_backend" | "default_backend"))
        {
            let Some(name) = statement.words.get(1).filter(|name| name.open.is_none()) else { continue };
            // `%[…]` is computed for each request.
            if known.contains(name.text.as_str()) || name.text.contains('%') {
                continue;
            }
            let message = format!("{} sends traffic to backend `{}`, which is not there", proxy.title(), name.text);
            let near = names.iter().filter(|known| strsim::osa_distance(known, &name.text) <= 2).min();
            let help = near.map_or_else(|| format!("add `backend {}`", name.text), |near| format!("write `{near}`"));
            findings.push(if instance.is_whole && !instance.templated {
                Finding::new(&BACKEND_NAMES, name.span, message).severity(Severity::High).help(help)
            } else {
                Finding::unknown(&BACKEND_NAMES, name.span, format!("{message} in this part of the configuration"))
            });
        }
    }
}

fn unused(instance: &Instance, findings: &mut Vec<Finding>) {
    let all = || instance.proxies.iter().flat_map(|proxy| &proxy.statements).chain(&instance.others);
    let is_dynamic = |line: &Statement| {
        let name = line.words.get(1);
        line.text(0) == "use_backend" && name.is_some_and(|name| name.text.contains('%') || name.open.is_some())
            // A program of its own, or a filter with a file of its own, may name any backend.
            || line.begins(&["filter", "spoe"])
            || line.text(1).starts_with("lua.")
    };
    let listens = instance.listening().next().is_some();
    if !instance.is_whole || instance.templated || !listens || all().any(is_dynamic) {
        return;
    }
    // A backend may also hold a table that others look into, or be asked for its state.
    let mut named: HashSet<&str> = HashSet::new();
    for statement in all() {
        for word in &statement.words {
            named.insert(&word.text);
            if word.text.contains('(') {
                let is_part = |character: char| character.is_alphanumeric() || "-_.:".contains(character);
                named.extend(word.text.split(|character| !is_part(character)));
            }
        }
    }
    for proxy in instance.proxies.iter().filter(|proxy| proxy.kind == ProxyKind::Backend) {
        let is_used = named.contains(proxy.name.text.as_str()) || proxy.name.open.is_some();
        if !is_used && !proxy.servers.is_empty() {
            let message = format!("nothing leads to backend `{}`", proxy.name.text);
            let help = format!("add `use_backend {} if …` to a frontend, or remove it", proxy.name.text);
            findings.push(Finding::new(&BACKEND_NAMES, proxy.name.span, message).severity(Severity::Low).help(help));
        }
    }
}
