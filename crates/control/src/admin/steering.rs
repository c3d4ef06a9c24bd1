//! Health, readiness, status; reload and drain.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use portcullis_observe::access_log::SinkState;
use portcullis_plan::ResolvedName;

use crate::{
    Phase, Publisher,
    answers::{
        AccessLogStatus, Cause, Drain, FindingReport, Health, NameStatus, Outcome, PhaseWord, Problem, ProblemKind,
        Readiness, ReloadReport, Status, unix_seconds,
    },
};

/// Whether the process answers.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "live".to_owned() })
}

/// Whether traffic should be sent here.
#[utoipa::path(
    get,
    path = "/v1/ready",
    responses((status = 200, body = Readiness), (status = 503, description = "draining", body = Readiness))
)]
pub(super) async fn ready(State(publisher): State<Arc<Publisher>>) -> Response {
    match publisher.phase() {
        Phase::Serving => Json(Readiness { ready: true, reason: None }).into_response(),
        Phase::Draining { .. } | Phase::Drained => {
            let readiness = Readiness { ready: false, reason: Some("draining".to_owned()) };
            (StatusCode::SERVICE_UNAVAILABLE, Json(readiness)).into_response()
        }
    }
}

/// The process at a glance.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(publisher): State<Arc<Publisher>>) -> Json<Status> {
    let running = publisher.running();
    let phase = publisher.phase();
    let dropped = publisher.access_log().dropped();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: unix_seconds(SystemTime::now()),
        pid: std::process::id(),
        phase: match phase {
            Phase::Serving => PhaseWord::Serving,
            Phase::Draining { .. } | Phase::Drained => PhaseWord::Draining,
        },
        uptime_seconds: publisher.uptime().as_secs(),
        workers: publisher.registries().endpoints.workers(),
        file: publisher.path().display().to_string(),
        generation: running.plan.generation,
        generation_since: unix_seconds(running.since),
        open_connections: publisher.open_connections(),
        drain_left_ms: match phase {
            Phase::Draining { deadline } => Some(left_ms(deadline)),
            Phase::Serving | Phase::Drained => None,
        },
        last_reload: publisher.last_reload().map(|report| ReloadReport::clone(&report)),
        warnings: FindingReport::of(&running.warnings, &running.sources),
        access_log: AccessLogStatus {
            state: match publisher.access_log().state() {
                SinkState::Working => "working",
                SinkState::Failing => "failing",
                SinkState::Unread => "unread",
                SinkState::Off => "off",
            }
            .to_owned(),
            dropped_sink_full: dropped.sink_full,
            dropped_write_error: dropped.write_error,
        },
        names: publisher.registries().names.known().iter().map(|(host, name)| describe_name(host, name)).collect(),
        drift: publisher.drift().known().to_vec(),
    })
}

fn describe_name(host: &str, name: &ResolvedName) -> NameStatus {
    NameStatus {
        name: host.to_owned(),
        addresses: name.addresses.iter().map(ToString::to_string).collect(),
        failure: name.failure.as_ref().map(|(why, _)| why.clone()),
        failing_since: name.failure.as_ref().map(|(_, since)| unix_seconds(*since)),
    }
}

/// Reads the file again and publishes what it says, if all of it is right. Returns when every worker runs it.
#[utoipa::path(
    post,
    path = "/v1/reload",
    responses(
        (status = 200, description = "the new plan runs", body = ReloadReport),
        (status = 422, description = "rejected; everything goes on as before", body = Problem),
        (status = 503, description = "draining", body = Problem),
    )
)]
pub(super) async fn reload(State(publisher): State<Arc<Publisher>>) -> Response {
    if publisher.phase() != Phase::Serving {
        return ProblemKind::Draining.with("a process on its way out takes no new configuration").into_response();
    }
    let report = ReloadReport::clone(&*publisher.reload(Cause::Api).await);
    match report.outcome {
        Outcome::Applied => Json(report).into_response(),
        Outcome::Rejected => {
            let detail = report.reason.clone().unwrap_or_default();
            Problem { reload: Some(report), ..ProblemKind::ReloadRejected.with(detail) }.into_response()
        }
    }
}

/// Closes the data ports, lets open connections end, and then ends the process. Asking again changes nothing.
#[utoipa::path(post, path = "/v1/drain", responses((status = 202, body = Drain)))]
pub(super) async fn drain(State(publisher): State<Arc<Publisher>>) -> Response {
    publisher.drain();
    let left_ms = match publisher.phase() {
        Phase::Draining { deadline } => left_ms(deadline),
        Phase::Serving | Phase::Drained => 0,
    };
    let drain = Drain { open_connections: publisher.open_connections(), left_ms };
    (StatusCode::ACCEPTED, Json(drain)).into_response()
}

fn left_ms(deadline: Instant) -> u64 {
    deadline.saturating_duration_since(Instant::now()).as_millis() as u64
}
