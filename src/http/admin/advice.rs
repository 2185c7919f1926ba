//! `/v1/advice`: the timers that make the peak.

use axum::extract::State;
use axum::response::IntoResponse;

use super::experiments::{OneCa, no_ca};
use super::uncached::answer;
use crate::http::state::Admin;
use crate::wire::problem::Problem;

/// `GET /v1/advice`.
pub(in crate::http) async fn show(
    State(admin): State<Admin>,
    OneCa(ca): OneCa,
) -> Result<impl IntoResponse, Problem> {
    match admin.engine.advice(&ca) {
        Some(report) => answer(&report),
        None => Err(no_ca(ca.as_str())),
    }
}
