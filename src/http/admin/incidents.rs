//! `/v1/incidents`: events that move windows for a stated reason.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::incident_members::{amendment, draft};
use super::subject::Number;
use super::uncached::answer;
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
    answer(&serde_json::json!({ "incidents": standings }))
}

/// `GET /v1/incidents/{id}`.
pub(in crate::http) async fn show(
    State(admin): State<Admin>,
    _: NoParameters,
    Number(id): Number,
) -> Result<Response, Problem> {
    answer(&admin.engine.incident(id).await?)
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
    let mut answer = answer(&named)?;
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
        progress,
        plan: foreseen,
        dry_run: (intent == Intent::DryRun).then_some(true),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(flatten)]
    progress: &'a Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Foreseen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

async fn answered(engine: &Engine, amended: Amended, intent: Intent) -> Result<Response, Problem> {
    let Amended { incident, foreseen } = amended;
    let progress = engine.progress(incident).await?;
    let document = incident_document(&progress, foreseen.as_ref(), intent);
    answer(&document.map_err(|_| Problem::internal())?)
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
