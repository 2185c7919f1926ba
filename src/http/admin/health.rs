//! `/healthz`, `/readyz` and `/metrics`, for monitoring.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::uncached::uncached;
use crate::engine::Readiness;
use crate::http::state::Admin;
use crate::telemetry::Metrics;

/// `GET /healthz`: the process responds.
pub(in crate::http) async fn alive() -> impl IntoResponse {
    uncached("application/json", r#"{"alive":true}"#)
}

/// `GET /readyz`: 200 if the service can do its work, else 503, with a list of what is degraded.
pub(in crate::http) async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    let Readiness { ready, degraded } = admin.engine.readiness();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let document = serde_json::json!({ "ready": ready, "degraded": degraded });
    (status, uncached("application/json", document.to_string()))
}

/// `GET /metrics`: Prometheus text format.
pub(in crate::http) async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    uncached(Metrics::CONTENT_TYPE, admin.metrics.render())
}
