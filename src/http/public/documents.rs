//! The published documents: the ranking, its immutable copies, its schema, and the page.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::served::{answer, earlier};
use crate::domain::policy::ca::{CaName, CaNameError};
use crate::http::state::Public;
use crate::wire::problem::Problem;

/// `GET` of a document. Its path is its name in the publication; a page has the path of its folder.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let Some(served) = public.documents.current(&public.engine).await? else {
        return Err(nothing_yet());
    };
    let name = uri.path().trim_start_matches('/');
    if let Some(document) = served.by_name.get(name) {
        return Ok(answer(document, request).map(Body::from));
    }
    match earlier(&public.engine, name).await? {
        Some(document) => Ok(answer(&document, request).map(Body::from)),
        None => Err(Problem::missing(format!(
            "no publication has {name}; /ranking.json is always there"
        ))),
    }
}

/// `GET` of a CA's page without the trailing slash, which its relative links need.
pub(in crate::http) async fn to_folder(uri: Uri) -> Result<impl IntoResponse, Problem> {
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    let ca: CaName = name
        .parse()
        .map_err(|error: CaNameError| Problem::missing(error.to_string()))?;
    let folder = [(header::LOCATION, format!("{ca}/"))];
    Ok((StatusCode::PERMANENT_REDIRECT, folder))
}

/// The answer before the first publication.
pub(in crate::http) fn nothing_yet() -> Problem {
    Problem::missing(
        "nothing has been published yet; the first publication follows soon after the start",
    )
}
