//! The answer about a known certificate. It is written by hand, because it is sent millions of
//! times and only the window differs.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

use crate::domain::time::Span;
use crate::engine::RenewalInfo;
use crate::wire::conditional::{any_names, strong_etag};

/// Permission for scripts of any origin to read the answer and its headers.
pub(super) const CORS: [(HeaderName, HeaderValue); 2] = [
    (
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("ETag, Retry-After"),
    ),
];

/// The longest that an answer may be cached, in seconds. In an emergency it delays clients by at
/// most this time.
const MOST_AGE_SECONDS: i64 = 300;

/// [`MOST_AGE_SECONDS`] as a header, which fits nearly every answer, because `Retry-After` is
/// usually hours.
const MOST_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A plain body has 81 octets, a tag 15 for windows of up to 18 h in this century, and
/// `Retry-After` five digits for at most a day.
const OCTETS: usize = 81 + 15 + 5;

/// An answer without the data of a certificate.
pub(in crate::http) struct ResponseBuilder {
    /// The request's `If-None-Match`.
    known: Vec<HeaderValue>,
    headers: HeaderMap,
}

impl ResponseBuilder {
    /// The request's header map is reused for the answer, so that none is allocated.
    pub(in crate::http) fn of(request: HeaderMap) -> Self {
        let known = request.get_all(header::IF_NONE_MATCH);
        let known = known.into_iter().cloned().collect();
        let mut headers = request;
        headers.clear();
        headers.insert(header::CACHE_CONTROL, MOST_AGE);
        for (name, value) in CORS {
            headers.insert(name, value);
        }
        Self { known, headers }
    }

    /// Adds the data of a certificate.
    pub(in crate::http) fn answer(self, info: &RenewalInfo) -> Response<Bytes> {
        let mut octets = Vec::with_capacity(OCTETS);
        write_body(&mut octets, info);
        let body_end = octets.len();
        if info.explanation_url.is_none() {
            write_tag(&mut octets, info.window);
        }
        let tag_end = octets.len();
        write_number::<10>(&mut octets, info.retry_after_seconds);
        let octets = Bytes::from(octets);
        let etag = if tag_end > body_end {
            value(octets.slice(body_end..tag_end))
        } else {
            strong_etag(&octets[..body_end])
        };
        let retry_after = value(octets.slice(tag_end..));

        let Self { known, mut headers } = self;
        if let Some(control) = unusual_cache_control(info) {
            headers.insert(header::CACHE_CONTROL, control);
        }
        let mut response = Response::new(Bytes::new());
        if any_names(&known, &etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, JSON);
            *response.body_mut() = octets.slice(..body_end);
        }
        headers.insert(header::ETAG, etag);
        headers.insert(header::RETRY_AFTER, retry_after);
        *response.headers_mut() = headers;
        response
    }
}

