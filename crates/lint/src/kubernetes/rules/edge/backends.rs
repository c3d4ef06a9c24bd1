//! Services that an Ingress or route leads to and that are not there: PC441.

use super::rule;
use crate::{
    finding::Finding,
    inputs::Spanned,
    kubernetes::{
        cluster::Cluster,
        model::{Declared, Meta, PortValue, Service, is_placeholder},
    },
    rule::{Rule, Severity},
};

pub(in super::super) static MISSING: Rule = rule(
    "PC441",
    "backend-missing",
    Severity::High,
    "an Ingress or route leads to a Service, or to a port of it, that does not exist",
    "Whoever follows that way gets 503 or 404 from the controller. A Service of that name that somebody creates later \
     gets the traffic.",
    "Write the name of a Service of the same namespace and one of its ports.",
);

/// What a way through an Ingress or route names.
struct Backend<'c> {
    meta: &'c Meta,
    service: &'c Spanned<String>,
    namespace: Option<&'c str>,
    port: Option<&'c Spanned<PortValue>>,
    /// Whether ports may be meant by their names.
    by_name: bool,
}

/// What controllers of clouds write instead of a port where an annotation says the rest.
const BY_ANNOTATION: &str = "use-annotation";

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let ingresses = cluster.manifests.ingresses.iter().filter(|ingress| ingress.meta.is_whole());
    let by_ingress = ingresses.flat_map(|ingress| {
        ingress.spec.backends().map(|(_, backend)| Backend {
            meta: &ingress.meta,
            service: &backend.service,
            namespace: None,
            port: backend.port.as_ref(),
            by_name: true,
        })
    });
    let by_route = cluster.manifests.routes.iter().flat_map(|route| {
        route.spec.backends().map(|backend| Backend {
            meta: &route.meta,
            service: &backend.service,
            namespace: backend.namespace.as_deref(),
            port: backend.port.as_ref(),
            by_name: false,
        })
    });
    findings.extend(by_ingress.chain(by_route).filter_map(|backend| judged(cluster, &backend)));
}

fn judged(cluster: &Cluster, backend: &Backend<'_>) -> Option<Finding> {
    let Backend { meta, service, port, .. } = *backend;
    if is_placeholder(service) || port.is_some_and(|port| port.name() == Some(BY_ANNOTATION)) {
        return None;
    }
    let services = cluster.services_named(service, backend.namespace, meta);
    if services.is_empty() {
        return missing_service(cluster, backend);
    }
    let port = port?;
    // One of the same name in another application says nothing about this one.
    let services: Vec<_> = services.into_iter().filter(|one| cluster.are_related(&one.meta, meta)).collect();
    // Services that only name something elsewhere need not declare ports.
    if services.iter().any(|service| service.spec.ports.is_empty() || offers(service, port, backend.by_name)) {
        return None;
    }
    let first = services.first()?;
    let offered: Vec<String> = first
        .spec
        .ports
        .iter()
        .map(|own| match &own.name {
            Some(name) => format!("{} (`{}`)", *own.port, **name),
            None => own.port.to_string(),
        })
        .collect();
    let message =
        format!("{} leads to port `{}` of Service `{}`, which has none such", meta.title(), **port, **service);
    Some(
        Finding::new(&MISSING, port.span, message)
            .label("nobody answers there")
            .related(first.meta.anchor(), format!("its ports are {}", offered.join(", ")))
            .help(format!("write one of the ports of the Service: {}", offered.join(", "))),
    )
}

fn offers(service: &Declared<Service>, port: &Spanned<PortValue>, by_name: bool) -> bool {
    match &port.value {
        PortValue::Name(name) if by_name => {
            service.spec.ports.iter().any(|own| own.name.as_ref().is_some_and(|own| **own == *name))
        }
        value => value.number().is_none_or(|number| {
            service.spec.ports.iter().any(|own| own.port.number().is_none_or(|own| own == number))
        }),
    }
}

fn missing_service(cluster: &Cluster, backend: &Backend<'_>) -> Option<Finding> {
    let Backend { meta, service, .. } = *backend;
    let elsewhere = backend.namespace.is_some_and(|namespace| namespace != meta.namespace());
    let is_expected = !elsewhere
        && cluster.holds_services_for(meta)
        && !cluster.may_be_made_by_operator([service.as_str()].into_iter(), meta);
    is_expected.then(|| {
        let message =
            format!("{} leads to Service `{}`, which does not exist{}", meta.title(), **service, meta.within());
        let finding = Finding::new(&MISSING, service.span, message).label("no such Service in these files");
        match near_name(cluster, service, meta) {
            Some(near) => {
                finding.related(near.meta.anchor(), "a name close to it").help(format!("write `{}`", *near.meta.name))
            }
            None => finding.severity(Severity::Medium).help("write the name of a Service of this namespace"),
        }
    })
}

fn near_name<'c>(cluster: &'c Cluster, name: &str, from: &Meta) -> Option<&'c Declared<Service>> {
    let nearby = cluster.services().take(4096).filter(|service| cluster.are_related(&service.meta, from));
    let with_distance = nearby.map(|service| (strsim::osa_distance(name, &service.meta.name), service));
    with_distance
        .filter(|(distance, _)| *distance <= 2 + name.len() / 8)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, one)| one)
}
