//! `/report/{week}/`: the weekly report as a page and as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::fresh::answer;
use crate::domain::publication::page::policy_of;
use crate::domain::publication::weekly::Report;
use crate::domain::status::{IsoWeek, NoWeek};
use crate::http::state::Public;
use crate::wire::problem::Problem;
use crate::wire::query::OfCa;

/// Also for past weeks, because counts may arrive late.
const CACHING: &str = "public, max-age=300";

/// `GET /report/{week}/`.
pub(in crate::http) async fn page(
    State(public): State<Public>,
    uri: Uri,
    of: OfCa,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let page = found(&public, &uri, of).await?.html().into_bytes();
    let policy = policy_of(&page).map(|policy| format!("{policy}; frame-ancestors 'none'"));
    let mut response = answer(page, "text/html; charset=utf-8", CACHING, &request);
    let headers = response.headers_mut();
    if let Some(policy) = policy.and_then(|policy| HeaderValue::try_from(policy).ok()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

/// `GET` of a week without the trailing slash, which its relative links need.
pub(in crate::http) async fn to_folder(uri: Uri) -> Result<impl IntoResponse, Problem> {
    let week = week_of(&uri)?;
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let folder = [(header::LOCATION, format!("{week}/{query}"))];
    Ok((StatusCode::PERMANENT_REDIRECT, folder))
}

/// `GET /report/{week}/report.json`.
pub(in crate::http) async fn document(
    State(public): State<Public>,
    uri: Uri,
    of: OfCa,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let report = found(&public, &uri, of).await?;
    Ok(answer(report.json(), "application/json", CACHING, &request))
}

/// The report of the week in the path. A week has nothing that would need decoding.
async fn found(public: &Public, uri: &Uri, OfCa(ca): OfCa) -> Result<Arc<Report>, Problem> {
    let week = week_of(uri)?;
    let report = public.engine.weekly(week, ca.as_deref()).await?;
    report.ok_or_else(|| {
        Problem::missing(format!(
            "nothing is known of {week}: it has not begun, is too long ago, or no CA has this name"
        ))
    })
}

fn week_of(uri: &Uri) -> Result<IsoWeek, Problem> {
    let week = uri.path().split('/').nth(2).unwrap_or_default();
    week.parse()
        .map_err(|error: NoWeek| Problem::malformed(error.to_string()))
}
