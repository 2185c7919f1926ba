//! `/v1/status` and `/v1/live`: the status of the CA, and the reports of the last hour.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::forecast::{ambiguous, nobody};
use super::fresh::{answer, json};
use crate::domain::demand::series::trust::DISAGREEMENT;
use crate::domain::math::number::thousandths;
use crate::domain::status::{LIVE_MINUTES, LiveSeries, PublicIncident, Standing};
use crate::domain::time::{MINUTE, Timestamp};
use crate::engine::{SourceReport, meant};
use crate::http::state::Public;
use crate::wire::problem::Problem;
use crate::wire::query::OfCa;

/// The status should be current. A page with a thousand readers behind one cache asks four times a
/// minute.
pub(in crate::http) const CACHING: &str = "public, max-age=15";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    generated_at: Timestamp,
    #[serde(flatten)]
    standing: Standing,
    /// The CA; `null` for several.
    ca: Option<String>,
    cas: Vec<OfOne>,
    incidents: Vec<PublicIncident>,
    /// The sources of load. Why one fails is for operators, in the log.
    sources: Vec<SourceReport>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfOne {
    ca: String,
    environment: String,
    #[serde(flatten)]
    standing: Standing,
    /// Whether comparable sources disagree.
    sources_disagree: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveDocument {
    ca: String,
    generated_at: Timestamp,
    from: Timestamp,
    minutes: i64,
    series: Vec<LiveSeries>,
}

/// `GET /v1/status`.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    OfCa(named): OfCa,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let engine = &public.engine;
    let standings = engine.how_cas_are(named.as_deref());
    let worst = meant(&standings)
        .into_iter()
        .max_by_key(|one| one.standing.status);
    let Some(worst) = worst else {
        return Err(nobody(named.as_deref().unwrap_or_default()));
    };
    let only = match &standings[..] {
        [only] => Some(only.ca.clone()),
        _ => None,
    };
    let document = Document {
        generated_at: engine.now(),
        standing: worst.standing.clone(),
        ca: only.as_ref().map(ToString::to_string),
        incidents: engine.public_incidents(only.as_ref()),
        sources: engine
            .source_reports()
            .into_iter()
            .filter(|source| source.ca.is_none() || only.is_none() || source.ca == only)
            .map(|source| SourceReport {
                relative_error: source.relative_error.map(thousandths),
                ..source
            })
            .collect(),
        cas: standings
            .iter()
            .map(|one| OfOne {
                ca: one.ca.to_string(),
                environment: one.environment.clone(),
                standing: one.standing.clone(),
                sources_disagree: one.disagreements.iter().any(|of| of.share > DISAGREEMENT),
            })
            .collect(),
    };
    Ok(fresh(&document, &request))
}

/// `GET /v1/live`.
pub(in crate::http) async fn live(
    State(public): State<Public>,
    OfCa(named): OfCa,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let engine = &public.engine;
    let ca = match named {
        Some(name) => name.parse().map_err(|_| nobody(&name))?,
        None => engine.unnamed_ca().map_err(|cas| ambiguous(&cas))?,
    };
    let now = engine.now();
    let series = engine.live(&ca).ok_or_else(|| nobody(ca.as_str()))?;
    let document = LiveDocument {
        ca: ca.to_string(),
        generated_at: now,
        from: Timestamp::from_unix((now.slot(MINUTE) - LIVE_MINUTES) * MINUTE),
        minutes: LIVE_MINUTES,
        series,
    };
    Ok(fresh(&document, &request))
}

fn fresh(document: &impl Serialize, request: &HeaderMap) -> Response {
    answer(json(document), "application/json", CACHING, request)
}
