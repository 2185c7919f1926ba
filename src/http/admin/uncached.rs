//! Answers of the admin listener, which must not be cached.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::wire::body::written;
use crate::wire::problem::Problem;

/// An answer with this body.
pub(in crate::http) fn uncached(content_type: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

/// An answer with this value as JSON.
pub(in crate::http) fn answer<T: Serialize>(value: &T) -> Result<Response, Problem> {
    Ok(uncached("application/json", written(value)?))
}
