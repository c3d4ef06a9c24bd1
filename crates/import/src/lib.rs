//! What other tools' files open, as a `portcullis.yaml` that does the same.
//!
//! Owns: turning the facts that [`portcullis_lint`] reads from files into declared ports, services and routes, and
//! saying what could not be carried over. Nothing is left out in silence.
//!
//! Must not know: any format. A format that tells the estate its listeners and forwards can be imported.

mod names;
pub mod propose;
pub mod proxied;
mod text;

use std::collections::BTreeMap;

use names::Names;
use portcullis_lint::{
    estate::{Address, Facts, Listener, PortSpan, Role, Target, Transport, Workload},
    inputs::{Inputs, Span},
    sensitive,
};

/// A file, and what it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The whole text of a `portcullis.yaml`; empty if there is nothing to declare.
    pub text: String,
    /// What could not be carried over, or what the operator must do or should think about.
    pub notes: Vec<Note>,
}

/// Something that a person has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The value that it is about.
    pub place: Option<Span>,
    /// Lower case, no full stop.
    pub text: String,
}

/// A port, as it will be declared.
#[derive(Debug)]
struct Port {
    name: String,
    /// `0.0.0.0:80`, `[::]:80`.
    listen: String,
    is_public: bool,
    /// Name of the service behind it.
    service: String,
    place: Span,
}

/// A service, as it will be declared.
#[derive(Debug)]
struct Service {
    name: String,
    host: String,
    port: u16,
    protocol: &'static str,
    place: Span,
}

/// Declares what the facts say is open on the host, passed on as it comes (`protocol: tcp`).
pub fn import(facts: &Facts, inputs: &Inputs) -> Imported {
    let mut import =
        Import { facts, names: Names::default(), ports: Vec::new(), services: BTreeMap::new(), notes: Vec::new() };
    for listener in &facts.listeners {
        import.listener(listener);
    }
    let services: Vec<Service> = import.services.into_values().collect();
    let text = text::render(&import.ports, &services, inputs);
    Imported { text, notes: import.notes }
}

struct Import<'f> {
    facts: &'f Facts,
    names: Names,
    ports: Vec<Port>,
    /// By the key of the workload and its port.
    services: BTreeMap<(&'f str, u16), Service>,
    notes: Vec<Note>,
}

impl<'f> Import<'f> {
    fn listener(&mut self, listener: &'f Listener) {
        let addresses = match Self::addresses(listener) {
            Ok(addresses) => addresses,
            Err(why) => return self.left_out(listener, &why),
        };
        let targets: Vec<&Target> = self
            .facts
            .forwards
            .iter()
            .filter(|forward| forward.from == listener.key)
            .map(|forward| &forward.target)
            .collect();
        let (workload, port) = match targets.as_slice() {
            [Target::Workload { key, port: Some(port) }] => match self.workload(key) {
                Some(workload) => (workload, *port),
                None => return self.left_out(listener, "what is behind it is not known"),
            },
            [] => return self.left_out(listener, "nothing is behind it"),
            _ => return self.left_out(listener, "what is behind it is not a single port of a single service"),
        };
        let service = self.service(workload, port);
        for (address, is_public) in addresses {
            let number = listener.ports.first;
            let family = if address.starts_with('[') { "-v6" } else { "" };
            let name = self.names.free("port", &format!("{}-{number}{family}", workload.name));
            let listen = format!("{address}:{number}");
            self.ports.push(Port { name, listen, is_public, service: service.clone(), place: listener.place });
        }
        self.think_about(listener, workload, port);
    }

    /// The addresses to listen on, and whether each is public; or why there is none.
    fn addresses(listener: &Listener) -> Result<Vec<(String, bool)>, String> {
        if listener.transport != Transport::Tcp {
            return Err(format!("it is {}, and Portcullis passes on TCP", listener.transport));
        }
        if listener.ports.first == 0 {
            return Err("its number is not known: a variable or the engine decides it".to_owned());
        }
        if listener.ports.count() > 1 {
            return Err(format!("{} ports at once are not declared one by one", listener.ports.count()));
        }
        match &listener.address {
            Address::BothWildcards => Ok(vec![("0.0.0.0".to_owned(), true), ("[::]".to_owned(), true)]),
            Address::Unknown(what) => Err(format!("its address is not known: {what}")),
            address => {
                use portcullis_config::scope::Scope;
                Ok(vec![(address.to_string(), address.scope() == Some(Scope::Public))])
            }
        }
    }

    fn workload(&self, key: &str) -> Option<&'f Workload> {
        self.facts.workloads.iter().find(|workload| workload.key == key)
    }

    /// The name of the service for a port of a workload.
    fn service(&mut self, workload: &'f Workload, port: u16) -> String {
        if let Some(known) = self.services.get(&(workload.key.as_str(), port)) {
            return known.name.clone();
        }
        let is_only = !self.services.keys().any(|(key, _)| *key == workload.key);
        let wish = if is_only { workload.name.clone() } else { format!("{}-{port}", workload.name) };
        let name = self.names.free("service", &wish);
        let service = Service {
            name: name.clone(),
            host: workload.name.clone(),
            port,
            protocol: protocol(port),
            place: workload.place,
        };
        self.services.insert((&workload.key, port), service);
        name
    }

    fn left_out(&mut self, listener: &Listener, why: &str) {
        let text = format!("{} is not carried over: {why}", listener.title);
        self.notes.push(Note { place: Some(listener.place), text });
    }

    /// The same as before can be more than is good.
    fn think_about(&mut self, listener: &Listener, workload: &Workload, port: u16) {
        let is_public = listener.address.scope().is_some_and(|scope| scope == portcullis_config::scope::Scope::Public);
        let of_port = workload.ports.iter().find(|said| said.ports.contains(port)).and_then(|said| said.role);
        let Some(role) = of_port.or(workload.role).filter(|role| is_public && role.is_private()) else { return };
        let what = match role {
            Role::Admin => "something that steers others",
            Role::RemoteAccess => "remote access",
            other => other.word(),
        };
        let text = format!(
            "{} is public, as before, and leads to {what}; `role: internal` with `listen: 127.0.0.1:{}` keeps it on the host",
            listener.title,
            PortSpan::one(listener.ports.first)
        );
        self.notes.push(Note { place: Some(listener.place), text });
    }
}

/// What Portcullis calls the protocol that is usual on a port; `tcp` for all others, which is passed on as it comes.
fn protocol(port: u16) -> &'static str {
    match sensitive::telling(port, Transport::Tcp).map(|known| known.name) {
        Some("PostgreSQL") => "postgres",
        Some("Redis") => "redis",
        Some("SSH") => "ssh",
        _ => "tcp",
    }
}
