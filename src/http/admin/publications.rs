//! `/v1/publish`: publishes now.

use axum::extract::State;
use axum::response::IntoResponse;

use super::uncached::answer;
use crate::http::state::Admin;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

/// `POST`.
pub(in crate::http) async fn make(
    State(admin): State<Admin>,
    _: NoParameters,
) -> Result<impl IntoResponse, Problem> {
    let publication = admin.engine.publish().await?;
    let paths: Vec<&str> = publication
        .documents
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    answer(&serde_json::json!({
        "generatedAt": publication.made_at,
        "documents": paths,
    }))
}
