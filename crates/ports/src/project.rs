//! What the file says about ports that are handed out.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use portcullis_config::{
    argument,
    bands::Bands,
    declared::{Declared, EndpointAddress, PortSpan, Range, Service, ServiceProtocol, Space, Transport},
    defaults,
    sources::Sources,
    span::Span,
};

use crate::{Owner, PortsError};

/// A configuration file, as far as ports are concerned.
#[derive(Debug)]
pub struct Project {
    /// Its path, absolute: by it services of equal names are told apart. Links are left as they are, so that a
    /// directory that is switched from release to release stays one project.
    pub name: String,
    /// What it declares.
    pub declared: Declared,
    /// Its texts, for places.
    pub sources: Sources,
}

/// What is asked for, before any number is known.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Whose the ports will be; its replica is 0.
    pub owner: Owner,
    /// Where they are.
    pub space: Space,
    /// What carries the bytes.
    pub transport: Transport,
    /// What is spoken on them.
    pub speaks: ServiceProtocol,
    /// Numbers that the service declares, and where.
    pub declared: Option<(PortSpan, String)>,
    /// The range from which others come.
    pub range: Option<Source>,
    /// Most replicas, and where the file says it.
    pub most: Option<(u32, String)>,
    /// Addresses of endpoints, each with its port.
    pub endpoints: Vec<(IpAddr, u16)>,
    /// The configuration file, as it was given.
    pub file: String,
}

/// A range that numbers come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What its numbers are for.
    pub bands: Bands,
    /// Where the file says it.
    pub place: String,
}

impl Project {
    /// Of a file that was read; `path` is as it was given.
    pub fn new(path: &Path, declared: Declared, sources: Sources) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        Self { name: absolute.display().to_string(), declared, sources }
    }

    /// What a service needs. One that the file does not declare takes its ports from the range that is named.
    pub fn demand(&self, service: &str, environment: &str, range: Option<&str>) -> Result<Demand, PortsError> {
        let known = self.declared.services.iter().find(|known| *known.name == service);
        let owner = Owner {
            project: self.name.clone(),
            service: service.to_owned(),
            environment: environment.to_owned(),
            replica: 0,
        };
        match (known, range) {
            (Some(known), _) => self.demand_of(known, owner, range),
            (None, Some(range)) => Ok(Demand {
                owner,
                space: Space::Host,
                transport: Transport::Tcp,
                speaks: defaults::SERVICE_PROTOCOL,
                declared: None,
                range: Some(self.source(range)?),
                most: None,
                endpoints: Vec::new(),
                file: self.file(),
            }),
            (None, None) => {
                let names = self.declared.services.iter().map(|known| known.name.as_str());
                let near = argument::nearest(service, names).map(str::to_owned);
                Err(PortsError::UnknownService { name: service.to_owned(), near, file: self.file() })
            }
        }
    }

    fn demand_of(&self, service: &Service, owner: Owner, range: Option<&str>) -> Result<Demand, PortsError> {
        if let (Some(own), Some(asked)) = (&service.range, range)
            && **own != asked
        {
            return Err(PortsError::OtherRange {
                service: service.name.value.clone(),
                own: own.value.clone(),
                asked: asked.to_owned(),
                place: self.place(own.span),
            });
        }
        let range = match range.or(service.range.as_ref().map(|name| name.as_str())) {
            Some(name) => Some(self.source(name)?),
            None => None,
        };
        // The numbers that a service declares are those of its endpoints; its environments have others.
        let ports = service.ports.filter(|_| owner.environment.is_empty());
        let most = match (service.replicas, ports, &range) {
            (Some(replicas), ..) => Some((replicas.max.value, self.place(replicas.max.span))),
            (None, Some(ports), None) => Some((ports.count(), self.place(ports.span))),
            _ => None,
        };
        let endpoints = service.endpoints.iter().filter_map(|endpoint| match endpoint.address {
            EndpointAddress::Tcp(address) => Some((address.ip(), address.port())),
            EndpointAddress::Name { .. } | EndpointAddress::Unix(_) => None,
        });
        Ok(Demand {
            owner,
            space: service.space.as_ref().map_or(Space::Host, |space| space.value.clone()),
            transport: Transport::Tcp,
            speaks: service.speaks(),
            declared: ports.map(|ports| (ports.value, self.place(ports.span))),
            range,
            most,
            endpoints: endpoints.collect(),
            file: self.file(),
        })
    }

    /// The range in which a number is.
    pub fn range_of(&self, port: u16) -> Option<&Range> {
        self.declared.ranges.iter().find(|range| range.ports.contains(port))
    }

    /// `portcullis.yaml:5:12`
    pub fn place(&self, span: Span) -> String {
        self.sources.place(span)
    }

    /// The path as it was given.
    pub fn file(&self) -> String {
        self.sources.paths().next().unwrap_or(Path::new("")).display().to_string()
    }

    fn source(&self, name: &str) -> Result<Source, PortsError> {
        let Some(range) = self.declared.ranges.iter().find(|range| *range.name == name) else {
            let names = self.declared.ranges.iter().map(|range| range.name.as_str());
            let near = argument::nearest(name, names).map(str::to_owned);
            return Err(PortsError::UnknownRange { name: name.to_owned(), near, file: self.file() });
        };
        Ok(Source {
            name: name.to_owned(),
            bands: Bands::of(&self.declared, range),
            place: self.place(range.ports.span),
        })
    }
}

impl Demand {
    /// The owner of one replica's port.
    pub fn replica(&self, replica: u32) -> Owner {
        Owner { replica, ..self.owner.clone() }
    }

    /// The number that the service declares for a replica. A service with one number has it for its first.
    pub fn declared_port(&self, replica: u32) -> Option<(u16, &str)> {
        let (ports, place) = self.declared.as_ref()?;
        let port = u32::from(ports.first) + replica;
        let port = u16::try_from(port).ok().filter(|port| ports.contains(*port))?;
        Some((port, place))
    }

    /// Says that there are no more than so many replicas.
    pub fn check_replicas(&self, asked: u32) -> Result<(), PortsError> {
        match &self.most {
            Some((most, place)) if asked > *most => Err(PortsError::TooManyReplicas {
                service: self.owner.service.clone(),
                asked,
                most: *most,
                place: place.clone(),
            }),
            _ => Ok(()),
        }
    }
}
