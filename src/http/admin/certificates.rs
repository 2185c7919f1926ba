//! `/v1/certificates`: the registry.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

use super::subject::{Subject, unregistered};
use super::uncached::{answer, uncached};
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::http::state::Admin;
use crate::ingest::{self, CertificateFormat};
use crate::store::IdRange;
use crate::wire::body;
use crate::wire::problem::{Excess, Problem};
use crate::wire::query;
use crate::wire::query::NoParameters;
use crate::wire::unpack::unpacked;

/// The most certificates in a listing: 2.5 MB at about 250 bytes a line.
const MOST_LISTED: u32 = 10_000;

/// The default number of certificates in a listing.
const USUALLY_LISTED: u32 = 1_000;

/// Rows held in memory at a time while listing.
const PAGE_ROWS: u32 = 500;

/// `POST /v1/certificates`, in any of the formats.
pub(in crate::http) async fn register(
    State(admin): State<Admin>,
    _: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let format = CertificateFormat::of_media_type(body::content_type(&headers))?;
    let body = unpacked(&headers, body)?;
    let report = ingest::register(&admin.engine, format, body).await?;
    body::report(&report)
}

/// `GET /v1/certificates/{certid}`.
pub(in crate::http) async fn explain(
    State(admin): State<Admin>,
    _: NoParameters,
    Subject(id): Subject,
) -> Result<impl IntoResponse, Problem> {
    let explanation = admin.engine.explain(&id).await?;
    let explanation = explanation.ok_or_else(|| unregistered(&id))?;
    answer(&explanation)
}

/// `DELETE /v1/certificates/{certid}`.
pub(in crate::http) async fn remove(
    State(admin): State<Admin>,
    _: NoParameters,
    Subject(id): Subject,
) -> Result<StatusCode, Problem> {
    // In either of its spellings, as everywhere.
    let stored = admin.engine.certificate(&id).await?;
    let stored = stored.ok_or_else(|| unregistered(&id))?;
    match admin.engine.remove(&[stored.id]).await? {
        0 => Err(unregistered(&id)),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// `GET /v1/certificates`: NDJSON, in the order of key identifier and serial.
pub(in crate::http) async fn list(
    State(admin): State<Admin>,
    listing: Listing,
) -> Result<impl IntoResponse, Problem> {
    // The first page is fetched before the status is sent, so that an unavailable store gives a
    // 503.
    let first = page(&admin.engine, listing).await?;
    let lines = stream::try_unfold(Some(first), move |page| {
        let engine = Arc::clone(&admin.engine);
        async move { following(&engine, page).await }
    });
    Ok(uncached("application/x-ndjson", Body::from_stream(lines)))
}

/// The part of the registry to list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::http) struct Listing {
    range: IdRange,
    limit: u32,
}

impl<S: Sync> FromRequestParts<S> for Listing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut listing = Self {
            range: IdRange::ALL,
            limit: USUALLY_LISTED,
        };
        for (name, value) in query::parameters(&parts.uri)? {
            match name.as_str() {
                "after" => listing.range.after = Some(cert_id(&name, &value)?),
                "until" => listing.range.until = Some(cert_id(&name, &value)?),
                "limit" => listing.limit = limit(&value)?,
                _ => return Err(query::unknown(&name, "after, until, limit")),
            }
        }
        Ok(listing)
    }
}

fn cert_id(name: &str, value: &str) -> Result<CertId, Problem> {
    value
        .parse()
        .map_err(|error| Problem::malformed(format!("`{name}` is no CertID: {error}")))
}

fn limit(value: &str) -> Result<u32, Problem> {
    match value.parse::<u64>() {
        Ok(limit @ 1..) => u32::try_from(limit)
            .ok()
            .filter(|limit| *limit <= MOST_LISTED)
            .ok_or_else(|| {
                Problem::over(
                    StatusCode::BAD_REQUEST,
                    Excess {
                        what: "the listing that `limit` asks for",
                        limit: MOST_LISTED.into(),
                        current: limit,
                        unit: "certificates",
                        remedy: "ask for fewer, then go on with `after` the last CertID of the answer",
                    },
                )
            }),
        _ => Err(Problem::malformed(format!(
            "`limit` is a whole number from 1 to {MOST_LISTED}"
        ))),
    }
}

