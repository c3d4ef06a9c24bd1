//! Ways in without TLS: PC443.

use super::rule;
use crate::{
    finding::Finding,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Gateway, Ingress, IngressRule, IngressTls, IstioGateway, is_placeholder},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static WITHOUT_TLS: Rule = rule(
    "PC443",
    "edge-without-tls",
    Severity::Medium,
    "an Ingress or gateway serves plain HTTP",
    "Passwords, cookies and tokens cross every network on the way in clear text, and whoever stands in between can \
     change what is sent.",
    "Add `tls` with the host and the secret of a certificate, which cert-manager can keep, and redirect plain HTTP to \
     it.",
);

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for ingress in cluster.manifests.ingresses.iter().filter(|ingress| ingress.meta.is_whole()) {
        if is_terminated_elsewhere(ingress) {
            continue;
        }
        match &ingress.spec.tls {
            None => findings.push(without_tls(ingress)),
            Some(tls) => findings.extend(ingress.spec.rules.iter().filter_map(|rule| uncovered(ingress, rule, tls))),
        }
    }
    findings.extend(cluster.manifests.gateways.iter().filter_map(plain_gateway));
    findings.extend(cluster.manifests.istio_gateways.iter().filter_map(plain_istio_gateway));
}

fn without_tls(ingress: &Declared<Ingress>) -> Finding {
    let message = format!("{} serves plain HTTP", ingress.meta.title());
    Finding::new(&WITHOUT_TLS, ingress.meta.anchor(), message)
        .label("no `tls`")
        .help("add `tls: [{ hosts: [shop.example.com], secretName: shop-tls }]`")
}

/// By annotation, controllers take a certificate from elsewhere or pass TLS through.
fn is_terminated_elsewhere(ingress: &Declared<Ingress>) -> bool {
    const ANY_VALUE: [&str; 5] = [
        "alb.ingress.kubernetes.io/certificate-arn",
        "ingress.gcp.kubernetes.io/pre-shared-cert",
        "networking.gke.io/managed-certificates",
        "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
        "route.openshift.io/termination",
    ];
    const IF_TRUE: [&str; 4] = [
        "nginx.ingress.kubernetes.io/ssl-passthrough",
        "traefik.ingress.kubernetes.io/router.tls",
        "haproxy.org/ssl-passthrough",
        "ingress.kubernetes.io/ssl-passthrough",
    ];
    let annotated = |name: &str| ingress.meta.annotation(name);
    let listens_with_tls =
        annotated("alb.ingress.kubernetes.io/listen-ports").is_some_and(|ports| ports.contains("HTTPS"));
    let brings_its_own = ingress
        .spec
        .class
        .as_ref()
        .is_some_and(|class| ["tailscale", "ngrok", "cloudflare-tunnel"].contains(&class.as_str()));
    listens_with_tls
        || brings_its_own
        || ANY_VALUE.iter().any(|name| annotated(name).is_some())
        || IF_TRUE.iter().any(|name| annotated(name).is_some_and(|value| **value == "true"))
}

/// A rule for a host that no certificate is for.
fn uncovered(ingress: &Declared<Ingress>, rule: &IngressRule, tls: &IngressTls) -> Option<Finding> {
    let host = rule.host.as_ref().filter(|host| !is_placeholder(host))?;
    if tls.covers(host) {
        return None;
    }
    let message = format!("{} serves `{}` without a certificate for it", ingress.meta.title(), **host);
    let finding = Finding::new(&WITHOUT_TLS, host.span, message).label("not among the hosts of `tls`");
    let finding = match tls.hosts.first() {
        Some(first) => finding.related(first.span, "the hosts with a certificate"),
        None => finding,
    };
    Some(finding.help(format!("add it to `tls`: `hosts: [{}]`", **host)))
}

/// A gateway that serves HTTPS as well is taken to redirect.
fn plain_gateway(gateway: &Declared<Gateway>) -> Option<Finding> {
    let protocol = |wanted: &[&str]| {
        gateway
            .spec
            .listeners
            .iter()
            .find_map(|listener| listener.protocol.as_ref().filter(|protocol| wanted.contains(&protocol.as_str())))
    };
    if protocol(&["HTTPS", "TLS"]).is_some() {
        return None;
    }
    let plain = protocol(&["HTTP"])?;
    Some(
        Finding::new(&WITHOUT_TLS, plain.span, format!("{} serves plain HTTP", gateway.meta.title()))
            .label("no listener with TLS")
            .help("add a listener `{ name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [...] } }`"),
    )
}

fn plain_istio_gateway(gateway: &Declared<IstioGateway>) -> Option<Finding> {
    let servers = &gateway.spec.servers;
    let speaks = |server: &crate::kubernetes::model::IstioServer, words: &[&str]| {
        server.protocol.as_ref().is_some_and(|protocol| words.iter().any(|word| protocol.eq_ignore_ascii_case(word)))
    };
    if servers.iter().any(|server| speaks(server, &["HTTPS", "TLS"]) || server.redirects) {
        return None;
    }
    let plain = servers.iter().find(|server| speaks(server, &["HTTP"]))?;
    let span = plain.protocol.as_ref().map_or(plain.port.span, |protocol| protocol.span);
    Some(
        Finding::new(&WITHOUT_TLS, span, format!("{} serves plain HTTP", gateway.meta.title()))
            .label("no server with TLS")
            .help("add a server with `protocol: HTTPS` and `tls`, and `tls: { httpsRedirect: true }` here"),
    )
}
