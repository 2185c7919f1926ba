//! `/v1/export`: counts by minute, for peers.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::Serialize;

use super::uncached::answer;
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::ExportCursor;
use crate::http::state::Admin;
use crate::wire::problem::Problem;
use crate::wire::query;

/// The most counts in an answer: 2 MB at about 200 octets each.
const MOST_COUNTS: u32 = 10_000;

/// The default number of counts in an answer.
const USUAL_COUNTS: u32 = 1_000;

/// The part to return.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::http) struct Wanted {
    after: Option<ExportCursor>,
    limit: u32,
}

/// `GET`.
pub(in crate::http) async fn show(
    State(admin): State<Admin>,
    wanted: Wanted,
) -> Result<impl IntoResponse, Problem> {
    let export = admin.engine.export(wanted.after.as_ref(), wanted.limit);
    let export = export.await?.ok_or_else(|| {
        Problem::new(
            StatusCode::GONE,
            "after: the place is one of another database, or of this one before it was put back to an \
             earlier state; ask without `after`, and take nothing that was taken before",
        )
    })?;
    let document = Document {
        next: export.next.to_string(),
        more: export.more,
        observations: export.observations.iter().map(Line::from).collect(),
    };
    answer(&document)
}

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut wanted = Self {
            after: None,
            limit: USUAL_COUNTS,
        };
        for (name, value) in query::parameters(&parts.uri)? {
            match name.as_str() {
                "after" => wanted.after = Some(cursor(&value)?),
                "limit" => wanted.limit = limit(&value)?,
                _ => return Err(query::unknown(&name, "after, limit")),
            }
        }
        Ok(wanted)
    }
}

fn cursor(value: &str) -> Result<ExportCursor, Problem> {
    value
        .parse()
        .map_err(|reason| Problem::malformed(format!("after: {reason}")))
}

fn limit(value: &str) -> Result<u32, Problem> {
    let limit = value.parse::<u32>().ok();
    limit
        .filter(|limit| (1..=MOST_COUNTS).contains(limit))
        .ok_or_else(|| {
            Problem::malformed(format!("limit: is a whole number from 1 to {MOST_COUNTS}"))
        })
}

#[derive(Serialize)]
struct Document<'a> {
    next: String,
    more: bool,
    observations: Vec<Line<'a>>,
}

/// A count in the form that `POST /v1/observations` accepts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    at: Timestamp,
    seconds: u32,
    kind: Kind,
    count: u64,
    ca: &'a CaName,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    vantage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(rename = "latencyP95Ms", skip_serializing_if = "Option::is_none")]
    latency_p95_ms: Option<f64>,
}

impl<'a> From<&'a Observation> for Line<'a> {
    fn from(of: &'a Observation) -> Self {
        Self {
            at: of.at,
            seconds: of.seconds,
            kind: of.kind,
            count: of.count,
            ca: &of.ca,
            source: of.source,
            vantage: of.vantage.as_deref(),
            endpoint: of.endpoint.as_deref(),
            error_type: of.error_type.as_deref(),
            latency_ms: of.latency_ms,
            latency_p95_ms: of.latency_p95_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str) -> Result<Wanted, Problem> {
        let (mut parts, ()) = http::Request::get(format!("/v1/export?{query}"))
            .body(())
            .unwrap()
            .into_parts();
        futures_util::FutureExt::now_or_never(Wanted::from_request_parts(&mut parts, &())).unwrap()
    }

    #[test]
    fn an_answer_is_bounded_and_knows_its_parameters() {
        assert_eq!(wanted("").unwrap().limit, USUAL_COUNTS);
        let some = wanted("after=0123abcd.17.3.5&limit=10000").unwrap();
        assert_eq!(some.limit, 10_000);
        assert_eq!(some.after.unwrap().to_string(), "0123abcd.17.3.5");
        for (query, want) in [
            ("limit=10001", "from 1 to 10000"),
            ("limit=0", "from 1 to 10000"),
            ("after=x", "after: it is not the `next`"),
            ("since=5", "\\\"since\\\""),
        ] {
            let problem = format!("{:?}", wanted(query).unwrap_err());
            assert!(problem.contains(want), "{query}: {problem}");
        }
    }
}
