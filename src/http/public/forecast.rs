//! `/v1/forecast`: the expected load, relative to the mean.

use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;

use super::fresh::{answer, json};
use crate::domain::ledger::forecast::{Outlook, SlotOutlook, USUAL_HOURS};
use crate::domain::math::number::thousandths;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, Timestamp};
use crate::http::state::Public;
use crate::wire::problem::Problem;
use crate::wire::query::{parameters, unknown};

/// It is recomputed each minute, and no copy should be older than two.
const CACHING: &str = "public, max-age=60";

/// How forecasts are revised.
const REVISION: &str = "Computed again each minute from all that is known by then. The forecast of a slot may \
                        change until the slot begins, and no earlier answer is kept.";

/// The request.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Asked {
    ca: Option<String>,
    hours: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    ca: &'a CaName,
    generated_at: Timestamp,
    slot_minutes: i64,
    /// How far ahead clients may ask.
    horizon_hours: i64,
    /// How often it is recomputed.
    revised_every_seconds: i64,
    revision: &'static str,
    slots: Vec<Slot>,
}

#[derive(Serialize)]
struct Slot {
    start: Timestamp,
    expected: Option<f64>,
    unsteered: Option<f64>,
    steered: Option<f64>,
    capacity: f64,
    headroom: Option<f64>,
    /// The name of the limiting capacity rule.
    #[serde(rename = "boundBy")]
    bound_by: Option<String>,
}

/// `GET`.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    asked: Asked,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let ca = match asked.ca {
        Some(name) => name.parse().map_err(|_| nobody(&name))?,
        None => public.engine.unnamed_ca().map_err(|cas| ambiguous(&cas))?,
    };
    let outlook = public.engine.outlook(&ca).await?;
    let outlook = outlook.ok_or_else(|| nobody(ca.as_str()))?;
    let hours = hours(asked.hours.as_deref(), outlook.slot_seconds)?;
    let body = document(&ca, &outlook, hours);
    Ok(answer(body, "application/json", CACHING, &request))
}

/// The JSON document. Contains only relative numbers, because a CA's volume is its own business.
fn document(ca: &CaName, outlook: &Outlook, hours: i64) -> Vec<u8> {
    let slot = |slot: &SlotOutlook| {
        let relative = |load: f64| outlook.mean.map(|mean| thousandths(load / mean));
        Slot {
            start: slot.span.from,
            expected: relative(slot.load.expected()),
            unsteered: relative(slot.load.unsteered),
            steered: relative(slot.load.steered),
            capacity: thousandths(slot.capacity.share),
            headroom: slot.headroom().map(thousandths),
            bound_by: slot.capacity.bound_by.clone(),
        }
    };
    let document = Document {
        ca,
        generated_at: outlook.generated_at,
        slot_minutes: outlook.slot_seconds / MINUTE,
        horizon_hours: Outlook::most_hours(outlook.slot_seconds),
        revised_every_seconds: MINUTE,
        revision: REVISION,
        slots: outlook.within(hours).iter().map(slot).collect(),
    };
    json(&document)
}

/// The number of hours in the request.
fn hours(asked: Option<&str>, slot_seconds: i64) -> Result<i64, Problem> {
    let most = Outlook::most_hours(slot_seconds);
    let Some(text) = asked else {
        return Ok(USUAL_HOURS);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|hours| digits && (1..=most).contains(hours))
        .ok_or_else(|| {
            let detail = format!("hours: takes a whole number from 1 to {most}, not {text:?}");
            Problem::malformed(detail)
        })
}

pub(in crate::http) fn nobody(name: &str) -> Problem {
    Problem::missing(format!("ca: no CA is named {name:?}"))
}

/// An error that names the CAs, as many as fit on a line. Their names are public, because each has
/// a ranking.
pub(in crate::http) fn ambiguous(cas: &[CaName]) -> Problem {
    const MOST_NAMED: usize = 20;
    let named: Vec<&str> = cas.iter().take(MOST_NAMED).map(CaName::as_str).collect();
    let more = if cas.len() > MOST_NAMED { ", …" } else { "" };
    let named = named.join(", ");
    Problem::malformed(format!(
        "ca: there are several CAs: say which, of {named}{more}"
    ))
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in parameters(&parts.uri)? {
            let place = match name.as_str() {
                "ca" => &mut asked.ca,
                "hours" => &mut asked.hours,
                other => return Err(unknown(other, "ca, hours")),
            };
            if place.replace(value).is_some() {
                return Err(Problem::malformed(format!("{name}: is given twice")));
            }
        }
        Ok(asked)
    }
}
