//! The only mapping from errors to what the client gets, which is always `application/problem+json`
//! (RFC 9457).

use std::borrow::Cow;
use std::error::Error;
use std::io;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use super::unpack::error::UnpackError;
use crate::domain::acme::BUSY;
use crate::domain::math::number::whole;
use crate::domain::moves::incident::Refusal;
use crate::domain::time::Timestamp;
use crate::engine::EngineError;
use crate::ingest::{IngestError, UnknownMediaType};
use crate::store::StoreError;

/// An error answer. It is never cached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    family: Family,
    detail: Cow<'static, str>,
    excess: Option<Excess>,
    remedy: Option<Box<Remedy>>,
    /// `Accept-Encoding`, if the content coding was the problem (RFC 9110 section 15.5.16).
    codings: Option<&'static str>,
}

/// The kind of `type` that the problem has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    /// The ACME error for the status, used by `/renewal-info`.
    Acme,
    /// RFC 9773 section 5.
    AlreadyReplaced,
    /// `about:blank`: the status says it all (RFC 9457 section 4.2.1).
    Blank,
}

/// A limit, and the value that exceeded it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Excess {
    /// What is limited, as the subject of a sentence: `the body`.
    pub(crate) what: &'static str,
    /// The maximum.
    pub(crate) limit: u64,
    /// The actual value, or as much of it as was read.
    pub(crate) current: u64,
    /// The unit of both, in plural.
    pub(crate) unit: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// Alternatives, if a deadline and a budget cannot both be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remedy {
    /// Certificates an hour, rounded up; `None` if no budget would work.
    smallest_budget_per_hour: Option<i64>,
    /// `None` if no deadline within 90 days would work.
    earliest_renew_by: Option<Timestamp>,
}

/// The final number of headers of such an answer on `/renewal-info`.
const USUAL_HEADERS: usize = 8;

#[derive(Serialize)]
struct Wire<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(flatten)]
    remedy: Option<&'a Remedy>,
}

impl Problem {
    /// A problem with the type of its status.
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            family: Family::Blank,
            detail: detail.into(),
            excess: None,
            remedy: None,
            codings: None,
        }
    }

    /// 415 because of the content coding; `codings` are the supported ones.
    pub(crate) fn unknown_coding(
        detail: impl Into<Cow<'static, str>>,
        codings: &'static str,
    ) -> Self {
        Self {
            codings: Some(codings),
            ..Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        }
    }

    /// 400: the request is malformed.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: the resource does not exist.
    pub(crate) fn missing(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409 with the type of RFC 9773 section 5.
    pub(crate) fn already_replaced(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            family: Family::AlreadyReplaced,
            ..Self::new(StatusCode::CONFLICT, detail)
        }
    }

    /// 409 for a revocation whose deadline and budget cannot both be kept.
    pub(crate) fn refused(refusal: &Refusal, detail: String) -> Self {
        Self {
            remedy: Some(Box::new(Remedy {
                smallest_budget_per_hour: Some(refusal.smallest_budget_per_hour)
                    .filter(|budget| budget.is_finite())
                    .map(|budget| whole(budget.ceil())),
                earliest_renew_by: Some(refusal.earliest_renew_by)
                    .filter(|renew_by| *renew_by < Timestamp::MAX),
            })),
            ..Self::new(StatusCode::CONFLICT, detail)
        }
    }

    /// 503: overload, or the store is unavailable.
    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service busy; retry later.",
        )
    }

    /// 500: a defect or corruption on our side. The cause is only logged.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "an error on the server's side, which its log explains; the request may be sent again",
        )
    }

    /// `status` because a limit was exceeded: names the limit, the value and the remedy.
    pub(crate) fn over(status: StatusCode, excess: Excess) -> Self {
        let Excess {
            what,
            limit,
            current,
            unit,
            remedy,
        } = excess;
        Self {
            excess: Some(excess),
            ..Self::new(
                status,
                format!("{what} has {current} {unit}, the limit is {limit}: {remedy}"),
            )
        }
    }

    /// The body is incomplete. After a stall the client may try again; if the connection broke,
    /// usually nobody receives this answer.
    pub(crate) fn broken_off(error: &(dyn Error + 'static)) -> Self {
        let error = error.downcast_ref::<io::Error>();
        let unpacking = error.and_then(|error| error.get_ref()?.downcast_ref::<UnpackError>());
        if let Some(unpacking) = unpacking {
            let status = match unpacking {
                UnpackError::Broken { .. } => StatusCode::BAD_REQUEST,
                UnpackError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            };
            return Self::new(status, unpacking.to_string());
        }
        if error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body stalled: nothing of it came for a minute",
            )
        } else {
            Self::malformed("the body broke off or cannot be read")
        }
    }

    /// The same with the ACME error type for its status.
    pub(crate) fn acme(self) -> Self {
        Self {
            family: Family::Acme,
            ..self
        }
    }

    fn r#type(&self) -> &'static str {
        match self.family {
            Family::Acme => match self.status {
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    "urn:ietf:params:acme:error:rateLimited"
                }
                status if status.is_server_error() => "urn:ietf:params:acme:error:serverInternal",
                _ => "urn:ietf:params:acme:error:malformed",
            },
            Family::AlreadyReplaced => "urn:ietf:params:acme:error:alreadyReplaced",
            Family::Blank => "about:blank",
        }
    }

    /// The answer, with capacity for the headers to be added later.
    pub(crate) fn answer(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body());
        *response.status_mut() = self.status;
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(codings) = self.codings {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
        *response.headers_mut() = headers;
        response
    }

    fn body(&self) -> Bytes {
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            return Bytes::from_static(BUSY.as_bytes());
        }
        let wire = Wire {
            r#type: self.r#type(),
            title: match self.family {
                Family::Blank => self.status.canonical_reason(),
                Family::Acme | Family::AlreadyReplaced => None,
            },
            status: self.status.as_u16(),
            detail: &self.detail,
            limit: self.excess.map(|excess| excess.limit),
            current: self.excess.map(|excess| excess.current),
            remedy: self.remedy.as_deref(),
        };
        serde_json::to_vec(&wire).map_or_else(|_| Bytes::from_static(BUSY.as_bytes()), Bytes::from)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.answer().map(Body::from)
    }
}

