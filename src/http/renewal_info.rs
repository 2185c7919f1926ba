//! `/renewal-info/{certid}`: RFC 9773.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Public;
use super::body::written;
use super::conditional::{is_unmodified, strong_etag};
use super::problem::Problem;
use crate::domain::certid::CertId;
use crate::domain::time::Timestamp;
use crate::engine::{Miss, RenewalInfo};

/// The route, as it is written in documents and metrics.
pub(super) const PATH: &str = "/renewal-info/{certid}";

/// What stands before the CertID.
const PREFIX: &str = "/renewal-info/";

/// The longest that an answer may be cached, in seconds: what an emergency loses at most.
const MOST_AGE_SECONDS: i64 = 300;

/// `GET` and `HEAD`.
pub(super) async fn show(
    State(public): State<Public>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let id = cert_id(uri.path()).map_err(Problem::acme)?;
    let info = public
        .engine
        .renewal_info(&id)
        .await
        .map_err(|miss| missed(miss, &id).acme())?;
    answer(&info, &request)
}

/// `OPTIONS`: a CORS preflight gets leave, whatever the CertID, so that scripts can read errors.
pub(super) async fn options() -> impl IntoResponse {
    (
        StatusCode::NO_CONTENT,
        [
            (header::ALLOW, "GET, HEAD, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
            // A day: the permission is the same for everybody and never changes.
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
            (header::CACHE_CONTROL, "no-store"),
        ],
    )
}

/// Whether the path is spoken for here, in ACME's terms, even where it names nothing.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
}

/// Why nothing can be at a path that this module owns and no route took.
pub(super) fn astray(path: &str) -> Problem {
    match cert_id(path) {
        Err(problem) => problem.acme(),
        Ok(_) => Problem::missing("no such resource").acme(),
    }
}

/// Gives an answer the headers that every answer here has: `Retry-After` where it has none yet, and
/// leave for scripts of any origin to read it.
pub(super) fn equip(headers: &mut HeaderMap, retry_after_seconds: impl FnOnce() -> i64) {
    headers
        .entry(header::RETRY_AFTER)
        .or_insert_with(|| HeaderValue::from(retry_after_seconds()));
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, Retry-After"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The CertID in a path, which is read as it came: percent escapes are not undone, so that a
/// certificate has no further URLs.
fn cert_id(path: &str) -> Result<CertId, Problem> {
    let Some(text) = path.strip_prefix(PREFIX) else {
        return Err(Problem::missing(
            "there is nothing here; ask for /renewal-info/ and a CertID (RFC 9773 section 4.1)",
        ));
    };
    if text.len() > CertId::MOST_CHARACTERS {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            format!(
                "the path has {} characters after {PREFIX}, the longest CertID has {}",
                text.len(),
                CertId::MOST_CHARACTERS
            ),
        ));
    }
    if text.is_empty() {
        return Err(Problem::malformed("the CertID is missing"));
    }
    if text.contains('%') {
        return Err(Problem::malformed(format!(
            "{text:?} has a percent escape; a CertID is two base64url parts and a dot, which need none"
        )));
    }
    if text.contains('/') {
        return Err(Problem::malformed(format!(
            "{text:?} has a slash; the path ends with the CertID"
        )));
    }
    text.parse()
        .map_err(|error| Problem::malformed(format!("{text:?} is no CertID: {error}")))
}

