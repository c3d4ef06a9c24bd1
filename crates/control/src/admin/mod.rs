//! The admin API: what may be asked of it, and what it answers. Who may ask is [`guard`]'s business, and how bytes
//! come in is that of [`crate::ports`].

mod configuration;
mod guard;
mod lists;
mod steering;
mod telemetry;
mod whereabouts;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use utoipa::OpenApi;

use crate::{
    Publisher,
    answers::{Problem, ProblemKind},
};

pub(crate) use guard::{Caller, CallerTls, Door, Refusal, Via, admit};

/// The OpenAPI document, generated from the types.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Portcullis admin API", description = "Served on admin ports alone."),
    paths(
        steering::health,
        steering::ready,
        steering::status,
        steering::reload,
        steering::drain,
        lists::ports,
        lists::routes,
        lists::services,
        configuration::configuration,
        telemetry::metrics,
    ),
    components(schemas(Problem))
)]
struct Document;

/// The OpenAPI document as JSON.
pub fn openapi() -> String {
    let mut document = Document::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    // The document is made of literals; should it not serialise, an empty one says as much as an error would.
    document.to_pretty_json().unwrap_or_default()
}

/// What admin ports serve.
pub(crate) fn admin_routes(publisher: Arc<Publisher>) -> Router {
    Router::new()
        .route("/v1/health", get(steering::health))
        .route("/v1/ready", get(steering::ready))
        .route("/v1/status", get(steering::status))
        .route("/v1/ports", get(lists::ports))
        .route("/v1/routes", get(lists::routes))
        .route("/v1/services", get(lists::services))
        .route("/v1/config", get(configuration::configuration))
        .route("/v1/reload", post(steering::reload))
        .route("/v1/drain", post(steering::drain))
        .route("/metrics", get(telemetry::metrics))
        .route("/openapi.json", get(document))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(publisher)
}

/// What metrics ports serve: nothing that steers, nothing that tells how things are configured.
pub(crate) fn metrics_routes(publisher: Arc<Publisher>) -> Router {
    Router::new()
        .route("/metrics", get(telemetry::metrics))
        .route("/healthz", get(steering::health))
        .route("/readyz", get(steering::ready))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found_here)
        .with_state(publisher)
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi()).into_response()
}

async fn not_found() -> Problem {
    ProblemKind::NotFound.with("GET /openapi.json lists what there is")
}

async fn not_found_here() -> Problem {
    ProblemKind::NotFound
        .with("a metrics port serves /metrics, /healthz and /readyz; everything else is on the admin ports")
}

async fn method_not_allowed() -> Problem {
    ProblemKind::MethodNotAllowed.with("the Allow header names the methods")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"portcullis-admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Headers on every answer of a control port: never cached, never rendered, never framed.
pub(crate) fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../../../../docs/reference/admin-api.md");

    #[test]
    fn document_and_reference_describe_the_same_resources() {
        let document: serde_json::Value = serde_json::from_str(&openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        for (path, operations) in paths {
            for method in operations.as_object().unwrap().keys() {
                let row = format!("| `{} {path}` |", method.to_uppercase());
                assert!(REFERENCE.contains(&row), "{row} is missing in the reference");
            }
        }
        let rows = REFERENCE.lines().filter(|line| line.starts_with("| `GET /") || line.starts_with("| `POST /"));
        // The document does not describe itself.
        assert_eq!(rows.count(), paths.len() + 1);
    }

    #[test]
    fn the_reference_lists_every_kind_of_problem() {
        for kind in ProblemKind::ALL {
            let row = format!("| `{}` | {} | {} |", kind.word(), kind.status(), kind.title());
            assert!(REFERENCE.contains(&row), "{row} is missing in the reference");
        }
    }
}
