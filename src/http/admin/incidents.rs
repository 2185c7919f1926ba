//! `/v1/incidents`: events that move windows for a stated reason.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::incident_members::{amendment, draft};
use crate::domain::moves::incident::{HourLoad, Incident};
use crate::engine::{Amended, Engine, Foreseen, IncidentError, Intent, Progress};
use crate::http::state::Admin;
use crate::ingest::{self, NamedFormat};
use crate::wire::body;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;
use crate::wire::unpack::unpacked;

/// `POST /v1/incidents`: 201 and the draft; for a dry run, 200 and the plan.
pub(in crate::http) async fn create(
    State(admin): State<Admin>,
    _: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = admin.engine.now();
    let (incident, intent) = draft(&body::json(&headers, body).await?, now)?;
    let amended = admin.engine.create_incident(incident, intent).await?;
    let status = match intent {
        Intent::DryRun => StatusCode::OK,
        Intent::InEarnest => StatusCode::CREATED,
    };
    let mut answer = answered(&admin.engine, amended, intent).await?;
    *answer.status_mut() = status;
    Ok(answer)
}

/// `GET /v1/incidents`.
pub(in crate::http) async fn list(
    State(admin): State<Admin>,
    _: NoParameters,
) -> Result<Response, Problem> {
    let standings = admin.engine.incidents().await?;
    let incidents: Vec<Answer> = standings.iter().map(Answer::of).collect();
    written(&serde_json::json!({ "incidents": incidents }))
}

/// `GET /v1/incidents/{id}`.
pub(in crate::http) async fn show(
    State(admin): State<Admin>,
    _: NoParameters,
    Number(id): Number,
) -> Result<Response, Problem> {
    written(&Answer::of(&admin.engine.incident(id).await?))
}

/// `PATCH /v1/incidents/{id}`: answers after all windows have moved.
pub(in crate::http) async fn amend(
    State(admin): State<Admin>,
    _: NoParameters,
    Number(id): Number,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (amendment, intent) = amendment(&body::json(&headers, body).await?)?;
    // The change continues even if the client disconnects.
    let engine = Arc::clone(&admin.engine);
    let amending = tokio::spawn(async move { engine.amend_incident(id, &amendment, intent).await });
    let amended = amending.await.map_err(|error| {
        tracing::error!(event = "request_failed", %error);
        Problem::internal()
    })??;
    answered(&admin.engine, amended, intent).await
}

/// `POST /v1/incidents/{id}/certificates`.
pub(in crate::http) async fn load(
    State(admin): State<Admin>,
    _: NoParameters,
    Number(id): Number,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let format = NamedFormat::of_media_type(body::content_type(&headers))?;
    let (decoder, pieces) = (format.decoder(None), unpacked(&headers, body)?);
    let named = ingest::name_certificates(&admin.engine, id, decoder, pieces).await?;
    let mut answer = written(&named)?;
    *answer.status_mut() = body::status_of(&named.report);
    Ok(answer)
}

/// The JSON of an incident, with its plan if there is one. The command line prints the same with
/// `--json`.
///
/// # Errors
/// It cannot be written as JSON, which would be a defect.
pub fn incident_document(
    progress: &Progress,
    foreseen: Option<&Foreseen>,
    intent: Intent,
) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Answer {
        plan: foreseen.map(Plan::of),
        dry_run: (intent == Intent::DryRun).then_some(true),
        ..Answer::of(progress)
    })
}

/// The number in the path.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Number(i64);

impl<S: Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The route has matched, so this is the number after `/v1/incidents/`.
        let text = parts.uri.path().split('/').nth(3).unwrap_or_default();
        text.parse().map(Self).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Problem::missing(format!("there is no incident {shown:?}: they have numbers"))
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(flatten)]
    incident: &'a Incident,
    polled_since: u64,
    replaced: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    to_move: u64,
    stays: u64,
    too_late: u64,
    silent: u64,
    hours: Vec<HourLoad>,
}

impl<'a> Answer<'a> {
    const fn of(progress: &'a Progress) -> Self {
        Self {
            incident: &progress.incident,
            polled_since: progress.polled_since,
            replaced: progress.replaced,
            plan: None,
            dry_run: None,
        }
    }
}

impl Plan {
    fn of(foreseen: &Foreseen) -> Self {
        let hour = |hour: &HourLoad| HourLoad {
            normal: rounded(hour.normal),
            returning: rounded(hour.returning),
            moved: rounded(hour.moved),
            ..*hour
        };
        Self {
            to_move: foreseen.to_move,
            stays: foreseen.stays,
            too_late: foreseen.unreached.too_late,
            silent: foreseen.unreached.silent,
            hours: foreseen.hours.iter().map(hour).collect(),
        }
    }
}

/// Rounded to a tenth of a certificate; more digits would be noise.
fn rounded(load: f64) -> f64 {
    (load * 10.0).round() / 10.0
}

async fn answered(engine: &Engine, amended: Amended, intent: Intent) -> Result<Response, Problem> {
    let Amended { incident, foreseen } = amended;
    let progress = engine.progress(incident).await?;
    written(&Answer {
        plan: foreseen.as_ref().map(Plan::of),
        dry_run: (intent == Intent::DryRun).then_some(true),
        ..Answer::of(&progress)
    })
}

fn written<T: Serialize>(value: &T) -> Result<Response, Problem> {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body::written(value)?).into_response())
}

impl From<IncidentError> for Problem {
    fn from(error: IncidentError) -> Self {
        match error {
            IncidentError::Engine(error) => error.into(),
            IncidentError::Invalid(_) => Self::malformed(error.to_string()),
            IncidentError::Unknown(_) => Self::missing(error.to_string()),
            IncidentError::Refused(ref refusal) => Self::refused(refusal, error.to_string()),
            IncidentError::Contended | IncidentError::Unfit(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
        }
    }
}
