//! What a Compose project tells the estate: what it publishes, what runs behind it, and who passes traffic on to whom.

mod proxies;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    model::{Project, Published, Service},
    nature,
    port::{HostAddress, HostPort, Mapping},
    project::Role as Part,
};
use crate::{
    estate::{
        Address, Build, Facts, Forward, Guard, Kind, Listener, Mount, Owner, PortSpan, Reach, Sharing, Space, Target,
        Transport, Workload, WorkloadPort,
    },
    inputs::{FileId, Inputs, Span},
};

/// A range that is published as a whole is told port by port, up to here; a larger one as one thing.
const MAX_SINGLE_PORTS: u32 = 32;

/// A project, and how the estate calls it.
pub(super) struct Teller<'a> {
    inputs: &'a Inputs,
    project: &'a Project,
    /// Begins every key.
    key: String,
    /// What is started and stopped together.
    owner: String,
    /// Only services that this file speaks of are told, because the others are told already.
    only: Option<FileId>,
    /// Services without a network of their own, by the name of the one on whose network they are.
    guests: HashMap<&'a str, Vec<&'a Service>>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(inputs: &'a Inputs, project: &'a Project, part: Part) -> Self {
        let main = project.layers.first().copied().unwrap_or_default();
        let last = project.layers.last().copied().unwrap_or_default();
        let folder = inputs.path(main).parent().unwrap_or(Path::new("")).display().to_string();
        let only = match part {
            Part::Variant(file) => Some(file),
            Part::Main | Part::Building => None,
        };
        let named = project.name.as_ref().map_or(String::new(), |name| format!(":{}", name.value));
        // Files of one folder are one project to Docker unless they have names, whichever of them is started.
        let owner = format!("compose:{folder}{named}");
        let key = format!("compose:{}", inputs.path(if only.is_some() { last } else { main }).display());
        let mut guests: HashMap<&str, Vec<&Service>> = HashMap::new();
        for service in &project.services {
            let host = service.network_mode.as_ref().and_then(|mode| mode.value.strip_prefix("service:"));
            if let Some(host) = host {
                guests.entry(host).or_default().push(service);
            }
        }
        Self { inputs, project, key, owner, only, guests }
    }

    /// Everything.
    pub(super) fn tell(&self, external: &ExternalNetworks) -> Facts {
        let mut facts = Facts::default();
        for service in self.project.services.iter().filter(|service| self.is_told(service)) {
            facts.workloads.push(self.workload(service, external));
            facts.mounts.extend(self.mounts(service, external));
            facts.builds.extend(self.build(service, external));
            for (index, (port, mapping)) in service.mappings().enumerate() {
                self.publish(service, index, port, mapping, &mut facts);
            }
            facts.listeners.extend(self.host_listeners(service));
        }
        facts.forwards.extend(proxies::forwards(self));
        facts
    }

    fn is_told(&self, service: &Service) -> bool {
        self.only.is_none_or(|file| {
            service.name.span.file == file || service.ports.iter().any(|port| port.entry.file == file)
        })
    }

    fn service_key(&self, service: &Service) -> String {
        format!("{}:{}", self.key, service.name.value)
    }

    fn workload(&self, service: &Service, external: &ExternalNetworks) -> Workload {
        let mut ports = own_ports(service);
        // Programs without a network of their own are reached where they are guests.
        ports.extend(self.guests_of(service).flat_map(own_ports));
        let is_said = !service.expose.is_empty();
        Workload {
            key: self.service_key(service),
            kind: Kind::ComposeService,
            title: title(service),
            name: service.name.value.clone(),
            names: self.names(service, external),
            ports,
            ports_are_complete: is_said,
            role: nature::role(service),
            place: service.name.span,
        }
    }

    /// Docker answers for the service, for its containers, and for the aliases on one network.
    fn names(&self, service: &Service, external: &ExternalNetworks) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for network in service.network_keys() {
            let key = self.network(network, external);
            let everywhere = [Some(&service.name), service.container_name.as_ref()].into_iter().flatten();
            let here = service.networks.iter().filter(|attachment| attachment.network.value == network);
            let aliases = here.flat_map(|attachment| &attachment.aliases);
            names.extend(everywhere.chain(aliases).map(|name| (key.clone(), name.value.clone())));
        }
        names
    }

    fn network(&self, key: &str, external: &ExternalNetworks) -> String {
        match self.project.network(key) {
            Some(network) if network.is_external => external.key(network.name.as_deref().unwrap_or(key)),
            Some(network) if network.name.is_some() => external.key(network.name.as_deref().unwrap_or(key)),
            _ => format!("{}:network:{key}", self.owner),
        }
    }

    fn networks(&self, service: &Service, external: &ExternalNetworks) -> Vec<String> {
        service.network_keys().map(|key| self.network(key, external)).collect()
    }

    /// Files and folders of the host that a container is given: among them may be the configuration of a proxy.
    fn mounts(&self, service: &Service, external: &ExternalNetworks) -> Vec<Mount> {
        let networks = self.networks(service, external);
        let is_path = |source: &&str| source.starts_with(['.', '/']);
        let sources = service.volumes.iter().filter_map(|volume| Some((volume.source.as_deref()?, volume.place)));
        sources
            .filter(|(source, _)| is_path(source))
            .map(|(source, place)| (self.inputs.beside(place.file, Path::new(source)), place))
            .chain(self.own_context(service))
            .map(|(source, place)| Mount {
                workload: self.service_key(service),
                networks: networks.clone(),
                source,
                place,
            })
            .collect()
    }

    /// What lies in a build context of a service's own is copied into its image, as far as it is configuration. The
    /// folder of the project is the context of nobody in particular.
    fn own_context(&self, service: &Service) -> Option<(PathBuf, Span)> {
        let context = &service.build.as_ref()?.context;
        let folder = self.inputs.beside(context.span.file, Path::new(&context.value));
        let is_own = folder != self.inputs.beside(context.span.file, Path::new(""));
        (is_own && is_local(&context.value)).then_some((folder, context.span))
    }

    fn build(&self, service: &Service, external: &ExternalNetworks) -> Option<Build> {
        let build = service.build.as_ref()?;
        let context = Path::new(&build.context.value);
        if !is_local(&build.context.value) {
            return None;
        }
        let dockerfile = build.dockerfile.as_ref().map_or("Dockerfile", |dockerfile| dockerfile.value.as_str());
        let file: PathBuf = self.inputs.beside(build.context.span.file, &context.join(dockerfile));
        let stage = build.target.as_ref().map(|target| target.value.to_ascii_lowercase());
        Some(Build {
            title: title(service),
            file,
            stage,
            ports: mapped_ports(service),
            workload: self.service_key(service),
            networks: self.networks(service, external),
            context: self.inputs.beside(build.context.span.file, context),
        })
    }

    fn publish(&self, service: &Service, index: usize, port: &Published, mapping: &Mapping, facts: &mut Facts) {
        let transport = mapping.transport.known().unwrap_or(Transport::Tcp);
        for (number, (published, target)) in pairs(mapping).into_iter().enumerate() {
            let key = format!("{}:port:{index}.{number}", self.service_key(service));
            let title = match (published, mapping.published) {
                (Some(span), _) => format!("port {span} of {}", title(service)),
                (None, HostPort::Unknown) => format!("an unknown port of {}", title(service)),
                (None, _) => format!("a random port of {}", title(service)),
            };
            let (address, reach) = bound(&mapping.address);
            facts.listeners.push(Listener {
                key: key.clone(),
                title,
                space: Space::Host,
                address,
                // Port 0 is what a socket binds to that takes any.
                ports: published.unwrap_or(PortSpan::one(0)),
                transport,
                owner: Owner { project: self.owner.clone(), part: title_of_owner(service) },
                sharing: Sharing::Exclusive,
                reach,
                guard: Guard::Open,
                place: port.port_place(),
            });
            let target = Target::Workload { key: self.behind(service, target), port: target };
            facts.forwards.push(Forward {
                from: key,
                when: String::new(),
                target,
                guard: Guard::Open,
                place: port.target_place(),
            });
        }
    }

    /// The program that has a port of a service: itself, or a guest on its network.
    fn behind(&self, service: &Service, port: Option<u16>) -> String {
        let has_port =
            |other: &&Service| own_ports(other).iter().any(|own| port.is_some_and(|port| own.ports.contains(port)));
        self.service_key(self.guests_of(service).find(has_port).unwrap_or(service))
    }

    fn guests_of(&self, service: &Service) -> impl Iterator<Item = &'a Service> {
        self.guests.get(service.name.value.as_str()).into_iter().flatten().copied()
    }

    /// On the network of the host a program has the ports that it is known for.
    fn host_listeners(&self, service: &Service) -> Vec<Listener> {
        if !service.is_on_host_network() {
            return Vec::new();
        }
        let Some(software) = nature::software(service) else { return Vec::new() };
        let listener = |port: &u16| Listener {
            key: format!("{}:host:{port}", self.service_key(service)),
            title: format!("port {port} of {}", title(service)),
            space: Space::Host,
            address: Address::Dual,
            ports: PortSpan::one(*port),
            transport: Transport::Tcp,
            owner: Owner { project: self.owner.clone(), part: title_of_owner(service) },
            sharing: Sharing::Exclusive,
            reach: Some(Reach::Internet),
            guard: Guard::Unknown,
            place: service.network_mode.as_ref().map_or(service.name.span, |mode| mode.span),
        };
        software.ports.iter().take(1).map(listener).collect()
    }
}

