//! `/directory`: the member that a CA adds to its ACME directory (RFC 9773 section 3).

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::http::state::Public;

/// `GET`.
pub(in crate::http) async fn show(State(public): State<Public>) -> impl IntoResponse {
    let body = serde_json::json!({ "renewalInfo": format!("{}/renewal-info", public.base_url()) });
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            // It changes only with the configuration; five minutes are soon enough for that.
            (header::CACHE_CONTROL, "public, max-age=300"),
        ],
        body.to_string(),
    )
}

impl Public {
    /// From the configuration, never from the `Host` header.
    fn base_url(&self) -> String {
        self.engine
            .config()
            .base_url
            .clone()
            .unwrap_or_else(|| self.bound_url.to_string())
    }
}
