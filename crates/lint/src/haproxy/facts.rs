//! What a HAProxy configuration adds to the estate: who listens, to whom it is passed on, what is asked on the way.

use std::net::IpAddr;

use super::{
    access,
    address::{Host, Internet, Ports},
    model::{Bind, Bound, Instance, Proxy, Server, SocketKind},
};
use crate::{
    estate::{
        Address, Facts, Forward, Guard, Kind, Listener, Owner, PortSpan, Reach, Role, Sharing, Space, Target,
        Transport, Workload,
    },
    inputs::{Inputs, Span},
};

/// Everything that an instance says.
pub(super) fn of(instance: &Instance, inputs: &Inputs) -> Facts {
    let Some(first) = instance.files.first() else { return Facts::default() };
    let project = inputs.path(*first).display().to_string();
    let mut teller = Teller { instance, project, facts: Facts::default() };
    for proxy in instance.listening() {
        teller.proxy(proxy);
    }
    teller.sockets();
    teller.facts
}

/// The address as the estate says it; `None` for Unix sockets and the like.
pub(super) fn bound_address(bound: &Bound, bind: &Bind) -> Option<Address> {
    Some(match &bound.internet()?.host {
        Host::Ip(IpAddr::V6(ip)) if ip.is_unspecified() && !bind.has("v6only") => Address::Dual,
        Host::Ip(ip) => Address::Ip(*ip),
        Host::Name(name) if name == "localhost" => Address::Ip([127, 0, 0, 1].into()),
        Host::Name(name) => Address::Unknown(name.clone()),
        Host::Open => Address::Unknown(bound.text.clone()),
    })
}

/// From how far away a bound address can be reached.
pub(super) fn reach(bound: &Bound, bind: &Bind) -> Option<Reach> {
    Some(Reach::of(bound_address(bound, bind)?.scope()?))
}

/// The other guard counts where the first asks nothing.
pub(super) fn stronger(first: Guard, second: Guard) -> Guard {
    if first == Guard::Open { second } else { first }
}

/// More ways than any process has; a hostile file must not multiply its lines with each other.
const MAX_FORWARDS: usize = 100_000;

struct Teller<'a> {
    instance: &'a Instance,
    /// Path of the first file: what is started together.
    project: String,
    facts: Facts,
}

