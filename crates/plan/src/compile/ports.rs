//! Ports: protocol, TLS, limits, timeouts.

use std::{collections::HashMap, sync::Arc};

use portcullis_config::{
    declared::{self, ClientCertificate, ListenAddress, Port, PortLog, TlsVersion, Word},
    defaults,
    finding::Finding,
    rule::RuleId,
};
use portcullis_tls::{
    material::{self, MaterialError},
    server::{Believed, ClientPolicy, Minimum, ServerSettings},
};

use super::{Compiler, audit, routes::addresses, said};
use crate::{KnownHosts, PortLimits, PortPlan, PortTimeouts, Protocol, RouteTable, Terminated};

pub(super) fn compile(compiler: &mut Compiler<'_>, mut tables: HashMap<&str, RouteTable>) -> Vec<Arc<PortPlan>> {
    let declared = compiler.declared;
    let ports = declared.ports.iter().enumerate();
    ports
        .filter_map(|(index, port)| {
            let routes = tables.remove(port.name.as_str()).unwrap_or_default();
            Some(Arc::new(one(compiler, index, port, routes)?))
        })
        .collect()
}

fn one(compiler: &mut Compiler<'_>, index: usize, port: &Port, routes: RouteTable) -> Option<PortPlan> {
    let protocol = protocol(compiler, port)?;
    let redirect_https = port.redirect.as_ref().and_then(|target| {
        let target = compiler.declared.ports.iter().find(|other| other.name.value == target.value)?;
        match &target.listen.value {
            ListenAddress::Tcp(address) => Some(address.port()),
            ListenAddress::Unix(_) => None,
        }
    });
    let redirect_hosts = port.redirect.as_ref().map(|target| KnownHosts::of(target, &compiler.declared.routes));
    let (limits, timeouts) = (limits(compiler, port), timeouts(compiler, port));
    let role = port.role.value;
    Some(PortPlan {
        name: port.name.as_str().into(),
        index,
        listen: port.listen.value.clone(),
        role,
        protocol,
        from: addresses(&port.from),
        deny: addresses(&port.deny).unwrap_or_default(),
        proxy_protocol: port.proxy_protocol.as_ref().and_then(|proxy| addresses(&proxy.from)),
        redirect_https,
        redirect_hosts: redirect_hosts.unwrap_or_default(),
        routes,
        limits,
        timeouts,
        log: said(port.log, PortLog::On),
        audit: audit::of_port(compiler.declared, port),
        accepted_wildcard: port
            .accept
            .as_ref()
            .and_then(|accept| accept.wildcard.as_ref())
            .map(|reason| reason.value.clone()),
        metrics: compiler.registries.metrics.port(&port.name, role.word()),
    })
}

fn protocol(compiler: &mut Compiler<'_>, port: &Port) -> Option<Protocol> {
    let tls = port.tls.as_ref();
    let passthrough = tls.and_then(|tls| tls.passthrough).is_some_and(|passthrough| passthrough.value);
    Some(match port.protocol.map(|protocol| protocol.value) {
        Some(declared::Protocol::Tcp) => Protocol::Tcp,
        Some(declared::Protocol::Tls) if passthrough => Protocol::Passthrough,
        Some(declared::Protocol::Tls) => Protocol::Tls(terminated(compiler, port, &[])?),
        Some(declared::Protocol::Https) => Protocol::Https(terminated(compiler, port, &[b"http/1.1"])?),
        // Admin and metrics ports say no protocol; they speak HTTP, inside TLS if they have certificates.
        None if tls.is_some_and(|tls| !tls.certificates.is_empty()) => {
            Protocol::Https(terminated(compiler, port, &[b"http/1.1"])?)
        }
        Some(declared::Protocol::Http) | None => Protocol::Http,
    })
}