/// Some lines, and where to continue.
struct Page {
    lines: Bytes,
    rest: Option<Listing>,
}

async fn page(engine: &Engine, listing: Listing) -> Result<Page, Problem> {
    let rows = listing.limit.min(PAGE_ROWS);
    let certificates = engine.store().certificates_in(&listing.range, rows).await?;
    let mut lines = Vec::with_capacity(256 * certificates.len());
    for certificate in &certificates {
        write_line(&mut lines, certificate)?;
    }
    let left = listing.limit - rows;
    let came_full = certificates.len() == rows as usize;
    let rest = certificates
        .into_iter()
        .next_back()
        .filter(|_| came_full && left > 0)
        .map(|last| Listing {
            range: IdRange {
                after: Some(last.id),
                until: listing.range.until,
            },
            limit: left,
        });
    Ok(Page {
        lines: lines.into(),
        rest,
    })
}

/// The lines of this page, and the next page. An error here aborts the answer, so that a client
/// does not take a part for the whole. It has been logged.
async fn following(
    engine: &Engine,
    page: Option<Page>,
) -> Result<Option<(Bytes, Option<Page>)>, std::io::Error> {
    let Some(Page { lines, rest }) = page else {
        return Ok(None);
    };
    let next = match rest {
        None => None,
        Some(rest) => match self::page(engine, rest).await {
            Ok(next) => Some(next),
            Err(_) => return Err(std::io::ErrorKind::Interrupted.into()),
        },
    };
    Ok(Some((lines, next)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    cert_id: &'a CertId,
    not_before: Timestamp,
    not_after: Timestamp,
    issued_at: Timestamp,
    suggested_window: Window,
    replaced_by: Option<&'a Successor>,
}

#[derive(Serialize)]
struct Window {
    start: Timestamp,
    end: Timestamp,
}

fn write_line(lines: &mut Vec<u8>, certificate: &Certificate) -> Result<(), Problem> {
    let line = Line {
        cert_id: &certificate.id,
        not_before: certificate.validity.not_before,
        not_after: certificate.validity.not_after,
        issued_at: certificate.issued_at,
        suggested_window: Window {
            start: certificate.window.from,
            end: certificate.window.to,
        },
        replaced_by: certificate.successor.as_ref(),
    };
    lines.extend(body::written(&line)?);
    lines.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(query: &str) -> Result<Listing, Problem> {
        let (mut parts, ()) = http::Request::get(format!("/v1/certificates?{query}"))
            .body(())
            .unwrap()
            .into_parts();
        futures_util::FutureExt::now_or_never(Listing::from_request_parts(&mut parts, &())).unwrap()
    }

    #[test]
    fn a_listing_is_bounded_and_knows_its_parameters() {
        assert_eq!(listing("").unwrap().limit, USUALLY_LISTED);
        assert_eq!(
            listing("after=aYhb.AIdlQyE&until=aYhb.BIdlQyE&limit=10000").unwrap(),
            Listing {
                range: IdRange {
                    after: Some("aYhb.AIdlQyE".parse().unwrap()),
                    until: Some("aYhb.BIdlQyE".parse().unwrap()),
                },
                limit: 10_000,
            }
        );
        for (query, want) in [
            ("limit=10001", "has 10001 certificates, the limit is 10000"),
            ("limit=0", "from 1 to 10000"),
            ("limit=-1", "from 1 to 10000"),
            ("limit=", "from 1 to 10000"),
            ("after=x", "one dot"),
            ("until=x", "`until` is no CertID"),
            ("limti=5", "\\\"limti\\\""),
        ] {
            let problem = format!("{:?}", listing(query).unwrap_err());
            assert!(problem.contains(want), "{query}: {problem}");
        }
    }
}
