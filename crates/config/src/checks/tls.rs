//! TLS towards clients and towards endpoints, as far as the file alone can tell.

use super::{Check, Index};
use crate::{
    declared::{ClientCertificate, Clients, EndpointAddress, Port, Protocol, Verify, Word},
    finding::{Finding, Findings},
    rule::RuleId,
    span::Spanned,
};

/// A port that ends TLS and has nothing to show.
pub(super) struct TlsWithoutCertificate;

impl Check for TlsWithoutCertificate {
    fn rule(&self) -> RuleId {
        RuleId::TlsWithoutCertificate
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in &index.declared.ports {
            let has_certificate = port.tls.as_ref().is_some_and(|tls| !tls.certificates.is_empty());
            if !speaks_tls(port) || port.passes_through() || has_certificate {
                continue;
            }
            let span = match (&port.tls, &port.protocol) {
                (Some(tls), _) => tls.span,
                (None, Some(protocol)) => protocol.span,
                (None, None) => port.name.span,
            };
            let message = format!("port `{}` speaks TLS and has no certificate", *port.name);
            let is_tls = port.protocol.as_deref() == Some(&Protocol::Tls);
            let help = if is_tls {
                "add `tls: { certificates: [{ cert: FILE, key: FILE }] }`, or `tls: { passthrough: true }`"
            } else {
                "add `tls: { certificates: [{ cert: FILE, key: FILE }] }`"
            };
            findings.push(Finding::new(self.rule(), span, message).help(help));
        }
    }
}

/// TLS settings where there is no TLS: they would protect nothing.
pub(super) struct TlsOnPlainPort;

impl Check for TlsOnPlainPort {
    fn rule(&self) -> RuleId {
        RuleId::TlsOnPlainPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in index.declared.ports.iter().filter(|port| !speaks_tls(port)) {
            let protocol = port.protocol.as_ref().map_or("http", |protocol| protocol.word());
            let clients = port.clients.as_ref().filter(|clients| asks(clients)).map(|clients| clients.span);
            let settings = [("tls", port.tls.as_ref().map(|tls| tls.span)), ("clients", clients)];
            for (key, span) in settings {
                let Some(span) = span else { continue };
                let message = format!("`{key}` on port `{}`, which speaks plain {protocol}", *port.name);
                let mut finding = Finding::new(self.rule(), span, message);
                if let Some(protocol) = &port.protocol {
                    let meant = if protocol.value == Protocol::Http { "https" } else { "tls" };
                    finding = finding.related(protocol.span, format!("did you mean `{meant}`?"));
                }
                findings.push(finding);
            }
        }
    }
}

/// Pass-through together with what needs the bytes inside.
pub(super) struct Passthrough;

impl Check for Passthrough {
    fn rule(&self) -> RuleId {
        RuleId::Passthrough
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in index.declared.ports.iter().filter(|port| port.passes_through()) {
            let Some(tls) = &port.tls else { continue };
            let passthrough = tls.passthrough.map_or(tls.span, |passthrough| passthrough.span);
            let mut report = |span, message: String, help: &str| {
                let finding =
                    Finding::new(self.rule(), span, message).related(passthrough, "TLS is not ended here").help(help);
                findings.push(finding);
            };
            if let Some(protocol) = &port.protocol
                && protocol.value != Protocol::Tls
                && speaks_tls(port)
            {
                let message = format!("port `{}` passes TLS through and cannot see HTTP inside", *port.name);
                report(protocol.span, message, "write `protocol: tls`, or remove `passthrough`");
            }
            if let Some(certificate) = tls.certificates.first() {
                let message = format!("port `{}` passes TLS through and shows no certificate", *port.name);
                report(certificate.span, message, "remove `certificates`, or remove `passthrough`");
            }
            if let Some(minimum) = tls.minimum {
                let message = format!("port `{}` passes TLS through and does not choose its version", *port.name);
                report(minimum.span, message, "remove `minimum`, or remove `passthrough`");
            }
            if let Some(clients) = port.clients.as_ref().filter(|clients| asks(clients)) {
                let message = format!("port `{}` passes TLS through and cannot ask for certificates", *port.name);
                report(clients.span, message, "remove `clients`, or remove `passthrough`");
            }
        }
    }
}

/// Client certificates without anyone to vouch for them.
pub(super) struct ClientCaMissing;