fn terminated(compiler: &mut Compiler<'_>, port: &Port, alpn: &[&[u8]]) -> Option<Terminated> {
    let tls = port.tls.as_ref()?;
    // All of them are tried, so that all that are wrong are reported.
    let loaded: Vec<_> = tls.certificates.iter().map(|files| compiler.certificate(files)).collect();
    let clients = client_policy(compiler, port);
    let certificates: Vec<_> = loaded.into_iter().collect::<Option<_>>()?;
    let minimum = match said(tls.minimum, defaults::TLS_MINIMUM) {
        TlsVersion::Tls12 => Minimum::Tls12,
        TlsVersion::Tls13 => Minimum::Tls13,
    };
    let clients = clients?;
    let revocation_known_until = clients.revocation_known_until();
    let settings = ServerSettings { port: &port.name, certificates: &certificates, clients, minimum, alpn };
    match settings.build(&compiler.registries.tickets) {
        Ok(config) => {
            let clients = port.clients.as_ref().map_or(ClientCertificate::None, |clients| clients.certificate.value);
            Some(Terminated { config, clients, revocation_known_until, certificates })
        }
        Err(error) => {
            compiler.findings.push(Finding::new(RuleId::CertificateUnreadable, tls.span, error.to_string()));
            None
        }
    }
}

/// Never fails open: a CA that can not be read or is empty is a finding, not "no check".
fn client_policy(compiler: &mut Compiler<'_>, port: &Port) -> Option<ClientPolicy> {
    let Some(clients) = &port.clients else { return Some(ClientPolicy::None) };
    let wanted = clients.certificate.value;
    if wanted == ClientCertificate::None {
        return Some(ClientPolicy::None);
    }
    let ca = clients.ca.as_ref()?;
    let loaded = material::load_roots(ca);
    if let Err(MaterialError::NoCertificate(_)) = &loaded {
        let message = format!("`{}` holds no CA certificate, so no client could ever be believed", ca.display());
        let help = "name a PEM file with the CA that issues your clients' certificates";
        compiler.findings.push(Finding::new(RuleId::ClientCaEmpty, ca.span, message).help(help));
        return None;
    }
    let roots = compiler.loaded(ca, loaded);
    let revoked = match &clients.crl {
        Some(crl) => Some(compiler.revocation_lists(crl)?),
        None => None,
    };
    let believed = Believed { roots: roots?, revoked };
    Some(if wanted == ClientCertificate::Required {
        ClientPolicy::Required(believed)
    } else {
        ClientPolicy::Optional(believed)
    })
}

fn limits(compiler: &Compiler<'_>, port: &Port) -> PortLimits {
    let (own, common) = (&port.limits, &compiler.declared.defaults.limits);
    PortLimits {
        connections: said(own.connections.or(common.connections), defaults::PORT_CONNECTIONS),
        connections_per_source: said(
            own.connections_per_source.or(common.connections_per_source),
            // Behind an internal port stands often one peer with everybody's connections.
            if port.role.value == declared::Role::Public { defaults::CONNECTIONS_PER_SOURCE } else { u32::MAX },
        ),
        head_bytes: said(own.head_bytes.or(common.head_bytes), defaults::HEAD_BYTES) as usize,
        headers: said(own.headers.or(common.headers), defaults::HEADERS) as usize,
        target_bytes: said(own.target_bytes.or(common.target_bytes), defaults::TARGET_BYTES) as usize,
        body_bytes: own.body_bytes.or(common.body_bytes).map(|limit| limit.value),
        minimum_rate: said(own.minimum_rate.or(common.minimum_rate), defaults::MINIMUM_RATE),
    }
}

fn timeouts(compiler: &Compiler<'_>, port: &Port) -> PortTimeouts {
    let (own, common) = (&port.timeouts, &compiler.declared.defaults.port_timeouts);
    PortTimeouts {
        handshake: said(own.handshake.or(common.handshake), defaults::HANDSHAKE_TIMEOUT),
        head: said(own.head.or(common.head), defaults::HEAD_TIMEOUT),
        keep_alive: said(own.keep_alive.or(common.keep_alive), defaults::CLIENT_KEEP_ALIVE),
    }
}
