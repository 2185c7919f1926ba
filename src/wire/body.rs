//! Request bodies, streamed or read as a whole, always with time limits.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::pieces::pieces;
use super::problem::{Excess, Problem};
use super::unpack;
use crate::engine::verdict::Report;

/// The largest body that is read as a whole. The longest CertID and the longest order URL together
/// take about 2 KiB.
pub(crate) const MOST_JSON_BYTES: u64 = 64 * 1_024;

/// The body's media type; empty if it is not stated.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Parses a JSON object; `shape` describes it in the error message. Errors name the path of the
/// wrong value, such as `items[1].notAfter`.
pub(crate) fn object<'b, T: Deserialize<'b>>(body: &'b [u8], shape: &str) -> Result<T, Problem> {
    // serde would also accept an array, with the values in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed(format!("the body is not {shape}")));
    }
    serde_json::from_slice(body).map_err(|error| {
        // Parse again, more slowly, with a parser that tracks the path.
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let reason = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) if error.path().iter().next().is_some() => {
                format!("{}: {}", error.path(), error.inner())
            }
            _ => format!("the body is not {shape}: {error}"),
        };
        Problem::malformed(reason)
    })
}

/// The answer to a bulk request.
pub(crate) fn report(report: &Report) -> Result<impl IntoResponse + use<>, Problem> {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((status_of(report), content_type, written(report)?))
}

/// 422 if all records were rejected, so that nothing was done. A body without records is 200,
/// because nothing was wrong with it.
pub(crate) const fn status_of(report: &Report) -> StatusCode {
    if report.rejected > 0 && !report.took_something() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    }
}

/// A value as JSON.
pub(crate) fn written<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| {
        tracing::error!(event = "request_failed", %error);
        Problem::internal()
    })
}

/// Reads a whole body that must be short JSON.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    json_within(
        headers,
        body,
        MOST_JSON_BYTES,
        "send one JSON object for one certificate",
    )
    .await
}

/// The same, or nothing if there is no body; then the media type may be missing too.
pub(crate) async fn json_if_any(headers: &HeaderMap, body: Body) -> Result<Option<Bytes>, Problem> {
    if body.size_hint().exact() == Some(0) {
        return Ok(None);
    }
    json(headers, body).await.map(Some)
}

/// Reads a whole JSON body of at most `most` bytes; `remedy` tells the client what to do if it is
/// longer.
pub(crate) async fn json_within(
    headers: &HeaderMap,
    body: Body,
    most: u64,
    remedy: &'static str,
) -> Result<Bytes, Problem> {
    let essence = content_type(headers).split(';').next().unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body's Content-Type has to be application/json",
        ));
    }
    unpack::uncoded(headers)?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(current) = announced.filter(|length| *length > most) {
        return Err(too_long(current, most, remedy));
    }
    let mut pieces = pieces(body);
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::broken_off(&error))?;
        whole.extend_from_slice(&piece);
        if whole.len() as u64 > most {
            return Err(too_long(whole.len() as u64, most, remedy));
        }
    }
    Ok(whole.into())
}

fn too_long(current: u64, limit: u64, remedy: &'static str) -> Problem {
    Problem::over(
        StatusCode::PAYLOAD_TOO_LARGE,
        Excess {
            what: "the body",
            limit,
            current,
            unit: "bytes",
            remedy,
        },
    )
}
