//! `/v1/status` and `/v1/live`: the status of the CA, and the reports of the last hour.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::forecast::{ambiguous, nobody};
use super::fresh::{answer, json};
use crate::domain::demand::series::trust::DISAGREEMENT;
use crate::domain::math::number::thousandths;
use crate::domain::status::{LIVE_MINUTES, LivePoint, LiveSeries, PublicIncident, Status};
use crate::domain::time::{MINUTE, Timestamp};
use crate::engine::{CaStanding, SourceReport, meant};
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
    sources: Vec<OfSource>,
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

/// The sources of load. Why one fails is for operators, in the log.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfSource {
    name: String,
    kind: &'static str,
    ca: Option<String>,
    state: &'static str,
    since: Timestamp,
    data_through: Option<Timestamp>,
    skipped: u64,
    logs_failing: u64,
    relative_error: Option<f64>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    status: Status,
    since: Option<Timestamp>,
    reason: String,
    data_through: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveDocument {
    ca: String,
    generated_at: Timestamp,
    from: Timestamp,
    minutes: i64,
    series: Vec<Series>,
}

/// The reports of one source for one endpoint from one vantage, by minute.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Series {
    source: &'static str,
    endpoint: Option<String>,
    vantage: Option<String>,
    points: Vec<Option<Point>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    load: f64,
    failure_rate: Option<f64>,
    latency_ms: Option<f64>,
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
        standing: worst.into(),
        ca: only.as_ref().map(ToString::to_string),
        incidents: engine.public_incidents(only.as_ref()),
        sources: engine
            .source_reports()
            .into_iter()
            .filter(|source| source.ca.is_none() || only.is_none() || source.ca == only)
            .map(OfSource::from)
            .collect(),
        cas: standings
            .iter()
            .map(|one| OfOne {
                ca: one.ca.to_string(),
                environment: one.environment.clone(),
                standing: one.into(),
                sources_disagree: one.disagreements.iter().any(|of| of.share > DISAGREEMENT),
            })
            .collect(),
    };
    Ok(answer(
        json(&document),
        "application/json",
        CACHING,
        &request,
    ))
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
    let reported = engine.live(&ca).ok_or_else(|| nobody(ca.as_str()))?;
    let document = LiveDocument {
        ca: ca.to_string(),
        generated_at: now,
        from: Timestamp::from_unix((now.slot(MINUTE) - LIVE_MINUTES) * MINUTE),
        minutes: LIVE_MINUTES,
        series: reported.into_iter().map(Series::from).collect(),
    };
    Ok(answer(
        json(&document),
        "application/json",
        CACHING,
        &request,
    ))
}

impl From<&CaStanding> for Standing {
    fn from(one: &CaStanding) -> Self {
        let standing = one.standing.clone();
        Self {
            status: standing.status,
            since: standing.since,
            reason: standing.reason,
            data_through: standing.data_through,
        }
    }
}

impl From<SourceReport> for OfSource {
    fn from(report: SourceReport) -> Self {
        Self {
            name: report.name,
            kind: report.kind,
            ca: report.ca.map(String::from),
            state: report.state.name(),
            since: report.since,
            data_through: report.data_through,
            skipped: report.skipped,
            logs_failing: report.logs_failing,
            relative_error: report.relative_error.map(thousandths),
        }
    }
}

impl From<LiveSeries> for Series {
    fn from(reported: LiveSeries) -> Self {
        Self {
            source: reported.source.name(),
            endpoint: reported.endpoint,
            vantage: reported.vantage,
            points: reported
                .points
                .into_iter()
                .map(|point| point.map(Point::from))
                .collect(),
        }
    }
}

impl From<LivePoint> for Point {
    fn from(point: LivePoint) -> Self {
        let decimals = |number: f64| (number * 1_000.0).round() / 1_000.0;
        Self {
            load: decimals(point.load),
            failure_rate: point.failure_rate.map(decimals),
            latency_ms: point.latency_ms.map(decimals),
        }
    }
}
