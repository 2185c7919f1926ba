//! `kind = "prometheus"`: a counter in a Prometheus server.

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value::{self, base_url};
use crate::domain::demand::observation::Kind;
use crate::domain::time::DAY;

/// How far back a new source begins: by default, Prometheus keeps samples for 15 days.
const USUAL_BACKFILL_SECONDS: i64 = 14 * DAY;

/// The longest query in bytes.
const MOST_QUERY_OCTETS: usize = 4_000;

/// A counter, and its server.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusConfig {
    /// The URL of the server, without the path that begins with `/api`.
    pub url: String,
    /// The query. Each series in the result is a counter; their increases are added.
    pub query: String,
    /// The kind of its counts.
    pub counts: Kind,
    /// How far back a new source begins.
    pub backfill_seconds: i64,
}

pub(super) fn read(
    section: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<PrometheusConfig> {
    let url = section.require("url", problems, |v| base_url(value::text(v)?));
    let query = section.require("query", problems, |v| {
        let text = value::text(v)?;
        if (1..=MOST_QUERY_OCTETS).contains(&text.len()) {
            Ok(text.to_owned())
        } else {
            Err(format!("takes 1 to {MOST_QUERY_OCTETS} octets"))
        }
    });
    let counts = section.read("counts", problems, |v| {
        value::text(v)?
            .parse::<Kind>()
            .map_err(|error| error.to_string())
    });
    let backfill = section.read("backfill", problems, |v| value::duration(v, 0..=400 * DAY));
    Some(PrometheusConfig {
        url: url?,
        query: query?,
        counts: counts.unwrap_or(Kind::Issued),
        backfill_seconds: backfill.unwrap_or(USUAL_BACKFILL_SECONDS),
    })
}
