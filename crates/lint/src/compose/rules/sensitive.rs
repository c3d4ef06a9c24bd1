//! What must not be published at all, or need not be.

use portcullis_config::scope::Scope;

use super::{Subject, listed, ports_of};
use crate::{
    compose::{
        model::{Published, Service},
        nature::{self, Inner},
        port::{HostAddress, Mapping},
    },
    finding::Finding,
    rule::{Default, Rule, Severity},
    sensitive::{Class, Exposure},
};

pub(super) static SENSITIVE: Rule = Rule {
    id: "PC211",
    name: "sensitive-port-published",
    severity: Severity::High,
    title: "a database, console or the like is published beyond the host",
    why: "What listens there was made for a trusted network: it asks for a weak password or none, and is searched for by \
          everybody who scans the internet. Docker's own firewall rules open it even where ufw or firewalld say no.",
    remedy: "Remove the entry if only other services of the project need it; they reach it by its name. Else publish it \
             on 127.0.0.1.",
    default: Default::On,
};

pub(super) static NEEDLESS: Rule = Rule {
    id: "PC212",
    name: "published-without-need",
    severity: Severity::Medium,
    title: "a port is published though those who need it are on the same network",
    why: "Services of one network reach each other by name without any published port. A port that is published as well \
          is open to others for nothing (CIS Docker Benchmark 5.9).",
    remedy: "Remove the entry, or list the port under `expose:` for the reader.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for (port, mapping) in service.mappings() {
            findings.extend(sensitive(service, port, mapping));
        }
        findings.extend(needless(subject, service));
    }
}

fn sensitive(service: &Service, port: &Published, mapping: &Mapping) -> Option<Finding> {
    let inner = nature::inner(service, mapping.target.known()?, mapping.transport.known()?)?;
    let severity = severity(inner, &mapping.address)?;
    let (from, name) = (from(&mapping.address), &service.name.value);
    let what = [inner.name, inner.words].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    let message = format!("{} ({what}) of `{name}` can be reached {from}", ports_of(port));
    let help = match mapping.published_text() {
        Some(published) => format!("remove it, or write `\"127.0.0.1:{published}\"`"),
        None => "remove it, or publish it on 127.0.0.1".to_owned(),
    };
    Some(Finding::new(&SENSITIVE, port.entry, message).severity(severity).help(help))
}

/// Publishing on every interface is not yet being open to the internet, so nothing is critical but what gives the host
/// away at once.
fn severity(inner: Inner, address: &HostAddress) -> Option<Severity> {
    let exposure = match address {
        HostAddress::Unsaid => Exposure::Internet,
        HostAddress::Ip(address) => match Scope::of(*address) {
            Scope::Loopback => return None,
            Scope::Private => Exposure::WidePrivate,
            Scope::Public => Exposure::Internet,
        },
        HostAddress::Name(_) | HostAddress::Unknown => return None,
    };
    let severity = inner.class.severity(exposure)?;
    let gives_host_away = inner.class == Class::Debugger || inner.name.contains("Docker");
    Some(if gives_host_away { severity } else { severity.min(Severity::High) })
}

fn from(address: &HostAddress) -> &'static str {
    match address {
        HostAddress::Ip(address) if Scope::of(*address) == Scope::Private => "from the networks of the host",
        _ => "from every network the host is on",
    }
}

impl Mapping {
    /// `published:target/protocol`, if all of it is known.
    fn published_text(&self) -> Option<String> {
        use crate::{compose::port::HostPort, estate::Transport};
        let (target, transport) = (self.target.known()?, self.transport.known()?);
        let suffix = if transport == Transport::Tcp { String::new() } else { format!("/{transport}") };
        match self.published {
            HostPort::Fixed(span) | HostPort::OneOf(span) => Some(format!("{span}:{target}{suffix}")),
            HostPort::Random => Some(format!("{target}:{target}{suffix}")),
            HostPort::Unknown => None,
        }
    }
}

/// Only for stores: a web page may well be there for people as well as for other services.
fn needless(subject: &Subject<'_>, service: &Service) -> Option<Finding> {
    if !nature::is_store(service) {
        return None;
    }
    let is_the_store = |mapping: &Mapping| {
        let known = nature::software(service).map(|software| software.ports);
        let target = mapping.target.known();
        known.is_none_or(|known| target.is_some_and(|target| known.iter().any(|port| target.contains(*port))))
    };
    let is_needless = |mapping: &Mapping| mapping.address.is_beyond_host() == Some(true) && is_the_store(mapping);
    let (port, _) = service.mappings().find(|(_, mapping)| is_needless(mapping))?;
    let mut consumers = nature::consumers(subject.project, service).peekable();
    let first = *consumers.peek()?;
    let of = listed(consumers);
    let name = &service.name.value;
    let message = format!("{} of `{name}` is published, though {of} reach it as `{name}`", ports_of(port));
    let message = if of.contains(" and ") { message } else { message.replace(" reach it", " reaches it") };
    Some(
        Finding::new(&NEEDLESS, port.entry, message)
            .related(first.name.span, "on the same network")
            .help("remove it, or publish it on 127.0.0.1 if people on the host need it as well"),
    )
}