/// Networks that have a name of their own, so that several projects can join them.
#[derive(Debug, Default)]
pub(super) struct ExternalNetworks {
    /// The keys of the networks that Docker would give a name, by that name.
    keys: HashMap<String, Vec<String>>,
}

impl ExternalNetworks {
    /// Adds the networks of a project that Docker names after it.
    pub(super) fn learn(&mut self, teller: &Teller<'_>) {
        let owner = &teller.owner;
        let folder = owner.trim_start_matches("compose:").rsplit(['/', ':']).next().unwrap_or_default();
        let is_part = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        let project: String = folder.to_ascii_lowercase().chars().filter(is_part).collect();
        let declared = teller.project.networks.iter().filter(|network| !network.is_external && network.name.is_none());
        for key in declared.map(|network| network.key.value.as_str()).chain(["default"]) {
            let keys = self.keys.entry(format!("{project}_{key}")).or_default();
            let key = format!("{owner}:network:{key}");
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }

    fn key(&self, name: &str) -> String {
        match self.keys.get(name).map(Vec::as_slice) {
            Some([only]) => only.clone(),
            _ => format!("docker:network:{name}"),
        }
    }
}

/// Whether a build context is a folder beside the file, and known.
fn is_local(context: &str) -> bool {
    !context.contains("://") && !context.starts_with("git@") && !context.contains(super::interpolate::HOLE)
}

fn title(service: &Service) -> String {
    format!("Compose service `{}`", service.name.value)
}

fn title_of_owner(service: &Service) -> String {
    format!("service `{}`", service.name.value)
}

fn bound(address: &HostAddress) -> (Address, Option<Reach>) {
    let address = match address {
        HostAddress::Unsaid => Address::BothWildcards,
        HostAddress::Ip(address) => Address::Ip(*address),
        HostAddress::Name(name) => Address::Unknown(name.clone()),
        HostAddress::Unknown => Address::Unknown("an address that a variable decides".to_owned()),
    };
    let reach = address.scope().map(Reach::of);
    (address, reach)
}

/// Host port and container port; `None` for what is random or not known.
fn pairs(mapping: &Mapping) -> Vec<(Option<PortSpan>, Option<u16>)> {
    let target = mapping.target.known();
    match (mapping.published, target) {
        (HostPort::Fixed(published), Some(target)) if published.count() <= MAX_SINGLE_PORTS => (published.first
            ..=published.last)
            .zip(target.first..=target.last)
            .map(|(published, target)| (Some(PortSpan::one(published)), Some(target)))
            .collect(),
        (HostPort::Fixed(published), _) => vec![(Some(published), None)],
        (HostPort::Random | HostPort::OneOf(_) | HostPort::Unknown, target) => {
            vec![(None, target.filter(|target| target.count() == 1).map(|target| target.first))]
        }
    }
}

/// The ports that a program is said to listen on, or known to.
fn own_ports(service: &Service) -> Vec<WorkloadPort> {
    let mut ports = mapped_ports(service);
    let mut add = |port: WorkloadPort| {
        let is_said = ports.iter().any(|said| said.ports == port.ports && said.transport == port.transport);
        if !is_said {
            ports.push(port);
        }
    };
    for exposed in &service.expose {
        let Ok(Some(span)) = exposed.ports.as_ref().map(|ports| ports.known()) else { continue };
        let Some(transport) = exposed.transport.known() else { continue };
        add(workload_port(service, span, transport, exposed.place));
    }
    for told in super::rules::told_ports(service) {
        add(workload_port(service, PortSpan::one(told.port), Transport::Tcp, told.setting.place));
    }
    if let (Some(software), Some(image)) = (nature::software(service), &service.image) {
        for port in software.ports.iter().chain(software.control_ports) {
            add(workload_port(service, PortSpan::one(*port), Transport::Tcp, image.span));
        }
    }
    ports
}

fn mapped_ports(service: &Service) -> Vec<WorkloadPort> {
    let port = |(port, mapping): (&Published, &Mapping)| {
        Some(workload_port(service, mapping.target.known()?, mapping.transport.known()?, port.target_place()))
    };
    service.mappings().filter_map(port).collect()
}

fn workload_port(service: &Service, ports: PortSpan, transport: Transport, place: Span) -> WorkloadPort {
    let role = nature::inner(service, ports, transport).and_then(|inner| inner.class.role());
    WorkloadPort { ports, transport, name: None, role, place }
}
