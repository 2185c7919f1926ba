//! What all answers have in common: the version, the metrics, the log line, and that a panic in a
//! handler becomes a 500.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use super::public::renewal_info;
use super::tally::Tally;
use crate::engine::Engine;
use crate::wire::host::is_addressed;
use crate::wire::problem::Problem;
use crate::wire::server_header::ServerHeader;

/// `Retry-After` of a 503 outside of `/renewal-info`. A database takes some seconds to restart, and
/// few clients use these routes.
const BUSY_RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// The layer around both routers.
pub(super) async fn observe(
    State(engine): State<Arc<Engine>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = method_label(request.method());
    let uri = request.uri().clone();
    let is_renewal_info = renewal_info::owns(uri.path());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answering = async {
        if is_addressed(&request) {
            return next.run(request).await;
        }
        let problem = Problem::malformed("Host: has to come, and once (RFC 9112 section 3.2)");
        if is_renewal_info {
            problem.acme().into_response()
        } else {
            problem.into_response()
        }
    };
    let mut response = AssertUnwindSafe(answering)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            // The panic has been logged where it happened.
            if is_renewal_info {
                Problem::internal().acme().into_response()
            } else {
                Problem::internal().into_response()
            }
        });
    let status = response.status();
    let headers = response.headers_mut();
    if is_renewal_info {
        renewal_info::add_headers(headers, || retry_after_seconds(&engine, status));
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, BUSY_RETRY_AFTER);
    }
    Signature::default().sign(&engine.version(), headers);
    let route = match &route {
        Some(route) => route.as_str(),
        None if is_renewal_info => renewal_info::PATH,
        None => "none",
    };
    let seconds = begun.elapsed().as_secs_f64();
    Tally::of(route, method, status).add(seconds);
    log(method, &uri, status, seconds);
    response
}

/// The headers that every answer has.
#[derive(Debug, Default)]
pub(super) struct Signature(ServerHeader);

impl Signature {
    /// Adds them to an answer.
    pub(super) fn sign(&self, version: &Arc<str>, headers: &mut HeaderMap) {
        if let Some(server) = self.0.of(version) {
            headers.insert(header::SERVER, server);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
}

/// Writes the log line.
pub(super) fn log(method: &'static str, uri: &Uri, status: StatusCode, seconds: f64) {
    tracing::debug!(
        event = "answered",
        method,
        path = uri.path(),
        status = status.as_u16(),
        seconds
    );
}

/// When to ask again after a failed `renewalInfo`: soon if the fault is ours.
pub(super) fn retry_after_seconds(engine: &Engine, status: StatusCode) -> i64 {
    if status.is_server_error() {
        engine.retry_after_busy_seconds()
    } else {
        engine.retry_after_unknown_seconds()
    }
}

/// The known methods, and one name for all others, because a metric label must not contain
/// arbitrary text from clients.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => "other",
    }
}
