//! `/healthz`, `/readyz`, `/metrics`: for machines that watch machines.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::engine::Readiness;
use crate::http::state::Admin;
use crate::telemetry::Metrics;

/// `GET /healthz`: the process answers.
pub(in crate::http) async fn alive() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        r#"{"alive":true}"#,
    )
}

/// `GET /readyz`: 200 where the service is fit to serve, else 503; what is degraded in either case.
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

/// `GET /metrics`: Prometheus's text format.
pub(in crate::http) async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, Metrics::CONTENT_TYPE),
            (header::CACHE_CONTROL, "no-store"),
        ],
        admin.metrics.render(),
    )
}
