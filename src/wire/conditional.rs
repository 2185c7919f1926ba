//! Entity tags and conditional requests (RFC 9110 sections 8.8 and 13).

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::{DateTime, NaiveDateTime};
use sha2::{Digest as _, Sha256};

use crate::domain::time::Timestamp;

/// RFC 9110 section 5.6.7.
const IMF_FIXDATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// A strong entity tag: the same bytes give the same tag on every replica and after every restart.
pub(crate) fn strong_etag(bytes: &[u8]) -> HeaderValue {
    let mut tag = String::with_capacity(34);
    tag.push('"');
    // 16 octets are 128 bits, so two bodies never share a tag by accident.
    for octet in &Sha256::digest(bytes)[..16] {
        let _ = write!(tag, "{octet:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// An instant as an HTTP date.
pub(crate) fn http_date(at: Timestamp) -> HeaderValue {
    DateTime::from_timestamp(at.unix(), 0)
        .and_then(|at| HeaderValue::try_from(at.format(IMF_FIXDATE).to_string()).ok())
        .unwrap_or_else(|| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// Whether the client already has it, so that the answer is 304. `If-None-Match` takes precedence
/// over `If-Modified-Since` (RFC 9110 section 13.2.2).
pub(crate) fn is_unmodified(
    request: &HeaderMap,
    etag: &HeaderValue,
    last_modified: Option<Timestamp>,
) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        return any_names(request.get_all(header::IF_NONE_MATCH), etag);
    }
    let Some(modified) = last_modified else {
        return false;
    };
    request
        .get(header::IF_MODIFIED_SINCE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| NaiveDateTime::parse_from_str(date, IMF_FIXDATE).ok())
        .is_some_and(|since| modified.unix() <= since.and_utc().timestamp())
}

/// Whether one of the values of `If-None-Match` contains an entity tag.
pub(crate) fn any_names<'a>(
    lists: impl IntoIterator<Item = &'a HeaderValue>,
    etag: &HeaderValue,
) -> bool {
    let mut lists = lists.into_iter();
    lists.any(|list| names(list.as_bytes(), etag.as_bytes()))
}

/// Whether a list of entity tags contains `etag`, by weak comparison (RFC 9110 section 8.8.3.2).
/// Our tags contain no comma, so a list may be split at each.
fn names(list: &[u8], etag: &[u8]) -> bool {
    list.split(|octet| *octet == b',').any(|tag| {
        let tag = tag.trim_ascii();
        tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: i64 = 784_111_777;

    fn unmodified(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut request = HeaderMap::new();
        for (name, value) in pairs {
            request.append(*name, HeaderValue::from_static(value));
        }
        is_unmodified(
            &request,
            &HeaderValue::from_static("\"a\""),
            Some(Timestamp::from_unix(MADE)),
        )
    }

    #[test]
    fn tags_are_compared_weakly_and_found_in_lists() {
        for (list, want) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("\"b\",W/\"a\" ", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(unmodified(&[("if-none-match", list)]), want, "{list}");
        }
        assert!(unmodified(&[
            ("if-none-match", "\"b\""),
            ("if-none-match", "\"a\"")
        ]));
    }

    #[test]
    fn dates_count_only_without_tags() {
        // The example date of RFC 9110.
        let same = ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
        let before = ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT");
        assert!(unmodified(&[same]));
        assert!(!unmodified(&[before]));
        assert!(!unmodified(&[("if-modified-since", "yesterday")]));
        assert!(!unmodified(&[("if-none-match", "\"b\""), same]));
        assert!(unmodified(&[("if-none-match", "\"a\""), before]));
        assert!(!unmodified(&[]));
    }

    #[test]
    fn writes_dates_and_tags() {
        assert_eq!(
            http_date(Timestamp::from_unix(MADE)),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        // SHA-256 of the empty string, truncated to 16 octets.
        assert_eq!(strong_etag(b""), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
    }
}
