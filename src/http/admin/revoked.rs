//! `/v1/certificates/{certid}/revoked`: the CA has revoked it, so its window is in the present.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;

use super::subject::{Subject, unregistered};
use crate::http::state::Admin;
use crate::wire::body;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

/// The optional details of a revocation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Revocation {
    #[serde(rename = "explanationURL")]
    explanation_url: Option<String>,
}

/// `POST`.
pub(in crate::http) async fn set(
    State(admin): State<Admin>,
    _: NoParameters,
    Subject(id): Subject,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let revocation = match body::json_if_any(&headers, body).await? {
        Some(body) => revocation(&body)?,
        None => Revocation::default(),
    };
    let engine = &admin.engine;
    let Some(certificate) = engine.certificate(&id).await? else {
        return Err(unregistered(&id));
    };
    let url = revocation.explanation_url.as_deref();
    engine
        .revoked(std::slice::from_ref(&certificate.id), url)
        .await?;
    let window = engine
        .certificate(&certificate.id)
        .await?
        .map_or(certificate.window, |certificate| certificate.window);
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        json!({
            "certId": certificate.id,
            "suggestedWindow": { "start": window.from, "end": window.to },
        })
        .to_string(),
    ))
}

fn revocation(body: &[u8]) -> Result<Revocation, Problem> {
    body::object(body, "an object with an `explanationURL` or without")
}