impl Teller<'_> {
    fn proxy(&mut self, proxy: &Proxy) {
        let owner = Owner { project: self.project.clone(), part: proxy.title() };
        let asked = access::at_proxy(self.instance, proxy);
        for bind in &proxy.binds {
            let guard = stronger(access::at_bind(bind), asked.clone());
            let title = format!("HAProxy {}", proxy.title());
            for (key, ports) in self.listeners(bind, &owner, &title, &guard) {
                self.forwards(&key, ports, proxy);
            }
        }
    }

    /// One listener for each address of a line; their keys and ports.
    fn listeners(&mut self, bind: &Bind, owner: &Owner, title: &str, guard: &Guard) -> Vec<(String, PortSpan)> {
        let mut keys = Vec::new();
        for bound in &bind.addresses {
            let (Some(address), Some((first, last))) = (bound_address(bound, bind), bound.span_of_ports()) else {
                continue;
            };
            let Some(ports) = PortSpan::new(first, last) else { continue };
            let key = self.key(&owner.part, bound.span);
            let space = match bind.option("namespace") {
                Some(name) => Space::Own(format!("netns:{}", name.text)),
                None => Space::Config(bound.span.file),
            };
            let transport = if bound.is_datagram() { Transport::Udp } else { Transport::Tcp };
            let is_exclusive = self.instance.global.iter().any(|statement| statement.begins(&["noreuseport"]));
            self.facts.listeners.push(Listener {
                key: key.clone(),
                title: format!("port {ports} of {title}"),
                space,
                reach: address.scope().map(Reach::of),
                address,
                ports,
                transport,
                owner: owner.clone(),
                sharing: if is_exclusive { Sharing::Exclusive } else { Sharing::ReusePort },
                guard: guard.clone(),
                place: bound.span,
            });
            keys.push((key, ports));
        }
        keys
    }

    /// From a listener to its own servers, to those of the backends that it uses, and to its statistics.
    fn forwards(&mut self, key: &str, ports: PortSpan, proxy: &Proxy) {
        for server in &proxy.servers {
            self.forward(key, ports, server, String::new(), Guard::Open);
        }
        for (statement, name) in self.instance.uses(proxy) {
            let Some(backend) = self.instance.backend(&name.text).filter(|backend| backend.name != proxy.name) else {
                continue;
            };
            let asked = stronger(
                access::at_statement(self.instance, proxy, statement, 2),
                access::at_proxy(self.instance, backend),
            );
            for server in &backend.servers {
                self.forward(key, ports, server, access::text(statement, 2), asked.clone());
            }
        }
        self.statistics(key, proxy);
    }

    fn forward(&mut self, key: &str, ports: PortSpan, server: &Server, when: String, guard: Guard) {
        if self.facts.forwards.len() >= MAX_FORWARDS {
            return;
        }
        let listening = (ports.first == ports.last).then_some(ports.first);
        let Some(target) = server.bound.internet().and_then(|internet| target(internet, listening)) else { return };
        self.facts.forwards.push(Forward { from: key.to_owned(), when, target, guard, place: server.bound.span });
    }

    fn statistics(&mut self, key: &str, proxy: &Proxy) {
        let Some(statement) = self.instance.effective(proxy).find(|statement| statement.text(0) == "stats") else {
            return;
        };
        let place = statement.span;
        let workload = self.key(&format!("stats of {}", proxy.name.text), place);
        let asked = match self.instance.setting(proxy, &["stats", "auth"]) {
            Some(_) => Guard::Identity("basic auth".to_owned()),
            None => access::at_part(self.instance, proxy),
        };
        self.program(&workload, format!("HAProxy statistics of {}", proxy.title()), place);
        let target = Target::Workload { key: workload, port: None };
        self.facts.forwards.push(Forward {
            from: key.to_owned(),
            when: "statistics".into(),
            target,
            guard: asked,
            place,
        });
    }

    /// Something of the process itself that steers it.
    fn program(&mut self, key: &str, title: String, place: Span) {
        if self.facts.workloads.iter().any(|known| known.key == key) {
            return;
        }
        self.facts.workloads.push(Workload {
            key: key.to_owned(),
            kind: Kind::Program,
            name: title.clone(),
            title,
            names: Vec::new(),
            ports: Vec::new(),
            ports_are_complete: false,
            role: Some(Role::Admin),
            place,
        });
    }

    fn sockets(&mut self) {
        for socket in &self.instance.sockets {
            if socket.kind == SocketKind::Peer {
                continue; // which of them is this host is decided elsewhere
            }
            let owner = Owner { project: self.project.clone(), part: socket.kind.word().to_owned() };
            let title = format!("{} of HAProxy", socket.kind.word());
            let listeners = self.listeners(&socket.bind, &owner, &title, &access::at_bind(&socket.bind));
            if socket.kind == SocketKind::Control {
                for (key, _) in listeners {
                    let place = socket.bind.statement.span;
                    let workload = self.key("control", place);
                    self.program(&workload, "HAProxy control".to_owned(), place);
                    let target = Target::Workload { key: workload, port: None };
                    let (when, guard) = (String::new(), Guard::Open);
                    self.facts.forwards.push(Forward { from: key, when, target, guard, place });
                }
            }
        }
    }

    fn key(&self, part: &str, place: Span) -> String {
        format!("haproxy:{}:{part}:{}:{}", self.project, place.file.0, place.start)
    }
}

/// Where a server is; `None` if it is decided elsewhere, or is the address that the client asked for.
pub(super) fn target(internet: &Internet, listening: Option<u16>) -> Option<Target> {
    let port = match internet.ports {
        Ports::Span { first, .. } => Some(first),
        Ports::None => listening,
        Ports::Offset(offset) => listening.and_then(|port| u16::try_from(i32::from(port) + offset).ok()),
        Ports::Open => None,
    };
    match &internet.host {
        Host::Ip(ip) if ip.is_unspecified() => None,
        Host::Ip(address) => Some(Target::Address { address: *address, port: port? }),
        Host::Name(name) if name == "localhost" => {
            Some(Target::Address { address: [127, 0, 0, 1].into(), port: port? })
        }
        Host::Name(host) => Some(Target::Named { networks: Vec::new(), host: host.clone(), port }),
        Host::Open => None,
    }
}
