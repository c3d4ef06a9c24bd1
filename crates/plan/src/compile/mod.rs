//! From what is declared to what runs: names become references, defaults are filled in, certificates are loaded,
//! regular expressions compiled, host names replaced by their addresses. What can not be is a finding, at the place that says it.

mod access;
mod audit;
mod identity;
mod ports;
mod routes;
mod services;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc};

use portcullis_config::{
    declared::{Declared, ListenAddress, LogFormat, LogTarget, Role},
    defaults,
    finding::Finding,
    rule::RuleId,
    span::Spanned,
};
use portcullis_observe::{
    access_log::{AccessLogSettings, Format, Target},
    metrics,
};
use portcullis_tls::{
    material::{Certificate, Crls, MaterialError, load_crls},
    server::TicketRegistry,
};

use crate::{NameRegistry, Names, Plan};

/// What outlives plans: state that the next one takes over.
#[derive(Debug)]
pub struct Registries {
    /// Health, ejection and requests in flight of endpoints.
    pub endpoints: portcullis_balance::Registry,
    /// Counters.
    pub metrics: Arc<metrics::Registry>,
    /// TLS ticket keys of ports.
    pub tickets: TicketRegistry,
    /// Where names of endpoints lead.
    pub names: NameRegistry,
    /// Providers of identities.
    pub identity: portcullis_identity::Registry,
}

impl Registries {
    /// For a process with this many workers.
    pub fn new(workers: usize, metrics: Arc<metrics::Registry>) -> Self {
        Self {
            endpoints: portcullis_balance::Registry::new(workers),
            metrics,
            tickets: TicketRegistry::default(),
            names: NameRegistry::default(),
            identity: portcullis_identity::Registry::default(),
        }
    }
}

/// Compiles a declaration that passed all checks. What it looks up in `registries` it does not change: a plan that is
/// never published leaves no trace there once it is dropped. All findings are collected; one that is an error makes it fail.
pub fn compile(
    declared: &Declared,
    registries: &Registries,
    names: &Names,
) -> Result<(Plan, Vec<Finding>), Vec<Finding>> {
    let mut compiler = Compiler { declared, registries, names, findings: Vec::new(), material: Vec::new() };
    let control_addresses = control_addresses(declared);
    let services = services::compile(&mut compiler, &control_addresses);
    let by_name: HashMap<&str, _> =
        declared.services.iter().map(|service| service.name.as_str()).zip(services.iter().cloned()).collect();
    let identity = identity::compile(&mut compiler);
    let (policies, accesses) = access::compile(&mut compiler, identity.as_deref());
    let tables = routes::compile(&mut compiler, &by_name, &accesses);
    let ports = ports::compile(&mut compiler, tables);
    let Compiler { mut findings, material, .. } = compiler;
    portcullis_config::finding::sort(&mut findings);
    let Some(policies) = policies.filter(|_| !findings.iter().any(Finding::is_error)) else {
        return Err(findings);
    };
    let limits = &declared.limits;
    let plan = Plan {
        generation: 0,
        ports,
        services,
        connections: said(limits.connections, defaults::PROCESS_CONNECTIONS),
        drain: said(limits.drain, defaults::DRAIN),
        admin_token: declared.admin.token.as_ref().map(|token| token.value.clone()),
        control_addresses,
        access_log: access_log(declared),
        log_level: said(declared.log.level, defaults::LOG_LEVEL),
        policies: Arc::new(policies),
        identity,
        audit: audit::audit(declared),
        grants: audit::grants(declared),
        assertion_header: identity::assertion_header(declared),
        material,
    };
    Ok((plan, findings))
}

/// What the parts of the compilation share.
struct Compiler<'a> {
    declared: &'a Declared,
    registries: &'a Registries,
    names: &'a Names,
    findings: Vec<Finding>,
    material: Vec<PathBuf>,
}

impl Compiler<'_> {
    /// Takes a loaded file, or reports why it can not be used. Either way it is watched: a repaired file is a change.
    fn loaded<T>(&mut self, place: &Spanned<PathBuf>, result: Result<T, MaterialError>) -> Option<T> {
        self.watch(&place.value);
        result.map_err(|error| self.findings.push(material_finding(place, &error))).ok()
    }

    fn certificate(&mut self, files: &portcullis_config::declared::CertificateFiles) -> Option<Arc<Certificate>> {
        let result = portcullis_tls::material::load_certificate(&files.cert, &files.key);
        let place = match &result {
            Err(MaterialError::KeyDoesNotFit { .. }) => &files.key,
            Err(error) if error.path() == files.key.value => &files.key,
            _ => &files.cert,
        };
        let certificate = self.loaded(place, result);
        for file in [&files.cert, &files.key] {
            self.watch(&file.value);
        }
        certificate.map(Arc::new)
    }

    /// Never fails open: lists that can not be read are a finding, not "nobody was revoked".
    fn revocation_lists(&mut self, place: &Spanned<PathBuf>) -> Option<Crls> {
        self.watch(&place.value);
        let report = |error: MaterialError| {
            let finding = Finding::new(RuleId::RevocationList, place.span, error.to_string()).help(error.remedy());
            self.findings.push(finding);
        };
        load_crls(place).map_err(report).ok()
    }

    /// A change of this file is looked for while the plan runs.
    fn watch(&mut self, file: &PathBuf) {
        if !self.material.contains(file) {
            self.material.push(file.clone());
        }
    }
}

fn material_finding(place: &Spanned<PathBuf>, error: &MaterialError) -> Finding {
    let rule = match error {
        MaterialError::Expired { .. } => RuleId::CertificateExpired,
        MaterialError::NotYetValid { .. } => RuleId::CertificateNotYetValid,
        MaterialError::KeyDoesNotFit { .. } | MaterialError::Swapped { .. } | MaterialError::WrongOrder { .. } => {
            RuleId::CertificateKeyMismatch
        }
        _ => RuleId::CertificateUnreadable,
    };
    Finding::new(rule, place.span, error.to_string()).help(error.remedy())
}

/// A value that was said, or the default.
fn said<T: Copy>(value: Option<Spanned<T>>, default: T) -> T {
    value.map_or(default, |said| said.value)
}

/// TCP addresses of admin and metrics ports; a wildcard also stands for loopback.
fn control_addresses(declared: &Declared) -> Vec<SocketAddr> {
    let control = declared.ports.iter().filter(|port| matches!(*port.role, Role::Admin | Role::Metrics));
    control
        .filter_map(|port| match &*port.listen {
            ListenAddress::Tcp(address) => Some(*address),
            ListenAddress::Unix(_) => None,
        })
        .flat_map(|address| {
            let loopback: [std::net::IpAddr; 2] = [[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
            let meant = if address.ip().is_unspecified() { loopback.to_vec() } else { Vec::new() };
            meant.into_iter().map(move |ip| SocketAddr::new(ip, address.port())).chain([address])
        })
        .collect()
}

fn access_log(declared: &Declared) -> AccessLogSettings {
    let log = &declared.log.access;
    let target = match log.to.as_ref().map_or(&defaults::ACCESS_LOG_TARGET, |to| &to.value) {
        LogTarget::Stdout => Target::Stdout,
        LogTarget::Off => Target::Off,
        LogTarget::File(path) => Target::File(path.clone()),
    };
    let format = match said(log.format, defaults::ACCESS_LOG_FORMAT) {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    AccessLogSettings { target, format, buffer_bytes: said(log.buffer_bytes, defaults::ACCESS_LOG_BUFFER_BYTES) }
}
