//! `/renewal-info/{certid}`: RFC 9773.

use std::fmt;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::domain::certificate::certid::CertId;
use crate::engine::{Miss, RenewalInfo};
use crate::http::state::Public;
use crate::wire::problem::Problem;

mod answer;

pub(in crate::http) use answer::ResponseBuilder;

use answer::CORS;

/// The route as named in documents and metrics.
pub(in crate::http) const PATH: &str = "/renewal-info/{certid}";

/// The prefix before the CertID.
pub(in crate::http) const PREFIX: &str = "/renewal-info/";

/// `GET` and `HEAD`.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    waiting: Option<Extension<RenewalInfo>>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let id = cert_id(uri.path()).map_err(Problem::acme)?;
    let info = match waiting {
        // A certificate that is not in the store yet; the caller attached its answer.
        Some(Extension(info)) => info,
        None => public
            .engine
            .renewal_info(&id)
            .await
            .map_err(|miss| missed(miss, &id).acme())?,
    };
    Ok(ResponseBuilder::of(request).answer(&info).map(Body::from))
}

/// `OPTIONS`: allows every CORS preflight, whatever the CertID, so that scripts can read errors.
pub(in crate::http) async fn options() -> impl IntoResponse {
    (
        StatusCode::NO_CONTENT,
        [
            (header::ALLOW, "GET, HEAD, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
            // A day: the permission is the same for all clients and never changes.
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
            (header::CACHE_CONTROL, "no-store"),
        ],
    )
}

/// Whether a path belongs to this module, which then answers in ACME's terms even if the path names
/// nothing.
pub(in crate::http) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
}

/// The error for a path that belongs to this module but matches no route.
pub(in crate::http) fn unknown_path(path: &str) -> Problem {
    match cert_id(path) {
        Err(problem) => problem.acme(),
        Ok(_) => Problem::missing("no such resource").acme(),
    }
}

/// Adds the headers that all answers here have: `Retry-After` if it is missing, and permission for
/// scripts of any origin.
pub(in crate::http) fn add_headers(
    headers: &mut HeaderMap,
    retry_after_seconds: impl FnOnce() -> i64,
) {
    headers
        .entry(header::RETRY_AFTER)
        .or_insert_with(|| HeaderValue::from(retry_after_seconds()));
    for (name, value) in CORS {
        headers.insert(name, value);
    }
}

/// The CertID in a path. Percent escapes are not decoded, so that a certificate has only one URL.
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

pub(in crate::http) fn missed(miss: Miss, id: &CertId) -> Problem {
    let CertId {
        key_identifier,
        serial,
    } = id;
    let [key_hex, serial_hex] = [key_identifier.octets(), serial.octets()].map(Hex);
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

/// Octets as hexadecimal digits. Fast, because a flood of unknown CertIDs needs two of them in each
/// answer.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for octets in self.0.chunks(32) {
            let mut text = [0; 64];
            for (pair, octet) in text.as_chunks_mut().0.iter_mut().zip(octets) {
                *pair = [octet >> 4, octet & 15].map(|four| DIGITS[usize::from(four)]);
            }
            let text = str::from_utf8(&text[..2 * octets.len()]).map_err(|_| fmt::Error)?;
            f.write_str(text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
