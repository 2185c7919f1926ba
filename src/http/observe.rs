//! What all answers have in common: the version, the metrics, the log line, and that a panic in a
//! handler becomes a 500.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use metrics::{Counter, Histogram};

use super::public::renewal_info;
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

/// The counters for one kind of answer, cached because finding them takes longer than using them.
#[derive(Clone)]
pub(super) struct Tally {
    requests: Counter,
    seconds: Histogram,
}

impl Tally {
    pub(super) fn of(route: &str, method: &'static str, status: StatusCode) -> Self {
        let labels = [
            ("route", route.to_owned()),
            ("method", method.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        Self {
            requests: metrics::counter!("offpeak_http_requests_total", &labels),
            seconds: metrics::histogram!("offpeak_http_request_duration_seconds", &labels),
        }
    }

    /// Counts an answer and its duration.
    pub(super) fn add(&self, seconds: f64) {
        self.requests.increment(1);
        self.seconds.record(seconds);
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

/// A method with a handler of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Get,
    Head,
}

impl Verb {
    const ALL: [Self; 2] = [Self::Get, Self::Head];

    pub(super) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// The counters for the usual answers of a route.
#[derive(Debug)]
pub(super) struct Tallies {
    route: &'static str,
    /// By [`Verb`] and [`USUAL`].
    usual: [[Tally; USUAL.len()]; Verb::ALL.len()],
}

/// The statuses that are usually answered without the router.
const USUAL: [StatusCode; 4] = [
    StatusCode::OK,
    StatusCode::NOT_MODIFIED,
    StatusCode::NOT_FOUND,
    StatusCode::SERVICE_UNAVAILABLE,
];

impl Tallies {
    pub(super) fn of(route: &'static str) -> Self {
        let usual = Verb::ALL.map(|verb| USUAL.map(|status| Tally::of(route, verb.name(), status)));
        Self { route, usual }
    }

    /// Counts an answer and its duration.
    pub(super) fn add(&self, verb: Verb, status: StatusCode, seconds: f64) {
        let [get, head] = &self.usual;
        let of_verb = match verb {
            Verb::Get => get,
            Verb::Head => head,
        };
        match USUAL
            .iter()
            .zip(of_verb)
            .find(|(usual, _)| **usual == status)
        {
            Some((_, tally)) => tally.add(seconds),
            None => Tally::of(self.route, verb.name(), status).add(seconds),
        }
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
