//! Where nobody listens, on which ports the endpoint's process does.
//!
//! Active checks find that out by themselves. This is for endpoints of which only real traffic tells that something is
//! wrong: they are looked at when somebody asks, because looking walks through `/proc`.

use std::net::SocketAddr;

use portcullis_balance::{Address, Checked};
use portcullis_kernel::refused::{Lead, nobody_listens};
use portcullis_plan::{EndpointPlan, Plan, ServicePlan};

use crate::answers::Service;

/// Endpoints that one answer looks for at most.
const MOST: usize = 8;

/// What is to be looked for, and where in the answer it belongs.
struct Question {
    service: usize,
    endpoint: usize,
    address: SocketAddr,
    siblings: Vec<SocketAddr>,
}

/// Replaces the reasons of endpoints at which nobody listens by ones that say where their processes do. Both lists are of
/// the same plan.
pub(super) async fn explain(plan: &Plan, mut services: Vec<Service>) -> Vec<Service> {
    let questions = questions(plan, &services);
    if questions.is_empty() {
        return services;
    }
    let looked = tokio::task::spawn_blocking(move || {
        let answers = questions.into_iter().map(|question| {
            let found = nobody_listens(question.address, None, &question.siblings);
            (question.service, question.endpoint, found)
        });
        answers.collect::<Vec<_>>()
    });
    // It fails only if the lookup itself broke off; then the plain reasons have to do.
    for (service, endpoint, found) in looked.await.unwrap_or_default() {
        if !matches!(found.lead, Lead::ByNow | Lead::Elsewhere) {
            services[service].endpoints[endpoint].reason = Some(found.to_string());
        }
    }
    services
}

fn questions(plan: &Plan, services: &[Service]) -> Vec<Question> {
    let pairs = plan.services.iter().zip(services).enumerate();
    let open = pairs.flat_map(|(service, (planned, answered))| {
        let endpoints = planned.endpoints.iter().zip(&answered.endpoints).enumerate();
        endpoints.filter_map(move |(endpoint, (state, answer))| {
            let is_told_by_traffic = answer.reason.is_some() && state.state.checked() != Checked::Down;
            let address = tcp(state).filter(|_| is_told_by_traffic)?;
            Some(Question { service, endpoint, address, siblings: siblings(planned, address) })
        })
    });
    open.take(MOST).collect()
}

fn siblings(service: &ServicePlan, address: SocketAddr) -> Vec<SocketAddr> {
    service.endpoints.iter().filter_map(tcp).filter(|other| *other != address).collect()
}

fn tcp(endpoint: &EndpointPlan) -> Option<SocketAddr> {
    match endpoint.state.address() {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    }
}