impl Check for ClientCaMissing {
    fn rule(&self) -> RuleId {
        RuleId::ClientCaMissing
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for port in &index.declared.ports {
            let Some(clients) = port.clients.as_ref().filter(|clients| asks(clients) && clients.ca.is_none()) else {
                continue;
            };
            let message = format!("port `{}` asks for client certificates and has no CA to check them", *port.name);
            let finding = Finding::new(self.rule(), clients.span, message)
                .help("add `ca: FILE`: the CAs whose certificates are believed");
            findings.push(finding);
        }
        let unasked = |port: &&Port| port.clients.as_ref().is_some_and(|clients| !asks(clients));
        for port in index.declared.ports.iter().filter(unasked) {
            let Some(clients) = &port.clients else { continue };
            let Some(crl) = &clients.crl else { continue };
            let message =
                format!("port `{}` asks for no client certificate, so nobody could be found revoked", *port.name);
            let finding = Finding::new(self.rule(), crl.span, message)
                .related(clients.certificate.span, "nobody is asked")
                .help("remove `crl`, or write `certificate: required`");
            findings.push(finding);
        }
    }
}

/// Upstream TLS that anyone can impersonate.
pub(super) struct UpstreamUnverified;

impl Check for UpstreamUnverified {
    fn rule(&self) -> RuleId {
        RuleId::UpstreamUnverified
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let Some(tls) = service.tls.as_ref().filter(|tls| tls.verify.value == Verify::Off) else { continue };
            let message = format!("TLS towards service `{}` is not verified", *service.name);
            let finding = Finding::new(self.rule(), tls.verify.span, message)
                .label("whoever answers is believed")
                .help("write `verify: ca` and `ca: FILE`, or `verify: system`");
            findings.push(finding);
        }
    }
}

/// `verify:` and `ca:` that do not fit together.
pub(super) struct UpstreamCaMissing;

impl Check for UpstreamCaMissing {
    fn rule(&self) -> RuleId {
        RuleId::UpstreamCaMissing
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let Some(tls) = &service.tls else { continue };
            match (&tls.ca, tls.verify.value) {
                (None, Verify::Ca) => {
                    let message = format!("service `{}` is verified by a CA that is not given", *service.name);
                    let finding = Finding::new(self.rule(), tls.verify.span, message)
                        .label("means: by the CA that `ca` names")
                        .help(
                            "write `tls: { verify: ca, ca: FILE }` with the PEM file of the CA that issued the service's \
                             certificate; or `verify: system` if a public CA did",
                        );
                    findings.push(finding);
                }
                (Some(ca), Verify::System | Verify::Off) => {
                    let message = format!("the CA of service `{}` would not be used", *service.name);
                    let finding = Finding::new(self.rule(), ca.span, message)
                        .related(tls.verify.span, "other certificates are believed")
                        .help("write `verify: ca`, or remove `ca`");
                    findings.push(finding);
                }
                (None, _) | (Some(_), Verify::Ca) => {}
            }
        }
    }
}

/// TLS towards a path, which is no name that a certificate could be for.
pub(super) struct UpstreamNameMissing;

impl Check for UpstreamNameMissing {
    fn rule(&self) -> RuleId {
        RuleId::UpstreamNameMissing
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let Some(tls) = service.tls.as_ref().filter(|tls| tls.name.is_none()) else { continue };
            let sockets =
                service.endpoints.iter().find(|endpoint| matches!(endpoint.address, EndpointAddress::Unix(_)));
            let Some(socket) = sockets else { continue };
            let message = format!("TLS towards service `{}` has no name to ask for and to check", *service.name);
            let finding = Finding::new(self.rule(), tls.span, message)
                .related(socket.span, "a Unix socket has no host name")
                .help("write `tls: { name: NAME }` with the name on the service's certificate");
            findings.push(finding);
        }
    }
}

/// Whether TLS is spoken with clients, ended here or not. Admin and metrics ports speak it if they have `tls:`.
pub(super) fn speaks_tls(port: &Port) -> bool {
    match port.protocol.as_deref() {
        Some(Protocol::Tls | Protocol::Https) => true,
        Some(Protocol::Tcp | Protocol::Http) => false,
        None => port.tls.is_some(),
    }
}

/// Whether clients are asked for a certificate.
pub(super) fn asks(clients: &Spanned<Clients>) -> bool {
    *clients.certificate != ClientCertificate::None
}