fn missed(miss: Miss, id: &CertId) -> Problem {
    let CertId {
        key_identifier,
        serial,
    } = id;
    let key_hex = hex(key_identifier.octets());
    let serial_hex = hex(serial.octets());
    match miss {
        Miss::Busy => Problem::busy(),
        Miss::UnknownIssuer => Problem::missing(format!(
            "unknown key identifier {key_identifier} (hex {key_hex}): no issuer with it is served \
             here, so serial {serial} (hex {serial_hex}) was not looked up"
        )),
        Miss::UnknownSerial => Problem::missing(format!(
            "unknown serial {serial} (hex {serial_hex}): the issuer with key identifier \
             {key_identifier} (hex {key_hex}) is served here, but no such certificate of it is \
             registered"
        )),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(
        String::with_capacity(2 * octets.len()),
        |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        },
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    suggested_window: Window,
    #[serde(rename = "explanationURL", skip_serializing_if = "Option::is_none")]
    explanation_url: Option<&'a str>,
}

#[derive(Serialize)]
struct Window {
    start: Timestamp,
    end: Timestamp,
}

fn answer(info: &RenewalInfo, request: &HeaderMap) -> Result<Response, Problem> {
    let body = written(&Body {
        suggested_window: Window {
            start: info.window.from,
            end: info.window.to,
        },
        explanation_url: info.explanation_url.as_deref(),
    })
    .map_err(Problem::acme)?;
    let etag = strong_etag(&body);
    let mut response = if is_unmodified(request, &etag, None) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    response.headers_mut().insert(header::ETAG, etag);
    response
        .headers_mut()
        .extend(freshness(info.retry_after_seconds, info.incident));
    Ok(response)
}

/// When to ask again, and for how long nobody needs to: one policy, so that a cache never keeps an
/// answer longer than an emergency may be delayed.
fn freshness(retry_after_seconds: i64, incident: bool) -> [(HeaderName, HeaderValue); 2] {
    let cache_control = if incident {
        HeaderValue::from_static("no-cache")
    } else {
        let age = MOST_AGE_SECONDS.min(retry_after_seconds / 10).max(0);
        HeaderValue::try_from(format!("public, max-age={age}"))
            .unwrap_or_else(|_| HeaderValue::from_static("no-cache"))
    };
    [
        (header::RETRY_AFTER, HeaderValue::from(retry_after_seconds)),
        (header::CACHE_CONTROL, cache_control),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;

    const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

    fn refusal(path: &str) -> (StatusCode, String) {
        let response = cert_id(path).unwrap_err().into_response();
        let status = response.status();
        let body = futures_util::FutureExt::now_or_never(axum::body::to_bytes(
            response.into_body(),
            usize::MAX,
        ))
        .unwrap()
        .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        (status, body["detail"].as_str().unwrap().to_owned())
    }

    #[test]
    fn the_path_is_read_as_it_came() {
        assert_eq!(
            cert_id(&format!("/renewal-info/{RFC}"))
                .unwrap()
                .to_string(),
            RFC
        );
        for (rest, status, detail) in [
            ("", 400, "the CertID is missing"),
            ("aYhba4dGQEHhs3uEe6CuLN4ByNQ%2EAIdlQyE", 400, "percent"),
            ("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE/", 400, "slash"),
            ("/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", 400, "slash"),
            ("aYhba4dGQEHhs3uEe6CuLN4ByNQ", 400, "one dot"),
            ("a+b.AIdlQyE", 400, "the key identifier is not base64url"),
            ("aYhb.AIdlQyF", 400, "the serial is not base64url"),
            ("aYhb.", 400, "the serial has 0 octets"),
        ] {
            let (got, text) = refusal(&format!("/renewal-info/{rest}"));
            assert_eq!(got, status, "{rest}");
            assert!(text.contains(detail), "{rest}: {text}");
        }
        let longest = format!("/renewal-info/{}.{}", "A".repeat(86), "A".repeat(43));
        assert!(cert_id(&longest).is_ok());
        let (status, text) = refusal(&format!("{longest}A"));
        assert_eq!(status, 414);
        assert!(text.contains("131") && text.contains("130"), "{text}");
    }

    #[test]
    fn the_two_halves_are_told_apart() {
        let id: CertId = RFC.parse().unwrap();
        let issuer = missed(Miss::UnknownIssuer, &id);
        let serial = missed(Miss::UnknownSerial, &id);
        assert_ne!(issuer, serial);
        for problem in [issuer, serial] {
            let text = format!("{problem:?}");
            for part in ["aYhba4dGQEHhs3uEe6CuLN4ByNQ", "AIdlQyE", "hex 0087654321"] {
                assert!(text.contains(part), "{text}");
            }
        }
    }

    #[test]
    fn both_headers_come_from_one_policy() {
        for (retry_after, incident, want) in [
            (21_600, false, "public, max-age=300"),
            (3_000, false, "public, max-age=300"),
            (2_999, false, "public, max-age=299"),
            (60, false, "public, max-age=6"),
            (60, true, "no-cache"),
            (21_600, true, "no-cache"),
        ] {
            let [(_, again), (_, cache)] = freshness(retry_after, incident);
            assert_eq!(again, retry_after.to_string());
            assert_eq!(cache, want);
        }
    }

    #[test]
    fn the_object_holds_the_window_and_nothing_else() {
        let mut info = RenewalInfo {
            window: Span {
                from: Timestamp::from_unix(1_800_000_000),
                to: Timestamp::from_unix(1_800_000_900),
            },
            explanation_url: None,
            retry_after_seconds: 3_600,
            incident: false,
        };
        let window =
            r#"{"suggestedWindow":{"start":"2027-01-15T08:00:00Z","end":"2027-01-15T08:15:00Z"}"#;
        assert_eq!(body_of(&info), format!("{window}}}"));
        info.explanation_url = Some("https://ca.example/\"why\"".into());
        assert_eq!(
            body_of(&info),
            format!(r#"{window},"explanationURL":"https://ca.example/\"why\""}}"#)
        );
    }

    fn body_of(info: &RenewalInfo) -> String {
        let body = answer(info, &HeaderMap::new()).unwrap().into_body();
        let bytes = futures_util::FutureExt::now_or_never(axum::body::to_bytes(body, 1_000))
            .unwrap()
            .unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}