impl From<EngineError> for Problem {
    /// Logs the cause once; the client learns only whether to try again.
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotSummed => {
                tracing::warn!(event = "store_unavailable", %error);
                Self::busy()
            }
            EngineError::Store(error) => error.into(),
            EngineError::Aside(_) | EngineError::Corrupt { .. } => {
                tracing::error!(event = "request_failed", %error);
                Self::internal()
            }
        }
    }
}

impl From<StoreError> for Problem {
    /// Logs the cause once; the client learns only whether to try again.
    fn from(error: StoreError) -> Self {
        if let StoreError::Unavailable { .. } = error {
            tracing::warn!(event = "store_unavailable", %error);
            Self::busy()
        } else {
            tracing::error!(event = "request_failed", %error);
            Self::internal()
        }
    }
}

impl From<IngestError> for Problem {
    /// Logs the cause once; tells the client what is already durable.
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Body { done, source } => {
                let Self { status, detail, .. } = Self::broken_off(&*source);
                let (line, report) = (done.line, done.report);
                Self::new(
                    status,
                    format!(
                        "{detail}; after line {line}: {} accepted, {} unchanged, {} rejected. What \
                         was accepted stays, and the whole body may be sent again",
                        report.accepted, report.unchanged, report.rejected
                    ),
                )
            }
            IngestError::Engine { source, .. } => source.into(),
            IngestError::Incident { source, .. } => source.into(),
            IngestError::Changed | IngestError::Read(_) => {
                tracing::error!(event = "request_failed", %error);
                Self::internal()
            }
        }
    }
}

impl From<UnknownMediaType> for Problem {
    fn from(error: UnknownMediaType) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("{error}; say which in Content-Type"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(problem: &Problem) -> String {
        String::from_utf8(problem.body().into()).unwrap()
    }

    #[test]
    fn bodies_byte_for_byte() {
        for (problem, want) in [
            (Problem::busy(), BUSY),
            (Problem::busy().acme(), BUSY),
            (
                Problem::missing("no such \"thing\""),
                r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no such \"thing\""}"#,
            ),
            (
                Problem::malformed("no").acme(),
                r#"{"type":"urn:ietf:params:acme:error:malformed","status":400,"detail":"no"}"#,
            ),
            (
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "no").acme(),
                r#"{"type":"urn:ietf:params:acme:error:rateLimited","status":429,"detail":"no"}"#,
            ),
            (
                Problem::already_replaced("no"),
                r#"{"type":"urn:ietf:params:acme:error:alreadyReplaced","status":409,"detail":"no"}"#,
            ),
            (
                Problem::over(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    Excess {
                        what: "the body",
                        limit: 5,
                        current: 7,
                        unit: "bytes",
                        remedy: "send less",
                    },
                ),
                concat!(
                    r#"{"type":"about:blank","title":"Payload Too Large","status":413,"#,
                    r#""detail":"the body has 7 bytes, the limit is 5: send less","#,
                    r#""limit":5,"current":7}"#
                ),
            ),
        ] {
            assert_eq!(text(&problem), want);
        }
        assert!(text(&Problem::internal().acme()).contains(":serverInternal\""));
    }

    #[test]
    fn damage_is_a_500_without_details() {
        let damaged = StoreError::Corrupt {
            query: "q",
            detail: "a secret".to_owned(),
        };
        let problem = Problem::from(EngineError::from(damaged));
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!text(&problem).contains("secret"));
    }
}
