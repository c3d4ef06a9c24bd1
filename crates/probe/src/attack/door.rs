//! The ports of the file as somebody who stands before them sees them.

use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_config::{
    declared::{ClientCertificate, Port, Role},
    span::Spanned,
};
use portcullis_kernel::addresses::local_addresses;
use portcullis_tls::material::Certificate;

use crate::{
    estate::{Estate, OwnPort},
    outcome::{Outcome, Place},
    permit::{Permit, Target},
    reach::{admits, host_of, protocol_of_port, reachable_through},
    wire::{Hello, PROXY_LOCAL, Protocol},
};

/// One port, at one address through which it is reached.
#[derive(Debug, Clone)]
pub(super) struct Door<'a> {
    pub(super) port: &'a Port,
    pub(super) title: String,
    pub(super) place: Option<Place>,
    pub(super) target: Target,
    /// Of the Host header and the server name: of a route, or the address.
    pub(super) host: String,
    /// TLS towards it; `None` for a port without.
    pub(super) hello: Option<Hello>,
    pub(super) protocol: Protocol,
    /// A PROXY header that has to come first.
    pub(super) ahead: Option<&'static [u8]>,
    /// Why nothing within TLS can be tried.
    pub(super) barred: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Doors<'a> {
    pub(super) all: Vec<Door<'a>>,
}

impl<'a> Doors<'a> {
    /// One for each TCP port that can be spoken to.
    pub(super) fn new(estate: &Estate<'a>, permit: &Permit, client: Option<&Certificate>) -> Self {
        let addresses: Vec<IpAddr> =
            if permit.names_any() { permit.named().collect() } else { local_addresses().into_iter().collect() };
        let all = estate.ports.iter().filter_map(|own| Door::new(estate, own, &addresses, permit, client)).collect();
        Self { all }
    }

    /// Those that speak HTTP to clients, within TLS or without, for services.
    pub(super) fn of_data(&self) -> impl Iterator<Item = &Door<'a>> {
        self.all.iter().filter(|door| door.port.is_data_port() && door.speaks_http())
    }

    /// Those of the admin API.
    pub(super) fn of_admin(&self) -> impl Iterator<Item = &Door<'a>> {
        self.all.iter().filter(|door| door.port.role.value == Role::Admin)
    }

    /// Those that end TLS themselves.
    pub(super) fn of_tls(&self) -> impl Iterator<Item = &Door<'a>> {
        self.all.iter().filter(|door| door.hello.is_some() && !door.port.passes_through())
    }
}

impl<'a> Door<'a> {
    fn new(
        estate: &Estate<'a>,
        own: &OwnPort<'a>,
        addresses: &[IpAddr],
        permit: &Permit,
        client: Option<&Certificate>,
    ) -> Option<Self> {
        let port = own.port;
        let mut ways: Vec<_> = reachable_through(own.address, addresses).collect();
        // From loopback to loopback the client's address is known, and mostly let in.
        ways.sort_by_key(|way| (!admits(port, way.ip()), !way.ip().is_loopback()));
        let target = ways.into_iter().find_map(|way| permit.target(way))?;
        let ip = target.address().ip();
        let protocol = protocol_of_port(estate, port);
        let name = estate.declared.routes.iter().find_map(|route| host_of(route, port));
        let is_tls = matches!(protocol, Protocol::Tls | Protocol::Https);
        let hello = if is_tls { Hello::new(name.as_deref(), ip, client) } else { None };
        let announces = |source: &Spanned<IpNet>| source.value.contains(&ip);
        let sends_header = port.proxy_protocol.as_ref().is_some_and(|proxy| proxy.value.from.iter().any(announces));
        let barred = if permit.names_any() { None } else { source_barred(port, ip) };
        Some(Self {
            port,
            title: own.title(),
            place: estate.place(port.listen.span),
            target,
            host: name.unwrap_or_else(|| target.address().to_string()),
            hello,
            protocol,
            ahead: sends_header.then_some(PROXY_LOCAL),
            barred: barred.or_else(|| certificate_barred(port, client)),
        })
    }

    /// Whether it speaks HTTP to clients.
    pub(super) fn speaks_http(&self) -> bool {
        matches!(self.protocol, Protocol::Http | Protocol::Https)
    }

    /// The same, and another host is asked for.
    pub(super) fn asking_for(&self, host: &str, client: Option<&Certificate>) -> Self {
        let ip = self.target.address().ip();
        let hello = self.hello.is_some().then(|| Hello::new(Some(host), ip, client)).flatten();
        Self { host: host.to_owned(), hello, ..self.clone() }
    }

    /// What asks its clients for.
    pub(super) fn client_certificate(&self) -> ClientCertificate {
        self.port.clients.as_ref().map_or(ClientCertificate::None, |clients| clients.value.certificate.value)
    }

    /// With the place of the port.
    pub(super) fn outcome(&self, outcome: Outcome) -> Outcome {
        outcome.at(self.place.clone())
    }
}

/// Loopback and other addresses of this host are spoken to as themselves.
fn source_barred(port: &Port, source: IpAddr) -> Option<String> {
    (!admits(port, source)).then(|| format!("the port keeps {source} out, so that nothing can be tried from here"))
}

fn certificate_barred(port: &Port, client: Option<&Certificate>) -> Option<String> {
    let required =
        port.clients.as_ref().is_some_and(|clients| clients.value.certificate.value == ClientCertificate::Required);
    let why = "the port asks for a client certificate; give one with --cert and --key";
    (required && client.is_none()).then(|| why.to_owned())
}
