//! A project as the rules see it: every value typed, and with the place where it was written.

use super::port::{Certain, Invalid, Mapping};
use crate::{
    estate::{PortSpan, Transport},
    inputs::{FileId, Span, Spanned},
};

/// Services that are started together.
#[derive(Debug, Default)]
pub(super) struct Project {
    /// What `name:` says.
    pub(super) name: Option<Spanned<String>>,
    pub(super) services: Vec<Service>,
    pub(super) networks: Vec<Network>,
    /// Whether something in it only means anything to a swarm, so that it is made for `docker stack deploy`.
    pub(super) is_for_swarm: bool,
    /// Files laid over each other, in this order; those that are included or extended from are not among them.
    pub(super) layers: Vec<FileId>,
}

/// A service; one container, or `replicas` of them.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) name: Spanned<String>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) build: Option<Build>,
    pub(super) container_name: Option<Spanned<String>>,
    /// What `ports:` says, without what Compose drops because it stands there twice.
    pub(super) ports: Vec<Published>,
    /// Entries of one file that say the same as an earlier one, each with the place of that one.
    pub(super) repeated_ports: Vec<(Span, Span)>,
    pub(super) expose: Vec<Exposed>,
    pub(super) network_mode: Option<Spanned<String>>,
    /// Networks by their keys; none means `default`, unless there is a `network_mode`.
    pub(super) networks: Vec<Attachment>,
    pub(super) replicas: Option<Replicas>,
    pub(super) profiles: Vec<Spanned<String>>,
    pub(super) environment: Vec<Setting>,
    pub(super) labels: Vec<Setting>,
    pub(super) sysctls: Vec<Setting>,
    pub(super) depends_on: Vec<Spanned<String>>,
    /// `service` and the name by which it is known here.
    pub(super) links: Vec<(Spanned<String>, String)>,
    pub(super) volumes: Vec<Volume>,
    /// Where `use_api_socket: true` asks for the engine's socket.
    pub(super) api_socket: Option<Span>,
    /// Words of `entrypoint:` and `command:`.
    pub(super) command: Vec<Spanned<String>>,
    pub(super) cap_add: Vec<Spanned<String>>,
    pub(super) cap_drop: Vec<Spanned<String>>,
}

/// Where the image is built from.
#[derive(Debug, Clone)]
pub(super) struct Build {
    /// The folder, as written.
    pub(super) context: Spanned<String>,
    /// The Dockerfile within, if it is named.
    pub(super) dockerfile: Option<Spanned<String>>,
    /// The stage of it.
    pub(super) target: Option<Spanned<String>>,
}

/// An entry of `ports:`.
#[derive(Debug, Clone)]
pub(super) struct Published {
    /// The whole entry.
    pub(super) entry: Span,
    pub(super) syntax: Syntax,
    /// What it means, or the place and kind of what is wrong.
    pub(super) mapping: Result<Mapping, (Span, Invalid)>,
    /// The text of the short syntax, or `host:published:target/protocol` of the long one, variables replaced.
    pub(super) text: String,
}

/// How a port is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Syntax {
    /// `"8080:80"`; `plain` if it stands without quotes.
    Short { plain: bool },
    /// `target: 80`, with the places of its values.
    Long { target: Option<Span>, published: Option<Span>, host_ip: Option<Span> },
}

impl Published {
    /// The value that says on which address it is published, or that says it by leaving it out.
    pub(super) fn address_place(&self) -> Span {
        match self.syntax {
            Syntax::Short { .. } => self.entry,
            Syntax::Long { host_ip, .. } => host_ip.unwrap_or_else(|| self.port_place()),
        }
    }

    /// The value that says which host port it is.
    pub(super) fn port_place(&self) -> Span {
        match self.syntax {
            Syntax::Short { .. } => self.entry,
            Syntax::Long { target, published, .. } => published.or(target).unwrap_or(self.entry),
        }
    }

    /// The value that says which container port it is.
    pub(super) fn target_place(&self) -> Span {
        match self.syntax {
            Syntax::Short { .. } => self.entry,
            Syntax::Long { target, .. } => target.unwrap_or(self.entry),
        }
    }
}

/// An entry of `expose:`.
#[derive(Debug, Clone)]
pub(super) struct Exposed {
    pub(super) place: Span,
    pub(super) ports: Result<Certain<PortSpan>, Invalid>,
    pub(super) transport: Certain<Transport>,
}

/// A service joins a network.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    /// Key under the top-level `networks:`.
    pub(super) network: Spanned<String>,
    pub(super) aliases: Vec<Spanned<String>>,
}

/// How many containers there are of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replicas {
    pub(super) count: Certain<u64>,
    pub(super) place: Span,
    pub(super) by: ScaledBy,
}

/// Which key says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScaledBy {
    /// `scale:`
    Scale,
    /// `deploy: { replicas: }`
    Deploy,
}

/// A key with a value, of `environment:` or `labels:`.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) key: String,
    /// `None` if it is taken from outside.
    pub(super) value: Option<String>,
    pub(super) place: Span,
}

/// A file, folder or volume in the container.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    /// Path on the host or name of a volume; `None` for one without a name.
    pub(super) source: Option<String>,
    pub(super) place: Span,
}

/// An entry of the top-level `networks:`.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) key: Spanned<String>,
    /// The name that Docker knows it by, if it is said.
    pub(super) name: Option<String>,
    pub(super) is_internal: bool,
    pub(super) is_external: bool,
}

impl Project {
    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name.value == name)
    }

    pub(super) fn network(&self, key: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.key.value == key)
    }
}

impl Service {
    /// Keys of the networks that it joins.
    pub(super) fn network_keys(&self) -> impl Iterator<Item = &str> {
        let is_default = self.networks.is_empty() && self.network_mode.is_none();
        let named = self.networks.iter().map(|attachment| attachment.network.value.as_str());
        named.chain(is_default.then_some("default"))
    }

    /// Whether it shares the network of the host.
    pub(super) fn is_on_host_network(&self) -> bool {
        self.network_mode.as_ref().is_some_and(|mode| mode.value == "host")
    }

    /// Entries of `ports:` that could be understood. They mean nothing on the network of the host or of another
    /// container.
    pub(super) fn mappings(&self) -> impl Iterator<Item = (&Published, &Mapping)> {
        let shares = |mode: &str| mode == "host" || mode == "none" || mode.contains(':');
        let has_own_network = !self.network_mode.as_ref().is_some_and(|mode| shares(&mode.value));
        let ports = if has_own_network { self.ports.as_slice() } else { &[] };
        ports.iter().filter_map(|port| port.mapping.as_ref().ok().map(|mapping| (port, mapping)))
    }
}
