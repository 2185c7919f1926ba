//! `/directory`: what a CA merges into its own ACME directory (RFC 9773 section 3).

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
            // Changes with the configuration alone; five minutes let it change.
            (header::CACHE_CONTROL, "public, max-age=300"),
        ],
        body.to_string(),
    )
}

impl Public {
    /// As configured, never as the `Host` header says.
    fn base_url(&self) -> String {
        self.engine
            .config()
            .base_url
            .clone()
            .unwrap_or_else(|| self.bound_url.to_string())
    }
}
