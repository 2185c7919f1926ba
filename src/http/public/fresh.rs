//! Answers that are made for each request and may be cached for a short time.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::wire::conditional::{is_unmodified, strong_etag};

/// An answer with this body, or 304 if the client has it. Scripts of any origin may read it.
pub(in crate::http) fn answer(
    body: Vec<u8>,
    content_type: &'static str,
    caching: &'static str,
    request: &HeaderMap,
) -> Response {
    let headers: HeaderMap = [
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
        (header::ETAG, strong_etag(&body)),
    ]
    .into_iter()
    .collect();
    if is_unmodified(request, &headers[header::ETAG], None) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// JSON, ending in a line feed.
pub(in crate::http) fn json(document: &impl serde::Serialize) -> Vec<u8> {
    // Numbers are finite and keys are text, so this cannot fail.
    let mut bytes = serde_json::to_vec(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
