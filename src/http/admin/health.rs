//! `/healthz`, `/readyz` and `/metrics`, for monitoring.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::engine::Readiness;
use crate::http::state::Admin;
use crate::telemetry::Metrics;

/// `GET /healthz`: the process responds.
pub(in crate::http) async fn alive() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        r#"{"alive":true}"#,
    )
}

/// `GET /readyz`: 200 if the service can do its work, else 503, with a list of what is degraded.
pub(in crate::http) async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    let Readiness { ready, degraded } = admin.engine.readiness();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        serde_json::json!({ "ready": ready, "degraded": degraded }).to_string(),
    )
}

/// `GET /metrics`: Prometheus text format.
pub(in crate::http) async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, Metrics::CONTENT_TYPE),
            (header::CACHE_CONTROL, "no-store"),
        ],
        admin.metrics.render(),
    )
}