fn write_body(octets: &mut Vec<u8>, info: &RenewalInfo) {
    octets.extend_from_slice(br#"{"suggestedWindow":{"start":""#);
    octets.extend_from_slice(&info.window.from.text());
    octets.extend_from_slice(br#"","end":""#);
    octets.extend_from_slice(&info.window.to.text());
    octets.extend_from_slice(br#""}"#);
    if let Some(url) = &info.explanation_url {
        octets.extend_from_slice(br#","explanationURL":"#);
        octets.extend_from_slice(serde_json::Value::from(&**url).to_string().as_bytes());
    }
    octets.push(b'}');
}

/// A strong entity tag: the window, which alone determines a body without an explanation. It is not
/// a SHA-256 as for other documents, which would take longer than everything else.
fn write_tag(octets: &mut Vec<u8>, window: Span) {
    octets.push(b'"');
    write_number::<16>(octets, window.from.unix());
    octets.push(b'-');
    write_number::<16>(octets, window.to - window.from);
    octets.push(b'"');
}

/// Writes a number in base 10 or 16; negative numbers in two's complement.
fn write_number<const BASE: u64>(octets: &mut Vec<u8>, number: i64) {
    // 64 bits need at most 20 digits.
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut left = number.cast_unsigned();
    while left > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b"0123456789abcdef"[usize::try_from(left % BASE).unwrap_or(0)];
        left /= BASE;
    }
    octets.extend_from_slice(&digits[at..]);
}

/// Octets written here are visible ASCII.
fn value(octets: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(octets).unwrap_or(HeaderValue::from_static(""))
}

/// How long an answer may be cached, if not for [`MOST_AGE`]. Derived from `Retry-After`, so that a
/// cache never keeps an answer longer than an emergency may be delayed.
fn unusual_cache_control(info: &RenewalInfo) -> Option<HeaderValue> {
    if info.incident {
        return Some(NO_CACHE);
    }
    match info.retry_after_seconds / 10 {
        MOST_AGE_SECONDS.. => None,
        age => {
            let control = format!("public, max-age={}", age.max(0));
            Some(HeaderValue::try_from(control).unwrap_or(NO_CACHE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    const INFO: RenewalInfo = RenewalInfo {
        window: Span {
            from: Timestamp::from_unix(1_800_000_000),
            to: Timestamp::from_unix(1_800_000_900),
        },
        explanation_url: None,
        retry_after_seconds: 3_600,
        incident: false,
    };

    fn explained(url: &str) -> RenewalInfo {
        RenewalInfo {
            explanation_url: Some(url.into()),
            ..INFO
        }
    }

    fn answer(info: &RenewalInfo, request: HeaderMap) -> Response<Bytes> {
        ResponseBuilder::of(request).answer(info)
    }

    fn body_of(info: &RenewalInfo) -> String {
        let body = answer(info, HeaderMap::new()).into_body();
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn header_of(info: &RenewalInfo, name: &str) -> String {
        let answer = answer(info, HeaderMap::new());
        answer.headers()[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn both_headers_come_from_one_policy() {
        for (retry_after_seconds, incident, want) in [
            (21_600, false, "public, max-age=300"),
            (3_000, false, "public, max-age=300"),
            (2_999, false, "public, max-age=299"),
            (60, false, "public, max-age=6"),
            (60, true, "no-cache"),
            (21_600, true, "no-cache"),
        ] {
            let info = RenewalInfo {
                retry_after_seconds,
                incident,
                ..INFO
            };
            let again = header_of(&info, "retry-after");
            assert_eq!(again, retry_after_seconds.to_string());
            assert_eq!(header_of(&info, "cache-control"), want);
        }
    }

    #[test]
    fn the_object_holds_the_window_and_nothing_else() {
        let window =
            r#"{"suggestedWindow":{"start":"2027-01-15T08:00:00Z","end":"2027-01-15T08:15:00Z"}"#;
        assert_eq!(body_of(&INFO), format!("{window}}}"));
        assert_eq!(
            body_of(&explained("https://ca.example/\"why\"")),
            format!(r#"{window},"explanationURL":"https://ca.example/\"why\""}}"#)
        );
    }

    #[test]
    fn another_body_has_another_tag() {
        let later = RenewalInfo {
            window: Span {
                to: INFO.window.to + 1,
                ..INFO.window
            },
            ..INFO
        };
        let tags = [INFO, later, explained("https://a"), explained("https://b")]
            .map(|info| header_of(&info, "etag"));
        assert_eq!(tags[0], "\"6b49d200-384\"");
        for (n, tag) in tags.iter().enumerate() {
            assert!(!tags[..n].contains(tag), "{tags:?}");
        }
        // What does not change the body does not change its tag.
        let again = RenewalInfo {
            retry_after_seconds: 60,
            incident: true,
            ..INFO
        };
        assert_eq!(header_of(&again, "etag"), tags[0]);
    }

    #[test]
    fn nothing_of_the_request_is_sent_back() {
        let mut request = HeaderMap::new();
        request.insert("x-secret", HeaderValue::from_static("1"));
        request.insert(header::ETAG, HeaderValue::from_static("\"its own\""));
        let alone = answer(&INFO, HeaderMap::new());
        assert_eq!(answer(&INFO, request).headers(), alone.headers());
    }
}
