//! Ports, routes and services as they are now.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use portcullis_balance::{Checked, EndpointState, Standing};
use portcullis_config::{
    declared::{ListenAddress, Word},
    scope::Scope,
};
use portcullis_plan::{Access, Action, EndpointPlan, PortPlan, Protocol, RoutePlan, ServicePlan};
use portcullis_proxy::clock;

use super::whereabouts;
use crate::{
    Publisher,
    answers::{AllowWord, Certificate, Endpoint, EndpointWord, Port, Route, RouteAction, Service, unix_seconds},
    sockets::address_text,
};

/// Every port, in the order of the file.
#[utoipa::path(get, path = "/v1/ports", responses((status = 200, body = Vec<Port>)))]
pub(super) async fn ports(State(publisher): State<Arc<Publisher>>) -> Json<Vec<Port>> {
    let describe = |port: &Arc<PortPlan>| describe_port(port, publisher.strangers().at(&port.name));
    Json(publisher.running().plan.ports.iter().map(describe).collect())
}

/// Every route of every port.
#[utoipa::path(get, path = "/v1/routes", responses((status = 200, body = Vec<Route>)))]
pub(super) async fn routes(State(publisher): State<Arc<Publisher>>) -> Json<Vec<Route>> {
    let running = publisher.running();
    let mut routes: Vec<Route> = running
        .plan
        .ports
        .iter()
        .flat_map(|port| port.routes.routes().map(|route| describe_route(&port.name, route)))
        .collect();
    routes.sort_by(|a, b| (&a.port, &a.pattern, &a.name).cmp(&(&b.port, &b.pattern, &b.name)));
    Json(routes)
}

/// Every service with its endpoints, in the order of the file.
#[utoipa::path(get, path = "/v1/services", responses((status = 200, body = Vec<Service>)))]
pub(super) async fn services(State(publisher): State<Arc<Publisher>>) -> Json<Vec<Service>> {
    let plan = Arc::clone(&publisher.running().plan);
    let services = plan.services.iter().map(|service| describe_service(service)).collect();
    Json(whereabouts::explain(&plan, services).await)
}

fn describe_port(port: &PortPlan, shared_with: Vec<String>) -> Port {
    let counts = port.metrics.snapshot();
    let terminated = port.protocol.terminated();
    let mut services: Vec<String> = port.routes.routes().filter_map(|route| service_of(route)).collect();
    services.sort_unstable();
    services.dedup();
    Port {
        name: port.name.to_string(),
        listen: address_text(&port.listen),
        role: port.role_name().to_owned(),
        scope: match &port.listen {
            ListenAddress::Tcp(address) => Scope::of(address.ip()).word(),
            ListenAddress::Unix(_) => "this-host",
        }
        .to_owned(),
        protocol: port.protocol.name().to_owned(),
        passthrough: matches!(port.protocol, Protocol::Passthrough),
        client_certificate: terminated.map(|terminated| terminated.clients.word().to_owned()),
        certificates: terminated.map_or_else(Vec::new, |terminated| {
            let certificates = terminated.certificates.iter();
            certificates
                .map(|certificate| Certificate {
                    names: certificate.names.clone(),
                    not_after: unix_seconds(certificate.not_after),
                })
                .collect()
        }),
        redirect_https: port.redirect_https,
        accepted_wildcard: port.accepted_wildcard.clone(),
        shared_with,
        services,
        active_connections: counts.active,
        connections: counts.connections,
        requests: counts.requests,
        terminations: counts.terminations.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
    }
}

fn service_of(route: &RoutePlan) -> Option<String> {
    match &route.action {
        Action::Forward(service) => Some(service.name.to_string()),
        Action::Redirect(_) | Action::Respond(_) => None,
    }
}

fn describe_route(port: &str, route: &RoutePlan) -> Route {
    let counts = route.metrics.snapshot();
    Route {
        name: route.name.to_string(),
        port: port.to_owned(),
        pattern: route.pattern.clone(),
        conditions: route.conditions.count(),
        allow: match &route.access {
            Access::Open => AllowWord::Anyone,
            Access::Judged { .. } => AllowWord::Conditional,
        },
        action: match &route.action {
            Action::Forward(service) => RouteAction::Service(service.name.to_string()),
            Action::Redirect(redirect) => RouteAction::Redirect(redirect.status),
            Action::Respond(respond) => RouteAction::Respond(respond.status),
        },
        finished: by_class(&counts.finished),
    }
}

fn describe_service(service: &ServicePlan) -> Service {
    let counts = service.metrics.snapshot();
    let now_ms = clock::now_ms();
    let weights = service.group.members().iter().map(|member| member.weight);
    let endpoints: Vec<Endpoint> = service
        .endpoints
        .iter()
        .zip(weights)
        .map(|(endpoint, weight)| describe_endpoint(endpoint, weight, now_ms))
        .collect();
    let may_be_picked = |endpoint: &&Endpoint| {
        endpoint.weight > 0 && matches!(endpoint.state, EndpointWord::Up | EndpointWord::Unchecked)
    };
    Service {
        name: service.name.to_string(),
        protocol: service.protocol.word().to_owned(),
        balance: service.group.policy().name().to_owned(),
        checked: service.health.is_some(),
        available: endpoints.iter().filter(may_be_picked).count(),
        endpoints,
        finished: by_class(&counts.finished),
        retries: counts.retries,
    }
}

fn describe_endpoint(endpoint: &EndpointPlan, weight: u32, now_ms: u64) -> Endpoint {
    let counts = endpoint.metrics.snapshot();
    let state = state_of(&endpoint.state, now_ms);
    let failures = endpoint.state.consecutive_failures();
    // A reason outlives what it explains: it is only told while it does.
    let reason = endpoint.state.reason().filter(|_| failures > 0 || state.is_out());
    Endpoint {
        address: endpoint.label.to_string(),
        weight,
        state,
        since: unix_seconds(endpoint.state.since(now_ms)),
        reason: reason.map(|reason| reason.to_string()),
        in_flight: endpoint.state.in_flight(),
        active_connections: counts.active,
        connect_failures: counts.connect_failures,
        checks_passed: counts.checks_passed,
        checks_failed: counts.checks_failed,
    }
}

fn state_of(state: &EndpointState, now_ms: u64) -> EndpointWord {
    match (state.standing(now_ms), state.checked()) {
        (Standing::Down, _) => EndpointWord::Down,
        (Standing::Ejected, _) => EndpointWord::Ejected,
        (Standing::Available, Checked::Unchecked) => EndpointWord::Unchecked,
        (Standing::Available, _) => EndpointWord::Up,
    }
}

fn by_class(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().filter(|(_, count)| **count > 0).map(|(class, count)| ((*class).to_owned(), *count)).collect()
}
