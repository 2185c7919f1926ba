//! The gateway's own error answers: ACME problem documents (RFC 8555 section 6.7).

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::domain::acme::BUSY;

/// Why the gateway rejects a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The error type without `urn:ietf:params:acme:error:`.
    pub(super) kind: &'static str,
    pub(super) detail: String,
}

impl Refusal {
    /// Status 400.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "malformed",
            detail: detail.into(),
        }
    }

    /// The answer. `nonce` is the one from the request. The upstream has not seen it, so it is
    /// still valid, and some clients give up permanently on an error without a nonce.
    pub(super) fn answer(&self, nonce: Option<&str>) -> Response<Body> {
        let body = json!({
            "type": format!("urn:ietf:params:acme:error:{}", self.kind),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        problem(self.status, body.to_string(), nonce)
    }
}

/// Status 429: the account is over its own limit.
pub(super) fn over_limit(retry_after_seconds: u32, nonce: Option<&str>) -> Response<Body> {
    let refusal = Refusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        kind: "rateLimited",
        detail: "the account has placed as many new orders as it may for now".to_owned(),
    };
    let mut response = refusal.answer(nonce);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
    response
}

/// Status 503: busy, with the time to come back.
pub(super) fn busy(retry_after_seconds: u32, nonce: Option<&str>) -> Response<Body> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned(), nonce);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
    response
}

fn problem(status: StatusCode, body: String, nonce: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 8555 section 6.5.1: base64url. Anything else is not a nonce and is not repeated.
    let nonce = nonce.filter(|nonce| {
        nonce
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    });
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(nonce).ok()) {
        headers.insert("replay-nonce", nonce);
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn text(response: Response<Body>) -> String {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.into()).unwrap()
    }

    #[tokio::test]
    async fn busy_is_the_contract_s_to_the_octet() {
        let response = busy(90, Some("n-1_"));
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "90");
        assert_eq!(response.headers()["replay-nonce"], "n-1_");
        assert_eq!(
            text(response).await,
            r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#
        );
    }

    #[tokio::test]
    async fn what_is_no_nonce_is_not_repeated() {
        let refusal = Refusal::malformed("no");
        for odd in ["a b", "a\r\nx: y", "é"] {
            let response = refusal.answer(Some(odd));
            assert!(!response.headers().contains_key("replay-nonce"), "{odd:?}");
        }
        assert_eq!(
            text(refusal.answer(None)).await,
            r#"{"detail":"no","status":400,"type":"urn:ietf:params:acme:error:malformed"}"#
        );
    }
}
