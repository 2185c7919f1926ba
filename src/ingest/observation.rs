//! Submitted observations: counts of load, as NDJSON or CSV.

use std::borrow::Cow;

use super::csv::{Rows, Table};
use super::decode::{ByLine, Decode, Text, Whole, in_utf8};
use super::fields::{FieldValue, Fields, Unknown};
use super::json;
use super::rejected::quoted;
use crate::domain::demand::observation::{Observation, Source};
use crate::domain::policy::ca::CaName;
use crate::engine::verdict::Rejection;

const CSV_NAMES: [&str; 12] = [
    "at",
    "kind",
    "count",
    "ca",
    "seconds",
    "source",
    "endpoint",
    "error_type",
    "vantage",
    "latency_ms",
    "latency_p95_ms",
    "dimension",
];
const JSON_NAMES: [&str; 12] = [
    "at",
    "kind",
    "count",
    "ca",
    "seconds",
    "source",
    "endpoint",
    "errorType",
    "vantage",
    "latencyMs",
    "latencyP95Ms",
    "dimension",
];
const REQUIRED: usize = 3;

const MOST_LINE_OCTETS: usize = 64 << 10;
/// All certificates ever issued are about 10^10.
const MOST_COUNT: u64 = 1_000_000_000_000;
/// A leap year: 366 · 86,400 s. Longer spans say nothing about days.
const MOST_SECONDS: u64 = 366 * 86_400;
const DEFAULT_SECONDS: u32 = 60;
/// The longest label. It names an endpoint, a place or an error; ACME's longest error URN has 45
/// octets.
const MOST_LABEL_OCTETS: usize = 200;

type BoxDecode = Box<dyn Decode<Observation>>;

pub(super) fn csv(unknown: Unknown) -> BoxDecode {
    let table = Table::new(&CSV_NAMES, REQUIRED).with_unknown(unknown);
    let rows = Rows::new(table, from_row);
    Box::new(ByLine::new(MOST_LINE_OCTETS, Text(rows)))
}

pub(super) fn ndjson(unknown: Unknown) -> BoxDecode {
    let read = move |text: &str| from_json(text, unknown);
    Box::new(ByLine::new(MOST_LINE_OCTETS, Text(read)))
}

pub(super) fn json(unknown: Unknown) -> BoxDecode {
    let read = move |text: &str| from_json(text, unknown);
    Box::new(Whole::new(MOST_LINE_OCTETS, in_utf8(read)))
}

fn from_json(text: &str, unknown: Unknown) -> Result<Observation, Rejection> {
    observation(&json::object(text, &JSON_NAMES, unknown)?)
}

fn from_row(fields: &Fields<Cow<'_, str>, 12>) -> Result<Observation, Rejection> {
    observation(fields)
}

fn observation<V: FieldValue>(fields: &Fields<V, 12>) -> Result<Observation, Rejection> {
    Ok(Observation {
        steered: false,
        reported_by: None,
        stands_for: 1.0,
        at: fields.required(0, V::time)?,
        kind: fields.required(1, named)?,
        count: fields.required(2, count)?,
        ca: fields.optional(3, named)?.unwrap_or_else(CaName::default),
        seconds: fields.optional(4, seconds)?.unwrap_or(DEFAULT_SECONDS),
        source: fields.optional(5, named)?.unwrap_or(Source::Ca),
        endpoint: fields.optional(6, label)?,
        error_type: fields.optional(7, urn)?,
        vantage: fields.optional(8, label)?,
        latency_ms: fields.optional(9, latency)?,
        latency_p95_ms: fields.optional(10, latency)?,
        dimension: fields.optional(11, label)?,
    })
}

fn named<V: FieldValue, T>(value: &V) -> Result<T, String>
where
    T: std::str::FromStr,
    T::Err: ToString,
{
    value
        .text()?
        .parse()
        .map_err(|error: T::Err| error.to_string())
}

fn count<V: FieldValue>(value: &V) -> Result<u64, String> {
    match value.whole()? {
        count if count <= MOST_COUNT => Ok(count),
        count => Err(format!("{count} is more than {MOST_COUNT}")),
    }
}

fn seconds<V: FieldValue>(value: &V) -> Result<u32, String> {
    let seconds = value.whole()?;
    u32::try_from(seconds)
        .ok()
        .filter(|_| (1..=MOST_SECONDS).contains(&seconds))
        .ok_or_else(|| format!("{seconds} is not between 1 and {MOST_SECONDS}"))
}

fn latency<V: FieldValue>(value: &V) -> Result<f64, String> {
    let milliseconds = value.number()?;
    if milliseconds.is_finite() && milliseconds >= 0.0 {
        Ok(milliseconds)
    } else {
        Err(format!("{milliseconds} is no finite number from 0 on"))
    }
}

fn label<V: FieldValue>(value: &V) -> Result<String, String> {
    let text = value.text()?;
    if text.is_empty() || text.len() > MOST_LABEL_OCTETS {
        Err(format!(
            "it has {} octets; it takes 1 to {MOST_LABEL_OCTETS}",
            text.len()
        ))
    } else if text.chars().any(char::is_control) {
        Err("it has control characters".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn urn<V: FieldValue>(value: &V) -> Result<String, String> {
    let text = label(value)?;
    // RFC 8141 section 2: the scheme ignores case.
    let scheme = text.get(..4).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("urn:") && text.len() > 4 {
        Ok(text)
    } else {
        Err(format!(
            "{} is no URN, such as urn:ietf:params:acme:error:dns",
            quoted(&text)
        ))
    }
}
