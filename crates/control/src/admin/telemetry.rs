//! `/metrics`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use portcullis_observe::metrics;

use crate::{Publisher, answers::ProblemKind};

/// All counters as OpenMetrics text.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(publisher): State<Arc<Publisher>>) -> Response {
    match publisher.registries().metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can not be written");
            ProblemKind::Internal.with("the metrics can not be written; see the program's own log").into_response()
        }
    }
}
