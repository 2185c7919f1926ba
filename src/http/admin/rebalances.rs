//! `/v1/rebalance` and `/v1/rebalances`: moves windows when the forecast has drifted.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::experiments::one_ca;
use super::uncached::answer;
use crate::engine::Rebalance;
use crate::http::state::Admin;
use crate::store::StoredRebalance;
use crate::wire::body;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

/// The request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    ca: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/rebalance`.
pub(in crate::http) async fn make(
    State(admin): State<Admin>,
    _: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let body = body::json(&headers, body).await?;
    let shape = r#"{"ca": text, "dryRun": true or false}"#;
    let Request { ca, dry_run } = body::object(&body, shape)?;
    let ca = one_ca(&admin.engine, ca.as_deref())?;
    let mode = if dry_run {
        Rebalance::DryRun
    } else {
        Rebalance::Apply
    };
    match admin.engine.rebalance(&ca, mode).await? {
        Some(report) => answer(&report),
        None => Err(Problem::missing("the CA is not configured any more")),
    }
}

/// `GET /v1/rebalances`.
pub(in crate::http) async fn list(
    State(admin): State<Admin>,
    _: NoParameters,
) -> Result<impl IntoResponse, Problem> {
    let kept = admin.engine.rebalances().await?;
    let lines: Vec<Value> = kept
        .iter()
        .map(|one| {
            let report = report(one);
            json!({
                "number": one.number,
                "ca": one.ca,
                "madeAt": one.made_at,
                "complete": one.body.is_some(),
                "moved": report["moved"],
                "driftBefore": report["driftBefore"],
                "driftAfter": report["driftAfter"],
            })
        })
        .collect();
    answer(&json!({ "rebalances": lines }))
}

/// `GET /v1/rebalances/{n}`.
pub(in crate::http) async fn show(
    State(admin): State<Admin>,
    _: NoParameters,
    uri: Uri,
) -> Result<impl IntoResponse, Problem> {
    // The route has matched, so this is the number after `/v1/rebalances/`.
    let text = uri.path().split('/').nth(3).unwrap_or_default();
    let number: i64 = text.parse().map_err(|_| {
        let shown: String = text.chars().take(20).collect();
        Problem::malformed(format!("{shown:?} is no number of a rebalance"))
    })?;
    match admin.engine.store().rebalance(number).await {
        Ok(Some(one)) => answer(&report(&one)),
        Ok(None) => Err(Problem::missing(format!("there is no rebalance {number}"))),
        Err(error) => Err(crate::engine::EngineError::from(error).into()),
    }
}

/// The stored report. If there is none, what is known about a rebalance that is running or was
/// stopped.
fn report(one: &StoredRebalance) -> Value {
    one.body
        .as_deref()
        .and_then(|body| serde_json::from_str(body).ok())
        .unwrap_or_else(|| {
            json!({
                "number": one.number,
                "ca": one.ca,
                "madeAt": one.made_at,
                "complete": false,
            })
        })
}
